"""``recipes/quick.yaml`` end to end with the shipped models: what a run leaves behind."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("quick") / "run"
    command = [sys.executable, "-m", "scalediff.cli", "run", "quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    assert "RESULT" in done.stdout
    return out


@pytest.fixture(scope="module")
def summary(run):
    return json.loads((run / "summary.json").read_text())


@pytest.mark.timeout(1600)
def test_the_summary_has_what_is_documented(summary):
    parts = "seconds seconds_total counts waterfall difficult_share oracle scores gain"
    parts += " gain_over_control training cost warnings"
    assert set(parts.split()) <= set(summary)
    assert summary["laboratory"]
    assert summary["rows_lost"] == 0
    for total in ("screen", "identify", "distill", "filter"):
        assert {"in", "out", "review", "dropped"} <= set(summary["counts"][total])
    assert set(summary["scores"]) == {
        "student", "student_sources", "student_control", "nano:student"
    }  # fmt: skip
    for scores in summary["scores"].values():
        assert {"all", "difficult", "simple", "level_1", "level_8"} <= set(scores)
        assert all(s["low"] <= s["mean"] <= s["high"] for s in scores.values())
    for stage in ("before", "after_rules", "after_student", "dataset"):
        assert 0 <= summary["oracle"]["wrong_label_share"][stage]["share"] <= 1


def test_the_waterfall_adds_up(summary):
    fall = summary["waterfall"]
    assert fall["generated"] == 400
    assert fall["kept"] + fall["review"] + sum(fall["dropped"].values()) == fall["generated"]
    for counts in summary["counts"].values():
        left = counts["out"] + counts["review"] + sum(counts["dropped"].values())
        assert counts["in"] == left


def test_the_control_takes_as_many_steps_as_the_student(summary):
    training = summary["training"]
    assert training["student_control"]["steps"] == training["student"]["steps"]
    assert training["student_sources"]["steps"] < training["student"]["steps"]


def test_the_dataset_loads(run, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    loaded = load_dataset(str(run / "dataset"), cache_dir=str(run.parent / "cache"))
    assert set(loaded) == {"generated", "original"}
    for row in loaded["generated"]:
        assert row["solution"].startswith("<think>\n")
        assert "</think>" in row["solution"]
        assert row["answer"]
    assert loaded["original"].column_names[:3] == ["problem", "solution", "answer"]


def test_the_report_is_one_file_of_well_formed_html(run):
    page = (run / "report.html").read_text()
    HTMLParser().feed(page)
    assert "LABORATORY" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_run_says_what_it_was(run):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["prompts"]["distill"]["rendered"].endswith("<|im_start|>assistant\n")
    assert manifest["prompts"]["identify.score"]["rendered"].endswith("<think>\n")
    assert "nano" in (run / "recipe.yaml").read_text()


def test_trainings_are_told_apart_by_their_seals(run):
    # all of them have no rows: a control that matches another's steps must see it change
    steps = json.loads((run / "manifest.json").read_text())["steps"]
    trained = [entry["folder"] for entry in steps.values() if entry["stage"] == "train"]
    seals = [json.loads((run / "steps" / f / "seal.json").read_text()) for f in trained]
    assert len({seal["digest"] for seal in seals}) == len(trained) == 4
