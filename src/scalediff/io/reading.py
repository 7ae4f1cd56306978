"""What was read of files and what was left: gold, rows and turns that were not taken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalediff.core.records import Row
from scalediff.io.columns import lookup
from scalediff.io.gold import Gold
from scalediff.io.wanted import Where

FILE = "reading.json"
"""What a step that reads files leaves beside its rows."""

_MOST = 200
_CATEGORIES = ("info.category", "category", "domain", "ability", "task")
_NO_PROBLEMS = re.compile(
    r"code|coding|program\w*|chat|dialog\w*|conversation\w*|instruct\w*|if|general\w*|other|"
    r"science|writing|multi.?turn|role.?play\w*|safety|translation|summari\w*|tool.?use|agent\w*",
    re.IGNORECASE,
)
"""Categories of rows that are no problems with an answer that could be compared."""

_SHOWN = 30


@dataclass
class Reading:
    """Counts over the rows that were taken.

    Attributes:
        rows: Rows taken.
        where: Conditions of the rows that are wanted.
        left_out: Rows that are not.
        wanted: Rows that are, those among them that could not be read or were not chosen as well.
        gold: Place → rows whose gold was read there.
        placeholders: Text → rows that had it in place of an answer.
        unread: What stood there instead of an answer → rows.
        none: Rows without any.
        others: Place of another answer than the one that was read → rows.
        like_gold: Place of what looks like gold → rows without gold that have it.
        several_turns: Rows with more user turns than the one that is the problem.
        categories: Category, where rows say one → rows.
        category: Name of the column of the category.
    """

    rows: int = 0
    where: Sequence[str] = ()
    left_out: int = 0
    wanted: int = 0
    gold: Counter[str] = field(default_factory=Counter)
    placeholders: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    none: int = 0
    others: Counter[str] = field(default_factory=Counter)
    like_gold: Counter[str] = field(default_factory=Counter)
    several_turns: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    category: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Reading:
        """From what ``values`` gave, by way of JSON."""
        counted = {name: Counter(v) for name, v in values.items() if isinstance(v, dict)}
        return cls(**{**values, **counted})

    def values(self) -> dict[str, Any]:
        """As JSON-able values."""
        return dict(vars(self))

    def add(self, gold: Gold, row: Row, *, several_turns: bool) -> None:
        """Count one row."""
        self.rows += 1
        self.several_turns += several_turns
        answer = gold.answer
        if answer.text is not None:
            tick(self.gold, gold.where)
        elif answer.state == "placeholder":
            tick(self.placeholders, answer.detail[:_SHOWN])
        elif answer.state == "unread":
            tick(self.unread, f"{answer.detail} in {gold.where}")
        else:
            self.none += 1
        for place in gold.others:
            tick(self.like_gold if answer.text is None else self.others, place)
        for name in _CATEGORIES:
            texts = [value for _, value in lookup(row, name) if isinstance(value, str)]
            if texts:
                self.category = self.category or name
                tick(self.categories, texts[0][:_SHOWN])
                break

    def close(self, where: Where) -> None:
        """Note, once all was read, what was not wanted."""
        self.where = where.conditions
        self.left_out, self.wanted = where.left_out, where.kept

    def lines(self) -> Iterator[str]:
        """What there is to say, each line with the name of what it is about before a colon."""
        if self.left_out:
            total = self.wanted + self.left_out
            conditions = " ".join(f"--where {condition}" for condition in self.where)
            yield f"left out: {self.left_out:,} of {total:,} rows by {conditions}"
        if self.rows:
            yield f"gold: {self._gold()}"
        if self.unread:
            yield f"gold: not read: {_counted(self.unread, 'rows with ')}"
        for place, count in self.like_gold.most_common(5):
            yield (
                f"gold: {place} looks like it in {count:,} rows without and was not read; "
                f"--answer-column {place} reads it"
            )
        for place, count in self.others.most_common(5):
            yield (
                f"gold: {place} says another than the one that was read in {count:,} rows; "
                f"--answer-column {place} reads that one"
            )
        if self.several_turns:
            yield (
                f"turns: {self.several_turns:,} rows have several user turns; the first is the "
                "problem, and what follows its response is not read"
            )
        if len(self.categories) > 1 and any(map(_NO_PROBLEMS.fullmatch, self.categories)):
            names = [name for name, _ in self.categories.most_common()]
            one = next((name for name in names if "math" in name.lower()), names[0])
            yield (
                f"category: {_counted(self.categories)}; all are taken as problems, "
                f"--where {self.category}={one} takes one"
            )

    def _gold(self) -> str:
        """``280 of 300 rows, from answer; 12 placeholders (N/A 8, proof 4), 8 none``."""
        found = self.gold.total()
        if not found:
            said = f"none of {self.rows:,} rows"
        elif len(self.gold) == 1:
            said = f"{found:,} of {self.rows:,} rows, from {next(iter(self.gold))}"
        else:
            said = f"{found:,} of {self.rows:,} rows, from {_counted(self.gold)}"
        left = []
        if self.placeholders:
            left.append(f"{self.placeholders.total():,} placeholders ({_names(self.placeholders)})")
        if self.unread:
            left.append(f"{self.unread.total():,} not read")
        if self.none and (found or left):
            left.append(f"{self.none:,} none")
        return f"{said}; {', '.join(left)}" if left else said


def tick(counter: Counter[str], name: str) -> None:
    """Count a name that came in, of which there may be any number."""
    counter[name if name in counter or len(counter) < _MOST else "(others)"] += 1


def _counted(counter: Counter[str], before: str = "") -> str:
    parts = [f"{name} {n:,}" if not before else f"{n:,} {before}{name}"
             for name, n in counter.most_common(6)]  # fmt: skip
    return ", ".join(parts) + (", ..." if len(counter) > 6 else "")


def _names(counter: Counter[str]) -> str:
    names = [name for name, _ in counter.most_common(6)]
    return ", ".join(names) + (", ..." if len(counter) > 6 else "")
