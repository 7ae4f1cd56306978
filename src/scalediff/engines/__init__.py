"""Whatever answers prompts. Stages see ``core.engine.Engine`` and never these."""

from __future__ import annotations

import asyncio
from pathlib import Path

from scalediff.core.engine import Engine, ModelSpec
from scalediff.engines.config import EngineConfig

__all__ = ["EngineConfig", "open_engine"]


async def open_engine(
    spec: ModelSpec, config: EngineConfig, log_folder: Path | None = None
) -> Engine:
    """Open the engine that a model needs.

    Args:
        spec: The model.
        config: How the engine works.
        log_folder: Where servers that are started here write their logs; None is a temporary one.

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

        return await VllmEngine.open(spec, config, log_folder)
    from scalediff.engines.transformers import TransformersEngine

    # loading takes seconds, in which the loop goes on
    return await asyncio.to_thread(TransformersEngine.load, spec, config)
