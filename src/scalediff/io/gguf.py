"""GGUF files, unpacked once: reading one takes transformers half a minute, a plain folder a second.

The weights are dequantised to float32, so nothing is lost that the file has. The folder lies in the
user's cache (``$XDG_CACHE_HOME/scalediff`` or ``~/.cache/scalediff``), named by the file's content;
it may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from scalediff.core.errors import PrerequisiteError
from scalediff.io.atomic import new_name
from scalediff.io.contents import file_digest


def unpacked(path: Path) -> Path:
    """The folder (safetensors, configuration, tokenizer) of a GGUF file.

    Raises:
        PrerequisiteError: A library is missing, or the cache cannot be written.
    """
    folder = cache_folder() / f"{path.stem}-{file_digest(str(path))[:16]}"
    if not folder.exists():
        _unpack(path, folder)
    return folder


def cache_folder() -> Path:
    """Where unpacked models lie."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "scalediff" / "models"


def _unpack(path: Path, folder: Path) -> None:
    try:
        import accelerate  # noqa: F401
        import gguf  # noqa: F401
        import torch
        import transformers
    except ImportError as error:
        raise PrerequisiteError(
            f'{path.name} is a GGUF file, which needs {error.name}: pip install "scalediff[smol]"'
        ) from None
    options = {"gguf_file": path.name}
    more = {}
    if hasattr(transformers, "GgufConfig"):  # older versions dequantise without being told
        more["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(path.parent), dtype=torch.float32, trust_remote_code=False, **options, **more
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        str(path.parent), trust_remote_code=False, **options
    )
    # what comes out is a plain model: nothing is quantised any more
    model.config.__dict__.pop("quantization_config", None)
    temporary = new_name(folder)  # several processes may unpack the same file
    try:
        temporary.mkdir(parents=True)
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        if not folder.exists():
            os.replace(temporary, folder)
    except OSError as error:
        raise PrerequisiteError(
            f"{path.name} cannot be unpacked into {folder.parent} ({error.strerror or error}); "
            "make room there or point XDG_CACHE_HOME elsewhere"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
