"""``scalediff grade``: rows with ``response`` (or ``prediction``) and ``answer`` get a verdict.

A recipe of two steps like any other command; only the export differs: the verdict stands in the row
itself. A row with several generations gets one for each, and the share of right ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from scalediff.commands import Command, companions, run_command
from scalediff.core.errors import InputError
from scalediff.core.records import NO_GOLD, Row, attempts_of
from scalediff.io.layouts import RESPONSES

COLUMNS = ("verdict", "verdict_rule", "verdict_reason")
"""Of a row with one generation; each is null in a row of several, which has lists instead."""

LISTS = ("verdicts", "verdict_rules", "verdict_reasons")
"""Lists with one entry a generation, in their order; beside them ``share_right``, the share of
right among decided ones, null where none was decided."""

_NO_RESPONSE = ("undecided", "missing", "no response")


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
    rows: list[int] = []
    counts: Counter[tuple[str, ...]] = Counter()

    def shape(row: Row) -> Row:
        verdicts = _verdicts(row, response_column)
        rows.append(len(verdicts))
        counts.update(verdicts)
        return _graded(row, verdicts)

    run_command(command, lambda _: True, shape)
    if set(counts) == {_NO_RESPONSE}:
        wanted = response_column or "response, generation, generations or prediction"
        for path in (out, *companions(out)):
            path.unlink(missing_ok=True)
        raise InputError(
            f"no row has a column {wanted} to grade; name the one that holds the response with "
            "--response-column"
        )
    total = sum(counts.values())
    values: Counter[str] = Counter()
    for verdict, n in counts.items():
        values[verdict[0]] += n
    shares = ", ".join(f"{name} {n:,} ({n / total:.1%})" for name, n in values.most_common())
    generations = f", {total:,} generations" if max(rows) > 1 else ""
    print(f"{len(rows):,} rows{generations}: {shares}")


def _verdicts(row: Row, response_column: str | None) -> list[tuple[str, ...]]:
    """The verdict, its rule and its reason for each generation of a row, in their order."""
    found = [
        tuple(str(attempt[name]) for name in COLUMNS)
        if attempt.get("verdict")
        else astuple(NO_GOLD)
        for attempt in attempts_of(row, "teacher")
    ]
    names = (response_column,) if response_column else RESPONSES
    several: Any = next((row[name] for name in names if isinstance(row.get(name), list)), [])
    if len(several) == len(found):  # one that was never given is nobody's wrong answer
        pairs = zip(several, found, strict=True)
        found = [_NO_RESPONSE if one is None else verdict for one, verdict in pairs]
    return found or [_NO_RESPONSE] * max(len(several), 1)


def _graded(row: Row, verdicts: list[tuple[str, ...]]) -> Row:
    """The row with its verdicts, and without what is only ours."""
    attempts = row.get("attempts") or []
    ours = any(attempt.get("model") != "elsewhere" for attempt in attempts)
    for name in () if ours else ("key", "problem_id", "pass_rate", "attempts"):
        row.pop(name, None)
        if f"source_{name}" in row:  # the row's own column of that name, back in its place
            row[name] = row.pop(f"source_{name}")
    if len(verdicts) == 1:
        return row | dict(zip(COLUMNS, verdicts[0], strict=True))
    lists = dict(zip(LISTS, map(list, zip(*verdicts, strict=True)), strict=True))
    decided = [value for value in lists["verdicts"] if value != "undecided"]
    share = decided.count("right") / len(decided) if decided else None
    return row | dict.fromkeys(COLUMNS) | lists | {"share_right": share}
