"""Loading a model for the embedded engine: folders, hub ids and GGUF files. Safetensors only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.engines import EngineConfig


def load_model(spec: ModelSpec, config: EngineConfig) -> tuple[Any, Any, str]:
    """The model in evaluation mode, its tokenizer and the precision.

    Raises:
        PrerequisiteError: A library or the hub is not at hand.
        RecipeError: The model cannot be read.
    """
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)
    device = config.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if device.startswith("cuda") else "float32"
    where, options = _place(spec)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(where, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            where,
            dtype=getattr(torch, precision),
            attn_implementation="sdpa",
            trust_remote_code=False,
            use_safetensors=None if spec.kind == "gguf" else True,
            **options,
        )
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        if spec.kind == "hub":
            raise PrerequisiteError(
                f"the model {spec.name} could not be fetched from the hub ({first}); check the "
                "name and the network, or give a folder"
            ) from None
        raise RecipeError(
            f"the model {spec.name} in {spec.location} cannot be loaded: {first}"
        ) from None
    return model.to(device).eval(), tokenizer, precision


def _place(spec: ModelSpec) -> tuple[str, dict[str, Any]]:
    """Where ``from_pretrained`` looks, and what it needs besides."""
    if spec.kind != "gguf":
        return spec.location, {}
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise PrerequisiteError(
            f'{spec.name} is a GGUF file: pip install "scalediff[smol]"'
        ) from None
    path = Path(spec.location)
    return str(path.parent), {"gguf_file": path.name}
