"""The second opinion: do two sympy objects have the same values?

Both sides are evaluated to 120 digits, at several points where there are variables, and compared
relative to their size; nothing is simplified. Only ever run in the grader's worker process.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any, Literal

from scalediff.domains.math.compare import rounds_to

Finding = Literal["equal", "different", "mixed", "renamed", "too_large", "unknown"]
"""``mixed``: equal at some points only, as functions of whole numbers are; ``renamed``: equal when
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
    found = []
    points = _points(names) if names else [{}]
    for point in points:
        one, other = _evaluate(x, point), _evaluate(y, point)
        if one is not None and other is not None:
            found.append(_close(one, other))
    if len(found) < min(_MIN_POINTS, len(points)):
        return "unknown"
    if "too_large" in found and "different" not in found:
        return "too_large"
    if "equal" in found and "different" in found:
        return "mixed"
    if found[0] == "different" and _renamed(x, y):
        return "renamed"
    return found[0]


def _renamed(x: Any, y: Any) -> bool:
    """Whether giving x's one other variable the name of y's makes them equal."""
    ours = [s for s in x.free_symbols if str(s) not in _names(y)]
    theirs = [s for s in y.free_symbols if str(s) not in _names(x)]
    if len(ours) != 1 or len(theirs) != 1:
        return False
    return _at_points(x.subs(ours[0], theirs[0]), y) == "equal"


def _points(names: list[str]) -> list[dict[str, Any]]:
    """Fixed points: fractions of both signs, and whole numbers for what lives on those alone."""
    from sympy import Integer, Rational

    rng = random.Random(20_250_921)

    def fraction() -> Any:
        return Rational(rng.choice((-1, 1, 1)) * rng.randint(5, 97), rng.choice((7, 11, 13)))

    fractions = [{name: fraction() for name in names} for _ in range(4)]
    return fractions + [{name: Integer(rng.randint(2, 9)) for name in names} for _ in range(3)]


def _evaluate(x: Any, point: dict[str, Any]) -> Any:
    """The value at a point as a real or complex float, or None where it has none."""
    from sympy import E, I, nan, oo, zoo

    constants = {"i": I, "e": E}
    values = {s: {**constants, **point}[str(s)] for s in x.free_symbols}
    result = x.subs(values).evalf(_DIGITS)
    if not result.is_number or result.has(nan, zoo, oo, -oo):
        return None
    real, imaginary = result.as_real_imag()
    numbers = all(part.is_Float or part.is_Rational for part in (real, imaginary))
    return result if numbers else None


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
    for point in _points(_names(left, right)):
        one, other = _evaluate(left, point), _evaluate(right, point)
        if one is not None and other is not None and one != 0 and other != 0:
            ratios.append(one / other)
    same = [_close(ratios[0], ratio) == "equal" for ratio in ratios]
    return len(ratios) >= _MIN_POINTS and all(same)
