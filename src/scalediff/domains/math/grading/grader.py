"""The one door to grading: a pair of answers in, a three-valued verdict out.

Exact rules answer at once. What they leave open goes to a pool of spawned processes that are killed
when a pair takes too long (its time starts when a process takes it up, never while it queues) or
too much memory. The pool starts at the first pair that needs it, so arithmetic never pays for it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections import OrderedDict
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any

from scalediff.core.errors import PrerequisiteError
from scalediff.core.records import Verdict
from scalediff.core.stopping import STOPPING, kept_from_children
from scalediff.domains.math.grading.compare import compare
from scalediff.domains.math.grading.opinion import judge, start_worker
from scalediff.domains.math.grading.processes import WithoutMain

GRADER_VERSION = "6"
"""Raised whenever the same pair may get another verdict; part of the domain's version."""

MAX_CHARACTERS = 2_000
"""Longer answers are not compared: no answer of mathematics is, but loops are."""

_CACHED = 20_000
_TASKS_A_PROCESS = 2_000
_STARTS = 3


def grade_at_once(a: str, b: str) -> Verdict | None:
    """The verdict where it needs no computer algebra, which is nearly always; else None."""
    if max(len(a), len(b)) > MAX_CHARACTERS:
        return Verdict("undecided", "too_long", f"over {MAX_CHARACTERS} characters")
    try:
        return compare(a, b)
    # A hostile text may break any reader; it must neither end a run nor be called wrong.
    except Exception as error:
        return Verdict("undecided", "failed", type(error).__name__)


class Grader:
    """Grades pairs of answers.

    Args:
        seconds: What one pair may take in a process before it is killed and undecided.
        workers: Processes.
        memory_bytes: What a process may map before a pair fails and is undecided.
    """

    def __init__(self, seconds: float = 5.0, workers: int = 2, memory_bytes: int = 2 << 30) -> None:
        self._seconds = seconds
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._pool: Any = None
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], Future[Verdict]] = OrderedDict()

    @property
    def started(self) -> bool:
        """Whether processes were needed so far."""
        return self._pool is not None

    async def grade_pair(self, a: str, b: str) -> Verdict:
        r"""Whether two answers are the same; a timeout or a crash is undecided, never wrong.

        Raises:
            PrerequisiteError: The pair needs a process and none can be started.

        Example:
            verdict = await Grader().grade_pair("0.5", r"\frac{1}{2}")
        """
        return grade_at_once(a, b) or await self._in_pool(a, b)

    async def _in_pool(self, a: str, b: str) -> Verdict:
        """Ask a process; a pool that broke while it was idle is started afresh."""
        for _ in range(_STARTS):
            pool, future = self._ask(a, b)
            await _done(future)
            if future.cancelled() or not isinstance(future.exception(), BrokenProcessPool):
                return self._verdict(future)
            self._drop_pool(pool)
        raise PrerequisiteError(
            "the grader's processes do not start, or end at once; see what stands above, and how "
            "much memory a process may map (ulimit -v)"
        )

    def _ask(self, a: str, b: str) -> tuple[Any, Future[Verdict]]:
        """The pool and the future of a pair; equal pairs share one, whichever loop asks."""
        with self._lock:
            future = self._known.get((a, b))
            if future is not None:
                self._known.move_to_end((a, b))
                return self._pool, future
            if self._pool is not None and not self._pool.active:
                self._pool = None
            with kept_from_children():
                future = self._start().schedule(judge, args=(a, b), timeout=self._seconds)
            self._known[a, b] = future
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
            return self._pool, future

    def _drop_pool(self, pool: Any) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
            self._known = OrderedDict(
                (pair, future)
                for pair, future in self._known.items()
                if not (future.done() and not future.cancelled() and future.exception())
            )

    def _verdict(self, future: Future[Verdict]) -> Verdict:
        if future.cancelled():
            return Verdict("undecided", "stopped", "the grader was closed")
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, TimeoutError):
            return Verdict("undecided", "timeout", f"no result within {self._seconds:g} seconds")
        STOPPING.check()  # the process may have got the signal as well
        return Verdict("undecided", "crash", f"the process ended: {type(error).__name__}")

    def _start(self) -> Any:
        if self._pool is None:
            for package in ("math_verify", "pebble"):
                if importlib.util.find_spec(package) is None:
                    name = package.replace("_", "-")
                    raise PrerequisiteError(f"grading needs {name}: pip install {name}")
            from pebble import ProcessPool

            self._pool = ProcessPool(
                max_workers=self._workers,
                max_tasks=_TASKS_A_PROCESS,
                initializer=start_worker,
                initargs=(self._memory_bytes,),
                context=WithoutMain(),
            )
        return self._pool

    async def close(self) -> None:
        """End the processes; what they had not finished is forgotten. May be called twice."""
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """``close`` for callers without an event loop."""
        with self._lock:
            pool, self._pool = self._pool, None
            self._known.clear()
        if pool is not None:
            pool.stop()
            pool.join()


async def _done(future: Future[Verdict]) -> None:
    """Wait for a future of another thread without cancelling it when this task is cancelled."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()

    def tell(_: Future[Verdict]) -> None:
        with suppress(RuntimeError):  # the loop that asked has ended
            loop.call_soon_threadsafe(ready.set)

    future.add_done_callback(tell)
    await ready.wait()
