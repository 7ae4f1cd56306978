"""A pilot's forecast against what the whole then took: also after a run that was stopped."""

import json
from pathlib import Path

import commands
import pytest

from scalediff.forecast import forecast, pilot_overrides
from scalediff.io.run import Run
from scalediff.recipe import build


@pytest.fixture
def rows(tmp_path):
    problems = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(1500))
    return commands.lines(tmp_path / "rows.jsonl", *problems)


def recipe(rows, model="fake:teacher", **settings):
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(rows)]}},
        "solve": {
            "stage": "solve",
            "inputs": ["sources"],
            "model": "teacher",
            "settings": settings,
        },
    }
    prices = {"teacher": {"prompt": 1000, "sampled": 4000}}
    return {"name": "one", "models": {"teacher": model}, "prices": prices, "steps": steps}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    import yaml

    def call(values, *more, status=0):
        path = tmp_path / "r.yaml"
        path.write_text(yaml.safe_dump(values))
        ended, said = commands.run(
            monkeypatch, capsys, "run", path, "--out", tmp_path / "run", *more
        )
        assert ended == status, said

    return call


def forecast_of(tmp_path, values, pilot):
    full = build(json.loads(json.dumps(values)), "r")
    few = build(json.loads(json.dumps(values)), "r", pilot_overrides(full, pilot))
    made = Run(tmp_path / "run", create=False)
    try:
        (line,) = forecast(made, few, full).lines
    finally:
        made.close()
    return line


def paid(tmp_path):
    (path,) = (tmp_path / "run").glob("steps/solve-*/spent.json")
    spent = json.loads(path.read_bytes())
    return spent["new"] + spent["prompt"], spent["cost"]


@pytest.mark.parametrize("settings", [{}, {"k": 3}, {"first_cap": 20}])
@pytest.mark.parametrize("before", [None, "40k"])
def test_the_whole_takes_what_the_pilot_said(run, rows, tmp_path, settings, before):
    values = recipe(rows, **settings)
    if before:  # most of the run is there already when the pilot is made
        run(values, "--budget", before, status=75)
    run(values, "--pilot", "60")
    line = forecast_of(tmp_path, values, 60)
    assert line.rows == 1500
    run(values)
    tokens, cost = paid(tmp_path)
    assert line.tokens == pytest.approx(tokens, rel=0.08)
    assert line.cost == pytest.approx(cost, rel=0.08)


def test_what_remains_is_what_is_not_finished(run, rows, tmp_path):
    values = recipe(rows)
    run(values, "--pilot", "150")
    assert forecast_of(tmp_path, values, 150).left == pytest.approx(0.9)
    run(values)
    run(values, "--pilot", "150")
    line = forecast_of(tmp_path, values, 150)
    assert line.left == 0
    assert line.tokens == pytest.approx(paid(tmp_path)[0], rel=0.001)


def test_attempts_that_a_store_had_are_reckoned_with_for_the_rest(run, rows, tmp_path):
    values = recipe(rows)
    run(values, "--pilot", "150")
    first = forecast_of(tmp_path, values, 150)
    # other settings of the same requests: each is in the store, and the pilot pays for none
    values["steps"]["solve"]["settings"] = {"max_new_tokens": 30_000}
    run(values, "--pilot", "150")
    assert Path(tmp_path / "run").exists()
    again = forecast_of(tmp_path, values, 150)
    assert 0.5 * first.tokens < again.tokens <= first.tokens
