"""Work that is counted, so that a comparison is bounded by what it does and never by luck.

A step is about ten microseconds. The main process, where nothing can be killed, has few of them
for one pair of answers (``IN_MAIN``, a quarter of a second); a worker, which is killed after some
seconds, has ``IN_WORKER``. Whatever may take long says ``spend`` before it begins: values by their
operations and digits, elements by each comparison, regions by their ends. What is known to take
long in any case (integrals, infinite sums, limits) costs ``LONG``, more than the main process has.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

IN_MAIN, IN_WORKER = 25_000, 1_000_000
LONG = IN_MAIN + 1

_own = threading.local()


class TooMuchWork(Exception):
    """The pair needs more steps than there are."""


@contextmanager
def at_most(steps: int) -> Iterator[None]:
    """Let this thread spend so many steps within; a ``with`` in another's counts for itself."""
    before, _own.left = getattr(_own, "left", None), float(steps)
    try:
        yield
    finally:
        _own.left = before


def spend(steps: float = 1, needed: float = 0) -> None:
    """Count steps that are about to be taken; outside of ``at_most`` nothing is counted.

    Raises:
        TooMuchWork: There are not so many, or fewer than are ``needed`` for what begins.
    """
    left = getattr(_own, "left", None)
    if left is not None:
        _own.left = left - steps
        if left < max(steps, needed):
            raise TooMuchWork
