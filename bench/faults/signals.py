"""Signals at random moments: how a command ends, what is lost, and what is paid for twice.

    python bench/faults/signals.py [--moments 50] [--rows 400]

For each kind (TERM; Ctrl-C twice, 0 to 60 ms apart; KILL of the parent; KILL of a training's
process) a command is sent the signal at a random moment and then run to its end. Printed: by kind,
how often each exit status came, tracebacks, seconds to the end, rows of the result, and, counted
at the server, answers that were served more than once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from counting import read_lines
from fault_server import Server

LONGEST_S = 4.0


def start(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scalediff.cli", *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def wait_until_taken(process: subprocess.Popen[str]) -> None:
    """Until the command has the signals: before, the interpreter is starting."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        if int(mask, 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.002)


def send(process: subprocess.Popen[str], kind: str, rng: random.Random) -> None:
    numbers = {"TERM": [signal.SIGTERM], "INT twice": [signal.SIGINT] * 2,
               "KILL": [signal.SIGKILL]}[kind]  # fmt: skip
    for number in numbers:
        if process.poll() is None:
            process.send_signal(number)
        if number == signal.SIGINT:
            time.sleep(rng.uniform(0.0, 0.06))


def one(kind: str, folder: Path, rng: random.Random, rows: int) -> Counter[str]:
    """One moment: what became of it."""
    found: Counter[str] = Counter()
    counts = folder / "counts.jsonl"
    data = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(rows))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    with Server("--counts", counts, "--latency", "0.15", "--sigma", "0.5") as server:
        call = ("distill", folder / "rows.jsonl", "-o", folder / "out.jsonl", "--model",
                server.model, "--max-new-tokens", 256, "--engine", "http.in_flight=64")  # fmt: skip
        process = start(*call)
        wait_until_taken(process)
        time.sleep(rng.uniform(0.0, LONGEST_S))
        sent = time.monotonic()
        send(process, kind, rng)
        said = process.communicate(timeout=60)[1]
        found[f"status {process.returncode}"] += 1
        found["tracebacks"] += "Traceback" in said
        found["milliseconds"] += round(1000 * (time.monotonic() - sent))
        again = start(*call)
        told = again.communicate(timeout=120)[1]
        assert again.returncode == 0, told
    kept = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    found["rows missing"] += len({*range(rows)} - {row["id"] for row in kept})
    served = Counter(line["key"] for line in read_lines(counts) if line["outcome"] == "served")
    probe = max(served.values(), default=0) == 2  # the question of one token, once a command
    found["served twice"] += sum(n - 1 for n in served.values()) - probe
    return found


def training(folder: Path, rng: random.Random) -> Counter[str]:
    """KILL of a training's own process: the command fails in one sentence, and goes on later."""
    found: Counter[str] = Counter()
    data = ({"problem": f"What is ${i}+1$?"} for i in range(200))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    process = start("train", "generator", folder / "rows.jsonl", "-o", folder / "model", "--model",
                    "nano:generator", "--domain", "nano", "--set", "epochs=200")  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not list(folder.glob("model.run/steps/train_generator-*/train.log")):
        time.sleep(0.02)
    time.sleep(rng.uniform(0.1, LONGEST_S))
    for pid in map(int, children.read_text().split()):
        os.kill(pid, signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    found[f"status {process.returncode}"] += 1
    found["tracebacks"] += "Traceback" in said
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--kinds", nargs="*", default=["TERM", "INT twice", "KILL", "training"])
    options = parser.parse_args()
    rng = random.Random(21)
    for kind in options.kinds:
        total: Counter[str] = Counter()
        for _ in range(options.moments):
            folder = Path(tempfile.mkdtemp())
            try:
                is_training = kind == "training"
                found = (
                    training(folder, rng) if is_training else one(kind, folder, rng, options.rows)
                )
                total.update(found)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        total["milliseconds"] //= options.moments  # to the end, on the mean
        print(f"{kind}: {dict(sorted(total.items()))}", flush=True)


if __name__ == "__main__":
    main()
