"""Where the shipped nano models are, and how a folder of one is written."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MODELS: tuple[str, ...] = ("teacher", "student", "generator", "identifier")
"""The shipped models; ``nano:NAME`` on the command line."""


def model_folder(name: str) -> Path:
    """The folder of a shipped model, complete for Hugging Face's loaders.

    Raises:
        ValueError: There is no such model.
    """
    if name not in MODELS:
        raise ValueError(f"no nano model {name!r}; there are {', '.join(MODELS)}")
    return Path(__file__).parent / "weights" / name


def save_folder(model: Any, tokenizer: "PreTrainedTokenizerFast", folder: Path, card: str) -> None:
    """Write a complete model folder, in place of an older one.

    The weights are stored as float16, which halves the package (the card's scores are those of
    the stored weights), while the configuration says float32: that is what they are loaded as,
    since half precision is slow on CPU and too coarse to train in.

    Args:
        model: The model; left as it is.
        tokenizer: Its tokenizer, with the chat template.
        folder: Where to write.
        card: The text of the model card.
    """
    import json

    import torch
    from safetensors.torch import save_file

    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    model.config.dtype = torch.float32
    model.config.save_pretrained(fresh)
    names = dict(model.named_parameters())  # without lm_head, which is tied to the embeddings
    weights = {name: p.detach().half().contiguous() for name, p in names.items()}
    save_file(weights, fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "model.safetensors").chmod(0o644)  # safetensors writes for the owner alone
    tokenizer.backend_tokenizer.no_padding()  # what scoring left behind is not the tokenizer's
    tokenizer.save_pretrained(fresh)
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    (fresh / "generation_config.json").write_text(json.dumps(ends, indent=2) + "\n")
    (fresh / "README.md").write_text(card, encoding="utf-8")
    replace_folder(fresh, folder)


def replace_folder(fresh: Path, folder: Path) -> None:
    """Put a finished folder in the place of an older one, which is never seen half written."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)
