"""The engine that is open, kept for the next step where that uses the same model.

Opening a large model takes minutes, and several steps of a line ask the same one. It is closed when
the next step that asks one asks another, before a training (which wants the memory), and at the
end; steps between that decide leave it open.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from scalediff.core.engine import Engine, ModelSpec
from scalediff.core.stopping import STOPPING
from scalediff.engines import EngineConfig, open_engine

T = TypeVar("T")


class Keeper:
    """The loop that engines live in, and the one engine that is open.

    Args:
        config: How engines work.
        log_folder: Where servers that are started here write their logs.
    """

    def __init__(self, config: EngineConfig, log_folder: Path | None = None) -> None:
        self._config = config
        self._log_folder = log_folder
        self._runner: asyncio.Runner | None = None
        self._spec: ModelSpec | None = None
        self._engine: Engine | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end in the one loop."""
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=_loop_factory())
            gc.freeze()  # the libraries' objects live to the end: no collection need go over them
        try:
            return self._runner.run(_heard(work))
        finally:
            STOPPING.listen()  # the loop had taken the signals for itself

    async def engine(self, spec: ModelSpec) -> Engine:
        """The engine of a model, opened where it is not the one that is open."""
        if self._engine is not None and spec == self._spec:
            return self._engine
        await self._close()
        self._engine = await open_engine(spec, self._config, self._log_folder)
        self._spec = spec
        return self._engine

    def keep_for(self, model: str | None) -> None:
        """Give the engine's memory back, unless it is this model's (by its name in the recipe)."""
        if self._spec is not None and self._spec.name != model:
            self.run(self._close())

    def close(self) -> None:
        """Close the engine and the loop."""
        if self._runner is not None:
            try:
                self.keep_for(None)
            finally:
                self._runner.close()
                self._runner = None

    async def _close(self) -> None:
        engine, self._engine, self._spec = self._engine, None, None
        if engine is not None:
            await engine.close()


async def _heard(work: Coroutine[Any, Any, T]) -> T:
    STOPPING.listen()
    return await work


def _loop_factory() -> Any:
    """uvloop's, which takes a third less time for a request over HTTP; else the standard one."""
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None
