"""The rows that the report shows: chosen by key, so the same run shows the same ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from scalediff.core.keys import digest
from scalediff.core.records import Row, attempts_of
from scalediff.io.run import Run, StepTable
from scalediff.report.reading import line

_WIDTH = 90
"""Characters of a problem on a line of the terminal."""

_KEPT, _REVIEW, _DROPPED = 10, 4, 3


def samples_of(run: Run) -> dict[str, Any]:
    """``life``, ``kept``, ``review`` and ``dropped`` by reason; parts may be empty."""
    order = run.manifest.get("order", [])
    decided = run.table("filter.decide")
    kept: list[Row] = []
    review: list[Row] = []
    if decided is not None:
        kept = _some((r for r in decided.rows() if not r.get("review")), _KEPT, run)
        review = _some((r for r in decided.rows() if r.get("review")), _REVIEW, run)
    dropped: dict[str, list[Row]] = {}
    for name in order:
        table = run.table(name)
        if table is not None:
            for row in _drops(table):
                dropped.setdefault(row["reason"], []).append({**row, "step": name})
    return {
        "life": _life(kept),
        "kept": kept,
        "review": review,
        "dropped": {reason: _some(rows, _DROPPED, run) for reason, rows in dropped.items()},
    }


def example_of(run: Run, title: str) -> str:
    """One row that shows what a group of steps did, as a line; empty where there is none."""
    if title == "screen, identify":
        return _hardest(run)
    if title == "screen":
        kept = run.table("screen")
        row = min(kept.added(), key=_order, default=None) if kept is not None else None
        problem = _problem_of(run, "generate", row)
        return f"new:  {problem}  none of the sources" if problem else ""
    easy = run.table("filter.easy") if title == "filter" else None
    for row in _some(easy.drops(), 1, run) if easy is not None else ():
        return f"left: {_quoted(row['problem'])}  {row['reason']}: {line(row['evidence'], 60)}"
    return ""


def _hardest(run: Run) -> str:
    """The source that the identifier is surest of, or that no attempt solved."""
    for step, column, sign in (
        ("identify_sources.score", "p_think", -1),
        ("identify_sources.grade", "pass_rate", 1),
    ):
        table = run.table(step)
        if table is None:
            continue
        known = (row for row in table.added() if row.get(column) is not None)
        row = min(known, key=lambda row: (sign * row[column], _order(row)), default=None)
        problem = _problem_of(run, "sources", row)
        if row is not None and problem:
            return f"hard: {problem}  {column} {row[column]:.2f}"
    return ""


def _problem_of(run: Run, birth: str, row: Row | None) -> str:
    """The problem of a row, read where the row was born."""
    table = run.table(birth)
    if row is None or table is None:
        return ""
    return next((_quoted(r["problem"]) for r in table.added() if r["key"] == row["key"]), "")


def _quoted(problem: str) -> str:
    shown = line(problem, 10_000)
    return f'"{shown if len(shown) <= _WIDTH else shown[: _WIDTH - 4] + " ..."}"'


def _drops(table: StepTable) -> list[Row]:
    """A bounded choice of a step's drops, so that a large run does not fill the memory."""
    return heapq.nsmallest(100, table.drops(), key=_order)


def _some(rows: Iterable[Row], count: int, run: Run) -> list[Row]:
    return [run.with_texts(row) for row in heapq.nsmallest(count, rows, key=_order)]


def _order(row: Row) -> str:
    return digest(row["key"])


def _life(kept: list[Row]) -> Row | None:
    """One kept row that shows the whole way: the student was wrong, the teacher thought."""
    for row in kept:
        if attempts_of(row, "student") and attempts_of(row, "teacher", usable=True):
            return row
    return kept[0] if kept else None
