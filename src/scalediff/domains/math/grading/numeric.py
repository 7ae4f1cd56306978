r"""Verdicts by values: expressions, equations and the roundings of either.

Two answers that a strict grammar reads wholly are right where they have the same values at every
point tried, to many digits and relative to their size, and wrong where they plainly have not.
Equations are the same where their sides differ by a constant factor, and others where a point that
satisfies one does not satisfy the other. Everything else stays open.
"""

from __future__ import annotations

import random
import re
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.evaluate import (
    Point,
    close,
    compare_trees,
    is_real,
    mpf,
    points_for,
    value_at,
)
from scalediff.domains.math.grading.expression import Tree, letters, read_expression
from scalediff.domains.math.grading.forms import Form

_DECIMAL = re.compile(r"[-+]?\d*\.(\d+)")
_OTHER_RELATION = re.compile(r"[<>]|\\(?:le|ge|lt|gt|ne|in|equiv)(?![A-Za-z])")
_DEGREE = r"^\circ"
_UNIT = re.compile(
    r"(.*?[\d)}i\s])\s*(?:k?m|[cmd]m|m?g|kg|h|s|min|[km]?L|ml|l|N|k?J|m?V|k?W|m?A|K|k?Pa|k?Hz|ft|in|mi|k|M"
    r"|\\Omega)(?:\s*/\s*(?:s|h|min|m|L|g|kg))?(?:\s*\^\s*\{?\d\}?)?"
)
_STARTS = (0.7, -1.3, 2.9, 11.0, -6.1)
_STEPS = 80


def by_values(a: Form, b: Form) -> Verdict | None:
    """The verdict on two scalars by their values; None where that leaves it open."""
    two_names = bool(a.name and b.name) and a.name != b.name
    if "=" in a.text + b.text or (two_names and "=" in a.full + b.full):
        return _equations(a, b)
    verdict = _expressions(a.text, b.text)
    one_unit = bool(a.unit) != bool(b.unit)
    if verdict is not None and verdict.value == "wrong" and one_unit:
        letter = _UNIT.fullmatch(a.text if b.unit else b.text)
        return (
            Verdict("undecided", "unit", "a unit, and letters that may be") if letter else verdict
        )
    return verdict


def _expressions(a: str, b: str) -> Verdict | None:
    x, y = read_expression(a), read_expression(b)
    if x is None or y is None:
        return None
    finding = compare_trees(x, y)
    if finding == "equal":
        return Verdict("right", "numeric", "equal values")
    if finding == "different":
        if rounds_in_text(a, y) or rounds_in_text(b, x):
            return Verdict("undecided", "rounding", "one is a rounding of the other")
        if (told := _degrees(a, b) or _units(a, b)) is not None:
            return told
        return Verdict("wrong", "numeric", "different values")
    if finding == "renamed":
        return Verdict("undecided", "name", "equal but for the name of a variable")
    if finding == "mixed":
        return Verdict("undecided", "numeric", "equal for some values of the variables only")
    return None


def _degrees(a: str, b: str) -> Verdict | None:
    """Expressions in degrees, where one or both write the sign."""
    marked = [_DEGREE in a, _DEGREE in b]
    if not any(marked):
        return None
    x, y = (read_expression(text.replace(_DEGREE, "")) for text in (a, b))
    if x is None or y is None or compare_trees(x, y) != "equal":
        return None
    if all(marked):
        return Verdict("right", "numeric", "equal in degrees")
    return Verdict("undecided", "unit", "equal, one in degrees")


def _units(a: str, b: str) -> Verdict | None:
    """``5 m`` and ``5``: a product, or metres; undecided where units would make them equal."""
    one, other = _UNIT.fullmatch(a), _UNIT.fullmatch(b)
    if not one and not other:
        return None
    x, y = (read_expression(m[1]) if m else read_expression(t) for m, t in ((one, a), (other, b)))
    if x is None or y is None or letters(x) or letters(y):
        return None
    if (one and other) or any(m and m[0][-1] in "kM" for m in (one, other)):
        return Verdict("undecided", "unit", "letters that may be units")
    same = compare_trees(x, y) == "equal"
    return Verdict("undecided", "unit", "equal but for what may be a unit") if same else None


def rounds_in_text(text: str, exact: Tree) -> bool:
    """Whether a decimal with two or more places is a value without variables, rounded or cut."""
    found = _DECIMAL.fullmatch(text)
    if not found or len(found[1]) < 2 or letters(exact):
        return False
    number, own = value_at(exact, {}), float(text)
    if number is None or own == 0 or not is_real(number):
        return False
    return bool(abs(number - own) < 10.0 ** -len(found[1]))


def _equations(a: Form, b: Form) -> Verdict | None:
    """Two equations; an equation that is solved for a name may stand without it."""
    left, right = _sides(a), _sides(b)
    if left is None or right is None:
        sides, other = (left, b) if left is not None else (right, a)
        several = sides is not None and len(letters(("+", *sides))) > 1 and "=" not in other.full
        if not several or value(other.text) is None:
            return None
        own = {value(side.strip()) for side in (a if left is not None else b).full.split("=")}
        if value(other.text) in own:  # x^2 + y^2 = 25, and 25
            return Verdict("undecided", "shape", "a side of the equation")
        return Verdict("wrong", "shape", "an equation in several variables and a number")
    x, y = (("+", one, ("neg", other)) for one, other in (left, right))
    if _constant_ratio(x, y):
        return Verdict("right", "numeric", "equations with the same solutions")
    if _excluded(left, right) or _excluded(right, left):
        return Verdict("wrong", "numeric", "a solution of one equation is none of the other")
    return None


def _sides(form: Form) -> tuple[Tree, Tree] | None:
    sides = form.full.split("=")
    if len(sides) != 2 or _OTHER_RELATION.search(form.full):
        return None
    trees = [read_expression(side.strip()) for side in sides]
    return None if trees[0] is None or trees[1] is None else (trees[0], trees[1])


def _constant_ratio(x: Tree, y: Tree) -> bool:
    names = letters(x) | letters(y)
    ratios = []
    for group in points_for(names):
        for point in group:
            one, other = value_at(x, point), value_at(y, point)
            if one is not None and other is not None and one != 0 and other != 0:
                ratios.append(one / other)
    return len(ratios) >= 5 and all(close(ratios[0], ratio) == "equal" for ratio in ratios)


def _excluded(solved: tuple[Tree, Tree], other: tuple[Tree, Tree]) -> bool:
    """Whether some solution of one equation is plainly none of another."""
    names = sorted(letters(("+", *solved)))
    if letters(("+", *other)) != set(names) or not names:
        return False
    rng = random.Random(7)
    for _ in range(3):
        for name in names:
            point = {n: mpf(rng.choice((-1, 1)) * rng.randint(3, 40)) / 7 for n in names}
            root = _root(solved, point, name)
            if root is not None and _fails(other, {**point, name: root}):
                return True
    return False


def _root(sides: tuple[Tree, Tree], point: Point, name: str) -> Any:
    """A real value of one variable that satisfies an equation at a point, or None."""
    for start in _STARTS:
        before, at = mpf(start), mpf(start + 0.37)
        slope_from = _difference(sides, point, name, before)
        for _ in range(_STEPS):
            here = _difference(sides, point, name, at)
            if here is None or slope_from is None:
                break
            if here == 0 or abs(at - before) < abs(at) * 1e-40:
                return at
            if here == slope_from:
                break
            before, at, slope_from = at, at - here * (at - before) / (here - slope_from), here
    return None


def _difference(sides: tuple[Tree, Tree], point: Point, name: str, x: Any) -> Any:
    one, other = (value_at(side, {**point, name: x}) for side in sides)
    if one is None or other is None or not (is_real(one) and is_real(other)):
        return None
    return one - other


def _fails(sides: tuple[Tree, Tree], point: Point) -> bool:
    one, other = (value_at(side, point) for side in sides)
    if one is None or other is None:
        return False
    return bool(abs(one - other) > 1e-6 * (1 + abs(one) + abs(other)))
