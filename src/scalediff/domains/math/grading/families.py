r"""Answers that stand for many: ``\frac{\pi}{3}+k\pi`` with a whole k, ``x^3+C`` with any C.

They are compared as the sets that they stand for.

* ``k\pi+\pi/3`` is ``k\pi-2\pi/3``: each value of one is among the other's.
* ``A\cos x+B\sin x`` is ``C_1\sin x+C_2\cos x``: they span the same functions.
* ``x^3+C`` is ``x^3+4+C`` and not ``x^3+x+C``.
* ``\int 2x\,dx`` is ``x^2+C``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.evaluate import (
    INTEGERS,
    close,
    compare_trees,
    is_real,
    mpf,
    value_at,
)
from scalediff.domains.math.grading.expression import PI, Tree, holds, letters, subtrees

_NEAR, _FAR = 6, 40
_CONSTANT = re.compile(r"[Cc]_?\w|[CcK]")
_AMPLITUDES = frozenset("ABD")
_VARIABLES = frozenset(["x", "t", "y", "z", "s", "u", "r", "theta"])
_MOST_CONSTANTS = 4


def compare_families(a: Sequence[Tree], b: Sequence[Tree], stated: bool) -> Verdict | None:
    """Compare families over a whole number, as unions; None where one of them is none.

    Args:
        a: The members of one answer, each with one letter.
        b: Those of the other.
        stated: Whether the letter was said to be whole; else there has to be a pi.
    """
    if not all(_is_family(tree, stated) for tree in (*a, *b)):
        return None
    near, far = ([_values(trees, n) for trees in (a, b)] for n in (_NEAR, _FAR))
    if any(value is None or not is_real(value) for values in far for value in values):
        return None
    if not stated and all(len(trees) == 1 for trees in (a, b)):
        pure = any(not value_at(trees[0], {_letter(trees[0]): mpf(0)}) for trees in (a, b))
        if pure and compare_trees(a[0], b[0]) not in ("equal", "renamed"):
            return None  # 2n\pi may be a formula
    sure = True
    for ours, theirs in ((near[0], far[1]), (near[1], far[0])):
        for value in ours:
            if not any(close(value, other) == "equal" or value == other for other in theirs):
                sure = min(theirs) < value < max(theirs)
                if sure:
                    return Verdict("wrong", "numeric", "a value is in one of the families only")
    return Verdict("right", "numeric", "the same family of values") if sure else None


def _letter(tree: Tree) -> str:
    return next(iter(letters(tree)))


def _is_family(tree: Tree, stated: bool) -> bool:
    """Whether its values go on in equal steps, from one whole number to the next but one."""
    names = letters(tree)
    if len(names) != 1 or not (names <= INTEGERS or (stated and len(_letter(tree)) == 1)):
        return False
    if not stated and PI not in subtrees(tree):
        return False
    values = [value_at(tree, {_letter(tree): mpf(k)}) for k in range(-2, 4)]
    if any(value is None for value in values):
        return False
    steps = [high - low for low, high in zip(values, values[2:], strict=False)]
    return bool(steps[0]) and all(close(steps[0], step) == "equal" for step in steps)


def _values(trees: Sequence[Tree], most: int) -> list[Any]:
    return [value_at(t, {_letter(t): mpf(k)}) for t in trees for k in range(-most, most + 1)]


# -- constants of integration ---------------------------------------------------------------


def antiderivative(x: Tree, y: Tree) -> Verdict | None:
    r"""``\int 2x\,dx`` beside ``x^2+C``; undecided without the C; None where neither is one."""
    if x[0] != "int" or len(x) > 3:
        return antiderivative(y, x) if y[0] == "int" and len(y) == 3 else None
    _, letter, body = x
    if letter not in letters(y) or compare_trees(("diff", letter, y, 1), body) != "equal":
        return Verdict("wrong", "numeric", "its derivative is another function")
    if _constants(y, set()):
        return Verdict("right", "numeric", "its derivative is what is integrated")
    return Verdict("undecided", "numeric", "no constant of integration")


def general_solutions(x: Tree, y: Tree) -> Verdict | None:
    """Compare two expressions with constants of integration; None where they have none."""
    names = [letters(tree) for tree in (x, y)]
    constants = [_constants(x, names[1]), _constants(y, names[0])]
    variables = {name for own, fixed in zip(names, constants, strict=True) for name in own - fixed}
    count = len(constants[0])
    if not 0 < count == len(constants[1]) <= _MOST_CONSTANTS or len(variables) != 1:
        return None
    variable = variables.pop()
    if variable not in _VARIABLES or compare_trees(x, y) == "equal":
        return None
    rows: list[list[Any]] = []
    for at in (0.31, 0.57, 0.83, 1.19, 1.73, 2.41, 2.9, 3.7, 4.3, 5.9, 7.1):
        parts = [
            _parts(tree, variable, sorted(fixed), mpf(at))
            for tree, fixed in zip((x, y), constants, strict=True)
        ]
        if parts[0] == parts[1] == []:
            return Verdict("undecided", "numeric", "constants that do not simply add up")
        if all(parts):
            rows.append([*parts[0][1:], *parts[1][1:], parts[0][0] - parts[1][0]])
    if len(rows) < 2 * count + 2:
        return None
    spans = [_rank([row[:end] for row in rows]) for end in (count, 2 * count, 2 * count + 1)]
    theirs = _rank([row[count : 2 * count] for row in rows])
    if spans[0] != count or theirs != count:
        return None
    if spans[2] != count:
        return Verdict("wrong", "numeric", "other functions whatever the constants are")
    sure = "C" in "".join(constants[0] | constants[1]) or any("_" in n for n in constants[0])
    added = count == 1 and all(close(row[0], rows[0][0]) == "equal" for row in rows)
    if sure and (added or count > 1 or holds(x, "call") or _moves(x)):
        return Verdict("right", "numeric", "the same functions, for other constants")
    return Verdict("undecided", "numeric", "equal if its letters are any constants")


def _constants(tree: Tree, others: set[str]) -> set[str]:
    """The letters that stand for any constant: C, c_1, and A, B where there are two or a C."""
    found = {name for name in letters(tree) if _CONSTANT.fullmatch(name)}
    more = letters(tree) & _AMPLITUDES
    if not found and (len(more) > 1 or any(_CONSTANT.fullmatch(name) for name in others)):
        return more
    return found


def _moves(tree: Tree) -> bool:
    """Whether it holds what solutions of differential equations hold: e^x, sines."""
    return any(
        part[0] in ("sin", "cos", "exp", "sinh", "cosh") or part[:2] == ("^", ("constant", "e"))
        for part in subtrees(tree)
        if letters(part)
    )


def _parts(tree: Tree, variable: str, fixed: list[str], at: Any) -> list[Any]:
    """What stands without the constants and with each; empty where they do not simply add up."""

    def value(*factors: float) -> Any:
        point = {name: mpf(factor) for name, factor in zip(fixed, factors, strict=True)}
        return value_at(tree, {variable: at, **point})

    zeros = [0.0] * len(fixed)
    base = value(*zeros)
    units = [value(*zeros[:i], 1.0, *zeros[i + 1 :]) for i in range(len(fixed))]
    mixed = value(*(i + 2.5 for i in range(len(fixed))))
    if any(v is None or not is_real(v) for v in (base, mixed, *units)):
        return []
    each = [unit - base for unit in units]
    total = base + sum(((i + 2.5) * part for i, part in enumerate(each)), start=mpf(0))
    return [base, *each] if abs(total - mixed) < mpf(1e-30) * (1 + abs(mixed)) else []


def _rank(rows: list[list[Any]]) -> int:
    """How many columns are independent."""
    rows = [list(row) for row in rows]
    rank = 0
    for column in range(len(rows[0])):
        pivot = max(range(rank, len(rows)), key=lambda i: abs(rows[i][column]), default=None)
        if pivot is None or abs(rows[pivot][column]) < mpf(1e-25):
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for row in rows[rank + 1 :]:
            factor = row[column] / rows[rank][column]
            for i in range(column, len(row)):
                row[i] -= factor * rows[rank][i]
        rank += 1
    return rank
