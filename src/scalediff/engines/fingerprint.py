"""The identity of a model: a hash of everything in its folder that changes what it says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from scalediff.core.errors import RecipeError
from scalediff.core.keys import digest

_MATTERS = (
    "*.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.j*",
    "additional_chat_templates/*",
)
"""Weights, configuration, tokenizer and chat template; the card and the rest change nothing."""

_known: dict[tuple[str, int, int], str] = {}


def fingerprint_folder(folder: Path) -> str:
    """SHA-256 over the names and contents of a model folder's files; not over where it is.

    Raises:
        RecipeError: A file cannot be read.
    """
    files = {file for pattern in _MATTERS for file in folder.glob(pattern) if file.is_file()}
    return digest(
        "folder", {str(f.relative_to(folder)): fingerprint_file(f) for f in sorted(files)}
    )


def fingerprint_file(path: Path) -> str:
    """SHA-256 of a file, streamed; read again only when its size or time changed.

    Raises:
        RecipeError: The file cannot be read.
    """
    try:
        stat = path.stat()
        key = (str(path.absolute()), stat.st_size, stat.st_mtime_ns)
        if key not in _known:
            with path.open("rb") as file:
                _known[key] = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecipeError(
            f"the model file {path} cannot be read ({error.strerror}); check its permissions"
        ) from None
    return _known[key]
