"""Whatever answers prompts. Stages see ``core.engine.Engine`` and never these."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from scalediff.core.engine import Engine, ModelSpec
from scalediff.core.errors import PrerequisiteError
from scalediff.core.stage import OPERATION, Config

__all__ = ["EngineConfig", "open_engine"]


class EngineConfig(Config):
    """How the engine works; none of it changes what is asked of the model."""

    slots: Annotated[int, OPERATION] = Field(default=64, ge=1)
    """Responses decoded together. For a small model on a CPU 64 is nearly as fast as 256."""
    threads: Annotated[int, OPERATION] = Field(default=0, ge=0)
    """Threads of the processor; 0 is all cores."""
    precision: Annotated[Literal["auto", "float32", "bfloat16"], OPERATION] = "auto"
    """Precision of the weights; ``auto`` is float32 on a CPU and bfloat16 on a GPU."""
    device: Annotated[str, OPERATION] = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``cpu``, ``cuda`` or ``cuda:1``; ``auto`` is a GPU where there is one."""


async def open_engine(spec: ModelSpec, config: EngineConfig) -> Engine:
    """Open the engine that a model needs.

    Raises:
        PrerequisiteError: A library, the hub or the device is not at hand, or this version has no
            engine for the model.
        RecipeError: The model cannot be loaded.
        EngineError: The model does not run.
    """
    if spec.kind == "fake":
        from scalediff.engines.fake import FakeEngine

        return FakeEngine(spec)
    if spec.kind == "url":
        raise PrerequisiteError(
            f"{spec.name}: the openai engine is not part of this version; give a model folder, or "
            "give the attempts that your server made to `scalediff filter`"
        )
    from scalediff.engines.transformers import TransformersEngine

    # loading takes seconds, in which the loop goes on
    return await asyncio.to_thread(TransformersEngine.load, spec, config)
