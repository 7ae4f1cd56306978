"""A run killed with SIGKILL again and again ends with the dataset of an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scalediff.io.run import Run

ROOT = Path(__file__).parents[2]
KILLS = 20


def command(out, *extra):
    return [sys.executable, "-m", "scalediff.cli", "run", "quick", "--out", str(out), *extra]


def start(out, *extra):
    # a session of its own, so that a kill takes the training child along
    return subprocess.Popen(
        command(out, *extra),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(out, *extra):
    process = start(out, *extra)
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    return errors


def kill_at_random(out, rng, longest, *extra):
    process = start(out, *extra)
    deadline = time.monotonic() + rng.uniform(0.3, longest)
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


@pytest.mark.timeout(900)
def test_twenty_kills_change_nothing(tmp_path):
    whole = tmp_path / "whole"
    started = time.monotonic()
    finish(whole)
    seconds = time.monotonic() - started
    rng = random.Random(7)
    broken = tmp_path / "broken"
    kills = 0
    for _ in range(KILLS):
        kills += kill_at_random(broken, rng, seconds / 4)
    finish(broken)
    assert kills >= 5
    expected, found = dataset(whole), dataset(broken)
    differing = {key for key in expected | found if expected.get(key) != found.get(key)}
    assert len(expected) > 100
    assert not differing, f"{len(differing)} of {len(expected)} rows differ"


def test_a_second_run_does_nothing_and_says_so(tmp_path):
    out = tmp_path / "run"
    finish(out, "--until", "screen")
    before = {p: p.stat().st_mtime_ns for p in (out / "steps").rglob("*") if p.is_file()}
    errors = finish(out, "--until", "screen")
    after = {p: p.stat().st_mtime_ns for p in (out / "steps").rglob("*") if p.is_file()}
    assert before == after
    assert "reused" in errors or "nothing to do" in errors
