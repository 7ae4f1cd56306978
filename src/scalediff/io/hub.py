"""Rows of a data set on the Hugging Face hub, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from scalediff.core.errors import InputError, PrerequisiteError

_DESCRIPTIONS = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
)  # fmt: skip
_SETTINGS = ("split", "config", "revision")


def hub_rows(path: str) -> Iterator[Any]:
    """The rows of ``hf://ID?split=train&config=NAME&revision=HASH``.

    Without ``split`` it is ``train`` where there is one, else the only split. No code of the data
    set is ever run.

    Raises:
        InputError: There is no such data set or split, or the hub cannot be reached.
        PrerequisiteError: ``datasets`` is not installed.
    """
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError:
        raise PrerequisiteError(
            f'reading {path} needs the datasets package: pip install "scalediff[hub]"'
        ) from None
    name, query = _parts(path)
    try:
        found = load_dataset(
            name,
            query.get("config"),
            split=query.get("split"),
            revision=query.get("revision"),
            streaming=True,
        )
        if "split" not in query:
            found = _only_split(found, path)
        yield from found
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path} cannot be fetched from the hub ({reason}); check the id, the split and the "
            "network, or download it and name the files"
        ) from None


def fetch_descriptions(model: str) -> Path | None:
    """A folder with what describes a hub model, without its weights.

    None where ``huggingface_hub`` is not installed: whoever loads the model may have its own.

    Raises:
        PrerequisiteError: It cannot be fetched.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        return None
    try:
        return Path(snapshot_download(model, allow_patterns=[*_DESCRIPTIONS]))
    except Exception as error:  # the library raises those of several others
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise PrerequisiteError(
            f"the model {model} could not be fetched from the hub ({reason}); check the name and "
            "the network, or give a folder"
        ) from None


def _parts(path: str) -> tuple[str, dict[str, str]]:
    parts = urlparse(path)
    query = {key: found[-1] for key, found in parse_qs(parts.query).items()}
    unknown = sorted(set(query) - set(_SETTINGS))
    if unknown:
        raise InputError(
            f"{path}: {unknown[0]} is not understood; after ? write {', '.join(_SETTINGS)}"
        )
    name = f"{parts.netloc}{parts.path}".strip("/")
    if not name:
        raise InputError(f"{path} names no data set; write hf://OWNER/NAME")
    return name, query


def _only_split(splits: Any, path: str) -> Any:
    names = list(splits)
    if "train" in names or len(names) == 1:
        return splits["train" if "train" in names else names[0]]
    raise InputError(f"{path} has the splits {', '.join(names)}; add ?split=NAME")
