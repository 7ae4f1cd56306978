"""What a server in trouble, or a hostile one, does to ``scalediff distill``.

``python bench/faults/hostile.py [--rows N] [--mode MODE]... [--at N]`` starts the fault server
(``tests/support``) in each mode, runs the command against it in a process of its own, and prints a
table: how it ended, rows kept and dropped, seconds until it was said, the most memory that the
client held, and what it said. ``--at`` lets the first N calls be answered well.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import hostile
from fault_server import Server

KEY = "sk-do-not-show-this-0123456789"


def lines(path: Path) -> int:
    """Rows of a file; 0 where there is none."""
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def peak_mb(process: subprocess.Popen[bytes], seconds: float) -> tuple[float, bool]:
    """The most memory of a process until it ends, and whether it had to be ended."""
    peak, until = 0.0, time.monotonic() + seconds
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) / 1024)
        except (OSError, IndexError):
            pass
        if time.monotonic() > until:
            process.kill()
            process.wait()
            return peak, True
        time.sleep(0.02)
    return peak, False


def tried(mode: str, rows: int, at: int, limit_s: float, extra: list[str]) -> dict[str, object]:
    """One run against one mode."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in.jsonl", Path(folder) / "out.jsonl"
        problems = [{"problem": f"What is ${i} + {i % 7}$?"} for i in range(rows)]
        source.write_text("".join(json.dumps(p) + "\n" for p in problems))
        with Server("--elsewhere", "http://127.0.0.1:9") as other:
            options = ["--mode", mode, "--mode-at", str(at + 1)]
            options += ["--elsewhere", other.url.removesuffix("/v1")]
            with Server(*options) as server:
                command = [sys.executable, "-m", "scalediff.cli", "distill", str(source), "-o",
                           str(out), "--model", server.model, *extra]  # fmt: skip
                env = {**os.environ, "SCALEDIFF_API_KEY": KEY}
                began = time.monotonic()
                process = subprocess.Popen(command, stderr=subprocess.PIPE, env=env)
                said: list[bytes] = []
                assert process.stderr is not None
                reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
                reader.start()
                peak, killed = peak_mb(process, limit_s)
                reader.join()
                seconds = time.monotonic() - began
            strangers = other.counts()["tries"]
        text = b"".join(said).decode()
        held = [p for p in Path(folder).rglob("*") if p.is_file() and KEY in _text(p)]
        dropped = sum(lines(p) for p in Path(folder).glob("out.dropped.jsonl"))
        return {
            "mode": mode,
            "ended": "killed" if killed else process.returncode,
            "kept": lines(out),
            "dropped": dropped,
            "s": round(seconds, 1),
            "MB": round(peak),
            "traceback": "Traceback" in text,
            "key": bool(held) or KEY in text,
            "elsewhere": strangers,
            "said": " ".join(text.split("\n")[-2:]).strip()[:240],
        }


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--mode", action="append")
    parser.add_argument("--at", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=120.0)
    args, extra = parser.parse_known_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = ("mode", "ended", "kept", "dropped", "s", "MB", "traceback", "key", "elsewhere", "said")
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names), flush=True)
    for mode in args.mode or (*hostile.MODES, *hostile.MODELS):
        found = tried(mode, args.rows, args.at, args.limit_s, extra)
        print("| " + " | ".join(str(found[n]).replace("|", "/") for n in names) + " |", flush=True)


if __name__ == "__main__":
    main()
