"""One step: read its rows, give each to the stage, write what comes back, seal.

The three shapes of stages share how they end: outcomes in input order go through a ``Sealer`` into
``rows.parquet``, ``attempts.parquet`` and ``drops.parquet``, and the seal is written last. Only
stages that await something keep a ledger while they work; the others are pure and start over.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson

from scalediff.core.domain import Domain
from scalediff.core.errors import EngineError, RecordError, ScalediffError
from scalediff.core.keys import unit_key
from scalediff.core.records import Drop, Row
from scalediff.core.stage import AsyncStage, Context, RowStage, SetStage, Stage
from scalediff.io.ledger import Ledger
from scalediff.io.parquet import ATTEMPT_COLUMNS, DROP_COLUMNS, TableWriter
from scalediff.io.run import StepFolder, StepTable

WINDOW = 512
"""Units in flight at most; the engine alone decides how many of them it works on at once."""

_TROUBLE_PASSES = 4
"""Passes over owed units without a single success before the engine is said to have failed."""

Outcome = tuple[str, Row | Drop]


@dataclass
class Result:
    """What a step came to; written into its seal."""

    digest: str = ""
    num_rows: int = 0
    num_in: int = 0
    num_review: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, Any]:
        """``in``, ``out``, ``review`` and ``dropped`` by reason; in = out + review + dropped."""
        return {
            "in": self.num_in,
            "out": self.num_rows - self.num_review,
            "review": self.num_review,
            "dropped": dict(self.dropped.most_common()),
        }


class Sealer:
    """Writes outcomes in order into the step's tables and digests them on the way."""

    def __init__(self, folder: StepFolder, stage: Stage) -> None:
        self._rows = TableWriter(folder.path / "rows.parquet", stage.adds)
        self._drops = TableWriter(folder.path / "drops.parquet", DROP_COLUMNS)
        self._attempts: TableWriter | None = None
        if "attempts" in stage.adds:
            self._attempts = TableWriter(folder.path / "attempts.parquet", ATTEMPT_COLUMNS)
        self._hash = hashlib.sha256()
        self.result = Result()

    def write(self, key: str, outcome: Row | Drop) -> None:
        """Add the outcome of one row."""
        self.result.num_in += 1
        if isinstance(outcome, Drop):
            self.result.dropped[outcome.reason] += 1
            values = {"reason": outcome.reason, "evidence": outcome.evidence}
            self._drops.write({"key": key, **values}, len(outcome.evidence) + 100)
            return
        payload = orjson.dumps(
            [key, outcome], default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
        )
        self._hash.update(payload)
        plain = {**outcome, "key": key}
        if self._attempts is not None:
            for attempt in plain.pop("attempts", None) or ():
                self._attempts.write({**attempt, "key": key})
        self._rows.write(plain, len(payload))
        self.result.num_rows += 1
        self.result.num_review += bool(outcome.get("review"))

    def close(self) -> Result:
        """Put the tables in their places."""
        for writer in (self._rows, self._drops, self._attempts):
            if writer is not None:
                writer.close()
        self.result.digest = self._hash.hexdigest()
        return self.result

    def discard(self) -> None:
        """Leave no half tables behind."""
        for writer in (self._rows, self._drops, self._attempts):
            if writer is not None:
                writer.discard()


def _seal(folder: StepFolder, stage: Stage, outcomes: Iterable[Outcome]) -> Result:
    sealer = Sealer(folder, stage)
    try:
        for key, outcome in outcomes:
            sealer.write(key, outcome)
        return sealer.close()
    except BaseException:
        sealer.discard()
        raise


def run_set_stage(
    stage: SetStage, folder: StepFolder, inputs: list[StepTable], ctx: Context
) -> Result:
    """Run a stage that needs the whole set."""
    return _seal(folder, stage, stage.run(list(inputs), ctx))


def run_row_stage(stage: RowStage, folder: StepFolder, rows: StepTable, ctx: Context) -> Result:
    """Map a pure stage over the rows, in processes where that pays."""

    def outcomes() -> Iterator[Outcome]:
        done = 0
        for done, outcome in enumerate(ctx.map(partial(_process, stage), rows.rows()), start=1):
            if done % 1_000 == 0:
                ctx.progress(done, rows.num_rows)
            yield outcome
        ctx.progress(done, rows.num_rows)

    return _seal(folder, stage, outcomes())


def _process(stage: RowStage, row: Row, domain: Domain) -> Outcome:
    try:
        return row["key"], stage.process(row, domain)
    except RecordError as error:
        return row["key"], Drop(error.reason, error.evidence)


class AsyncRun:
    """Work on the units that a step owes, at most ``WINDOW`` at once, each durable as it ends.

    Args:
        stage: What to do with each unit.
        source: Gives the rows afresh at each call, always in the same order.
        ledger: What is finished already.
        ctx: What the stage may ask.
        is_whole: Says whether a finished outcome can still be read (its attempts are in the store).
    """

    def __init__(
        self,
        stage: AsyncStage,
        source: Callable[[], Iterator[Row]],
        ledger: Ledger,
        ctx: Context,
        is_whole: Callable[[Row | Drop], bool] = lambda _: True,
    ) -> None:
        self._stage = stage
        self._source = source
        self._ledger = ledger
        self._ctx = ctx
        self._is_whole = is_whole
        self._indices = stage.sample_indices()
        self._successes = 0
        self._last_error: EngineError | None = None

    def units(self) -> Iterator[tuple[int, str, Row, int]]:
        """Ordinal, ledger key, row and sample index of everything the step consists of."""
        ordinal = 0
        for row in self._source():
            for index in self._indices:
                yield ordinal, unit_key(row["key"], index), row, index
                ordinal += 1

    def finished(self, key: str) -> Row | Drop | None:
        """What came of a unit; None where it is owed."""
        outcome = self._ledger.read(key)
        return outcome if outcome is not None and self._is_whole(outcome) else None

    async def work(self, total: int) -> None:
        """Finish every owed unit.

        Raises:
            EngineError: The engine kept failing while no unit at all succeeded; what is finished
                stays finished.
        """
        fruitless = 0
        while True:
            before, failed = self._successes, await self._one_pass(total)
            if not failed:
                return
            fruitless = 0 if self._successes > before else fruitless + 1
            if fruitless >= _TROUBLE_PASSES:
                assert self._last_error is not None
                raise EngineError(
                    f"step {self._ctx.step}: {failed} requests are still owed after "
                    f"{_TROUBLE_PASSES} fruitless passes, last: {self._last_error}; mend the "
                    "engine and run the same command again, nothing finished is lost"
                )
            await asyncio.sleep(min(30.0, 0.5 * 2**fruitless))

    async def _one_pass(self, total: int) -> int:
        """Try every owed unit once; the number that failed by the engine's fault."""
        units = self.units()
        done = failed = in_a_row = 0

        async def worker() -> None:
            nonlocal done, failed, in_a_row
            for ordinal, key, row, index in units:
                if self.finished(key) is None:
                    # a server that is down would otherwise see the whole queue once a pass
                    if in_a_row >= WINDOW or not await self._try(ordinal, key, row, index):
                        failed += 1
                        in_a_row += 1
                        continue
                    in_a_row = 0
                done += 1
                self._ctx.progress(done, total)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(WINDOW, max(total, 1))):
                group.create_task(worker())
        return failed

    async def _try(self, ordinal: int, key: str, row: Row, index: int) -> bool:
        outcome: Row | Drop
        try:
            outcome = await self._stage.process(row, index, self._ctx)
        except RecordError as error:
            outcome = Drop(error.reason, error.evidence)
        except EngineError as error:
            self._last_error = error
            return False
        self._ledger.write(key, outcome, ordinal)
        self._successes += 1
        return True

    def outcomes(self) -> Iterator[Outcome]:
        """The finished rows in input order, the samples of one row brought together."""
        for row in self._source():
            found = [self.finished(unit_key(row["key"], index)) for index in self._indices]
            yield row["key"], _together([f for f in found if f is not None])


def _together(samples: list[Row | Drop]) -> Row | Drop:
    """One outcome of a row's samples: what they added, or the first drop if all are drops."""
    rows = [s for s in samples if not isinstance(s, Drop)]
    if not rows:
        return samples[0]
    attempts = [attempt for row in rows for attempt in row.get("attempts", ())]
    joined = {name: value for row in rows for name, value in row.items()}
    return {**joined, "attempts": attempts} if attempts else joined


def run_async_stage(
    stage: AsyncStage,
    folder: StepFolder,
    source: Callable[[], Iterator[Row]],
    num_rows: int,
    ctx: Context,
    is_whole: Callable[[Row | Drop], bool],
    open_engine: Callable[[], Any],
) -> Result:
    """Run a stage that awaits; its engine is opened only when something is owed.

    Args:
        stage: The stage.
        folder: Its folder, begun.
        source: The rows, afresh at each call.
        num_rows: How many rows that gives.
        ctx: The context; its ``engine`` is set here.
        is_whole: See ``AsyncRun``.
        open_engine: Coroutine function that opens the step's engine, or returns None.
    """
    with Ledger(folder.path / "ledger") as ledger:
        run = AsyncRun(stage, source, ledger, ctx, is_whole)
        total = num_rows * len(stage.sample_indices())
        if any(run.finished(key) is None for _, key, _, _ in run.units()):
            asyncio.run(_with_engine(run, total, ctx, open_engine))
        return _seal(folder, stage, run.outcomes())


async def _with_engine(
    run: AsyncRun, total: int, ctx: Context, open_engine: Callable[[], Any]
) -> None:
    ctx.engine = await open_engine()
    try:
        await run.work(total)
    except* (ScalediffError, OSError) as group:
        # one sentence, not a group of as many as were in flight
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    finally:
        if ctx.engine is not None:
            await ctx.engine.close()


def timed() -> Callable[[], float]:
    """Seconds since this was called, by the monotonic clock."""
    start = time.monotonic()
    return lambda: time.monotonic() - start
