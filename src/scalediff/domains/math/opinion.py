r"""What the grader's worker process does: math-verify, and numbers as a second opinion.

Only ever run in a process that can be killed: a text such as ``5^{5^{5^{5}}}`` never ends. The
second opinion evaluates both sides to 50 digits (at several points where there are variables) and
decides whenever it can, since math-verify rounds to six decimals and so takes ``10^{-20}`` for
``10^{-30}``. Where it cannot (relations, sets), math-verify's word counts only if it read both
texts wholly: it silently reads ``2+`` as ``2``.
"""

from __future__ import annotations

import logging
import random
import re
from contextlib import suppress
from fractions import Fraction
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.compare import compare, rounds_to
from scalediff.domains.math.forms import Form

_DIGITS = 50
_AGREED = 40
_MIN_POINTS = 3
_COMMANDS = frozenset(
    "frac sqrt cdot times div pm pi infty theta alpha beta gamma delta lambda mu phi varphi omega "
    "rho sigma tau epsilon sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp "
    "binom le ge lt gt ne cup cap in begin end lfloor rfloor lceil rceil overline circ text "
    "mathbb emptyset setminus infinity sum prod det gcd lcm mid vert lvert rvert".split()
)
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_GROUPS = re.compile(r"\\(?:begin|end|text|mathbb)\s*\{[^{}]*\}")
_DANGLING = re.compile(r"(?:[-+*/=<>^_&]|\\(?:cdot|times|div|pm|le|ge|cup|in|frac|sqrt))\s*$")


def start_worker(memory_bytes: int) -> None:
    """Limit the process's memory and load the libraries, so that no pair pays for that."""
    with suppress(ImportError, ValueError, OSError):  # no such limit on this platform
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    judge(r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}")


def judge(a: str, b: str) -> Verdict:
    """The verdict on a pair that exact rules left open; always one of the three values."""
    try:
        verdict = compare(a, b, _leaf)
    # Computer algebra raises anything at all on hostile texts; none of it makes an answer wrong.
    except Exception as error:
        return Verdict("undecided", "failed", type(error).__name__)
    return verdict or Verdict("undecided", "math_verify", "nothing could be said")


def _leaf(a: Form, b: Form) -> Verdict:
    """Compare two forms by numbers, then by math-verify."""
    x, y = _parse(a.text), _parse(b.text)
    if x is None or y is None:
        unread = a.text if x is None else b.text
        return Verdict("undecided", "math_verify", f"not read: {unread[:80]}")
    whole = _whole(a.text, x) and _whole(b.text, y)
    if not whole:
        return Verdict("undecided", "math_verify", "read in part only")
    agreed = _numeric(x, y)
    if agreed is False and (_rounding(a.text, y) or _rounding(b.text, x)):
        return Verdict("undecided", "rounding", "one is a rounding of the other")
    if agreed is not None:
        reason = f"equal to {_AGREED} digits" if agreed else "different values"
        return Verdict("right" if agreed else "wrong", "numeric", reason)
    return _by_math_verify(x, y)


def _parse(text: str) -> Any:
    """The sympy object that math-verify reads, or None."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(
        f"${text}$",
        extraction_config=[LatexExtractionConfig()],
        fallback_mode="no_fallback",
        parsing_timeout=None,
    )
    return found[0] if found and not isinstance(found[0], str) else None


def _whole(text: str, expression: Any) -> bool:
    """Whether nothing of a text was left unread: unknown commands, words, open operators."""
    if _DANGLING.search(text) or text.count("{") != text.count("}"):
        return False
    if any(name not in _COMMANDS for name in _COMMAND.findall(text)):
        return False
    rest = _COMMAND.sub(" ", _GROUPS.sub(" ", text))
    names = {str(symbol) for symbol in getattr(expression, "free_symbols", ())}
    letters = {sign for name in names for sign in name} | set("eidf")
    return all(sign in letters for sign in rest if sign.isalpha())


def _by_math_verify(x: Any, y: Any) -> Verdict:
    from math_verify import verify

    told = [
        verify(one, other, allow_set_relation_comp=True, timeout_seconds=None)
        for one, other in ((x, y), (y, x))
    ]
    if all(told):
        return Verdict("right", "math_verify", "equal in both directions")
    if any(told):
        return Verdict("undecided", "math_verify", "equal in one direction only")
    if _is_relation(x) or _is_relation(y):
        return Verdict("undecided", "math_verify", "relations that are not shown to be equal")
    return Verdict("wrong", "math_verify", "not equal in either direction")


def _is_relation(x: Any) -> bool:
    from sympy.core.relational import Relational
    from sympy.logic.boolalg import Boolean

    return isinstance(x, Relational | Boolean)


# -- the second opinion ---------------------------------------------------------------------


def _numeric(x: Any, y: Any) -> bool | None:
    """Equal or not by values; None where values cannot tell."""
    from sympy import Eq, Expr, MatrixBase

    if isinstance(x, MatrixBase) and isinstance(y, MatrixBase):
        if x.shape != y.shape:
            return False
        found = [_numeric(one, other) for one, other in zip(x, y, strict=True)]
        return False if False in found else None if None in found else True
    if isinstance(x, Eq) and isinstance(y, Eq):
        return True if _same_equation(x, y) else None
    if not (isinstance(x, Expr) and isinstance(y, Expr)):
        return None
    if x.is_Rational and y.is_Rational:
        return bool(x == y)
    return _at_points(x, y)


def _at_points(x: Any, y: Any) -> bool | None:
    """Agreement at every point, disagreement at every point, or None."""
    names = sorted({str(s) for s in x.free_symbols | y.free_symbols} - {"i", "e"})
    points = _points(names) if names else [{}]
    found = []
    for point in points:
        one, other = _evaluate(x, point), _evaluate(y, point)
        if one is not None and other is not None:
            found.append(_close(one, other))
    if len(found) < min(_MIN_POINTS, len(points)) or len(set(found)) > 1:
        return None
    return found[0] if found else None


def _points(names: list[str]) -> list[dict[str, Any]]:
    """Fixed points: fractions of both signs, and whole numbers for what lives on those alone."""
    from sympy import Integer, Rational

    rng = random.Random(20_250_921)
    fractions = [
        {n: Rational(rng.choice((-1, 1, 1)) * rng.randint(5, 97), rng.choice((7, 11, 13))) for n in names}
        for _ in range(4)
    ]
    whole = [{n: Integer(rng.randint(2, 9)) for n in names} for _ in range(3)]
    return fractions + whole


def _evaluate(x: Any, point: dict[str, Any]) -> Any:
    """The value at a point to 50 digits, or None where it has none."""
    from sympy import E, I, nan, oo, zoo

    constants = {"i": I, "e": E}
    values = {s: point.get(str(s), constants.get(str(s))) for s in x.free_symbols}
    result = x.subs(values).evalf(_DIGITS)
    if result.has(nan, zoo, oo, -oo) or not result.is_number or result.atoms(type(x)) == {x}:
        return None
    real, imaginary = result.as_real_imag()
    return result if real.is_Float or real.is_Rational or imaginary.is_Float else None


def _close(one: Any, other: Any) -> bool:
    from sympy import Abs, Rational

    size = max(Abs(one), Abs(other))
    return bool(size == 0 or Abs(one - other) <= size * Rational(1, 10**_AGREED))


def _same_equation(x: Any, y: Any) -> bool:
    """Whether the two sides' differences are in one constant ratio."""
    left, right = x.lhs - x.rhs, y.lhs - y.rhs
    names = sorted({str(s) for s in left.free_symbols | right.free_symbols} - {"i", "e"})
    ratios = []
    for point in _points(names):
        one, other = _evaluate(left, point), _evaluate(right, point)
        if one is not None and other is not None and one != 0 and other != 0:
            ratios.append(one / other)
    return len(ratios) >= _MIN_POINTS and all(_close(ratios[0], ratio) for ratio in ratios)


def _rounding(text: str, y: Any) -> bool:
    """Whether a decimal text is a rounding of a real number."""
    if getattr(y, "free_symbols", True) or (number := _evaluate(y, {})) is None:
        return False
    return bool(number.is_real) and rounds_to(text, Fraction(str(number)))
