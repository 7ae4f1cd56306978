"""Rows a second through ``scalediff distill`` against an instant local server.

``python bench/http/throughput.py [--rows N] [--in-flight N]...`` writes N short problems, starts
the instant server of ``tests/support/fault_server.py`` in a process of its own, and runs the
command as a user would, ledger and attempt store on the disk, once for each number in flight; and
beside it a bare aiohttp client against the same server, which does nothing with what it gets.
Prints Markdown. The step's seconds are those of its seal (reading rows, asking, ledger, sealing);
the command's are of the whole process, start and export included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from fault_server import Server


def write_rows(path: Path, n: int) -> None:
    """Short problems, each its own."""
    with open(path, "w", encoding="utf-8") as file:
        for i in range(n):
            file.write(json.dumps({"problem": f"What is ${i} + {i % 97}$?"}) + "\n")


async def bare(url: str, n: int, in_flight: int) -> float:
    """Rows a second of aiohttp alone: the same body, the answer parsed, nothing kept."""
    import aiohttp
    import orjson

    left = iter(range(n))
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker() -> None:
            for i in left:
                message = {"role": "user", "content": f"What is ${i} + {i % 97}$?"}
                body = orjson.dumps({"model": "teacher", "messages": [message], "seed": i})
                async with session.post(f"{url}/chat/completions", data=body, headers=headers) as r:
                    orjson.loads(await r.read())

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(in_flight)))
        return n / (time.perf_counter() - began)


def loop_factory():
    import uvloop

    return uvloop.new_event_loop()


def distill(folder: Path, rows: Path, model: str, in_flight: int) -> tuple[float, float]:
    """Seconds of the step and of the whole command."""
    out = folder / f"out-{in_flight}-{time.time_ns()}.jsonl"
    command = [sys.executable, "-m", "scalediff.cli", "distill", str(rows), "-o", str(out),
               "--model", model, "--engine", f"http={{in_flight: {in_flight}}}"]  # fmt: skip
    began = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    (seal,) = Path(f"{out}.run").glob("steps/distill-*/seal.json")
    return json.loads(seal.read_bytes())["seconds"], seconds


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, action="append")
    parser.add_argument("--times", type=int, default=2)
    args = parser.parse_args()
    print(f"{args.rows:,} rows, {os.cpu_count()} cores, server included; best of {args.times}\n")
    print("| in flight | distill: the step, rows/s | the whole command | aiohttp alone |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, Server("--instant") as server:
        folder = Path(name)
        write_rows(folder / "rows.jsonl", args.rows)
        for in_flight in args.in_flight or [64, 256]:
            steps, wholes, alone = [], [], []
            for _ in range(args.times):
                step, whole = distill(folder, folder / "rows.jsonl", server.model, in_flight)
                steps.append(args.rows / step)
                wholes.append(args.rows / whole)
                with asyncio.Runner(loop_factory=loop_factory) as runner:
                    alone.append(runner.run(bare(server.url, args.rows, in_flight)))
            cells = " | ".join(f"{max(rates):,.0f}" for rates in (steps, wholes, alone))
            print(f"| {in_flight} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
