r"""Values of expressions at points, to 50 digits and relative to their size.

``compare_trees`` says whether two expressions have the same values: at one point where they have no
variables, at nine where they have some. Two expressions of ordinary size that agree in 35 digits at
nine unrelated points are taken as equal; where 25 digits already differ they are different; what
lies between, and what is too large to be worked out, is unknown.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from typing import Any, Literal

from scalediff.domains.math.grading.expression import Tree, letters

Finding = Literal["equal", "different", "mixed", "renamed", "unknown"]
"""``mixed``: equal for positive or for whole numbers only; ``renamed``: equal when a variable is
given the other side's name."""

Point = dict[str, Any]

_DIGITS = 50
_AGREED = 35
_APART = 25
_LARGEST_POWER = 20_000
_LARGEST_FACTORIAL = 3_000
_MIN_POINTS = 4
_MOST_LETTERS = 8
_MOST_DIGITS = 12_000


class _NoValue(Exception):
    """Undefined there, or too large to be worked out."""


_contexts = threading.local()


def _mp() -> Any:
    """The thread's own context: mpmath's functions change a context's precision as they work."""
    context = getattr(_contexts, "mp", None)
    if context is None:
        import mpmath

        context = _contexts.mp = mpmath.mp.clone()
        context.dps = _DIGITS
    return context


def mpf(number: float) -> Any:
    """A number of the precision that is used here."""
    return _mp().mpf(number)


def value_at(tree: Tree, point: Point) -> Any:
    """The value of a tree at a point as an mpmath number, or None where it has none."""
    mp = _mp()
    try:
        result = _value(tree, point)
    except (_NoValue, ZeroDivisionError, ValueError, OverflowError, TypeError):
        return None
    if mp.isnan(result) or mp.isinf(result):
        return None
    return result.real if isinstance(result, mp.mpc) and _is_noise(result) else result


def _is_noise(number: Any) -> bool:
    """Whether an imaginary part is what rounding left of none."""
    return bool(abs(number.imag) < abs(number.real) * _mp().mpf(10) ** (5 - _mp().dps))


def _value(tree: Tree, point: Point) -> Any:
    kind = tree[0]
    mp = _mp()
    if kind == "number":
        return mp.mpf(tree[1])
    if kind == "letter":
        return point[tree[1]]
    if kind == "constant":
        return {"pi": mp.pi, "e": mp.e, "i": mp.mpc(0, 1)}[tree[1]] * 1
    values = [_value(part, point) for part in tree[1:]]
    result = _OPERATIONS[kind](mp, *values)
    sizes = getattr(_contexts, "sizes", None)
    if sizes is not None and result:
        sizes.append(abs(mp.mag(result)))
    return result


def _power(mp: Any, base: Any, exponent: Any) -> Any:
    if base == 0:
        if not mp.isint(exponent) or exponent <= 0:
            raise _NoValue
        return base
    size = abs(exponent) * (1 + abs(mp.log(abs(base))))
    if size > _LARGEST_POWER:
        raise _NoValue
    return base**exponent


def _root(mp: Any, base: Any, degree: Any) -> Any:
    if not mp.isint(degree) or not 2 <= degree <= 1000:
        raise _NoValue
    if not isinstance(base, mp.mpc) and base < 0 and int(degree) % 2:
        return -((-base) ** (1 / degree))
    return mp.sqrt(base) if degree == 2 else base ** (1 / degree)


def _factorial(mp: Any, n: Any) -> Any:
    if isinstance(n, mp.mpc) or n < 0 or not n <= _LARGEST_FACTORIAL:
        raise _NoValue
    return mp.factorial(n)


def _binomial(mp: Any, n: Any, k: Any) -> Any:
    if isinstance(n, mp.mpc) or isinstance(k, mp.mpc) or max(abs(n), abs(k)) > _LARGEST_FACTORIAL:
        raise _NoValue
    return mp.binomial(n, k)


def _real(function: str) -> Callable[..., Any]:
    def apply(mp: Any, x: Any) -> Any:
        if isinstance(x, mp.mpc):
            raise _NoValue
        return getattr(mp, function)(x)

    return apply


def _bounded(function: str) -> Callable[..., Any]:
    def apply(mp: Any, x: Any) -> Any:
        if abs(x) > _LARGEST_POWER:
            raise _NoValue
        return getattr(mp, function)(x)

    return apply


_UNKNOWN_BASE = 0.7390851332151607
"""``\\log`` without a base may be natural or decimal: it is ``\\ln`` times this, as good as any."""

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": lambda mp, a, b: a + b,
    "*": lambda mp, a, b: a * b,
    "/": lambda mp, a, b: a / b,
    "neg": lambda mp, a: -a,
    "^": _power,
    "root": _root,
    "!": _factorial,
    "binom": _binomial,
    "abs": lambda mp, a: abs(a),
    "floor": _real("floor"),
    "ceil": _real("ceil"),
    "ln": lambda mp, a: mp.ln(a),
    "lg": lambda mp, a: mp.log10(a),
    "log": lambda mp, a, b=None: mp.ln(a) * _UNKNOWN_BASE if b is None else mp.ln(a) / mp.ln(b),
    "exp": lambda mp, a: _power(mp, mp.e * 1, a),
    **{name: _bounded(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _bounded(name) for name in ("sinh", "cosh", "tanh")},
    "arcsin": lambda mp, a: mp.asin(a),
    "arccos": lambda mp, a: mp.acos(a),
    "arctan": lambda mp, a: mp.atan(a),
}


def close(one: Any, other: Any) -> Finding:
    """Whether two numbers are the same, relative to the larger."""
    mp = _mp()
    if one == other:
        return "equal"
    size = max(abs(one), abs(other))
    apart = abs(one - other) / size
    if one == 0 or other == 0:  # nothing to be relative to: a sum that cancels, or truly tiny
        return "unknown" if size < mp.mpf(10) ** -_APART else "different"
    if apart < mp.mpf(10) ** -_AGREED:
        return "equal"
    return "different" if apart > mp.mpf(10) ** -_APART else "unknown"


def points_for(names: Iterable[str]) -> list[list[Point]]:
    """Fixed points in groups: positive fractions, both signs, whole numbers, and far away.

    Expressions that are equal for positive or for whole numbers alone agree in one group only.
    """
    mp = _mp()
    names = sorted(names)
    rng = random.Random(20_250_921)
    above, below = (17, 19, 23, 29, 31, 37, 41, 43), (7, 11, 13)

    def point(signs: tuple[int, ...]) -> Point:
        return {n: mp.mpf(rng.choice(signs) * rng.choice(above)) / rng.choice(below) for n in names}

    return [
        [point((1,)) for _ in range(3)],
        [point((-1,)), point((-1, 1)), point((-1, 1))],
        [{name: mp.mpf(rng.randint(2, 9)) for name in names} for _ in range(3)],
        # far away, where |x - 10| is no longer 10 - x
        [
            {n: sign * mp.mpf(rng.randint(10**k, 10 ** (k + 1))) / 7 for n in names}
            for k in (1, 2, 3, 4)
            for sign in (1, -1)
        ],
    ]


def compare_trees(x: Tree, y: Tree) -> Finding:
    r"""What the values of two expressions say of their equality.

    Example:
        >>> from scalediff.domains.math.grading.expression import read_expression as read
        >>> compare_trees(read(r"\frac{2}{\sqrt{2}}"), read(r"\sqrt{2}"))
        'equal'
        >>> compare_trees(read("10^{-20}"), read("10^{-30}"))
        'different'
    """
    names = letters(x) | letters(y)
    if len(names) > _MOST_LETTERS:
        return "unknown"
    groups = points_for(names) if names else [[{}]]
    firsts = [_compare_at(x, y, points[0]) for points in groups[:3]]
    if names and set(firsts) == {"different"} and not (_unknown_base(x) or _unknown_base(y)):
        return "renamed" if _renamed(x, y) else "different"  # no group can be equal throughout
    found = [[_compare_at(x, y, point) for point in points] for points in groups]
    known = [one for group in found for one in group if one != "unknown"]
    if len(known) < (_MIN_POINTS if names else 1):
        return "unknown"
    if set(known) == {"equal"}:
        return "equal" if _equal_to_the_last(x, y, groups[0][0]) else "unknown"
    if _unknown_base(x) or _unknown_base(y):
        return "unknown"
    if any(set(group) == {"equal"} for group in found[:3]) and names:
        return "mixed"
    return "renamed" if _renamed(x, y) else "different"


def _unknown_base(tree: Tree) -> bool:
    """Whether a logarithm in it does not say its base."""
    if tree[0] == "log" and len(tree) == 2:
        return True
    return any(_unknown_base(part) for part in tree[1:] if isinstance(part, tuple))


def _equal_to_the_last(x: Tree, y: Tree, point: Point) -> bool:
    """Whether two values agree in as many digits as their largest parts could hide.

    ``2^{1000}x + 1`` and ``2^{1000}x`` agree in 300 digits.
    """
    _contexts.sizes = []
    try:
        value_at(x, point)
        value_at(y, point)
        hidden = max(_contexts.sizes, default=0) * 0.302  # bits to digits
    finally:
        _contexts.sizes = None
    digits = int(min(60 + 3 * hidden, _MOST_DIGITS))
    mp = _mp()
    mp.dps = digits
    try:
        exact = {name: mp.mpf(value) for name, value in point.items()}
        one, other = value_at(x, exact), value_at(y, exact)
        if one is None or other is None:
            return False
        size = max(abs(one), abs(other))
        return bool(abs(one - other) <= size * mp.mpf(10) ** -int(digits - hidden - 12))
    finally:
        mp.dps = _DIGITS


def _compare_at(x: Tree, y: Tree, point: Point) -> Finding:
    one, other = value_at(x, point), value_at(y, point)
    if one is None or other is None:
        return "unknown"
    # a root or a logarithm of a negative number where nobody spoke of i: outside of what was meant
    strays = not (is_real(one) and is_real(other))
    if strays and not (_speaks_of_i(x) or _speaks_of_i(y)):
        return "unknown"
    return close(one, other)


def is_real(number: Any) -> bool:
    """Whether a value has no imaginary part."""
    return not _mp().im(number)


def _speaks_of_i(tree: Tree) -> bool:
    if tree == ("constant", "i"):
        return True
    return any(_speaks_of_i(part) for part in tree[1:] if isinstance(part, tuple))


def _renamed(x: Tree, y: Tree) -> bool:
    """Whether giving x's one other variable the name of y's makes them equal."""
    ours, theirs = letters(x) - letters(y), letters(y) - letters(x)
    if len(ours) != 1 or len(theirs) != 1:
        return False
    return compare_trees(_substituted(x, ours.pop(), theirs.pop()), y) == "equal"


def _substituted(tree: Tree, old: str, new: str) -> Tree:
    if tree == ("letter", old):
        return ("letter", new)
    return (tree[0], *(_substituted(p, old, new) if isinstance(p, tuple) else p for p in tree[1:]))
