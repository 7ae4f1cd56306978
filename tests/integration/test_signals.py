"""Signals at any moment: good order, nothing paid twice that had come, never a traceback."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from counting import read_lines
from fault_server import Server

ENDED = "scalediff: stopped in good order; run the same command again to go on"
PROBES = 1
"""Requests of one token at the start of a command, to see who answers."""


def command(*args):
    return [sys.executable, "-m", "scalediff.cli", *map(str, args)]


def start(*args, **more):
    pipe = subprocess.PIPE
    return subprocess.Popen(command(*args), stdout=pipe, stderr=pipe, text=True, **more)


def ended(process, seconds=60):
    """Status and what was said; no traceback."""
    _, said = process.communicate(timeout=seconds)
    assert "Traceback" not in said, said
    assert "Exception" not in said, said
    return process.returncode, said


@pytest.fixture
def work(tmp_path):
    rows = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(400))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def distill(work, model, *more):
    return ("distill", work / "rows.jsonl", "-o", work / "out.jsonl", "--model", model,
            "--max-new-tokens", "256", *more)  # fmt: skip


def wait_for(path, seconds=60.0):
    until = time.monotonic() + seconds
    while not path() and time.monotonic() < until:
        time.sleep(0.01)
    assert path()


def wait_until_taken(process):
    """Before, the interpreter itself starts, and answers a Ctrl-C with a traceback of its own."""

    def caught():
        status = Path(f"/proc/{process.pid}/status").read_text()
        mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return int(mask, 16) >> (signal.SIGHUP - 1) & 1

    wait_for(caught)


def wait_until_at_work(work):
    wait_for(lambda: list(work.glob("out.jsonl.run/steps/distill-*/ledger.idx")))
    time.sleep(0.3)


def spent(work):
    (path,) = Path(f"{work}/out.jsonl.run").glob("steps/distill-*/spent.json")
    return json.loads(path.read_bytes())


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def served(counts):
    return [line["key"] for line in read_lines(counts) if line["outcome"] == "served"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP"])
def test_what_is_under_way_may_finish_and_nothing_new_begins(work, name):
    counts = work / "counts.jsonl"
    with Server("--counts", counts, "--latency", "1.0") as server:
        client = start(*distill(work, server.model, "--engine", "http.in_flight=64"))
        wait_for(lambda: len(read_lines(counts)) > PROBES)
        time.sleep(0.3)  # the second batch is on its way
        client.send_signal(getattr(signal, name))
        status, said = ended(client)
        assert status == 75
        assert said.strip().splitlines()[-1] == ENDED
        assert f"{name}: 64 of 64 requests under way came in time" in said
        first = served(counts)
        assert len(first) == len(set(first)) == spent(work)["sampled"] + PROBES
        assert not [line for line in read_lines(counts) if line["outcome"] == "abandoned"]
        assert spent(work)["abandoned"] == 0
        assert ended(start(*distill(work, server.model)))[0] == 0
        keys = served(counts)
        assert len(set(keys)) == 400 + PROBES
        assert len(keys) == 400 + 2 * PROBES


def test_what_is_given_up_after_the_grace_time_is_counted_and_said(work):
    counts = work / "counts.jsonl"
    with Server("--counts", counts, "--latency", "30") as server:
        options = ("--engine", "http.in_flight=16", "--grace", "0.5s", "--set", "stop_loops=true")
        client = start(*distill(work, server.model, *options))
        wait_for(lambda: server.counts()["in_flight"] == 16)
        began = time.monotonic()
        client.send_signal(signal.SIGTERM)
        status, said = ended(client)
        assert time.monotonic() - began < 15
    assert status == 75
    assert "SIGTERM: 0 of 16 requests under way came in time, 16 were given up after 0.5 s" in said
    assert spent(work)["abandoned"] == 16
    events = read(work / "out.jsonl.run" / "events.jsonl")
    assert [e for e in events if e["event"] == "error" and "16 were given up" in e["message"]]


def test_a_second_signal_ends_at_once_at_any_interval(work):
    distilling = distill(work, "fake:teacher?latency_s=30")
    for gap in (0.0, 0.001, 0.005, 0.01, 0.03, 0.06):
        shutil.rmtree(f"{work}/out.jsonl.run", ignore_errors=True)
        client = start(*distilling)
        wait_until_at_work(work)
        client.send_signal(signal.SIGINT)
        time.sleep(gap)
        client.send_signal(signal.SIGINT)
        began = time.monotonic()
        if gap == 0.0:  # the kernel may make one of them
            time.sleep(0.2)
            client.send_signal(signal.SIGINT)
        status, said = ended(client)
        assert status == 75
        assert "ended at once" in said or ENDED in said  # where nothing was under way yet
        assert time.monotonic() - began < 15  # less than the grace time


def test_random_moments_of_a_whole_command_end_with_75_or_a_result(work):
    rng = random.Random(21)
    out = work / "out.jsonl"
    for sent in [signal.SIGTERM] * 6 + [signal.SIGINT] * 6:
        client = start(*distill(work, "fake:teacher?latency_s=0.05"))
        wait_until_taken(client)
        time.sleep(rng.uniform(0.0, 2.0))
        client.send_signal(sent)
        if sent == signal.SIGINT:
            time.sleep(rng.uniform(0.0, 0.06))
            client.send_signal(sent)
        status, said = ended(client)
        assert status in (0, 75), said
        assert "run the same command again" in said or status == 0
    assert ended(start(*distill(work, "fake:teacher?latency_s=0.05")))[0] == 0
    assert sorted(row["id"] for row in read(out)) == [*range(400)]
    assert spent(work)["sampled"] <= 400  # a killed process writes no sum; none is asked for twice


def test_hang_up_is_ignored_under_nohup(work):
    distilling = distill(work, "fake:teacher?latency_s=0.5")
    client = start(*distilling, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_until_at_work(work)
    client.send_signal(signal.SIGHUP)
    assert ended(client)[0] == 0


def test_free_work_ends_at_its_next_row(work):
    rows = ({"problem": f"What is ${i} + {i % 89}$ and more?", "id": i} for i in range(200_000))
    (work / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    client = start("screen", work / "many.jsonl", "-o", work / "screened.jsonl")
    wait_for(lambda: list(work.glob("screened.jsonl.run/steps/sources-*")))
    time.sleep(0.3)
    began = time.monotonic()
    client.send_signal(signal.SIGTERM)
    status, said = ended(client)
    assert status == 75
    assert time.monotonic() - began < 25
    assert said.strip().splitlines()[-1] == ENDED


def training(work):
    """A command that trains in a process of its own, and the processes that it has started."""
    (work / "pairs.jsonl").write_text(
        "".join(json.dumps({"problem": f"What is ${i}+1$?"}) + "\n" for i in range(400))
    )
    client = start(
        "train", "generator", work / "pairs.jsonl", "-o", work / "model", "--model",
        "nano:generator", "--domain", "nano", "--set", "epochs=500", "--grace", "1",
    )  # fmt: skip
    wait_for(lambda: list(work.glob("model.run/steps/train_generator-*/job.json")))
    children = Path(f"/proc/{client.pid}/task/{client.pid}/children")
    wait_for(lambda: children.read_text().split())
    return client, [int(pid) for pid in children.read_text().split()]


def test_a_training_is_ended_after_the_grace_time_and_its_process_with_it(work):
    client, pids = training(work)
    time.sleep(1.0)
    client.send_signal(signal.SIGUSR1)
    status, said = ended(client)
    assert status == 75
    assert "the training in" in said
    assert "after 1 s (--grace)" in said
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_signal_that_the_training_gets_as_well_is_no_failure_of_it(work):
    """Slurm sends a signal to every process of a job."""
    client, pids = training(work)
    for pid in (client.pid, *pids):
        os.kill(pid, signal.SIGTERM)
    status, said = ended(client)
    assert status == 75, said


@pytest.mark.parametrize("text", ["soon", "-5", "2 parsecs", "1e400", ""])
def test_a_grace_time_that_is_none_is_said(work, text):
    status, said = ended(start(*distill(work, "fake:teacher", f"--grace={text}")))
    assert status == 2
    assert "--grace" in said
