"""Budgets, deadlines, guards, pilots and early ends, through the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

FAKE = Path(__file__).parents[1] / "support" / "fake.yaml"


def cli(*args, status=0):
    """Run a command; what it says on both streams."""
    command = [sys.executable, "-m", "scalediff.cli", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def write_rows(path, n):
    rows = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(n))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def spent(out):
    (path,) = Path(f"{out}.run").glob("steps/distill-*/spent.json")
    return json.loads(path.read_bytes())


@pytest.fixture
def work(tmp_path):
    write_rows(tmp_path / "rows.jsonl", 1500)
    return tmp_path


def test_a_budget_stops_in_good_order_and_more_of_it_goes_on_without_paying_twice(work):
    rows, out = work / "rows.jsonl", work / "out.jsonl"
    distill = ("distill", rows, "-o", out, "--model", "fake:teacher?latency_s=0.02")
    told = cli(*distill, "--budget", "20k", status=75)
    assert "the budget of 20,000 tokens is spent" in told
    first = spent(out)
    assert 20_000 <= first["new"] + first["prompt"] < 22_000  # the last few finish
    assert not out.exists()
    told = cli(*distill, "--budget", "20k", status=75)  # it is of all goes together
    assert spent(out)["new"] == first["new"]
    cli(*distill)
    assert len(read(out)) == 1500
    assert spent(out)["sampled"] == 1500


def test_finish_seals_what_is_there_and_the_command_goes_on_with_the_rest(work):
    rows, out = work / "rows.jsonl", work / "out.jsonl"
    distill = ("distill", rows, "-o", out, "--model", "fake:teacher?latency_s=0.02")
    cli(*distill, "--budget", "20k", status=75)
    cli("finish", f"{out}.run")
    kept, dropped = read(out), read(work / "out.dropped.jsonl")
    assert 0 < len(kept) < 1500
    assert len(kept) + len(dropped) == 1500
    assert {row["reason"] for row in dropped} == {"unfinished"}
    cli(*distill)
    assert len(read(out)) == 1500
    assert spent(out)["sampled"] == 1500


def test_a_deadline_in_the_past_or_nonsense_is_refused_and_one_to_come_is_kept(work):
    rows, out = work / "rows.jsonl", work / "out.jsonl"
    distill = ("distill", rows, "-o", out, "--model", "fake:teacher?latency_s=0.2")
    assert "has passed" in cli(*distill, "--deadline", "2020-01-01 10:00", status=2)
    told = cli(*distill, "--deadline", "+0.004min", status=75)
    assert "deadline" in told
    cli(*distill, "--deadline", "+1h")


def test_a_guard_stops_a_run_that_pays_for_nothing(work):
    rows, out = work / "rows.jsonl", work / "out.jsonl"
    recipe = work / "r.yaml"
    recipe.write_text(
        f"""
name: guarded
models: {{teacher: 'fake:teacher?truncated=1&latency_s=0.01'}}
stop_if: {{solve: ["truncated > 0.5 after 50"]}}
steps:
  sources: {{stage: sources, settings: {{paths: [{rows}]}}}}
  solve: {{stage: solve, inputs: [sources], model: teacher, settings: {{max_new_tokens: 64}}}}
"""
    )
    told = cli("run", recipe, "--out", out, status=75)
    assert "stop_if: truncated > 0.5 after 50" in told
    (path,) = out.glob("steps/solve-*/spent.json")
    paid = json.loads(path.read_bytes())["sampled"]
    again = cli("run", recipe, "--out", out, status=75)
    assert "stop_if" in again
    assert json.loads(path.read_bytes())["sampled"] == paid  # and does not pay for another fifty
    cli("run", recipe, "--out", out, "--set", "stop_if.solve=[]")


def test_a_pilot_forecasts_and_its_rows_count(work):
    rows, out = work / "rows.jsonl", work / "out.jsonl"
    distill = ("distill", rows, "-o", out, "--model", "fake:teacher")
    told = cli(*distill, "--pilot", "100")
    assert "15.0 times the pilot's rows" in told
    assert len(read(out)) == 100
    cli(*distill)
    assert len(read(out)) == 1500
    attempts = Path(f"{out}.run") / "attempts" / "attempts.idx"
    assert attempts.stat().st_size // 44 == 1500


def test_a_pilot_of_the_line_and_then_the_whole_pay_for_the_difference(tmp_path):
    out = tmp_path / "run"
    told = cli("run", FAKE, "--out", out, "--pilot", "30")
    assert re.search(r"FORECAST of the whole: [\d.]+ times the pilot's rows", told)
    assert "kept rows:" in told
    cli("run", FAKE, "--out", out)
    whole = tmp_path / "whole"
    cli("run", FAKE, "--out", whole)

    def dataset(run):
        return sorted((p.name, p.read_bytes()) for p in (run / "dataset").rglob("*.parquet"))

    assert dataset(out) == dataset(whole)
    events = read(out / "events.jsonl")
    seals = {e["step"]: e for e in events if e["event"] == "end"}
    assert seals["generate"]["in"] > 30


def test_prices_turn_tokens_into_money(work):
    recipe = work / "r.yaml"
    recipe.write_text(
        f"""
name: priced
models: {{teacher: fake:teacher}}
prices: {{teacher: {{prompt: 1000, sampled: 4000}}}}
steps:
  sources: {{stage: sources, settings: {{paths: [{work / "rows.jsonl"}]}}}}
  solve: {{stage: solve, inputs: [sources], model: teacher}}
"""
    )
    out = work / "run"
    told = cli("run", recipe, "--out", out, "--budget", "$20", status=75)
    assert "the budget of 20.00 is spent" in told
    cli("run", recipe, "--out", out)
    summary = json.loads((out / "summary.json").read_bytes())
    tokens = summary["tokens"]["solve"]
    assert tokens["cost"] == pytest.approx((tokens["prompt"] + 4 * tokens["new"]) / 1000)
    assert summary["cost_total"] == pytest.approx(tokens["cost"])


def test_a_budget_is_of_all_steps_and_prices_may_name_the_model(work):
    recipe = work / "r.yaml"
    recipe.write_text(
        f"""
name: priced
models: {{teacher: 'fake:teacher?latency_s=0.01'}}
prices: {{'fake:teacher?latency_s=0.01': {{prompt: 1000, sampled: 4000}}}}
steps:
  sources: {{stage: sources, settings: {{paths: [{work / "rows.jsonl"}], n: 100}}}}
  solve: {{stage: solve, inputs: [sources], model: teacher}}
  more: {{stage: solve, inputs: [sources], model: teacher, settings: {{k: 5}}}}
"""
    )
    out = work / "run"
    cli("run", recipe, "--out", out, "--until", "solve")
    (path,) = out.glob("steps/solve-*/spent.json")
    first = json.loads(path.read_bytes())["cost"]
    assert first > 5
    told = cli("run", recipe, "--out", out, "--budget", f"${2 * first:.2f}", status=75)
    assert "step more: the budget of" in told
    (path,) = out.glob("steps/more-*/spent.json")
    second = json.loads(path.read_bytes())["cost"]
    assert 2 * first <= first + second + 0.01 < 2.3 * first


def test_a_line_that_is_finished_early_makes_a_dataset_and_later_the_whole_of_it(tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    told = cli("run", FAKE, "--out", out, "--budget", "9k", status=75)
    assert "the budget of 9,000 tokens is spent" in told
    cli("finish", out)
    summary = json.loads((out / "summary.json").read_bytes())
    assert (out / "dataset").exists()
    assert summary["rows_lost"] == 0
    parts = summary["waterfall"]
    left = sum(parts["dropped"].values())
    assert parts["generated"] == parts["kept"] + parts["review"] + left
    cli("run", FAKE, "--out", out)
    cli("run", FAKE, "--out", whole)
    for run in (out, whole):
        summary = json.loads((run / "summary.json").read_bytes())
        assert "unfinished" not in summary["waterfall"]["dropped"]

    def dataset(run):
        return sorted((p.name, p.read_bytes()) for p in (run / "dataset").rglob("*.parquet"))

    assert dataset(out) == dataset(whole)


def test_a_training_beside_finishes_when_a_limit_is_reached(tmp_path):
    recipe, out = tmp_path / "r.yaml", tmp_path / "run"
    recipe.write_text(
        """
name: beside
domain: nano
side_by_side: 2
models: {teacher: 'fake:teacher?latency_s=0.02', student: 'nano:student'}
steps:
  sources: {stage: sources, settings: {paths: ["nano:sources"], n: 200}}
  pupil:
    stage: train
    inputs: [sources]
    model: student
    settings: {task: generator, epochs: 1, batch_size: 8, max_length: 256, threads: 1}
  solve: {stage: solve, inputs: [sources], model: teacher, settings: {max_new_tokens: 64}}
"""
    )
    told = cli("run", recipe, "--out", out, "--budget", "2k", status=75)
    assert "step solve: the budget of 2,000 tokens is spent" in told
    events = [e["event"] for e in read(out / "events.jsonl") if e.get("step") == "pupil"]
    assert events == ["begin", "end"]
    assert list(out.glob("steps/pupil-*/seal.json"))
