r"""What the grader's worker process does: math-verify, and numbers as a second opinion.

Only ever run in a process that can be killed: a text such as ``5^{5^{5^{5}}}`` never ends. The
second opinion (``values.py``) evaluates both sides to many digits and decides whenever it can,
since math-verify rounds to six decimals and so takes ``10^{-20}`` for ``10^{-30}``. Where it cannot
(relations, sets), math-verify's word counts only if it read both texts wholly: it silently reads
``2+`` as ``2``.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.compare import compare
from scalediff.domains.math.grading.forms import Form
from scalediff.domains.math.grading.numeric import by_values, understood
from scalediff.domains.math.grading.regions import ends_of
from scalediff.domains.math.grading.values import compare_values, is_rounding

_NAMES = """
frac sqrt cdot times div pm pi infty theta alpha beta gamma delta lambda mu phi varphi omega rho sigma
tau epsilon sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp binom le ge lt gt ne
cup in begin end lfloor rfloor lceil rceil mathbb emptyset setminus infinity sum prod int lim
rightarrow det gcd lcm mid vert lvert rvert
"""
_COMMANDS = frozenset(_NAMES.split())
_MAX_NESTING = 30
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_RELATION = re.compile(r"[=<>]|\\(?:le|ge|lt|gt|ne)(?![A-Za-z])")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}")
_SLIP = re.compile(r"(?<!_)\d\s+\d|\d'|\d\s*/\s*\d+\s*(?:[A-Za-z(]|\\(?!cdot|times|div|circ)[a-z])")
"""Digits apart, primes behind digits, and ``1/2x``: a parser reads them in one of two ways."""
_GROUPS = re.compile(r"\\(?:begin|end|mathbb)\s*\{[^{}]*\}")
_DANGLING = re.compile(r"(?:[-+*/=<>^_&]|\\(?:cdot|times|div|pm|le|ge|cup|in|frac|sqrt))\s*$")


def start_worker(memory_bytes: int) -> None:
    """Limit the process's memory and load the libraries, so that no pair pays for that."""
    with suppress(ImportError, ValueError, OSError):  # no such limit on this platform
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    judge(r"\sum_{k=0}^{\infty}\frac{1}{2^k}", "2")
    judge(r"|x|\ge 2", r"(-\infty,-2]\cup[2,\infty)")


def judge(a: str, b: str) -> Verdict:
    """The verdict on a pair that exact rules left open; always one of the three values."""
    try:
        verdict = compare(a, b, _leaf)
    # Computer algebra raises anything at all on hostile texts; none of it makes an answer wrong.
    except Exception as error:
        return Verdict("undecided", "failed", type(error).__name__)
    return verdict or Verdict("undecided", "math_verify", "nothing could be said")


def _leaf(a: Form, b: Form) -> Verdict:
    """Compare two forms by values, then by math-verify and a second look at what it read."""
    told = by_values(a, b)
    if told is not None:
        return told
    one, other = a.text, b.text
    if max(_nesting(one), _nesting(other)) > _MAX_NESTING:
        return Verdict("undecided", "too_long", "nested too deeply to be read")
    if _RELATION.search(one) or _RELATION.search(other):
        one, other = a.full, b.full  # an equation is compared with an equation
    for text, form in ((one, a), (other, b)):
        if not (
            understood(text)
            or (form.region is not None and all(map(understood, ends_of(form.region))))
        ):
            return Verdict("undecided", "not_read", f"not read whole: {text[:80]}")
    x, y = _parse(one), _parse(other)
    if x is None or y is None:
        unread = one if x is None else other
        return Verdict("undecided", "math_verify", f"not read: {unread[:80]}")
    if not (_whole(one, x) and _whole(other, y)):
        return Verdict("undecided", "math_verify", "read in part only")
    finding = compare_values(x, y)
    if finding == "different" and (is_rounding(one, y) or is_rounding(other, x)):
        return Verdict("undecided", "rounding", "one is a rounding of the other")
    if finding == "renamed":
        return Verdict("undecided", "name", "equal but for the name of a variable")
    if finding == "too_large":
        return Verdict("undecided", "numeric", "too large to be told apart")
    if finding in ("equal", "different"):
        return Verdict("right" if finding == "equal" else "wrong", "numeric", f"{finding} values")
    return _by_math_verify(x, y, certain_wrong=finding == "unknown")


def _nesting(text: str) -> int:
    """Brackets open at once, at most."""
    depth = deepest = 0
    for sign in text:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    return deepest


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
    if _DANGLING.search(text) or text.count("{") != text.count("}") or _SLIP.search(text):
        return False
    if _WORD.search(_GROUPS.sub(" ", text)):  # a word is no product of letters
        return False
    if any(name not in _COMMANDS for name in _COMMAND.findall(text)):
        return False
    rest = _COMMAND.sub(" ", _GROUPS.sub(" ", text))
    names = {str(symbol) for symbol in _symbols(expression)}
    # math-verify lowers single letters, so R and r in one text are no longer told apart
    letters = {sign.lower() for name in names for sign in name} | set("eidf")
    used = {sign for sign in rest if sign.isalpha()}
    return all(s.lower() in letters for s in used) and len({s.lower() for s in used}) == len(used)


def _symbols(expression: Any) -> set[Any]:
    """The letters of an expression, those that a sum or an integral binds too."""
    from sympy import Symbol

    return set(expression.atoms(Symbol)) if hasattr(expression, "atoms") else set()


def _by_math_verify(x: Any, y: Any, certain_wrong: bool) -> Verdict:
    """The verdict where values cannot tell; wrong only where values do not speak against it."""
    from math_verify import verify

    told = [
        verify(one, other, allow_set_relation_comp=True, timeout_seconds=None)
        for one, other in ((x, y), (y, x))
    ]
    if all(told):
        return Verdict("right", "math_verify", "equal in both directions")
    if any(told):
        return Verdict("undecided", "math_verify", "equal in one direction only")
    if not certain_wrong or _is_relation(x) or _is_relation(y):
        return Verdict("undecided", "math_verify", "not shown to be equal, nor to be different")
    return Verdict("wrong", "math_verify", "not equal in either direction")


def _is_relation(x: Any) -> bool:
    from sympy.core.relational import Relational
    from sympy.logic.boolalg import Boolean

    return isinstance(x, Relational | Boolean)
