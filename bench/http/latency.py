"""How much of its slots ``scalediff distill`` keeps busy when latencies have a long tail.

``python bench/http/latency.py [--rows N] [--in-flight 256]``. The instant server answers after a
log-normal time (sigma 1.5, cut at its 99th percentile, else one answer would be longer than the
whole run); the ideal is the sum of all latencies over the number in flight. Printed is the share of
it that the asking part of the step reaches (from opening the engine to the last answer), the share
over the whole step, reading and sealing included, and beside it a loop that sends a batch, waits
for all of it and sends the next, on as many rows as take it a minute. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent))

import aiohttp
from counting import read_lines
from fault_server import Server
from faults import Lots
from throughput import distill, loop_factory, write_rows

SIGMA = 1.5
CUT_AT = 2.326


def latencies(counts: Path, lots: Lots) -> float:
    """The sum of the seconds that the server made its clients wait."""
    return sum(lots.latency(line["key"]) for line in read_lines(counts))


async def barrier(url: str, n: int, batch: int) -> float:
    """Seconds of a loop with a barrier after each batch."""
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(i: int) -> None:
            body = json.dumps({"model": "teacher", "seed": i, "messages": [{"content": str(i)}]})
            async with session.post(f"{url}/chat/completions", data=body) as response:
                await response.read()

        began = time.perf_counter()
        for at in range(0, n, batch):
            await asyncio.gather(*(one(i) for i in range(at, min(at + batch, n))))
        return time.perf_counter() - began


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--barrier-rows", type=int, default=8_000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--median", type=float, default=0.06)
    args = parser.parse_args()
    cap = args.median * 2.718281828 ** (SIGMA * CUT_AT)
    lots = Lots(latency_s=args.median, sigma=SIGMA, latency_cap_s=cap)
    options = ["--instant", "--latency", args.median, "--sigma", SIGMA, "--latency-cap", cap]
    print(f"{args.rows:,} rows, {args.in_flight} in flight, median {args.median} s, sigma {SIGMA}, "
          f"at most {cap:.2f} s\n")  # fmt: skip
    print("| | seconds | ideal | share of the ideal |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.jsonl", args.rows)
        counts = folder / "ours.jsonl"
        with Server(*options, "--counts", counts) as server:
            step, _ = distill(folder, folder / "rows.jsonl", server.model, args.in_flight)
        (events,) = folder.glob("out-*.run/events.jsonl")
        told = [json.loads(line) for line in events.read_text().splitlines()]
        asking = [e["seconds"] for e in told if e["event"] == "progress"][-1]
        ideal = latencies(counts, lots) / args.in_flight
        for what, seconds in (("distill: asking", asking), ("distill: the step", step)):
            print(f"| {what} | {seconds:.1f} | {ideal:.1f} | {ideal / seconds:.1%} |", flush=True)
        counts = folder / "barrier.jsonl"
        loop = asyncio.Runner(loop_factory=loop_factory)
        with Server(*options, "--counts", counts) as server, loop as runner:
            seconds = runner.run(barrier(server.url, args.barrier_rows, args.in_flight))
        ideal = latencies(counts, lots) / args.in_flight
        print(f"| batches with a barrier, {args.barrier_rows:,} rows | {seconds:.1f} | {ideal:.1f} "
              f"| {ideal / seconds:.1%} |")  # fmt: skip


if __name__ == "__main__":
    main()
