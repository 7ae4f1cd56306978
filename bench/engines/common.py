"""What the benchmarks of the embedded engine share: questions, machine, clocks."""

import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import torch
import transformers

from scalediff.core.engine import ModelSpec
from scalediff.domains import open_domain
from scalediff.engines import EngineConfig
from scalediff.engines.loading import load_model
from scalediff.engines.transformers import TransformersEngine

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))


def questions(model: str, n: int) -> list[str]:
    """GSM8K's first questions, or the nano world's own for a nano model."""
    if model.startswith("nano:"):
        return [row["problem"] for row in open_domain("nano").sources("nano:test", n, 3)]
    path = DATA / "gsm8k_train.jsonl"
    if not path.exists():
        sys.exit(f"no {path}: set SCALEDIFF_DATA to a folder with the problem files")
    lines = path.read_text("utf-8").split("\n")
    return [json.loads(line)["problem"] for line in lines[:n]]


class Timed:
    """Seconds of each way of doing the same work, best of its repetitions.

    Beside the wall clock goes the processor time of all threads divided by their number: on a
    machine that others use too it is the steadier of the two.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.wall: dict[str, list[float]] = {}
        self.processor: dict[str, list[float]] = {}

    def run(self, name, work):
        """Do the work once under this name and return what it gives."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        wall, processor = time.perf_counter(), time.process_time()
        found = work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.wall.setdefault(name, []).append(time.perf_counter() - wall)
        self.processor.setdefault(name, []).append((time.process_time() - processor) / self.threads)
        took = f"{self.wall[name][-1]:.1f} s, {self.processor[name][-1]:.1f} s of each thread"
        print(f"{name}: {took}", file=sys.stderr, flush=True)
        return found

    def best(self, name):
        """Least wall seconds and least processor seconds."""
        return min(self.wall[name]), min(self.processor[name])

    def middle(self, name):
        """Median wall seconds."""
        return statistics.median(self.wall[name])

    def quickest(self, start):
        """The quickest of the names that begin so."""
        return min((n for n in self.wall if n.startswith(start)), key=lambda n: min(self.wall[n]))


def baseline_model(spec: ModelSpec, config: EngineConfig):
    """A model of transformers as it comes, loaded anew so that nothing of ours touches it."""
    model, tokenizer, precision = load_model(spec, config)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer, precision


def our_engine(spec: ModelSpec, config: EngineConfig) -> TransformersEngine:
    """The engine, open, and the seconds that opening took on standard error."""
    start = time.perf_counter()
    engine = TransformersEngine.load(spec, config)
    print(f"opened in {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return engine


def machine(device: str, threads: int) -> str:
    """One line on what it ran on."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().split("\n")
        name = next((li.split(":")[1].strip() for li in lines if li.startswith("model name")), name)
    has = [kind for kind in ("avx512_bf16", "amx_tile") if supports(kind)]
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    return (
        f"{name} ({', '.join(has) or 'no bf16 units'}), {os.cpu_count()} cores, {threads} threads, "
        f"load before {os.getloadavg()[0]:.1f}; torch {torch.__version__}, "
        f"transformers {transformers.__version__}"
    )


def supports(kind: str) -> bool:
    """Whether torch finds the processor to have it."""
    return bool(getattr(torch.cpu, f"_is_{kind}_supported", bool)())


def multiply_rate(n: int, dtype, device: str, k: int = 0, m: int = 0, repeats: int = 5) -> float:
    """Floating-point operations a second of ``[n, k] x [k, m]``, square unless told; the best."""
    k, m = k or n, m or n
    a = torch.randn(n, k, device=device).to(dtype)
    b = torch.randn(m, k, device=device).to(dtype)
    least = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        least = min(least, time.perf_counter() - start)
    return 2 * n * k * m / least
