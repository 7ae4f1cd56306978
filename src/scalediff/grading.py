"""``scalediff grade``: rows with ``response`` (or ``prediction``) and ``answer`` get a verdict.

A recipe of two steps like any other command; only the export differs: the verdict on the first
attempt stands in the row itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from scalediff.commands import Command, run_command
from scalediff.core.records import Row
from scalediff.io.exports import write_jsonl
from scalediff.io.run import Run

COLUMNS = ("verdict", "verdict_rule", "verdict_reason")


def grade_files(inputs: Sequence[str], out: Path, domain: str) -> None:
    """Grade every row of the inputs into ``out`` and print the counts."""
    command = Command(
        name="grade",
        stage="grade",
        inputs=inputs,
        out=out,
        sources={"attempts": True, "need_problem": False},
        domain=domain,
    )
    run = run_command(command, lambda _: True)
    counts: Counter[str] = Counter()
    write_jsonl(out, _graded(run, counts), overwrite=True)
    total = sum(counts.values())
    shares = ", ".join(f"{name} {n:,} ({n / total:.1%})" for name, n in counts.most_common())
    print(f"{total:,} rows: {shares}")


def _graded(run: Run, counts: Counter[str]) -> Iterator[Row]:
    table = run.table("grade", texts=True)
    assert table is not None
    for row in table.rows():
        attempts = row.pop("attempts", None) or []
        first: Row = next((a for a in attempts if a.get("verdict")), {})
        verdict = {name: first.get(name) for name in COLUMNS}
        if verdict["verdict"] is None:
            reason = "no response" if not attempts else "no answer to compare with"
            verdict = dict(zip(COLUMNS, ("undecided", "missing", reason), strict=True))
        counts[str(verdict["verdict"])] += 1
        for name in ("key", "problem_id", "pass_rate"):
            row.pop(name, None)
            if f"source_{name}" in row:  # the row's own column of that name, back in its place
                row[name] = row.pop(f"source_{name}")
        yield {**row, **verdict}
