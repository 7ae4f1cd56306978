"""Loading a model for the embedded engine: folders, hub ids and GGUF files. Safetensors only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import PrerequisiteError, RecipeError, ScalediffError
from scalediff.engines import EngineConfig
from scalediff.io.gguf import unpacked

BF16_PARAMETERS = 100_000_000
"""From this size on ``auto`` is bfloat16 on processors that multiply in it (AVX512-bf16, AMX).
Measured for 135 M parameters: scores take half the time and steps of 8 and of 64 rows two thirds;
for 0.8 M parameters the two are alike, and float32 rounds less."""


def load_model(spec: ModelSpec, config: EngineConfig) -> tuple[Any, Any, str]:
    """The model in evaluation mode on its device, its tokenizer and the precision.

    Raises:
        PrerequisiteError: A library, the hub or the device is not at hand.
        RecipeError: The model cannot be read, or is of no kind that the engine serves.
    """
    torch, transformers = _libraries()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if config.threads:
        torch.set_num_threads(config.threads)
    device = _device(torch, config)
    try:
        place = unpacked(Path(spec.location)) if spec.kind == "gguf" else spec.location
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        precision = _precision(torch, transformers, config, device, place)
        model, told = transformers.AutoModelForCausalLM.from_pretrained(
            place,
            dtype=getattr(torch, precision),
            attn_implementation="sdpa",
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
        )
    except ScalediffError:
        raise
    except Exception as error:  # a folder is input, and the loaders raise anything on a bad one
        raise _unreadable(spec, error) from None
    _check(spec, model, tokenizer, told)
    return model.to(device).eval(), tokenizer, precision


def _libraries() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise PrerequisiteError(
            f'the transformers engine needs {error.name}: pip install "scalediff[local]"'
        ) from None
    return torch, transformers


def _device(torch: Any, config: EngineConfig) -> str:
    has_gpu = torch.cuda.is_available()
    device = config.device
    if device == "auto":
        device = "cuda" if has_gpu else "cpu"
    if device.startswith("cuda") and not has_gpu:
        raise PrerequisiteError(
            f"the engine's device is {device} but torch sees no GPU; install torch for CUDA, or "
            "set the device to cpu"
        )
    return device


def _precision(
    torch: Any, transformers: Any, config: EngineConfig, device: str, place: str | Path
) -> str:
    """The precision asked for; ``auto`` is bfloat16 where that pays."""
    if config.precision != "auto":
        return config.precision
    if device.startswith("cuda"):
        return "bfloat16"
    kinds = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    if not any(getattr(torch.cpu, kind, bool)() for kind in kinds):
        return "float32"
    settings = transformers.AutoConfig.from_pretrained(place, trust_remote_code=False)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(settings)
    size = sum(parameter.numel() for parameter in model.parameters())
    return "bfloat16" if size >= BF16_PARAMETERS else "float32"


def _unreadable(spec: ModelSpec, error: Exception) -> PrerequisiteError | RecipeError:
    lines = str(error).strip().splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}".rstrip(": ")
    if spec.kind == "hub":
        return PrerequisiteError(
            f"the model {spec.name} could not be fetched from the hub ({reason}); check the name "
            "and the network, or give a folder"
        )
    return RecipeError(
        f"the model {spec.name} in {spec.location} cannot be loaded ({reason}); make or fetch the "
        "folder anew"
    )


def _check(spec: ModelSpec, model: Any, tokenizer: Any, told: dict[str, Any]) -> None:
    """Refuse what would load and then answer with noise."""
    missing = sorted(told.get("missing_keys") or ())
    if missing:
        raise RecipeError(
            f"the weights of {spec.name} lack {len(missing)} of the model's tensors, such as "
            f"{missing[0]}; make or fetch the folder anew"
        )
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    window = getattr(config, "sliding_window", None)
    always_slides = window is not None and not hasattr(config, "layer_types")
    if kinds or always_slides:
        raise RecipeError(
            f"{spec.name} has {' and '.join(sorted(kinds)) or 'sliding attention'} layers, which "
            "the transformers engine does not serve; name a model with full attention"
        )
    highest = max(tokenizer.get_vocab().values(), default=0)
    rows = model.get_input_embeddings().weight.shape[0]
    if highest >= rows:
        raise RecipeError(
            f"the tokenizer of {spec.name} has token {highest} but the model only {rows}; the "
            "folder mixes files of two models"
        )
