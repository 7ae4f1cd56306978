"""The second opinion: do two sympy objects have the same values?

Both sides are evaluated to 120 digits, at several points where there are variables, and compared
relative to their size; nothing is simplified. Only ever run in the grader's worker process.
"""

from __future__ import annotations

import itertools
import random
from fractions import Fraction
from typing import Any, Literal

from scalediff.domains.math.grading.scalars import rounds_to

Finding = Literal["equal", "different", "mixed", "renamed", "too_large", "unknown"]
"""``mixed``: equal for positive or for whole numbers only; ``renamed``: equal when
a variable is given the other side's name; ``unknown``: nothing here has values."""

_DIGITS = 120
_AGREED = 100
_LARGEST = 10**60
"""Above this, two numbers that agree in all digits may still differ by one."""
_MIN_POINTS = 3
_CONSTANTS = ("i", "e")
"""Names that math-verify may leave as symbols."""


def compare_values(x: Any, y: Any) -> Finding:
    """What the values of two sympy objects say of their equality."""
    from sympy import Eq, Expr, MatrixBase

    if isinstance(x, MatrixBase) and isinstance(y, MatrixBase):
        return _matrices(x, y)
    if isinstance(x, Eq) and isinstance(y, Eq):
        if not all(isinstance(side, Expr) for side in (x.lhs, x.rhs, y.lhs, y.rhs)):
            return "unknown"
        return "equal" if _same_equation(x, y) else "mixed"
    if not (isinstance(x, Expr) and isinstance(y, Expr)):
        return "unknown"
    if x.is_Rational and y.is_Rational:
        return "equal" if x == y else "different"
    return _at_points(x, y)


def is_rounding(text: str, y: Any) -> bool:
    """Whether a decimal text is a rounding of a real number without variables."""
    from sympy import Expr

    if not isinstance(y, Expr) or y.free_symbols or (number := _evaluate(y, {})) is None:
        return False
    return bool(number.is_real) and rounds_to(text, Fraction(str(number)))


def _matrices(x: Any, y: Any) -> Finding:
    if x.shape != y.shape:
        return "different"
    found = [compare_values(one, other) for one, other in zip(x, y, strict=True)]
    if "different" in found:
        return "different"
    return next((finding for finding in found if finding != "equal"), "equal")


def _names(*expressions: Any) -> list[str]:
    found = {str(symbol) for x in expressions for symbol in x.free_symbols}
    return sorted(found - set(_CONSTANTS))


def _at_points(x: Any, y: Any) -> Finding:
    names = _names(x, y)
    if not names:
        return _compare_at(x, y, [{}])[0]
    groups = [_compare_at(x, y, points) for points in _points(names)]
    found = [finding for group in groups for finding in group if finding != "unknown"]
    if len(found) < _MIN_POINTS:
        return "unknown"
    if set(found) == {"equal"}:
        return "equal"
    if "different" not in found:
        return "too_large"
    if any(set(group) == {"equal"} for group in groups):
        return "mixed"
    return "renamed" if _renamed(x, y) else "different"


def _compare_at(x: Any, y: Any, points: list[dict[str, Any]]) -> list[Finding]:
    found: list[Finding] = []
    for point in points:
        one, other = _evaluate(x, point), _evaluate(y, point)
        known = one is not None and other is not None
        found.append(_close(one, other) if known else "unknown")
    return found


def _renamed(x: Any, y: Any) -> bool:
    """Whether giving x's one other variable the name of y's makes them equal."""
    ours = [s for s in x.free_symbols if str(s) not in _names(y)]
    theirs = [s for s in y.free_symbols if str(s) not in _names(x)]
    if len(ours) != 1 or len(theirs) != 1:
        return False
    return _at_points(x.subs(ours[0], theirs[0]), y) == "equal"


def _points(names: list[str]) -> list[list[dict[str, Any]]]:
    """Fixed points in three groups: positive fractions, fractions of both signs, whole numbers.

    Expressions that are equal for positive or for whole numbers alone agree in one group only.
    """
    from sympy import Integer, Rational

    rng = random.Random(20_250_921)

    def point(signs: tuple[int, ...]) -> dict[str, Any]:
        above, below = (17, 19, 23, 29, 31, 37, 41, 43), (7, 11, 13)
        return {
            n: Rational(rng.choice(signs) * rng.choice(above), rng.choice(below)) for n in names
        }

    return [
        [point((1,)) for _ in range(3)],
        [point((-1,)), point((-1, 1)), point((-1, 1))],
        [{name: Integer(rng.randint(2, 9)) for name in names} for _ in range(3)],
    ]


def _evaluate(x: Any, point: dict[str, Any]) -> Any:
    """The value at a point as a real or complex float, or None where it has none."""
    from sympy import E, I, nan, oo, zoo

    constants = {"i": I, "e": E}
    values = {s: {**constants, **point}[str(s)] for s in x.free_symbols}
    result = _worked_out(x).subs(values).evalf(_DIGITS)
    if not result.is_number or result.has(nan, zoo, oo, -oo):
        return None
    real, imaginary = result.as_real_imag()
    numbers = all(part.is_Float or part.is_Rational for part in (real, imaginary))
    return result if numbers else None


def _worked_out(x: Any) -> Any:
    """Sums, products, integrals and limits in closed form where there is one."""
    from sympy import Integral, Limit, Product, Sum

    return x.doit() if x.has(Sum, Product, Integral, Limit) else x


def _close(one: Any, other: Any) -> Finding:
    from sympy import Abs, Rational

    size = max(Abs(one), Abs(other))
    if size != 0 and Abs(one - other) > size * Rational(1, 10**_AGREED):
        return "different"
    return "too_large" if size > _LARGEST else "equal"


def _same_equation(x: Any, y: Any) -> bool:
    """Whether the two sides' differences are in one constant ratio."""
    left, right = x.lhs - x.rhs, y.lhs - y.rhs
    ratios = []
    for point in itertools.chain(*_points(_names(left, right))):
        one, other = _evaluate(left, point), _evaluate(right, point)
        if one is not None and other is not None and one != 0 and other != 0:
            ratios.append(one / other)
    same = [_close(ratios[0], ratio) == "equal" for ratio in ratios]
    return len(ratios) >= _MIN_POINTS and all(same)
