"""The rows that the report shows: chosen by key, so the same run shows the same ones."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from scalediff.core.keys import digest
from scalediff.core.records import Row, attempts_of
from scalediff.io.run import Run, StepTable

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
