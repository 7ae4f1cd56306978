"""Reading the files that people have, one row at a time, in bounded memory.

``places`` finds the files, ``raw`` takes them apart, ``layouts`` understands a row; this module
gives each row its identity. A row that cannot be used is set aside with its line and the reason,
and the rest goes on; a file that cannot be used at all is an ``InputError`` of one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import InputError, RecordError
from scalediff.core.keys import Marks, RowKeys, problem_id
from scalediff.core.records import Row
from scalediff.io.layouts import attempts_in, free_name, is_ours, set_apart, to_row
from scalediff.io.places import expand as expand
from scalediff.io.raw import raw_rows
from scalediff.io.values import Unreadable, shown
from scalediff.text.marks import Thoughts

MAX_PROBLEM_CHARS = 20_000
"""Longest problem, in characters. Ours: some ten times the longest competition problem."""


@dataclass(frozen=True)
class Rejected:
    """A row that could not be used.

    Attributes:
        path: The file.
        line: Its line (row of a Parquet file, element of an array), from 1.
        reason: What is wrong with it.
        text: How it begins, at most 200 characters.
    """

    path: str
    line: int
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Found:
    """A usable row and where it was.

    Attributes:
        path: The file.
        line: Its line (row of a Parquet file, element of an array), from 1.
        layout: The column that held the problem; ``none`` where there was none.
        row: The row in our form.
    """

    path: str
    line: int
    layout: str
    row: Row


class Identity:
    """Gives rows their keys, unique over everything it has seen.

    A row that we exported keeps its key; any other gets one from its text. What it brings under
    a name of ours moves to ``source_NAME``. Holds 24 to 48 bytes a row.
    """

    def __init__(self) -> None:
        self._keys = RowKeys()
        self._taken = Marks()

    def settle(self, row: Row) -> Row:
        """The row with ``key`` and ``problem_id``."""
        text = row.get("problem") or ""
        own: str | None = None
        if is_ours(row):
            own = row["key"]
            if not self._taken.add(own):
                row = {**row, free_name(row, "key"): own}
                own = None
        else:
            row = set_apart(row)
        if own is None:
            # a row that is only graded has no problem: then all of it is its identity
            basis = text or orjson.dumps(row, default=str, option=_LOOSE).decode()
            own = self._keys.next(basis)
            while not self._taken.add(own):
                own = self._keys.next(basis)
        return {**row, "key": own, "problem_id": problem_id(text)}


_LOOSE = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS


def read_rows(
    paths: Sequence[str],
    *,
    problem_column: str | None = None,
    max_problem_chars: int = MAX_PROBLEM_CHARS,
    need_problem: bool = True,
    attempts: bool = False,
) -> Iterator[Row | Rejected]:
    """Rows in our form, and what was set aside, in order (see ``scan``)."""
    reader = Reader(problem_column, max_problem_chars, need_problem, attempts)
    for found in reader.scan(paths):
        yield found if isinstance(found, Rejected) else found.row


@dataclass(frozen=True)
class Reader:
    """How rows are read.

    Attributes:
        problem_column: Column of the problem, where it is none of the known ones.
        max_problem_chars: Longer problems are set aside.
        need_problem: False for rows that are only graded.
        attempts: True to take attempts made elsewhere into ``attempts``.
        response_column: Column of those attempts, where it is none of the known ones.
        thoughts: Tags and finish reasons besides the known ones.
    """

    problem_column: str | None = None
    max_problem_chars: int = MAX_PROBLEM_CHARS
    need_problem: bool = True
    attempts: bool = False
    response_column: str | None = None
    thoughts: Thoughts = field(default_factory=Thoughts)

    def scan(
        self, paths: Sequence[str], identity: Identity | None = None
    ) -> Iterator[Found | Rejected]:
        """Every row of every file, in order.

        Args:
            paths: Files, folders, patterns or ``hf://ID``.
            identity: Shared by several calls whose keys must not meet.

        Raises:
            InputError: A path is missing, unreadable, empty, binary, or nothing in it is usable.
        """
        identity = identity or Identity()
        usable = False
        first: Rejected | None = None
        for path in expand(paths):
            for line, value in raw_rows(path):
                found = self._one(path, line, value, identity)
                if isinstance(found, Rejected):
                    first = first or found
                else:
                    usable = True
                yield found
        if not usable:
            raise InputError(_nothing(paths, first))

    def _one(self, path: str, line: int, value: Any, identity: Identity) -> Found | Rejected:
        if isinstance(value, Unreadable):
            return Rejected(path, line, value.reason, value.text)
        try:
            layout, row = self._understood(value)
            row = identity.settle(row)
            if self.attempts and (made := attempts_in(row, self.response_column, self.thoughts)):
                row["attempts"] = made
            orjson.dumps(row, default=str, option=_LOOSE)
        except RecordError as error:
            return Rejected(path, line, error.evidence, shown(_as_text(value)))
        except (TypeError, UnicodeEncodeError) as error:
            # what no JSON file can hold: half a character, or a depth beyond 250
            deep = "Recursion" in str(error)
            reason = "it is nested too deep" if deep else "invalid UTF-8"
            return Rejected(path, line, reason, shown(_as_text(value)))
        return Found(path, line, layout, row)

    def _understood(self, value: Any) -> tuple[str, Row]:
        """Layout and row.

        Raises:
            RecordError: It is no row, or none that can be used.
        """
        if not isinstance(value, dict):
            raise RecordError("not_an_object", f"not an object but {_kind(value)}")
        try:
            layout, row = to_row(value, self.problem_column)
        except RecordError:
            if self.need_problem:
                raise
            layout, row = "none", dict(value)
            if "problem" in row:
                row[free_name(row, "problem")] = row.pop("problem")
        length = len(row.get("problem") or "")
        if length > self.max_problem_chars:
            limit = f"{self.max_problem_chars:,}"
            raise RecordError("too_long", f"the problem has {length:,} characters, over {limit}")
        return layout, row


def _kind(value: Any) -> str:
    names = {list: "an array", str: "text", type(None): "null", bool: "true or false"}
    return names.get(type(value), "a number")


def _as_text(value: Any) -> str:
    """How a value looks; only its beginning is wanted."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {str(inner)[:100]}" for name, inner in [*value.items()][:5])
    return str(value)[:400] if isinstance(value, str | int | float) else _kind(value)


def _nothing(paths: Sequence[str], first: Rejected | None) -> str:
    if first is None:
        return f"{', '.join(paths)} holds no rows; check that it was written whole"
    mend = "mend the file"
    if "no column" in first.reason:
        mend = "name the column of the problem (--problem-column)"
    return f"{first.path} has no usable row (line {first.line}: {first.reason}); {mend}"


def read_jsonl_plain(path: Path) -> Iterator[Row]:
    """The objects of a JSON Lines file of our own."""
    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)
