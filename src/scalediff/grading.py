"""``scalediff grade``: rows with ``response`` (or ``prediction``) and ``answer`` get a verdict.

A recipe of two steps like any other command; only the export differs: the verdict on the first
attempt stands in the row itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalediff.commands import Command, companions, run_command
from scalediff.core.errors import InputError
from scalediff.core.records import Row

_MISSING = "no response"

COLUMNS = ("verdict", "verdict_rule", "verdict_reason")


def grade_files(
    inputs: Sequence[str],
    out: Path,
    domain: str,
    response_column: str | None = None,
    reading: Mapping[str, Any] | None = None,
) -> None:
    """Grade every row of the inputs into ``out`` and print the counts.

    Args:
        inputs: Files.
        out: Where the graded rows go.
        domain: Whose grader.
        response_column: Column of the response, where it is none of the known ones.
        reading: Further settings of the step that reads the files.

    Raises:
        InputError: No row has a response.
    """
    command = Command(
        name="grade",
        stage="grade",
        inputs=inputs,
        out=out,
        sources={
            "attempts": True,
            "need_problem": False,
            "response_column": response_column,
            **(reading or {}),
        },
        domain=domain,
    )
    counts: Counter[str] = Counter()
    run_command(command, lambda _: True, lambda row: _graded(row, counts))
    if set(counts) == {_MISSING}:
        wanted = response_column or "response, generation, generations or prediction"
        for path in (out, *companions(out)):
            path.unlink(missing_ok=True)
        raise InputError(
            f"no row has a column {wanted} to grade; name the one that holds the response with "
            "--response-column"
        )
    counts["undecided"] += counts.pop(_MISSING, 0)
    total = sum(counts.values())
    shares = ", ".join(f"{name} {n:,} ({n / total:.1%})" for name, n in counts.most_common() if n)
    print(f"{total:,} rows: {shares}")


def _graded(row: Row, counts: Counter[str]) -> Row:
    """The row with the verdict on its first attempt, and without what is only ours."""
    attempts = row.get("attempts") or []
    ours = any(attempt.get("model") != "elsewhere" for attempt in attempts)
    first: Row = next((a for a in attempts if a.get("verdict")), {})
    verdict = {name: first.get(name) for name in COLUMNS}
    if verdict["verdict"] is None:
        reason = _MISSING if not attempts else "no answer to compare with"
        verdict = dict(zip(COLUMNS, ("undecided", "missing", reason), strict=True))
    counts[str(verdict["verdict"]) if attempts else _MISSING] += 1
    for name in () if ours else ("key", "problem_id", "pass_rate", "attempts"):
        row.pop(name, None)
        if f"source_{name}" in row:  # the row's own column of that name, back in its place
            row[name] = row.pop(f"source_{name}")
    return {**row, **verdict}
