"""Work on the units that a step owes: how many at once, what is tried again, when it gives up.

A unit is a row, or one sample of it. Each is finished exactly once: its outcome goes into the
ledger, and what is in the ledger is not worked on again. A unit that fails by the engine's fault
stays owed and is tried again in another pass; only one that fails while the engine serves others
(``RequestError``) uses up its tries, and then leaves as a drop and never blocks the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from scalediff.core.engine import Usage
from scalediff.core.errors import EngineError, RecordError, RequestError, ScalediffError, Stopped
from scalediff.core.keys import unit_key
from scalediff.core.records import Drop, Row
from scalediff.core.stage import AsyncStage, Brake, Context
from scalediff.core.stopping import STOPPING
from scalediff.io.ledger import Ledger

WINDOW = 512
"""Units under way at least; twice the engine's width where that is more. The engine alone decides
how many of them it works on at once."""

TRIES = 3
"""Passes in which a unit may fail alone, while the engine serves others, before it is a drop."""

_TROUBLE_PASSES = 4
"""Passes over owed units without a single success before the engine is said to have failed."""
_LONGEST_PAUSE_S = 30.0
_PROBES = 4
_PROBE_S = 10.0
"""After a fruitless pass few units go first, until one succeeds; so many seconds if none ends."""
_MOST_FAILED = 10_000
"""Failed units that are held with their rows; more end the pass, so that they come first again."""
_TELL_EVERY = 64
_BEAT_S = 1.0


class Unit(NamedTuple):
    """One thing to do: a sample of a row."""

    ordinal: int
    key: str
    row: Row
    sample_index: int


class Owed:
    """The units of a step, and the work on those that are not finished.

    Args:
        stage: What to do with each unit.
        source: Gives the rows afresh at each call, always in the same order.
        ledger: What is finished already.
        ctx: What the stage may ask.
        is_whole: Says whether a finished outcome can still be read (its attempts are in the store).
        brake: What may end the work early and in good order.
    """

    def __init__(
        self,
        stage: AsyncStage,
        source: Callable[[], Iterator[Row]],
        ledger: Ledger,
        ctx: Context,
        is_whole: Callable[[Row | Drop], bool] = lambda _: True,
        brake: Brake | None = None,
    ) -> None:
        self._stage = stage
        self._source = source
        self._ledger = ledger
        self._ctx = ctx
        self._is_whole = is_whole
        self._brake = brake
        self._indices = stage.sample_indices()
        self._failures: Counter[str] = Counter()
        self._failed: list[Unit] = []
        self._retries: deque[Unit] = deque()
        self._last_error: EngineError | None = None
        self._done = self._successes = self._in_a_row = 0
        self._reason: Exception | None = None
        self._limit = WINDOW
        self._under_way = 0
        self._answered = asyncio.Event()
        self._ended = asyncio.Event()
        self._stops = asyncio.Event()
        self._at_stop: Usage | None = None
        self._heart: asyncio.TimerHandle | None = None

    def finished(self, key: str) -> Row | Drop | None:
        """What came of a unit; None where it is owed."""
        outcome = self._ledger.read(key)
        return outcome if outcome is not None and self._is_whole(outcome) else None

    def owed(self) -> Iterator[Unit]:
        """The units that are not finished, in the order of their rows."""
        ordinal = 0
        for row in STOPPING.checked(self._source()):
            for index in self._indices:
                key = unit_key(row["key"], index)
                outcome = self.finished(key)
                if outcome is None:
                    yield Unit(ordinal, key, row, index)
                else:
                    self._done += 1
                    if self._brake is not None:
                        self._brake.note(outcome)
                ordinal += 1

    async def work(self, units: Iterator[Unit], total: int) -> None:
        """Finish every unit.

        Args:
            units: Those owed; read as far as there is room for them.
            total: Units in all, for the progress.

        Raises:
            EngineError: The engine kept failing while no unit at all succeeded; what is finished
                stays finished.
            Exception: What the brake says, or the trouble that no unit is to blame for, once all
                that was under way has finished.
        """
        loop = asyncio.get_running_loop()
        soon = loop.call_soon_threadsafe
        try:
            async with asyncio.timeout(None) as grace:

                def over() -> None:
                    with suppress(RuntimeError):  # it ended in this very turn
                        grace.reschedule(loop.time())

                self._heart = loop.call_later(_BEAT_S, self._beat, loop, total)
                with STOPPING.under_way(lambda: soon(self._stop), lambda: soon(over)):
                    await self._passes(units, total)
        except TimeoutError:
            if not grace.expired():
                raise
            raise self._stopped() from None
        finally:
            if self._heart is not None:
                self._heart.cancel()

    def _beat(self, loop: asyncio.AbstractEventLoop, total: int) -> None:
        """Report from time to time also where nothing moves: that is when people look."""
        self._heart = loop.call_later(_BEAT_S, self._beat, loop, total)
        self._ctx.progress(self._done, total)

    def _stop(self) -> None:
        """Begin nothing new, and wake whoever waits to."""
        self._at_stop = self._at_stop or replace(self._usage())
        self._stops.set()
        self._answered.set()
        self._ended.set()
        self._ended.clear()

    def _stopped(self) -> Stopped:
        """What became of the requests that were under way when the signal came."""
        before, now = self._at_stop or Usage(), self._usage()
        num, lost = before.in_flight, now.abandoned - before.abandoned
        if not num:
            return STOPPING.stopped()
        detail = f"{STOPPING.signal}: {num - lost:,} of {num:,} requests under way came in time"
        if lost:
            tokens = now.wasted_tokens - before.wasted_tokens
            detail += (
                f", {lost:,} were given up after {STOPPING.grace_s:g} s (--grace) and have to be "
                f"paid for again ({tokens:,} tokens of them had come)"
            )
        return STOPPING.stopped(detail)

    def _usage(self) -> Usage:
        return self._ctx.engine.usage if self._ctx.engine is not None else Usage()

    async def _passes(self, units: Iterator[Unit], total: int) -> None:
        fruitless = 0
        while True:
            before = self._successes
            self._retries = deque([*self._failed, *self._retries])
            self._failed, self._in_a_row = [], 0
            is_over = await self._one_pass(units, total, is_probing=fruitless > 0)
            if self._reason is not None:
                raise self._reason
            if is_over and not self._failed:
                return
            if self._stops.is_set():
                raise self._stopped()
            fruitless = 0 if self._successes > before else fruitless + 1
            if fruitless >= _TROUBLE_PASSES:
                raise EngineError(
                    f"step {self._ctx.step}: {len(self._failed):,} requests and more are still "
                    f"owed after {_TROUBLE_PASSES} fruitless passes, last: {self._last_error}; "
                    "mend the engine and run the same command again, nothing finished is lost"
                )
            await self._pause(min(_LONGEST_PAUSE_S, 0.5 * 2**fruitless))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until a signal comes."""
        waits = [asyncio.create_task(w) for w in (asyncio.sleep(seconds), self._stops.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    async def _one_pass(self, units: Iterator[Unit], total: int, *, is_probing: bool) -> bool:
        """Try each unit once; True where none is left that was not tried.

        A pass ends early where as many as are under way failed in a row: a server that is down
        would otherwise see the whole queue once a pass.
        """
        window = self._window()
        self._limit = _PROBES if is_probing else window
        self._answered.clear()
        is_over = False

        async def worker() -> None:
            nonlocal is_over
            while not is_over and self._has_room() and not self._is_braked():
                if self._is_held():
                    await self._ended.wait()
                    continue
                unit = self._retries.popleft() if self._retries else next(units, None)
                if unit is None:
                    is_over = True
                elif self._is_braked():  # by what earlier invocations finished, read just now
                    self._retries.appendleft(unit)
                elif await self._try(unit):
                    self._in_a_row = 0
                    self._answered.set()
                    self._tell(total)
                else:
                    self._in_a_row += 1
                    self._failed.append(unit)
                # what needs nobody's answer would otherwise keep the loop (and Ctrl-C) from a turn
                await asyncio.sleep(0)
            self._answered.set()

        async with asyncio.TaskGroup() as group:
            for number in range(min(window, max(total, 1))):
                if number == self._limit:
                    await self._probe()
                    if not self._has_room():
                        break
                    self._limit = window
                group.create_task(worker())
        self._ctx.progress(self._done, total)
        return is_over

    def _width(self) -> int:
        return self._ctx.engine.info.width if self._ctx.engine is not None else 0

    def _window(self) -> int:
        return max(WINDOW, 2 * self._width())

    def _is_held(self) -> bool:
        return self._brake is not None and self._brake.is_full(
            self._under_way, self._successes, self._width()
        )

    def _has_room(self) -> bool:
        return self._in_a_row < self._limit and len(self._failed) < _MOST_FAILED

    async def _probe(self) -> None:
        """Wait for one of the first units to succeed, or for all of them to fail."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), _PROBE_S)

    def _is_braked(self) -> bool:
        if self._brake is not None and self._reason is None:
            self._reason = self._brake.reason()
        return self._reason is not None or self._stops.is_set()

    def _tell(self, total: int) -> None:
        if self._done % _TELL_EVERY == 0 or self._done <= _TELL_EVERY:
            self._ctx.progress(self._done, total)

    async def _try(self, unit: Unit) -> bool:
        self._under_way += 1
        try:
            return await self._finish(unit)
        finally:
            self._under_way -= 1
            self._ended.set()  # whoever waits wakes, and the next one waits anew
            self._ended.clear()

    async def _finish(self, unit: Unit) -> bool:
        outcome: Row | Drop
        try:
            outcome = await self._stage.process(unit.row, unit.sample_index, self._ctx)
        except RecordError as error:
            outcome = Drop(error.reason, error.evidence)
        except RequestError as error:
            self._last_error = error
            self._failures[unit.key] += 1
            if self._failures[unit.key] < TRIES:
                return False
            outcome = Drop("attempt_failed", f"in {TRIES} passes, last: {error}")
        except EngineError as error:
            self._last_error = error
            return False
        except ScalediffError as error:
            # the account's, the endpoint's or the setting's trouble: no unit is to blame, and what
            # is under way elsewhere may finish before the step stops
            self._reason = self._reason or error
            return False
        self._ledger.write(unit.key, outcome, unit.ordinal)
        self._done += 1
        self._successes += 1
        if self._brake is not None:
            self._brake.note(outcome)
        return True

    def outcomes(self) -> Iterator[tuple[str, Row | Drop]]:
        """The finished rows in input order, the samples of one row brought together."""
        for row in self._source():
            found = [self.finished(unit_key(row["key"], index)) for index in self._indices]
            kept = [f for f in found if f is not None]
            yield row["key"], _together(kept)


def _together(samples: list[Row | Drop]) -> Row | Drop:
    """One outcome of a row's samples: what they added, or the first drop if all are drops."""
    rows = [s for s in samples if not isinstance(s, Drop)]
    if not rows:
        return samples[0] if samples else Drop("unfinished", "the run was finished early")
    attempts = [attempt for row in rows for attempt in row.get("attempts", ())]
    joined = {name: value for row in rows for name, value in row.items()}
    return {**joined, "attempts": attempts} if attempts else joined
