r"""Values of expressions at points, to 50 digits and relative to their size.

``compare_trees`` says whether two expressions have the same values: at one point where they have no
variables, at nine where they have some. Two expressions of ordinary size that agree in 35 digits at
nine unrelated points are taken as equal; where 25 digits already differ they are different; what
lies between, and what is too large to be worked out, is unknown.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

from scalediff.domains.math.grading.budget import LONG, spend
from scalediff.domains.math.grading.expression import (
    BOUND,
    PI,
    Tree,
    changed,
    holds,
    letters,
    subtrees,
)

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
_MOST_TERMS = 2_000
_STEPS = dict.fromkeys(["number", "letter", "constant", "+", "*", "/", "neg", "abs"], 1)
_STEPS |= {"!": 20, "binom": 20}
_OTHER_STEPS = 6
"""What an operation costs of the budget, in numbers of up to so many bits:"""
_PLAIN_BITS = 256


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
    steps = _STEPS.get(kind, _OTHER_STEPS)
    spend(steps if mp.prec <= _PLAIN_BITS else steps * (mp.prec / _PLAIN_BITS) ** 1.6)
    if kind == "number":
        return mp.mpf(tree[1])
    if kind == "letter":
        return point[tree[1]]
    if kind == "constant":
        return {"pi": mp.pi, "e": mp.e, "i": mp.mpc(0, 1), "infty": mp.inf}[tree[1]] * 1
    if kind in _OF_TREES:
        result = _OF_TREES[kind](mp, point, *tree[1:])
    else:
        result = _OPERATIONS[kind](mp, *[_value(part, point) for part in tree[1:]])
    sizes = getattr(_contexts, "sizes", None)
    if sizes is not None and result and mp.isfinite(result):
        sizes.append(mp.mag(result))
    return result


def _call(mp: Any, point: Point, name: str, order: int, argument: Tree) -> Any:
    """A function that nobody defined, or a derivative of it: some function, the same each time."""
    rng = random.Random(name)
    a, b = (mp.mpf(rng.randint(10**6, 10**7)) / 3_000_017 for _ in range(2))
    return a**order * mp.sin(a * _value(argument, point) + b + order * mp.pi / 2)


def _diff(mp: Any, point: Point, letter: str, body: Tree, order: int) -> Any:
    if (
        order == 1
        and body[0] == "int"
        and len(body) == 5
        and letter not in letters(body[2]) - {body[1]}
    ):
        _, bound, inner, *ends = body  # what is integrated, at each end
        low, high = (
            _value(inner, {**point, bound: _value(end, point)}) * _diff(mp, point, letter, end, 1)
            for end in ends
        )
        return high - low
    return mp.diff(lambda x: _value(body, {**point, letter: x}), point[letter], order)


def _integral(mp: Any, point: Point, letter: str, body: Tree, *ends: Tree) -> Any:
    if len(ends) != 2:
        raise _NoValue
    spend(needed=LONG)
    low, high = (_value(end, point) for end in ends)
    if not (is_real(low) and is_real(high)):
        raise _NoValue
    for method, degree in (("gauss-legendre", 5), ("tanh-sinh", 8)):  # smooth ones soon
        found, error = mp.quad(
            lambda x: _value(body, {**point, letter: x}),
            [low, high],
            error=True,
            maxdegree=degree,
            method=method,
        )
        if error <= (1 + abs(found)) * mp.mpf(10) ** (8 - mp.dps):
            return found
    raise _NoValue


def _repeated(add: bool) -> Callable[..., Any]:
    def apply(mp: Any, point: Point, letter: str, body: Tree, low: Tree, high: Tree) -> Any:
        first, last = _value(low, point), _value(high, point)
        if mp.isinf(last) and add:
            return _series(mp, lambda k: _value(body, {**point, letter: k}), first)
        whole = (
            mp.isint(first)
            and mp.isint(last)
            and abs(last - first) <= (_MOST_TERMS if point else 5 * _MOST_TERMS)
        )
        if not whole or last < first - 1:
            raise _NoValue
        terms = (_value(body, {**point, letter: first + k}) for k in range(int(last - first) + 1))
        return mp.fsum(terms) if add else mp.fprod(terms)

    return apply


def _series(mp: Any, term: Callable[[Any], Any], first: Any) -> Any:
    """An infinite sum, extrapolated twice."""
    spend(needed=LONG)
    found = mp.nsum(term, [first, mp.inf], method="r+s")
    digits = mp.dps
    mp.dps = digits + 10
    try:
        again = mp.nsum(term, [first, mp.inf], method="r+s")
    finally:
        mp.dps = digits
    if not abs(found - again) < (1 + abs(found)) * mp.mpf(10) ** (12 - digits):
        raise _NoValue
    return found


def _limit(mp: Any, point: Point, letter: str, body: Tree, at: Tree) -> Any:
    """The value very near, from both sides, in three times the digits."""
    spend(needed=LONG)
    digits = mp.dps
    mp.dps = 3 * digits + 20
    try:
        near, where = mp.mpf(10) ** -(digits + 5), _value(at, point)
        places = [1 / near] if mp.isinf(where) else [where - near, where + near]
        found = [_value(body, {**point, letter: place}) for place in places]
    finally:
        mp.dps = digits
    if not is_real(found[0]) or abs(found[0] - found[-1]) > mp.mpf(10) ** (5 - digits):
        raise _NoValue
    return +found[0] if abs(found[0]) > mp.mpf(10) ** -(digits - 5) else mp.mpf(0)


_OF_TREES: dict[str, Callable[..., Any]] = {
    "call": _call,
    "apply": _call,
    "diff": _diff,
    "int": _integral,
    "sum": _repeated(True),
    "prod": _repeated(False),
    "lim": _limit,
}
"""Operations that take their arguments unevaluated."""


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
    "log": lambda mp, a, b: mp.ln(a) / mp.ln(b),
    "exp": lambda mp, a: _power(mp, mp.e * 1, a),
    **{name: _bounded(name) for name in ("sin", "cos", "tan", "cot", "sec", "csc")},
    **{name: _bounded(name) for name in ("sinh", "cosh", "tanh")},
    "arcsin": lambda mp, a: mp.asin(a),
    "arccos": lambda mp, a: mp.acos(a),
    "arctan": lambda mp, a: mp.atan(a),
    "arsinh": lambda mp, a: mp.asinh(a),
    "arcosh": lambda mp, a: mp.acosh(a),
    "artanh": lambda mp, a: mp.atanh(a),
}


def close(one: Any, other: Any) -> Finding:
    """Whether two numbers are the same, relative to the larger."""
    mp = _mp()
    apart, size = abs(one - other), max(abs(one), abs(other))
    if apart <= size * mp.mpf(10) ** -_AGREED:
        return "equal"
    return "different" if apart > size * mp.mpf(10) ** -_APART else "unknown"


def points_for(names: Iterable[str], whole: Iterable[str] = ()) -> list[list[Point]]:
    """Fixed points in groups: positive fractions, both signs, whole numbers, far away, near zero.

    Expressions that are equal for positive or for whole numbers alone agree in one group only.

    Args:
        names: The variables.
        whole: Those that stand for whole numbers, which get such everywhere.
    """
    mp = _mp()
    names, whole = sorted(names), set(whole)
    rng = random.Random(20_250_921)
    above, below = (17, 19, 23, 29, 31, 37, 41, 43), (7, 11, 13)

    def point(signs: tuple[int, ...], least: int = 0) -> Point:
        found = {
            n: mp.mpf(rng.choice(signs) * rng.choice(above)) / (least or rng.choice(below))
            for n in names
        }
        return found | {n: mp.mpf(rng.choice(signs) * rng.randint(1, 9)) for n in whole}

    return [
        [point((1,)) for _ in range(3)],
        [point((-1,)), point((-1, 1)), point((-1, 1))],
        [{name: mp.mpf(rng.randint(2, 9)) for name in names} for _ in range(3)],
        # far away, where |x - 10| is no longer 10 - x
        [
            {n: sign * mp.mpf(rng.randint(10**k, 10 ** (k + 1))) / (n in whole or 7) for n in names}
            for k in (1, 2, 3, 4)
            for sign in (1, -1)
        ],
        # where 1 - x and 1 + x are both positive
        [point((1,), 47) for _ in range(3)] + [point((-1, 1), 53) for _ in range(3)],
    ]


def compare_trees(x: Tree, y: Tree) -> Finding:
    r"""What the values of two expressions say of their equality.

    Example:
        >>> from scalediff.domains.math.grading.expression import read_expression as read
        >>> compare_trees(read(r"\frac{2}{\sqrt{2}}"), read(r"\sqrt{2}"))
        'equal'
        >>> compare_trees(read("10^{-20}"), read("10^{-30}"))
        'different'
        >>> compare_trees(read(r"\ln 2+\ln 3-\ln 6"), read("0"))
        'equal'
        >>> compare_trees(read("e^{-90}"), read("0"))
        'different'
    """
    names, whole = letters(x) | letters(y), whole_letters(x) | whole_letters(y)
    if len(names) > _MOST_LETTERS:
        return "unknown"
    groups = points_for(names, whole) if names else [[{}]]
    found = [[_compare_at(x, y, points[0])] for points in groups[:3]]
    if names and all(group == ["different"] for group in found):
        return "renamed" if _renamed(x, y) else "different"  # no group can be equal throughout
    for group, points in zip(found, groups, strict=False):
        group += [_compare_at(x, y, point) for point in points[1:]]
    if names:
        found.append([_compare_at(x, y, point) for point in groups[3]])
    known = [one for group in found for one in group if one != "unknown"]
    if names and len(known) < _MIN_POINTS:  # real near zero only
        found.append([_compare_at(x, y, point) for point in groups[4]])
        known = [one for one in found[4] if one != "unknown"]
    if len(known) < (_MIN_POINTS if names else 1):
        return "unknown"
    if set(known) == {"equal"}:
        tried = [p for own, points in zip(found, groups, strict=False)
                 for one, p in zip(own, points, strict=True) if one == "equal"]  # fmt: skip
        told = _to_the_last(x, y, tried[0])
        return "mixed" if told == "equal" and _powers_of_powers(x, y) else told
    if names and whole == names and "different" in (*found[0], *found[2]):
        return "renamed" if _renamed(x, y) else "different"
    if any(set(group) == {"equal"} for group in found[:3]) and names:
        return "mixed"
    return "renamed" if _renamed(x, y) else "different"


def whole_letters(tree: Tree) -> set[str]:
    r"""Letters that stand for whole numbers: the n of ``\\sin n\\pi``, ``(-1)^n``, ``n!``."""
    kind, found = tree[0], set[str]()
    if kind in ("sin", "cos", "tan", "cot", "sec", "csc") and PI in subtrees(tree):
        found = letters(tree)
    elif kind == "^" and (tree[1][0] == "neg" or not letters(tree[1])):
        found = letters(tree[2]) if _negative(tree[1]) else found
    elif kind in ("!", "binom"):
        found = letters(tree)
    elif kind in ("sum", "prod"):
        found = letters(tree[3]) | letters(tree[4])
    found &= INTEGERS
    return found.union(*(whole_letters(part) for part in tree[1:] if isinstance(part, tuple)))


INTEGERS = frozenset("nkmjlN")
"""Letters that are read as whole numbers where the expression asks for such."""


def _negative(tree: Tree) -> bool:
    number = None if letters(tree) else value_at(tree, {})
    return number is not None and is_real(number) and number < 0


def _powers_of_powers(x: Tree, y: Tree) -> bool:
    """Whether one is a power of a power of a letter, which holds for positive ones only.

    ``(a^b)^c`` is ``a^{bc}`` where a is positive; ``(a^2)^3`` is a^6 wherever.
    """
    return x != y and any(
        part[0] == part[1][0] == "^"
        and letters(part[1][1])
        and (letters(part[2]) or letters(part[1][2]))
        for tree in (x, y)
        for part in subtrees(tree)
    )


def _measured(x: Tree, y: Tree, point: Point) -> tuple[Any, Any, list[int]]:
    """Both values and the sizes, in bits, of what they were made from."""
    sizes: list[int] = []
    _contexts.sizes = sizes
    try:
        return value_at(x, point), value_at(y, point), sizes
    finally:
        _contexts.sizes = None


def _to_the_last(x: Tree, y: Tree, point: Point) -> Finding:
    """Whether two values agree in as many digits as their largest parts could hide.

    ``2^{1000}x + 1`` and ``2^{1000}x`` agree in 300 digits, ``e^{-90}`` and 0 in 39.
    """
    mp = _mp()
    if holds(("", x, y), *BOUND):  # more digits would take seconds
        one, other = value_at(x, point), value_at(y, point)
        if one is None or other is None:
            return "unknown"
        apart, size = abs(one - other), 1 + max(abs(one), abs(other))
        if apart < size * mp.mpf(10) ** -_AGREED:
            return "equal"
        # an integral to an end where it has no value is good for some digits only
        return "different" if apart > size * 1e-10 else "unknown"
    hidden = max((abs(size) for size in _measured(x, y, point)[2]), default=0) * 0.302
    digits = int(min(60 + 3 * hidden, _MOST_DIGITS))
    mp.dps = digits
    try:
        one, other, sizes = _measured(x, y, {name: mp.mpf(value) for name, value in point.items()})
        if one is None or other is None:
            return "unknown"
        largest = mp.mpf(2) ** max([0, *sizes])
        apart = abs(one - other)
        if apart <= largest * mp.mpf(10) ** -int(digits - hidden - 12):
            return "equal"
        return "different" if apart > largest * mp.mpf(10) ** -int(digits / 2) else "unknown"
    finally:
        mp.dps = _DIGITS


def _compare_at(x: Tree, y: Tree, point: Point) -> Finding:
    one, other, sizes = _measured(x, y, point)
    if one is None or other is None:
        return "unknown"
    # a root or a logarithm of a negative number where nobody spoke of i: outside of what was meant
    spoken = any(("constant", "i") in subtrees(tree) for tree in (x, y))
    if not (spoken or (is_real(one) and is_real(other))):
        return "unknown"
    found = close(one, other)
    if found != "equal" and holds(("", x, y), *BOUND):
        return _to_the_last(x, y, point)
    hidden = max(abs(size) for size in [1, *sizes]) * 0.302
    # what cancels leaves an error of the size of its parts: 0, or truly tiny?
    if found == "unknown":
        return _to_the_last(x, y, point)
    if found != "equal" and abs(one - other) < _mp().mpf(10) ** (int(hidden) - _AGREED):
        return _to_the_last(x, y, point)
    return found


def is_real(number: Any) -> bool:
    """Whether a value has no imaginary part."""
    return not _mp().im(number)


def _renamed(x: Tree, y: Tree) -> bool:
    """Whether giving x's one other variable the name of y's makes them equal."""
    ours, theirs = letters(x) - letters(y), letters(y) - letters(x)
    if len(ours) != 1 or len(theirs) != 1 or not may_be_renamed(*ours, *theirs):
        return False
    return compare_trees(substituted(x, ours.pop(), theirs.pop()), y) == "equal"


def may_be_renamed(old: str, new: str) -> bool:
    """Whether two names may stand for one thing: not those of derivatives, as y' and y''."""
    found = [re.match(r"d(\d)(.+)/|([^']+)('*)$", name) for name in (old, new)]
    orders = [int(m[1] or len(m[4])) if m else 0 for m in found]
    one_notation = ("/" in old) == ("/" in new)
    return not any(orders) or (not one_notation and orders[0] == orders[1])


def one_derivative(old: str, new: str) -> bool:
    """Whether two names are those of one derivative: y'' and d^2y/dx^2."""
    prime, ratio = sorted((old, new), key=lambda name: "/" in name)
    found = re.fullmatch(r"d(\d)(\w+)/d\w+", ratio)
    return found is not None and prime == found[2] + "'" * int(found[1])


def substituted(tree: Tree, old: str, new: str) -> Tree:
    """The tree with one letter for another."""
    if tree == ("letter", old):
        return ("letter", new)
    if tree[0] == "diff":
        return ("diff", new if tree[1] == old else tree[1], substituted(tree[2], old, new), tree[3])
    return changed(tree, partial(substituted, old=old, new=new))
