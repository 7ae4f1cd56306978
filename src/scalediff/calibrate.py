"""``identify --calibrate COLUMN``: does the identifier's difficulty follow what is known?

A column such as MATH's ``level``, or a pass rate, says how hard a problem is by another measure.
The table gives the share called difficult by group, and the AUC: the chance that of two rows from
different groups the one from the higher group has the higher probability of thinking.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import combinations, pairwise
from typing import Any

from scalediff.core.errors import InputError
from scalediff.core.records import Row
from scalediff.io.run import Run

_MAX_GROUPS = 12
"""Above this many distinct numbers, the column is cut into quarters."""


def calibration(run: Run, column: str) -> str:
    """The table of a finished ``identify`` command as text.

    Raises:
        InputError: No row has the column.
    """
    score, select = run.table("identify.score"), run.table("identify.select")
    if select is None:
        raise InputError("the identify step is not finished; run the command again")
    difficult = {row["key"]: bool(row.get("difficult")) for row in select.added()}
    table = score or select
    # a column that has a name of ours came in as source_NAME
    own = f"source_{column}"
    column = own if any(own in row for row in table.rows()) else column
    rows = [row for row in table.rows() if row.get(column) is not None]
    if not rows:
        raise InputError(f"--calibrate {column}: no row has the column {column!r}")
    groups = _grouped(rows, column)
    lines = [f"{column:<24}{'rows':>8}{'difficult':>11}{'mean p_think':>14}"]
    for name, members in groups.items():
        share = sum(difficult.get(row["key"], False) for row in members) / len(members)
        thinks = [row["p_think"] for row in members if row.get("p_think") is not None]
        mean = f"{sum(thinks) / len(thinks):14.3f}" if thinks else f"{'-':>14}"
        lines.append(f"{name:<24}{len(members):8,}{share:11.1%}{mean}")
    found = auc(
        [[r["p_think"] for r in g if r.get("p_think") is not None] for g in groups.values()]
    )
    if found is not None:
        lines.append(f"AUC {found:.3f} (0.5 is chance): higher {column}, higher p_think")
    return "\n".join(lines)


def auc(groups: list[list[float]]) -> float | None:
    """Chance that a value of a later group exceeds one of an earlier group; ties count half.

    None where fewer than two groups have values. For two groups it is the area under the ROC
    curve (Mann and Whitney's U over n1 n2).

    Example:
        >>> auc([[0.1, 0.2], [0.2, 0.9]])
        0.875
    """
    above = pairs = 0.0
    for lower, higher in combinations([sorted(g) for g in groups if g], 2):
        for value in higher:
            left, right = bisect_left(lower, value), bisect_right(lower, value)
            above += left + (right - left) / 2
        pairs += len(lower) * len(higher)
    return above / pairs if pairs else None


def _grouped(rows: list[Row], column: str) -> dict[str, list[Row]]:
    """The rows by value of the column, from low to high; many numbers become quarters."""
    by_value: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        value = row[column]
        by_value[value if isinstance(value, int | float) else str(value)].append(row)
    numbers = [v for v in by_value if isinstance(v, int | float)]
    if len(numbers) == len(by_value) > _MAX_GROUPS:
        ordered = sorted(rows, key=lambda row: row[column])
        cuts = [len(ordered) * i // 4 for i in range(5)]
        quarters = [ordered[a:b] for a, b in pairwise(cuts)]
        return {f"{q[0][column]:g} to {q[-1][column]:g}": q for q in quarters if q}
    in_order = sorted(by_value, key=lambda v: (isinstance(v, str), v))
    return {str(value): by_value[value] for value in in_order}
