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
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import orjson

from scalediff.core.domain import Domain
from scalediff.core.engine import Engine
from scalediff.core.errors import RecordError, ScalediffError
from scalediff.core.records import Drop, Row
from scalediff.core.stage import AsyncStage, Brake, Context, RowStage, SetStage, Stage
from scalediff.core.stopping import STOPPING
from scalediff.io.attempts import AttemptStore
from scalediff.io.ledger import Ledger
from scalediff.io.parquet import ATTEMPT_COLUMNS, DROP_COLUMNS, TableWriter
from scalediff.io.run import StepFolder, StepTable
from scalediff.owed import Owed, Unit

Outcome = tuple[str, Row | Drop]


@dataclass
class Result:
    """What a step came to; written into its seal."""

    digest: str = ""
    num_rows: int = 0
    num_in: int = 0
    num_review: int = 0
    num_unfinished: int = 0
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
        for key, outcome in STOPPING.checked(outcomes):
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


def run_async_stage(
    stage: AsyncStage,
    folder: StepFolder,
    source: Callable[[], Iterator[Row]],
    num_rows: int,
    ctx: Context,
    store: AttemptStore,
    open_engine: Callable[[], Awaitable[Engine | None]],
    run: Callable[[Coroutine[Any, Any, None]], None],
    brake: Brake | None = None,
    finish: bool = False,
) -> Result:
    """Run a stage that awaits; its engine is opened only when something is owed.

    Args:
        stage: The stage.
        folder: Its folder, begun.
        source: The rows, afresh at each call.
        num_rows: How many rows that gives.
        ctx: The context; its ``engine`` is set here.
        store: Where the attempts that outcomes speak of are kept.
        open_engine: Opens the step's engine, or gives None; whoever opened it closes it.
        run: Runs a coroutine in the loop that engines live in.
        brake: What may end the work early and in good order.
        finish: Seal what is there of a step that was begun; the rest is dropped as ``unfinished``.
    """

    def is_whole(outcome: Row | Drop) -> bool:
        if isinstance(outcome, Drop):
            return True
        ids = [a.get("attempt_id") for a in outcome.get("attempts", ())]
        return all(i is None or i in store for i in ids)  # a power cut may part them

    with Ledger(folder.path / "ledger", store) as ledger:
        owed = Owed(stage, source, ledger, ctx, is_whole, brake)
        units = owed.owed()
        if finish and len(ledger):
            num_unfinished = sum(1 for _ in units)
            result = _seal(folder, stage, owed.outcomes())
            result.num_unfinished = num_unfinished
            return result
        first = next(units, None)
        if first is not None:
            total = num_rows * len(stage.sample_indices())
            run(_work(owed, chain([first], units), total, ctx, open_engine))
            ledger.flush()
        return _seal(folder, stage, owed.outcomes())


async def _work(
    owed: Owed,
    units: Iterator[Unit],
    total: int,
    ctx: Context,
    open_engine: Callable[[], Awaitable[Engine | None]],
) -> None:
    ctx.engine = await _unless_stopped(open_engine())
    try:
        await owed.work(units, total)
    except* (ScalediffError, OSError) as group:
        # one sentence, not a group of as many as were in flight
        first: BaseException = group
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _unless_stopped(opening: Awaitable[Engine | None]) -> Engine | None:
    """What is opened, where no signal comes meanwhile: nothing is paid for yet."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:

            def end() -> None:
                with suppress(RuntimeError):  # it ended in this very turn
                    limit.reschedule(loop.time())

            forget = STOPPING.hear(lambda: loop.call_soon_threadsafe(end))
            try:
                STOPPING.check()
                return await opening
            finally:
                forget()
    except TimeoutError:
        if limit.expired():
            raise STOPPING.stopped() from None
        raise


def timed() -> Callable[[], float]:
    """Seconds since this was called, by the monotonic clock."""
    start = time.monotonic()
    return lambda: time.monotonic() - start
