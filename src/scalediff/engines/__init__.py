"""Whatever answers prompts. Stages see ``core.engine.Engine`` and never these."""

from __future__ import annotations

import asyncio

from scalediff.core.engine import Engine, ModelSpec
from scalediff.engines.config import EngineConfig

__all__ = ["EngineConfig", "open_engine"]


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
        from scalediff.engines.openai import OpenAIEngine

        return await OpenAIEngine.open(spec, config)
    if config.kind == "vllm":
        from scalediff.engines.vllm import VllmEngine

        return await VllmEngine.open(spec, config)
    from scalediff.engines.transformers import TransformersEngine

    # loading takes seconds, in which the loop goes on
    return await asyncio.to_thread(TransformersEngine.load, spec, config)
