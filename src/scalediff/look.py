"""``scalediff look``: what a file holds, before anything is paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from scalediff.core.records import Row
from scalediff.io.files import Rejected, read_rows
from scalediff.io.layouts import attempts_in, layout_of
from scalediff.text.normalise import normalise

_SHARED_FROM = 0.5
"""Share of the rows that a phrase must open or close to be told."""

_PHRASE_WORDS = 4
_LENGTHS_KEPT = 200_000
_SHOWN = 3


@dataclass
class Look:
    """What was found.

    Attributes:
        rows: Usable rows.
        rejected: Reasons of the rows set aside, with their counts.
        examples: The first few rejected rows.
        layouts: Layout → rows.
        columns: Column → rows that have it.
        gold: Rows with an answer.
        thought: Rows with an attempt or solution whose thought is closed.
        open_thought: Rows with a thought that is never closed.
        lengths: Characters of problems (a bounded number of them).
        tokens: Tokens of problems, where a tokenizer was given.
        duplicates: Rows whose problem came before.
        hits: Benchmark → rows with one of its problems.
        opens: Beginnings of problems, by count.
        closes: Ends of problems, by count.
        first: The first rows as read.
    """

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejected] = field(default_factory=list)
    layouts: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    gold: int = 0
    thought: int = 0
    open_thought: int = 0
    lengths: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    duplicates: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    opens: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    first: list[Row] = field(default_factory=list)


def look(
    paths: Sequence[str], *, model: str | None = None, benchmarks: Mapping[str, str] | None = None
) -> Look:
    """Read everything once and count.

    Args:
        paths: Files, folders, patterns.
        model: A model folder whose tokenizer counts tokens.
        benchmarks: Name → file, for exact hits.

    Raises:
        InputError: Nothing can be read.
    """
    found = Look()
    known = {
        normalise(row["problem"]): name
        for name, path in (benchmarks or {}).items()
        for row in read_rows([path])
        if isinstance(row, dict)
    }
    tokenizer = _tokenizer(model) if model is not None else None
    seen: set[str] = set()
    for row in read_rows(paths):
        if isinstance(row, Rejected):
            found.rejected[row.reason.partition(":")[0]] += 1
            found.examples += [row] if len(found.examples) < _SHOWN else []
            continue
        _count(found, row, seen, known)
        if tokenizer is not None and len(found.tokens) < _LENGTHS_KEPT:
            found.tokens.append(len(tokenizer(row["problem"])["input_ids"]))
    return found


def _count(found: Look, row: Row, seen: set[str], known: Mapping[str, str]) -> None:
    problem: str = row["problem"]
    found.rows += 1
    found.layouts[layout_of(row) or "column"] += 1
    found.columns.update(name for name in row if name not in ("key", "problem_id"))
    for turns in (row.get("conversations"), row.get("messages")):
        if isinstance(turns, list):
            roles = (t.get("from", t.get("role")) for t in turns if isinstance(t, dict))
            found.roles.update(str(role) for role in roles)
    found.gold += row.get("answer") not in (None, "")
    attempts = attempts_in(row)
    thoughts = [a for a in attempts if a.get("reasoning") is not None]
    found.thought += any(a.get("content") for a in thoughts)
    found.open_thought += any(not a.get("content") for a in thoughts)
    if len(found.lengths) < _LENGTHS_KEPT:
        found.lengths.append(len(problem))
    found.duplicates += row["problem_id"] in seen
    seen.add(row["problem_id"])
    words = problem.split()
    if len(words) > 2 * _PHRASE_WORDS:
        found.opens[" ".join(words[:_PHRASE_WORDS])] += 1
        found.closes[" ".join(words[-_PHRASE_WORDS:])] += 1
    hit = known.get(normalise(problem)) if known else None
    if hit is not None:
        found.hits[hit] += 1
    if len(found.first) < _SHOWN:
        found.first.append(row)


def render(found: Look) -> str:
    """The findings as text for a terminal."""
    n = found.rows
    lines = [
        f"rows        {n:,} usable, {sum(found.rejected.values()):,} set aside",
        f"layout      {_counted(found.layouts)}",
        f"columns     {_counted(found.columns)}",
    ]
    if found.roles:
        lines.append(f"roles       {_counted(found.roles)}")
    lines += [
        f"gold        {found.gold:,} rows have an answer ({found.gold / n:.1%})",
        f"thinking    {found.thought:,} closed, {found.open_thought:,} never closed",
        f"length      {_spread(found.lengths)} characters a problem",
    ]
    if found.tokens:
        lines.append(f"tokens      {_spread(found.tokens)} tokens a problem")
    lines.append(f"duplicates  {found.duplicates:,} rows repeat an earlier problem")
    if found.hits:
        lines.append(f"benchmarks  {_counted(found.hits)} (exact hits; `screen` finds near ones)")
    for title, phrases in (("opens with", found.opens), ("closes with", found.closes)):
        for phrase, count in phrases.most_common(1):
            if count > _SHARED_FROM * n and n > 1:
                lines.append(f"{title:<11} {phrase!r} in {count / n:.0%} of the rows")
    for reason, count in found.rejected.most_common(5):
        lines.append(f"set aside   {count:,}: {reason}")
    for bad in found.examples:
        lines.append(f"            {bad.path} line {bad.line}: {bad.reason[:160]}")
    for row in found.first:
        answer = f"  answer: {_short(row['answer'], 40)}" if row.get("answer") else ""
        lines.append(f"row         {_short(row['problem'], 160)}{answer}")
    return "\n".join(lines)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common(12))


def _spread(values: Sequence[int]) -> str:
    return f"median {median(values):,.0f}, most {max(values):,}"


def _short(value: Any, limit: int) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _tokenizer(folder: str) -> Any:
    from scalediff.core.errors import PrerequisiteError

    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise PrerequisiteError(
            'counting tokens needs transformers: pip install "scalediff[local]"'
        ) from None
    return AutoTokenizer.from_pretrained(folder)
