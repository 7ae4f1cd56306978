"""What each of several servers on this machine gets: GPUs, cores, a port."""

from __future__ import annotations

import itertools
import math
import os
import random
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from scalediff.core.errors import PrerequisiteError
from scalediff.engines.config import EngineConfig
from scalediff.engines.vllm_command import named

_PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
_PORTS = range(10_000, 65_000)
_NO_GPU = frozenset({"", "-1", "none", "nodevfiles"})


def gpus_of_each(config: EngineConfig) -> list[str | None]:
    """For each replica the GPUs that it gets, as ``CUDA_VISIBLE_DEVICES``; None for a CPU.

    Raises:
        PrerequisiteError: A GPU is asked for and there is none, or there are too few.
    """
    gpus = visible_gpus(config.device, os.environ | config.vllm.env)
    num = config.vllm.replicas
    if not gpus:
        return [None] * (num or 1)
    each = _num_parallel(config)
    num = num or max(1, len(gpus) // each)
    if num * each > len(gpus):
        raise PrerequisiteError(
            f"{num} vLLM replicas of {each} GPUs need {num * each} and there are {len(gpus)}; set "
            "engine.vllm.replicas or the parallel sizes in engine.vllm.flags lower"
        )
    return [",".join(gpus[i * each : (i + 1) * each]) for i in range(num)]


def visible_gpus(device: str, env: Mapping[str, str]) -> list[str]:
    """Names of the GPUs that may be used, as ``CUDA_VISIBLE_DEVICES`` takes them.

    Raises:
        PrerequisiteError: ``device`` is a GPU that is not there.
    """
    if device == "cpu":
        return []
    told = env.get("CUDA_VISIBLE_DEVICES")
    gpus = [str(i) for i in range(_count_gpus())]
    if gpus and told is not None:  # as CUDA reads it: what stands after one that is none is unseen
        names = (name.strip() for name in told.split(","))
        gpus = list(itertools.takewhile(lambda name: name.lower() not in _NO_GPU, names))
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


def _num_parallel(config: EngineConfig) -> int:
    flags = named(config.vllm.flags)
    return math.prod(int(flags.get(name) or 1) for name in _PARALLEL)


def cores_of_each(config: EngineConfig, num: int) -> list[str | None]:
    """For each of ``num`` servers on a CPU the cores that it is bound to; None is vLLM's choice.

    Left to itself each of them would take the same ones.
    """
    there = hasattr(os, "sched_getaffinity")
    if not there or _num_parallel(config) > 1 or (num == 1 and not config.threads):
        return [None] * num
    cores = sorted(os.sched_getaffinity(0))
    shares: list[str | None] = []
    for i in range(num):
        share = cores[i * len(cores) // num : (i + 1) * len(cores) // num]
        share = share or [cores[i % len(cores)]]
        shares.append(",".join(map(str, share[: config.threads or None])))
    return shares


def free_ports(num: int) -> list[int]:
    """Ports that nobody listens on now, all different.

    They are none of those that the kernel gives to outgoing connections, where there are others:
    such a connection could have taken the port when its server is started anew.
    """
    outgoing = _outgoing()
    apart = [port for port in _PORTS if port not in outgoing] or list(_PORTS)
    free: list[int] = []
    for port in random.SystemRandom().sample(apart, len(apart)):
        if len(free) == num:
            break
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            free.append(port)
    return free


def _outgoing() -> range:
    with suppress(OSError, ValueError):
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
        low, high = map(int, text.split())
        return range(low, high + 1)
    return range(32_768, 61_000)
