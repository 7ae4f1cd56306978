"""Whatever answers prompts. Stages see ``core.engine.Engine`` and never these."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scalediff.core.engine import Engine, ModelSpec
from scalediff.core.errors import PrerequisiteError
from scalediff.core.stage import OPERATION, Config


class EngineConfig(Config):
    """How the engine works; none of it changes what is asked of the model."""

    slots: Annotated[int, OPERATION] = Field(default=64, ge=1)
    """Responses decoded together. 64 is nearly as fast as 256 for small models on a CPU."""
    threads: Annotated[int, OPERATION] = Field(default=0, ge=0)
    """Threads of the processor; 0 is all cores."""
    precision: Annotated[Literal["auto", "float32", "bfloat16"], OPERATION] = "auto"
    """``auto`` is float32 on a CPU and bfloat16 on a GPU."""
    device: Annotated[str, OPERATION] = "auto"
    """``auto`` is a GPU where there is one."""


async def open_engine(spec: ModelSpec, config: EngineConfig) -> Engine:
    """Open the engine that a model needs.

    Raises:
        PrerequisiteError: A library is missing, or this version has no engine for the model.
    """
    if spec.kind == "fake":
        from scalediff.engines.fake import FakeEngine

        return FakeEngine(spec)
    if spec.kind == "url":
        raise PrerequisiteError(
            f"{spec.name}: engines over HTTP are not part of this version; give a model folder, "
            "or export your server's responses and use `scalediff filter`, which takes attempts "
            "made elsewhere"
        )
    try:
        from scalediff.engines.transformers import TransformersEngine
    except ImportError as error:
        raise PrerequisiteError(
            f'the transformers engine needs {error.name}: pip install "scalediff[local]"'
        ) from None
    return TransformersEngine.load(spec, config)
