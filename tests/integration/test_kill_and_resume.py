"""A run killed with SIGKILL again and again ends with the dataset of an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import commands
import pytest

from scalediff.io.run import Run

ROOT = Path(__file__).parents[2]
KILLS = 20


FAKE = "tests/support/fake.yaml"


def command(recipe, out, *extra):
    return [sys.executable, "-m", "scalediff.cli", "run", recipe, "--out", str(out), *extra]


def start(recipe, out, *extra):
    # a session of its own, so that a kill takes the training child along
    return subprocess.Popen(
        command(recipe, out, *extra),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(recipe, out, *extra):
    process = start(recipe, out, *extra)
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return errors


def kill_at_random(recipe, out, rng, longest):
    process = start(recipe, out)
    deadline = time.monotonic() + rng.uniform(0.2, longest)
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    killed = process.poll() is None
    if killed:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return killed


def dataset(out):
    """Key → text, solution and label of every row of the dataset."""
    run = Run(out, create=False)
    table = run.table("assemble")
    return {
        row["key"]: (row["split"], row["problem"], row["solution"], row.get("answer"))
        for row in table.rows()
    }


def differing_after_kills(recipe, tmp_path):
    """Keys of rows that differ, rows in all, and kills that met a running process."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    started = time.monotonic()
    finish(recipe, whole)
    seconds = time.monotonic() - started
    rng = random.Random(7)
    # late enough for some to fall into every part of the line, early enough to meet a running one
    kills = sum(kill_at_random(recipe, broken, rng, seconds / 2) for _ in range(KILLS))
    finish(recipe, broken)
    expected, found = dataset(whole), dataset(broken)
    keys = {key for key in expected | found if expected.get(key) != found.get(key)}
    return keys, len(expected), kills


@pytest.mark.timeout(600)
def test_twenty_kills_change_nothing_with_scripted_models(tmp_path):
    differing, rows, kills = differing_after_kills(FAKE, tmp_path)
    assert kills >= 5
    assert rows > 100
    assert not differing


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_kills_change_nothing_with_real_models(tmp_path):
    differing, rows, kills = differing_after_kills("quick", tmp_path)
    print(f"{len(differing)} of {rows} rows differ after {kills} kills")
    assert kills >= 10
    assert rows > 100
    assert len(differing) <= 0.01 * rows, f"{len(differing)} of {rows} rows differ"


def test_a_second_run_does_nothing_and_says_so(tmp_path):
    out = tmp_path / "run"
    finish(FAKE, out)
    before = {p: p.stat().st_mtime_ns for p in (out / "steps").rglob("*") if p.is_file()}
    errors = finish(FAKE, out)
    after = {p: p.stat().st_mtime_ns for p in (out / "steps").rglob("*") if p.is_file()}
    assert before == after
    assert "nothing to do" in errors


@contextmanager
def opened(out):
    run = Run(out, create=False)
    try:
        yield run
    finally:
        run.close()


def tokens_of(out, step):
    with opened(out) as run:
        return run.step(step, run.manifest["steps"][step]["key"]).seal["tokens"]


def test_a_changed_threshold_pays_nothing_and_reruns_what_depends_on_it(tmp_path):
    out = tmp_path / "run"
    finish(FAKE, out)
    with opened(out) as run:
        paid = len(run.attempts)
    errors = finish(FAKE, out, "--set", "filter.min_confidence=0.9")
    assert "min_confidence 0.6 -> 0.9" in errors
    with opened(out) as run:
        assert len(run.attempts) == paid


def test_growing_n_and_k_pays_for_the_difference_alone(tmp_path):
    out = tmp_path / "run"
    finish(FAKE, out)
    assert tokens_of(out, "generate")["sampled"] == 300
    first = tokens_of(out, "distill")
    finish(FAKE, out, "--set", "generate.n=400", "--set", "distill.k=2")
    assert tokens_of(out, "generate")["sampled"] == 400
    second = tokens_of(out, "distill")
    with opened(out) as run:
        rows = run.table("distill").num_rows
    # the filter had paid for second attempts at what survived it: these come from the store too
    assert second["served"] >= first["sampled"]
    assert second["sampled"] + second["served"] == 2 * rows


def test_an_interrupt_before_anything_runs_ends_in_the_same_way(tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scalediff.look.look", interrupted)
    status, said = commands.run(monkeypatch, capsys, "look", tmp_path / "rows.jsonl")
    assert status == 75
    assert "stopped in good order" in said


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_75_and_one_sentence(tmp_path, sent):
    out = tmp_path / "run"
    process = start(FAKE, out, "--set", "generate.n=100000")
    deadline = time.monotonic() + 250
    while not list(out.glob("steps/generate-*/ledger.idx")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=250)
    assert process.returncode == 75, errors
    last = errors.strip().splitlines()[-1]
    assert last == ("scalediff: stopped in good order; run the same command again to go on")
    assert "Traceback" not in errors
