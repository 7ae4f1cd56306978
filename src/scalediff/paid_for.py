"""How many of a step's units are finished or paid for already, before it is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

from scalediff.core.engine import Completion, EngineInfo, ModelSpec, Request, Score, Usage
from scalediff.core.errors import EngineError, ScalediffError
from scalediff.core.keys import unit_key
from scalediff.core.records import Row
from scalediff.core.stage import AsyncStage, Context
from scalediff.engines.recording import RecordingEngine
from scalediff.io.attempts import AttemptStore
from scalediff.io.ledger import Ledger

MOST_LOOKED_AT = 5_000
"""Units whose requests are looked up in the store; of more the share of these is taken."""


class _Asked(EngineError):
    """Something that the store does not have would be asked."""


class _Nobody:
    """An engine that answers nothing: what needs it is not paid for yet."""

    def __init__(self, spec: ModelSpec) -> None:
        fingerprint = spec.fingerprint or spec.served or spec.name
        self.info = EngineInfo(spec.name, fingerprint, opens_think=True)
        self.usage = Usage()

    async def sample(self, request: Request) -> Completion:
        raise _Asked

    async def score(self, request: Request, continuation: str) -> Score:
        raise _Asked

    async def close(self) -> None:
        """Nothing to give back."""


def num_paid_for(
    stage: AsyncStage,
    rows: Callable[[], Iterator[Row]],
    ctx: Context,
    spec: ModelSpec,
    ledger: Ledger,
    store: AttemptStore,
) -> int:
    """Units of a paying step that cost nothing any more.

    Args:
        stage: The step's stage.
        rows: Gives its rows.
        ctx: As the step would be given it.
        spec: Its model.
        ledger: What of it is finished.
        store: What was ever paid for.
    """
    if not len(ledger) and not len(store):
        return 0
    units = ((row, index) for row in rows() for index in stage.sample_indices())
    ctx = replace(ctx, engine=RecordingEngine(_Nobody(spec), store))

    async def count() -> int:
        done = looked = found = others = 0
        for row, index in units:
            if unit_key(row["key"], index) in ledger:
                done += 1
            elif looked < MOST_LOOKED_AT:
                looked += 1
                found += await _is_stored(stage, row, index, ctx)
            else:
                others += 1
        return done + found + (round(others * found / looked) if others else 0)

    return asyncio.run(count())


async def _is_stored(stage: AsyncStage, row: Row, index: int, ctx: Context) -> bool:
    try:
        await stage.process(row, index, ctx)
    except ScalediffError:  # most of all `_Asked`
        return False
    return True
