"""A run against a server with every fault at once, both of them killed on the way."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting import read_lines
from fault_server import Server

FAULTS = ("429=0.02,429-after=0.005,429-date=0.002,500=0.02,502=0.01,503=0.02,cut=0.02,reset=0.02,"
          "garbage=0.01,content-type=0.01,error-body=0.01,empty-choice=0.01,no-content=0.01,"
          "half-open=0.003,slow-drip=0.002")  # fmt: skip
IN_FLIGHT = 128
PROBES = 1
"""Requests of one token that each command begins with."""
ENGINE = f"http={{in_flight: {IN_FLIGHT}, least_deadline_s: 3, tries: 8, patience_s: 30}}"


def write_rows(path: Path, n: int) -> None:
    rows = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(n))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def distill(rows: Path, out: Path, model: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "scalediff.cli", "distill", str(rows), "-o", str(out)]
    command += ["--model", model, "--max-new-tokens", "256", "--engine", ENGINE, *more]
    return subprocess.Popen(command)


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def num_served(counts: Path) -> int:
    return sum(line["outcome"] == "served" for line in read_lines(counts))


def wait_for(counts: Path, served: int, seconds: float = 250.0) -> None:
    """Until the server has served so many tries."""
    end = time.monotonic() + seconds
    while num_served(counts) < served:
        assert time.monotonic() < end, f"{num_served(counts)} of {served} served"
        time.sleep(0.02)


@pytest.mark.timeout(240)
def test_every_fault_at_once_and_five_kills_lose_nothing_and_raise_no_storm(tmp_path):
    n, counts = 5_000, tmp_path / "counts.jsonl"
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    write_rows(rows, n)
    options = ("--fault", FAULTS, "--retry-after", "0.2", "--drip-s", "20", "--latency", "0.01",
               "--sigma", "1", "--counts", str(counts))  # fmt: skip
    with Server(*options) as server:
        client = distill(rows, out, server.model)
        for at, victim in ((0.1, "server"), (0.3, "client"), (0.45, "server"), (0.6, "client"),
                           (0.8, "server")):  # fmt: skip
            wait_for(counts, int(at * n))
            if victim == "client":
                client.send_signal(signal.SIGKILL)
                client.wait()
                client = distill(rows, out, server.model)
            else:
                server.kill()
                time.sleep(0.3)
                server.start()
        assert client.wait() == 0
    kept = read(out)
    assert sorted(row["id"] for row in kept) == list(range(n))
    assert read(tmp_path / "out.dropped.jsonl") == []
    assert all(len(row["attempts"]) == 1 and row["attempts"][0]["answer"] for row in kept)

    lines = read_lines(counts)
    served = [line["key"] for line in lines if line["outcome"] == "served"]
    # answers on their way to a client that is killed were served and are asked for again
    again = len(served) - len(set(served))
    assert again <= 2 * IN_FLIGHT
    # a fifth of all tries meets a fault, and each kill ends what is in flight
    assert len(lines) - n <= 0.35 * n + 5 * IN_FLIGHT
    events = read(Path(f"{out}.run") / "events.jsonl")
    assert sum(event["event"] == "go" for event in events) == 3


def test_killed_at_k_8_no_finished_attempt_is_paid_twice(tmp_path):
    k = 8
    counts, rows, out = tmp_path / "counts.jsonl", tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    write_rows(rows, 100)
    with Server("--counts", str(counts), "--latency", "0.02") as server:
        client = distill(rows, out, server.model, "-k", str(k))
        wait_for(counts, 300)
        client.send_signal(signal.SIGKILL)
        client.wait()
        time.sleep(0.2)
        served = num_served(counts)
        # each ended by itself, so each is one record of 44 bytes
        kept = (Path(f"{out}.run") / "attempts" / "attempts.idx").stat().st_size // 44
        assert served - PROBES - IN_FLIGHT <= kept <= served - PROBES
        assert distill(rows, out, server.model, "-k", str(k)).wait() == 0
        # what had been kept is not asked for again, all else once
        assert num_served(counts) - served == 100 * k - kept + PROBES
        assert all(len(row["attempts"]) == k for row in read(out))


def test_more_rows_and_more_attempts_pay_for_the_difference(tmp_path):
    counts, rows, out = tmp_path / "counts.jsonl", tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    with Server("--instant", "--counts", counts) as server:
        for n, k, paid in ((1_000, 1, 1_000), (2_000, 1, 1_000), (2_000, 2, 2_000)):
            before = num_served(counts)
            write_rows(rows, n)
            assert distill(rows, out, server.model, "-k", str(k)).wait() == 0
            assert num_served(counts) - before == paid + PROBES
            assert sum(len(row["attempts"]) for row in read(out)) == n * k
