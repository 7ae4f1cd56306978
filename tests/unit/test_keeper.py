"""Which engines are opened and closed along a line, and that nothing is left open."""

import asyncio

import pytest

from scalediff import keeper
from scalediff.core.engine import ModelSpec
from scalediff.core.errors import EngineError
from scalediff.engines import EngineConfig
from scalediff.engines.fake import FakeEngine
from scalediff.io.run import Run
from scalediff.keeper import Keeper
from scalediff.pipeline import Pipeline
from scalediff.recipe import build
from scalediff.watch import Console

TEACHER, STUDENT = "fake:teacher", "fake:student"


def spec(name):
    return ModelSpec(name=name, kind="fake", location=name.removeprefix("fake:"))


@pytest.fixture
def told(monkeypatch):
    """Every opening and closing of an engine, in order, and the loops they happened in."""
    events, loops = [], set()

    class Told(FakeEngine):
        async def close(self):
            loops.add(asyncio.get_running_loop())
            events.append(f"close {self.info.model}")

    async def opened(spec, config, log_folder):
        loops.add(asyncio.get_running_loop())
        events.append(f"open {spec.name}")
        return Told(spec)

    monkeypatch.setattr(keeper, "open_engine", opened)
    yield events
    assert len(loops) <= 1


def test_neighbours_with_one_model_share_an_engine(told):
    kept = Keeper(EngineConfig())
    first = kept.run(kept.engine(spec(TEACHER)))
    kept.keep_for(TEACHER)
    assert kept.run(kept.engine(spec(TEACHER))) is first
    kept.run(kept.engine(spec(STUDENT)))
    kept.keep_for(None)
    kept.keep_for(None)
    kept.close()
    kept.close()
    assert told == [
        f"open {TEACHER}", f"close {TEACHER}", f"open {STUDENT}", f"close {STUDENT}"
    ]  # fmt: skip


class Quiet(Console):
    def __init__(self, told):
        self.told = told

    def begin(self, plan):
        pass

    def progress(self, *args):
        pass

    def end(self, plan, seal):
        self.told.append(plan.node.name)


def execute(tmp_path, steps, steps_told=None):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"problem": "What is ${i}+1$?"}}\n' for i in range(3)))
    sources = {"stage": "sources", "settings": {"paths": [str(path)]}}
    recipe = build({"name": "kept", "steps": {"sources": sources, **steps}}, "kept.yaml")
    run = Run(tmp_path / "run")
    run.update_manifest(order=[*recipe.nodes])
    try:
        pipeline = Pipeline(recipe, run, Quiet([] if steps_told is None else steps_told))
        pipeline.execute(pipeline.plan(), lambda _: True)
        return run.manifest["steps"]
    finally:
        run.close()


def solve(model, inputs, role="teacher"):
    return {"stage": "solve", "inputs": [inputs], "model": model, "settings": {"role": role}}


def test_a_line_opens_each_model_once_where_its_steps_are_neighbours(told, tmp_path):
    steps = {
        "first": solve(TEACHER, "sources"),
        "rules": {"stage": "rules", "inputs": ["first"]},
        "second": solve(TEACHER, "rules", "evaluation"),
        "screen": {"stage": "screen", "inputs": ["second"]},
        "third": solve(STUDENT, "second", "student"),
    }
    execute(tmp_path, steps)
    assert told == [
        f"open {TEACHER}", f"close {TEACHER}", f"open {STUDENT}", f"close {STUDENT}"
    ]  # fmt: skip


def test_what_is_not_asked_next_is_closed_before_the_steps_between(told, tmp_path):
    steps = {
        "first": solve(TEACHER, "sources"),
        "rules": {"stage": "rules", "inputs": ["first"]},
        "third": solve(STUDENT, "rules", "student"),
    }
    execute(tmp_path, steps, told)
    assert told[:5] == ["sources", f"open {TEACHER}", "first", f"close {TEACHER}", "rules"]


def test_an_engine_that_fails_is_closed(told, tmp_path, monkeypatch):
    async def broken(self, request):
        raise EngineError("down")

    monkeypatch.setattr(FakeEngine, "sample", broken)
    monkeypatch.setattr("scalediff.owed._TROUBLE_PASSES", 1)
    with pytest.raises(EngineError, match="still owed"):
        execute(tmp_path, {"first": solve(TEACHER, "sources")})
    assert told == [f"open {TEACHER}", f"close {TEACHER}"]


def test_nothing_is_opened_where_nothing_is_owed(told, tmp_path):
    execute(tmp_path, {"first": solve(TEACHER, "sources")})
    told.clear()
    execute(tmp_path, {"first": solve(TEACHER, "sources")})
    assert told == []
