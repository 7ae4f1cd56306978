r"""What the grader's worker process does: hard values, and a second opinion on relations.

Only ever run in a process that can be killed: a text such as ``5^{5^{5^{5}}}`` never ends. Values
are worked out with more patience than in the main process (infinite sums, limits, many integrals).
Where values cannot tell (relations, matrices), math-verify's "equal", in both directions, counts,
but only if the main grammar read both texts whole: math-verify silently reads ``2+`` as ``2``,
``f''`` as ``f'`` and R as r. Its "not equal" counts for nothing.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.budget import IN_WORKER
from scalediff.domains.math.grading.compare import compare
from scalediff.domains.math.grading.forms import Form
from scalediff.domains.math.grading.numeric import by_values, partial_somewhere, understood
from scalediff.domains.math.grading.regions import ends_of

_COMMAND = re.compile(r"\\[A-Za-z]+(?:\s*\{(?:matrix|[pbvB]matrix|R)\})?")
_BELOW_A_SUM = re.compile(r"_\{[^{}]*\}")
_BEYOND = re.compile(r"[=<>]|\\(?:le|ge|lt|gt|ne|begin)(?![A-Za-z])")


def start_worker(memory_bytes: int) -> None:
    """Limit the process's memory and load the libraries, so that no pair pays for that."""
    with suppress(ImportError, ValueError, OSError):  # no such limit on this platform
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    judge(r"|x|\ge 2", r"(-\infty,-2]\cup[2,\infty)")


def judge(a: str, b: str) -> Verdict:
    """The verdict on a pair that exact rules left open; always one of the three values."""
    try:
        verdict = compare(a, b, _leaf, IN_WORKER)
    # Computer algebra raises anything at all on hostile texts; none of it makes an answer wrong.
    except Exception as error:
        return Verdict("undecided", "failed", type(error).__name__)
    return verdict or Verdict("undecided", "math_verify", "nothing could be said")


def _leaf(a: Form, b: Form) -> Verdict:
    """Compare two forms by values, then by math-verify where both were read whole."""
    told = by_values(a, b)
    if told is not None:
        return told
    for form in (a, b):
        ends = ends_of(form.region) if form.region is not None else [form.full]
        if not all(understood(text, plainly=True) for text in ends):
            return Verdict("undecided", "not_read", f"not read whole: {form.full[:80]}")
    if not any(_BEYOND.search(_BELOW_A_SUM.sub("", form.full)) for form in (a, b)):
        return Verdict("undecided", "numeric", "no values to compare, or too large")
    x, y = _parse(a.full), _parse(b.full)
    if x is None or y is None or not (_whole(a.full, x) and _whole(b.full, y)):
        return Verdict("undecided", "math_verify", "read in part only")
    from math_verify import verify

    told_by = [
        verify(one, other, allow_set_relation_comp=True, timeout_seconds=None)
        for one, other in ((x, y), (y, x))
    ]
    if all(told_by) and "=" in a.full + b.full:
        partial = [partial_somewhere(form.full) for form in (a, b)]
        if partial[0] != partial[1]:  # y/x = 1, and y = x
            return Verdict("undecided", "relation", "one may be defined for other numbers")
    if all(told_by):
        return Verdict("right", "math_verify", "equal in both directions")
    return Verdict("undecided", "math_verify", "not shown to be equal, nor to be different")


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
    """Whether every letter of a text is in what math-verify read, and none in two cases."""
    from sympy import Symbol

    symbols = expression.atoms(Symbol) if hasattr(expression, "atoms") else ()
    # math-verify lowers single letters, so R and r in one text are no longer told apart
    read = {sign.lower() for symbol in symbols for sign in str(symbol)} | set("ei")
    used = {sign for sign in _COMMAND.sub(" ", text) if sign.isalpha()}
    return all(s.lower() in read for s in used) and len({s.lower() for s in used}) == len(used)
