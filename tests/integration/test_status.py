"""How a run is, from another terminal: read, and nothing written."""

import json
import subprocess
import sys
import time
from pathlib import Path

import commands
import pytest
from fault_server import Server

FAKE = Path(__file__).parents[1] / "support" / "fake.yaml"


def cli(*args):
    command = [sys.executable, "-m", "scalediff.cli", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def status(run):
    return json.loads(cli("status", run, "--json").stdout)


@pytest.fixture
def rows(tmp_path):
    return commands.lines(
        tmp_path / "rows.jsonl", *({"problem": f"What is ${i} + 7$?"} for i in range(300))
    )


def start(rows, out, model, *more):
    command = [sys.executable, "-m", "scalediff.cli", "distill", str(rows), "-o", str(out)]
    command += ["--model", model, "--max-new-tokens", "64", "--grace", "0", *more]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def wait_for(found, seconds=60):
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return value


def tree(folder):
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def test_a_run_at_work_and_after_it_was_stopped(rows, tmp_path, monkeypatch):
    out = tmp_path / "out.jsonl"
    run = tmp_path / "out.jsonl.run"
    client = start(rows, out, "fake:teacher?latency_s=200")
    try:
        wait_for(lambda: list(run.glob("steps/distill-*/ledger.idx")))
        now = status(out)  # OUT stands for its run directory
        assert now["alive"] is True
        assert now["pid"] == client.pid
        assert [step["state"] for step in now["steps"]] == ["done", "working"]
        assert now["steps"][0]["done"] == 300
        told = cli("status", run).stdout
        assert "AT WORK" in told
        assert "distill" in told
        reported = cli("report", run)
        assert reported.returncode == 0
        assert "is at work (distill)" in reported.stdout
    finally:
        client.terminate()
        client.wait(30)
    before = tree(run)
    now = status(run)
    assert tree(run) == before
    assert now["alive"] is False
    assert now["steps"][1]["state"] == "stopped"
    assert "300 were given up after 0 s" in now["last_error"]
    assert "not at work" in cli("status", run).stdout


def test_what_holds_it_up_is_shown(rows, tmp_path):
    run = tmp_path / "out.jsonl.run"
    with Server("--fault", "429-after=1.0", "--retry-after", "60") as server:
        client = start(rows, tmp_path / "out.jsonl", server.model)
        try:
            held = wait_for(lambda: run.exists() and status(run)["held"])
            assert (held[0]["held"], held[0]["who"]) == ("waiting", server.url)
            assert held[0]["until"] > time.time()
            assert f"HELD UP (waiting): {server.url}: status 429" in cli("status", run).stdout
        finally:
            client.terminate()
            client.wait(30)
    assert status(run)["held"] == []  # nobody waits any more


def test_rate_tokens_and_what_remains(rows, tmp_path, monkeypatch):
    run = tmp_path / "out.jsonl.run"
    with Server("--latency", "1.0") as server:
        client = start(rows, tmp_path / "out.jsonl", server.model, "--engine", "http.in_flight=8")
        try:
            step = wait_for(
                lambda: run.exists() and next(
                    (s for s in status(run)["steps"] if s["name"] == "distill" and s["rate"]), None
                )
            )  # fmt: skip
        finally:
            client.terminate()
            client.wait(30)
    assert step["total"] == 300
    assert step["remaining"] == 300 - step["done"] > 0
    assert 0 < step["rate"] < 30
    assert step["seconds_left"] == pytest.approx(step["remaining"] / step["rate"])
    assert step["tokens"] > 0
    assert step["in_flight"] == 8


def test_a_finished_run_and_what_is_none(tmp_path):
    run = tmp_path / "run"
    assert cli("run", FAKE, "--out", run, "--until", "screen_sources").returncode == 0
    now = status(run)
    assert {step["state"] for step in now["steps"]} == {"done"}
    assert "done" in cli("status", run).stdout.splitlines()[0]
    nothing = cli("status", tmp_path)
    assert nothing.returncode == 2
    assert "no run directory" in nothing.stderr


def test_watching_ends_with_a_signal_and_no_traceback(tmp_path):
    run = tmp_path / "run"
    cli("run", FAKE, "--out", run, "--until", "sources")
    command = [sys.executable, "-m", "scalediff.cli", "status", str(run), "--watch"]
    pipe = subprocess.PIPE
    watching = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
    assert watching.stdout.readline()
    time.sleep(0.5)
    watching.send_signal(2)
    _, said = watching.communicate(timeout=20)
    assert watching.returncode == 75
    assert "Traceback" not in said
