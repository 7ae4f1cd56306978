"""What a second invocation has of the first, after every kind of end: attempts, money, settings."""

import json
import signal
import subprocess
import sys
import time

import commands
import pytest
import yaml

from scalediff.core.errors import EngineError
from scalediff.engines.fake import FakeEngine

ROWS = 120


@pytest.fixture
def rows(tmp_path):
    problems = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(ROWS))
    return commands.lines(tmp_path / "rows.jsonl", *problems)


class Work:
    """Two paying steps, one after the other, in one run directory."""

    def __init__(self, path, rows, monkeypatch, capsys):
        self.path, self.out = path, path / "run"
        self._patch, self._capsys = monkeypatch, capsys
        steps = {
            "sources": {"stage": "sources", "settings": {"paths": [str(rows)]}},
            "first": {"stage": "solve", "inputs": ["sources"], "model": "teacher"},
            "second": {"stage": "solve", "inputs": ["first"], "model": "student",
                       "settings": {"k": 2}},
        }  # fmt: skip
        self.values = {
            "name": "two",
            "models": {"teacher": "fake:teacher", "student": "fake:student"},
            "prices": {"teacher": {"prompt": 1000, "sampled": 4000}, "student": {"sampled": 500}},
            "steps": steps,
        }
        self.write()

    def write(self, **changes):
        self.values |= changes
        (self.path / "r.yaml").write_text(yaml.safe_dump(self.values))

    def run(self, *more, status=0, out=None):
        call = ("run", self.path / "r.yaml", "--out", out or self.out, *more)
        return self.call(*call, status=status)

    def call(self, *arguments, status=0):
        ended, said = commands.run(self._patch, self._capsys, *arguments)
        assert ended == status, said
        return said

    def spent(self, out=None):
        """By step: what ``spent.json`` says of all invocations together."""
        found = {}
        for path in (out or self.out).glob("steps/*/spent.json"):
            name = path.parent.name.rpartition("-")[0]
            if name in ("first", "second"):
                found[name] = json.loads(path.read_bytes())
        return found

    def sampled(self):
        return sum(spent.get("sampled", 0) for spent in self.spent().values())

    def cost(self, out=None):
        return sum(spent.get("cost", 0.0) for spent in self.spent(out).values())

    def summary(self):
        return json.loads((self.out / "summary.json").read_bytes())

    def temperature(self):
        recipe = yaml.safe_load((self.out / "recipe.yaml").read_text())
        return recipe["steps"]["first"]["settings"]["temperature"]["value"]


@pytest.fixture
def work(tmp_path, rows, monkeypatch, capsys):
    return Work(tmp_path, rows, monkeypatch, capsys)


@pytest.fixture
def whole(work):
    """What an uninterrupted run pays."""
    out = work.path / "whole"
    work.run(out=out)
    spent = work.spent(out)
    assert [spent[name]["sampled"] for name in ("first", "second")] == [ROWS, 2 * ROWS]
    return spent


def dies_after(monkeypatch, number, error):
    """Engines answer so many requests and then fail for good."""
    monkeypatch.setattr("scalediff.owed._LONGEST_PAUSE_S", 0.01)
    real, asked = FakeEngine.sample, []

    async def sample(self, request):
        if len(asked) >= number:
            raise error
        asked.append(1)
        return await real(self, request)

    monkeypatch.setattr(FakeEngine, "sample", sample)


def is_whole(work, whole):
    """Each attempt was paid for once, and tokens and money add up to those of a run in one go."""
    for name, spent in work.spent().items():
        for amount in ("sampled", "new", "prompt", "cost"):
            assert spent[amount] == pytest.approx(whole[name][amount]), (name, amount)
    summary = work.summary()
    assert summary["cost_total"] == pytest.approx(sum(s["cost"] for s in whole.values()))
    assert summary["tokens_total"] == sum(s["new"] for s in whole.values())
    assert summary["rows_lost"] == 0
    assert summary["counts"]["second"]["out"] == ROWS


def test_after_the_end_nothing_is_asked_and_nothing_paid(work, whole):
    work.run()
    is_whole(work, whole)
    before = work.spent()
    assert "nothing to do" in work.run()
    assert "nothing to do" in work.run("--budget", "1")  # a limit stops no free step
    assert work.spent() == before
    is_whole(work, whole)


def test_a_budget_is_of_all_steps_and_all_invocations_together(work, whole):
    first, second = (whole[name]["cost"] for name in ("first", "second"))
    budget = f"${first + second / 2:.4f}"
    assert second / 2 < first  # neither step alone would reach it
    said = work.run("--budget", budget, status=75)
    assert "step second: the budget of" in said
    paid = work.cost()
    assert first < paid <= 1.2 * (first + second / 2)
    assert work.spent()["first"]["sampled"] == ROWS
    said = work.run("--budget", budget, status=75)  # the same budget buys nothing more
    assert "before step second: the budget of" in said
    assert work.cost() == pytest.approx(paid)
    work.run("--budget", f"${first + second + 1:.4f}")
    is_whole(work, whole)


def test_a_budget_of_the_first_invocation_binds_no_later_one(work, whole):
    tokens = whole["first"]["new"] + whole["first"]["prompt"]
    said = work.run("--budget", f"{tokens // 2:.0f}", status=75)
    assert "step first: the budget" in said
    assert 0 < work.sampled() < ROWS
    work.run()
    is_whole(work, whole)


def test_a_budget_of_the_recipe_binds_every_invocation(work, whole):
    tokens = whole["first"]["new"] + whole["first"]["prompt"]
    work.write(budget=[f"{tokens // 2:.0f}"])
    work.run(status=75)
    paid = work.sampled()
    work.run(status=75)
    assert work.sampled() == paid
    work.write(budget=[])
    work.run()
    is_whole(work, whole)


@pytest.mark.parametrize("number", [30, ROWS + 70])
def test_what_was_paid_before_a_failure_is_paid_once(work, whole, number):
    with pytest.MonkeyPatch.context() as patch:
        dies_after(patch, number, EngineError("the server is gone"))
        said = work.run(status=1)
    assert "the server is gone" in said
    assert work.sampled() == number
    work.run()
    is_whole(work, whole)


def test_what_was_paid_before_a_budget_and_a_failure_and_a_finish_adds_up(work, whole):
    with pytest.MonkeyPatch.context() as patch:
        dies_after(patch, 20, EngineError("gone"))
        work.run(status=1)
    tokens = whole["first"]["new"] + whole["first"]["prompt"]
    work.run("--budget", f"{tokens * 0.6:.0f}", status=75)
    paid = work.spent()["first"]["new"] + work.spent()["first"]["prompt"]
    assert paid <= tokens * 0.75  # the 20 before the failure count
    work.call("finish", work.out)
    summary = work.summary()
    assert (
        summary["counts"]["first"]["dropped"]["unfinished"]
        == ROWS - (work.spent()["first"]["sampled"])
    )
    assert summary["cost_total"] == pytest.approx(work.cost())
    work.run()
    is_whole(work, whole)


def test_after_finish_the_same_command_goes_on_and_finish_again_pays_nothing(work, whole):
    tokens = whole["first"]["new"] + whole["first"]["prompt"]
    budget = f"{tokens + whole['second']['new'] // 3:.0f}"
    work.run("--budget", budget, status=75)
    half = work.sampled()
    assert ROWS < half < 3 * ROWS
    for _ in range(2):
        work.call("finish", work.out)
        assert work.sampled() == half
    work.run()
    is_whole(work, whole)


def test_after_an_interrupt_the_rest_is_paid(work, whole):
    work.write(models={"teacher": "fake:teacher?latency_s=0.05", "student": "fake:student"})
    command = [sys.executable, "-m", "scalediff.cli", "run", str(work.path / "r.yaml"),
               "--out", str(work.out), "--set", "engine.slots=4"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    index = work.out / "attempts" / "attempts.idx"
    while process.poll() is None and not (index.exists() and index.stat().st_size > 10 * 44):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=250)
    assert process.returncode == 75, said
    paid = work.sampled()
    assert 0 < paid < 3 * ROWS
    work.run()
    is_whole(work, whole)


def test_settings_of_one_invocation_are_not_those_of_the_next(work):
    work.run("--set", "second.k=3")
    assert work.summary()["settings"]["second"]["k"] == 3
    assert work.spent()["second"]["sampled"] == 3 * ROWS
    work.run()
    assert work.summary()["settings"]["second"]["k"] == 2
    assert work.spent()["second"]["sampled"] == 3 * ROWS  # less is there already
    said = work.run("--set", "first.temperature=0.9", "--until", "first", "--yes")
    assert "temperature" in said
    assert work.temperature() == 0.9
    work.run()
    assert work.temperature() != 0.9


def test_finish_takes_the_settings_of_the_last_invocation(work):
    work.run("--set", "second.k=3", "--budget", "9k", status=75)
    work.call("finish", work.out)
    recipe = yaml.safe_load((work.out / "recipe.yaml").read_text())
    assert recipe["steps"]["second"]["settings"]["k"]["value"] == 3


def test_a_shared_store_is_kept_to_without_being_named_again(work, tmp_path):
    cache = tmp_path / "cache"
    work.run("--cache", cache, "--until", "first")
    kept = (cache / "attempts.idx").stat().st_size
    assert kept > 0
    work.run()
    assert (cache / "attempts.idx").stat().st_size > kept
    assert not (work.out / "attempts").exists()
    other = tmp_path / "other"
    work.run("--cache", cache, out=other)  # and another run finds all of it
    assert sum(s.get("sampled", 0) for s in work.spent(other).values()) == 0
    assert work.spent(other)["second"]["served"] == 2 * ROWS
