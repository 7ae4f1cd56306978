"""A budget is of the whole run: of ended steps, of trainings, and of earlier invocations."""

import json

import pytest

from scalediff.io.run import Run, write_json
from scalediff.limits import Budget, Limits
from scalediff.recipe import build
from scalediff.spending import Spending


def recipe():
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}},
        "solve": {"stage": "solve", "inputs": ["sources"], "model": "fake:teacher"},
        "again": {"stage": "solve", "inputs": ["solve"], "model": "fake:teacher"},
        "pupil": {"stage": "train", "inputs": ["sources"], "model": "nano:student",
                  "settings": {"task": "generator"}},
    }  # fmt: skip
    return build({"name": "r", "steps": steps}, "r")


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "run")
    yield made
    made.close()


def earlier(run, name, about, spent):
    folder = run.path / "steps" / name
    folder.mkdir(parents=True)
    write_json(folder / "step.json", about)
    write_json(folder / "spent.json", spent)


def test_what_earlier_invocations_took_counts_steps_and_trainings_alike(run):
    paid = {"new": 100, "prompt": 20, "seconds": 1800, "cost": 1.5, "sampled": 4}
    earlier(run, "solve-1", {"pays": True, "stage": "solve"}, paid)
    earlier(run, "pupil-1", {"pays": False, "stage": "train"}, {"seconds": 7200})
    earlier(run, "sources-1", {"pays": False, "stage": "sources"}, {"seconds": 3600, "cost": 9})
    totals = Spending(run, recipe()).totals()
    assert totals == {"tokens": 120, "hours": 2.5, "cost": 1.5, "answered": 4}
    for budget in (Budget(hours=2.5), Budget(cost=1.5), Budget(tokens=120)):
        assert Limits(budget, spent=lambda: totals).reached() is not None
    for budget in (Budget(hours=2.6), Budget(cost=1.6), Budget(tokens=121)):
        assert Limits(budget, spent=lambda: totals).reached() is None


def test_what_a_step_took_counts_when_it_has_ended(run):
    spending, nodes = Spending(run, recipe()), recipe().nodes
    spent = {"new": 100, "prompt": 20, "seconds": 3600, "cost": 2.5}
    for name in ("solve", "again"):
        spending.begin(nodes[name], [])
        spending.end(nodes[name], spent)
    spending.end(nodes["pupil"], {"seconds": 1800})
    spending.end(nodes["sources"], {"seconds": 1e6})  # free
    assert spending.totals() == {"tokens": 240, "hours": 2.5, "cost": 5.0, "answered": 0}


def test_an_event_holds_what_the_step_costs_and_how_far_it_is(run):
    spending, nodes = Spending(run, recipe()), recipe().nodes
    spending.begin(nodes["solve"], [])
    spending.live(nodes["solve"], 5, 5)
    (event,) = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert (event["event"], event["step"], event["done"], event["total"]) == (
        "progress", "solve", 5, 5,
    )  # fmt: skip
