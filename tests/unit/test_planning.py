"""What is asked before paid work is left behind."""

import json

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io.json_files import CHECKED, read_json, write_json
from scalediff.io.run import Run
from scalediff.pipeline import Pipeline
from scalediff.recipe import build
from scalediff.watch import Console


def recipe(tmp_path, **settings):
    rows = tmp_path / "rows.jsonl"
    if not rows.exists():
        rows.write_text(
            "".join(json.dumps({"problem": f"What is ${i}+1$?"}) + "\n" for i in (1, 2))
        )
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(rows)]}},
        "generate": {"stage": "generate", "model": "fake:generator", "settings": {"n": 3}},
    }
    steps["generate"]["settings"] |= settings
    return build({"name": "r", "steps": steps}, "r")


def work(run, made, confirm=lambda question: True):
    pipeline = Pipeline(made, run, Console([(name, [name]) for name in made.nodes]))
    return pipeline.execute(pipeline.plan(), confirm)


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "run")
    yield made
    made.close()


def age(run, step, seconds):
    """Make a sealed step one that took long."""
    path = run.path / "steps" / run.manifest["steps"][step]["folder"] / "seal.json"
    write_json(path, {**read_json(path), "seconds": seconds, **CHECKED})


def test_before_paid_hours_are_left_behind_somebody_is_asked(run, tmp_path):
    work(run, recipe(tmp_path))
    age(run, "generate", 3 * 3600)
    asked = []

    def answer(question):
        asked.append(question)
        return False

    changed = recipe(tmp_path, temperature=0.5)
    with pytest.raises(RunStateError, match=r"3\.0 hours of paid work \(generate\).*--yes"):
        work(run, changed, answer)
    assert len(asked) == 1
    assert work(run, changed)


def test_little_and_free_work_is_left_behind_unasked(run, tmp_path):
    work(run, recipe(tmp_path))
    age(run, "generate", 1800)
    age(run, "sources", 10 * 3600)
    (tmp_path / "rows.jsonl").write_text('{"problem": "What is $5+5$?"}\n')

    def answer(question):
        raise AssertionError(question)

    assert work(run, recipe(tmp_path, temperature=0.5), answer)
