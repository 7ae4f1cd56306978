r"""The grader: right, wrong or undecided, and by which rule.

Exact comparison first (``exact.py``); then ``math-verify`` in a process that can be killed, with a
time and a memory limit; then, wherever that says "equal" for what is not plainly the same, a second
opinion of another kind: both sides evaluated to 40 digits. A timeout or a crash is undecided, never
wrong, and the time spent waiting for a free process does not count. Text is never executed.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.exact import compare, normalise

VERSION = "1"
"""Raised whenever a verdict could change; part of every key."""

LIMIT_S = 5.0
"""Seconds a comparison may take once it has started."""

MAX_CHARS = 2_000
"""Longer answers are undecided: no answer of a problem is a page long."""

_MEMORY = 2 << 30
"""Bytes of address space a grading process may add."""

_MAX_TASKS = 2_000
"""Comparisons after which a process is replaced."""

_REMEMBERED = 100_000
_WORKERS = 2

_HOSTILE = re.compile(r"\^\s*\{?\s*\(?\s*\d+\s*\^|\d{6,}\s*\)?\s*!|\)\s*!|\^\s*\{?\d{5,}")
"""Power towers and huge factorials, which a symbolic engine would try to write out."""


class Grader:
    """Compares answers; owns the pool of processes, which starts when it is first needed."""

    def __init__(self, workers: int = _WORKERS) -> None:
        self._workers = workers
        self._pool: Any = None
        self._seen: OrderedDict[tuple[str, str], Verdict] = OrderedDict()

    async def compare(self, answer: str, gold: str) -> Verdict:
        """Whether ``answer`` is ``gold``."""
        if max(len(answer), len(gold)) > MAX_CHARS:
            return Verdict("undecided", "too_long", f"over {MAX_CHARS} characters")
        found = compare(answer, gold)
        if found is not None:
            return Verdict("right" if found[0] else "wrong", found[1])
        key = (normalise(answer), normalise(gold))
        if key not in self._seen:
            self._seen[key] = await self._symbolic(answer, gold)
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return self._seen[key]

    async def _symbolic(self, answer: str, gold: str) -> Verdict:
        if _HOSTILE.search(answer) or _HOSTILE.search(gold):
            return Verdict("undecided", "too_large", "a power tower or a huge factorial")
        if self._pool is None:
            self._pool = self._start()
        future = self._pool.schedule(symbolic, args=(answer, gold), timeout=LIMIT_S)
        try:
            value, rule, reason = await asyncio.wrap_future(future)
        except (TimeoutError, FutureTimeout):
            return Verdict("undecided", "timeout", f"over {LIMIT_S:g} s")
        except Exception as error:
            # whatever a grading process dies of is its own fault and decides nothing
            return Verdict("undecided", "crash", type(error).__name__)
        return Verdict(value, rule, reason)

    def _start(self) -> Any:
        import multiprocessing

        from pebble import ProcessPool

        return ProcessPool(
            max_workers=self._workers,
            max_tasks=_MAX_TASKS,
            initializer=_limit_memory,
            context=multiprocessing.get_context("spawn"),
        )

    async def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.stop()
            await asyncio.to_thread(self._pool.join)
            self._pool = None


def _limit_memory() -> None:
    import resource

    import sympy  # noqa: F401  # before the limit, so that it bounds the work alone

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + _MEMORY, now + _MEMORY))


def symbolic(answer: str, gold: str) -> tuple[Any, str, str]:
    """``math-verify`` and a numeric second opinion; runs in a process of the pool."""
    from math_verify import parse, verify

    sides = []
    for text in (answer, gold):
        parsed = parse(f"${text.strip().strip('$')}$", parsing_timeout=None)
        expressions = [item for item in parsed if not isinstance(item, str)]
        if not expressions:
            words = normalise(answer).lower(), normalise(gold).lower()
            if words[0] == words[1]:
                return "right", "text", ""
            return "undecided", "not_parsed", f"{text[:80]!r} is no mathematics to the parser"
        sides.append(parsed)
    equal = verify(sides[1], sides[0], timeout_seconds=None) or verify(
        sides[0], sides[1], timeout_seconds=None
    )
    if not equal:
        return "wrong", "math_verify", ""
    doubt = _disagree(sides[0][0], sides[1][0])
    return ("undecided", "second_opinion", doubt) if doubt else ("right", "math_verify", "")


def _disagree(a: Any, b: Any) -> str:
    """Why two sides that were called equal may not be; empty where nothing speaks against it."""
    import sympy

    if isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr):
        if a.free_symbols != b.free_symbols:
            return "they have different variables"
        points = {s: sympy.Rational(7 + 4 * i, 11) for i, s in enumerate(sorted(a.free_symbols, key=str))}
        try:
            x, y = a.subs(points).evalf(40), b.subs(points).evalf(40)
            if not (x.is_number and y.is_number):
                return ""
            scale = max(abs(x), abs(y))
            if scale != 0 and abs(x - y) > scale * sympy.Float("1e-12", 40):
                return f"they differ in numbers: {sympy.N(x, 8)} and {sympy.N(y, 8)}"
        except (TypeError, ValueError, ZeroDivisionError):
            return ""
        return ""
    if isinstance(a, sympy.FiniteSet) != isinstance(b, sympy.FiniteSet):
        return "one is a set and the other is not"
    if isinstance(a, sympy.Tuple) != isinstance(b, sympy.Tuple):
        return "one is a tuple and the other is not"
    return ""
