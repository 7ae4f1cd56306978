"""What is to come is said before it starts: units, what is paid for, disk, the deadline's date."""

import json
import re
import shutil
from collections import namedtuple
from datetime import datetime

import commands
import pytest

from scalediff.limits import Limits, read_deadline
from scalediff.outlook import deadline_text


def problems(n, first=0):
    return ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(first, first + n))


@pytest.fixture
def rows(tmp_path):
    return commands.lines(tmp_path / "rows.jsonl", *problems(1084))


@pytest.fixture
def distill(monkeypatch, capsys, tmp_path, rows):
    def call(*more, status=0):
        out = tmp_path / "out.jsonl"
        ended, said = commands.run(
            monkeypatch, capsys, "distill", rows, "-o", out, "--max-new-tokens", "256",
            "--model", "fake:teacher?latency_s=0.01", *more,
        )  # fmt: skip
        assert ended == status, said
        return said

    return call


def test_units_done_and_remaining_are_said_before_it_starts(distill, tmp_path):
    said = distill("--budget", "9k", status=75)
    assert "plan: distill: at most 1,084 units, 0 done" in said
    (path,) = (tmp_path / "out.jsonl.run").glob("steps/distill-*/spent.json")
    spent = json.loads(path.read_bytes())
    done = int(spent["sampled"])
    assert 0 < done < 1084
    said = distill("--budget", "9k", status=75)
    rate = (spent["new"] + spent["prompt"]) / done
    left = 1084 - done
    assert f"plan: distill: 1,084 units, {done:,} done, {left:,} remaining · about" in said
    assert f"{rate * left / 1e3:.1f} k tokens" in said


def test_what_is_paid_for_is_counted_where_the_input_changed(distill, rows, tmp_path):
    distill("--budget", "9k", status=75)
    (path,) = (tmp_path / "out.jsonl.run").glob("steps/distill-*/spent.json")
    done = int(json.loads(path.read_bytes())["sampled"])
    # another row before the others, and one that is done less: all others stay paid for
    commands.lines(rows, *problems(1, 5000), *problems(1083, 1))
    said = distill()
    assert f"{done - 1:,} units are done or paid for" in said
    paths = (tmp_path / "out.jsonl.run").glob("steps/distill-*/spent.json")
    # and none was paid for twice
    assert sum(json.loads(path.read_bytes())["sampled"] for path in paths) == 1085


def test_other_settings_of_the_same_requests_are_served_and_that_is_said(distill):
    distill()
    said = distill("--set", "max_new_tokens=250")
    assert "max_new_tokens 256 -> 250; 1,084 units are done or paid for already" in said


Usage = namedtuple("Usage", "total used free")


def test_a_disk_that_is_too_small_is_asked_about(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 76_000_000_000))
    call = ("generate", "-n", "2000000", "-o", tmp_path / "new.jsonl", "--model", "fake:generator")
    status, said = commands.run(monkeypatch, capsys, *call, "--set", "max_new_tokens=32768")
    assert status == 2
    assert "2,000,000 units" in said
    assert "GB of attempts are to come and 76.0 GB are free" in said
    assert "--yes" in said
    wanted = float(re.search(r"about ([\d.]+) GB of attempts are", said)[1])
    assert 80 < wanted < 90


def test_a_deadline_says_its_date():
    now = datetime(2026, 11, 28, 13, 20)
    tomorrow = Limits(deadline=read_deadline("12:59", now))
    assert (
        deadline_text(tomorrow, now) == "stops at the deadline Sunday 2026-11-29 12:59 (tomorrow)"
    )
    today = Limits(deadline=read_deadline("18:00", now))
    assert deadline_text(today, now) == "stops at the deadline Saturday 2026-11-28 18:00 (today)"
    later = Limits(deadline=read_deadline("+3d", now))
    assert deadline_text(later, now).endswith("2026-12-01 13:20 (in 3 days)")
    assert deadline_text(Limits(), now) == ""


def test_the_deadline_is_said_when_a_command_starts(distill):
    assert "plan: stops at the deadline " in distill("--deadline", "+2d")


def test_a_dry_run_for_programs(monkeypatch, capsys, tmp_path, rows):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"""
name: one
models: {{teacher: 'fake:teacher'}}
steps:
  sources: {{stage: sources, settings: {{paths: [{rows}]}}}}
  solve: {{stage: solve, inputs: [sources], model: teacher, settings: {{k: 2}}}}
"""
    )

    def plan(*more):
        monkeypatch.setattr(
            "sys.argv",
            ["scalediff", "run", str(recipe), "--out", str(tmp_path / "run"), "--dry-run", "--json",
             *more],
        )  # fmt: skip
        from scalediff import cli

        with pytest.raises(SystemExit):
            cli.main()
        return json.loads(capsys.readouterr().out)

    told = plan("--deadline", "+1h")
    assert not (tmp_path / "run").exists()
    solve = told["steps"][1]
    assert (solve["units"], solve["done"], solve["remaining"]) == (2168, 0, 2168)
    assert (solve["at_most"], solve["tokens"]) == (True, None)
    assert solve["settings"]["k"]["value"] == 2
    assert told["problems"] == []
    assert datetime.fromisoformat(told["deadline"]) > datetime.now()
    commands.run(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run")
    assert [step["remaining"] for step in plan()["steps"]] == [0, 0]
    grown = plan("--set", "solve.k=3")["steps"][1]
    assert (grown["units"], grown["done"], grown["remaining"]) == (3252, 2168, 1084)
    assert grown["tokens"] > 0


def test_a_dry_run_says_what_stands_in_the_way(monkeypatch, capsys, tmp_path, rows):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"""
name: one
models: {{teacher: 'http://127.0.0.1:9/v1#m'}}
steps:
  sources: {{stage: sources, settings: {{paths: [{rows}, {tmp_path}/nowhere.jsonl]}}}}
  solve: {{stage: solve, inputs: [sources], model: teacher}}
"""
    )
    from scalediff import cli

    argv = ["scalediff", "run", str(recipe), "--out", str(tmp_path / "run"), "--dry-run"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert "nowhere.jsonl does not exist" in said
    assert "http://127.0.0.1:9/v1 does not answer" in said
