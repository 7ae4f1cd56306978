"""What each step would do after a change, and why: by its state and in words."""

import json

import pytest
from watchers import Quiet

from scalediff.core.errors import RecipeError
from scalediff.domains import open_domain
from scalediff.io.run import Run, read_json, write_json
from scalediff.pipeline import Pipeline
from scalediff.planning import Planner
from scalediff.recipe import build
from scalediff.stages.screen import Screen


class Place:
    """A line of six steps in one run directory: sources, screen, two that pay, and a decision."""

    def __init__(self, path):
        self.path, self.file = path, path / "rows.jsonl"
        self.write(8)

    def write(self, n):
        rows = (json.dumps({"problem": f"What is ${i} + {i % 7}$?"}) for i in range(n))
        self.file.write_text("\n".join(rows) + "\n")

    def recipe(self, *overrides, model="fake:teacher", seed=0, **more):
        steps = {
            "sources": {"stage": "sources", "settings": {"paths": [str(self.file)]}},
            "screen": {"stage": "screen", "inputs": ["sources"]},
            "solve": {"stage": "solve", "inputs": ["screen"], "model": model},
            "rules": {"stage": "rules", "inputs": ["solve"]},
            "again": {"stage": "solve", "inputs": ["rules"], "model": "fake:student",
                      "settings": {"role": "student"}},
            "grade": {"stage": "grade", "inputs": ["again"], "settings": {"role": "student"}},
        }  # fmt: skip
        values = {"name": "r", "domain": "nano", "seed": seed, "steps": steps, **more}
        return build(values, "r", overrides)

    def execute(self, recipe, finish=False):
        run = Run(self.path / "run")
        try:
            pipeline = Pipeline(recipe, run, Quiet(), finish=finish)
            pipeline.execute(pipeline.plan(), lambda question: True)
        finally:
            run.close()

    def plans(self, recipe, finishing=False):
        run = Run(self.path / "run")
        try:
            planner = Planner(recipe, run, open_domain("nano"), finishing=finishing)
            return {plan.node.name: plan for plan in planner.plan()}
        finally:
            run.close()

    def states(self, recipe, **more):
        return {name: (plan.state, plan.why) for name, plan in self.plans(recipe, **more).items()}

    def seal(self, step, **changes):
        run = Run(self.path / "run", create=False)
        path = run.path / "steps" / run.manifest["steps"][step]["folder"] / "seal.json"
        write_json(path, read_json(path) | changes)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


@pytest.fixture
def done(place):
    place.execute(place.recipe())
    return place


ALL = ("sources", "screen", "solve", "rules", "again", "grade")


def test_before_anything_ran_each_step_waits_for_the_one_before(place):
    states = place.states(place.recipe())
    assert states["sources"] == ("run", "")
    assert states["screen"] == ("wait", "after sources")
    assert {state for state, _ in list(states.values())[1:]} == {"wait"}


def test_what_is_done_is_done(done):
    assert done.states(done.recipe()) == dict.fromkeys(ALL, ("done", ""))


@pytest.mark.parametrize(
    ("overrides", "changed", "why"),
    [
        (["solve.temperature=0.9"], "solve", "temperature 0.6 -> 0.9"),
        (["solve.temperature=0.9", "solve.top_p=0.5"], "solve",
         "temperature 0.6 -> 0.9, top_p 0.95 -> 0.5"),
        (["rules.min_tokens=3"], "rules", "min_tokens 0 -> 3"),
        (["grade.role=teacher"], "grade", "role student -> teacher"),
    ],
)  # fmt: skip
def test_a_changed_meaning_is_made_anew_with_what_depends_on_it(done, overrides, changed, why):
    states = done.states(done.recipe(*overrides))
    at = ALL.index(changed)
    assert {states[name] for name in ALL[:at]} <= {("done", "")}
    state, said = states[changed]
    assert (state, said) == ("again", why)
    for name in ALL[at + 1 :]:
        assert states[name][0] in ("again", "wait"), name
    assert done.states(done.recipe()) == dict.fromkeys(ALL, ("done", ""))  # and back again


def test_another_seed_draws_other_samples_and_says_so(done):
    states = done.states(done.recipe(seed=1))
    assert states["solve"] == ("again", "sampling seed 0 -> 1")
    assert states["sources"] == states["screen"] == ("done", "")


def test_another_model_is_other_work_and_the_same_one_under_another_name_is_not(done):
    assert done.states(done.recipe(model="fake:student"))["solve"] == ("again", "model changed")
    same = done.recipe(model="fake:teacher?latency_s=0.001")  # how fast it is, is no meaning
    assert done.states(same) == dict.fromkeys(ALL, ("done", ""))


def test_more_of_the_same_grows_and_less_does_too(done):
    grown = done.states(done.recipe("solve.k=3"))
    assert grown["solve"] == ("grow", "k 1 -> 3")
    assert grown["rules"] == ("wait", "after solve")
    known = done.plans(done.recipe())  # where it lies is known all the same, so that it is reused
    waiting = done.plans(done.recipe("solve.k=3"))
    assert waiting["rules"].key == known["rules"].key is not None
    done.execute(done.recipe("solve.k=3"))
    assert done.states(done.recipe())["solve"] == ("grow", "k 3 -> 1")


def test_changed_files_and_rows_are_seen(done):
    done.write(9)
    states = done.states(done.recipe())
    assert states["sources"][0] == "again"
    assert "files changed" in states["sources"][1]
    done.execute(done.recipe().until("sources"))
    states = done.states(done.recipe())
    assert states["sources"] == ("done", "")
    assert states["screen"][0] == "again"
    assert states["screen"][1] == "what it reads changed"


def test_a_paying_step_grows_by_rows_that_are_new_to_it(done):
    done.write(12)
    done.execute(done.recipe().until("screen"))
    states = done.states(done.recipe())
    assert states["solve"] == ("again", "what it reads changed")
    done.execute(done.recipe())
    run = Run(done.path / "run", create=False)
    total = sum(
        read_json(path).get("sampled", 0) for path in run.path.glob("steps/solve-*/spent.json")
    )
    assert total == 12  # eight of them were there


def test_another_version_of_a_stage_or_domain_is_other_work(done, monkeypatch):
    monkeypatch.setattr(Screen, "version", "99")
    states = done.states(done.recipe())
    assert states["screen"][0] == "again"
    assert states["screen"][1].startswith("version ")
    assert states["screen"][1].endswith(" -> 99")
    assert states["sources"] == ("done", "")


def test_what_was_begun_resumes_and_what_was_left_unfinished_says_how_much(done):
    done.seal("solve", unfinished=1234)
    states = done.states(done.recipe())
    assert states["solve"] == ("resume", "1,234 were left unfinished")
    assert states["rules"] == ("wait", "after solve")
    assert done.states(done.recipe(), finishing=True) == dict.fromkeys(ALL, ("done", ""))
    run = Run(done.path / "run", create=False)
    (run.path / "steps" / run.manifest["steps"]["again"]["folder"] / "seal.json").unlink()
    assert done.states(done.recipe(), finishing=True)["again"] == ("resume", "")


@pytest.mark.parametrize(
    ("overrides", "behind"),
    [
        ([], {}),
        # what a free step keeps may be asked again of rows that stay, and the store has them
        (["rules.min_tokens=3"], {}),
        (["solve.temperature=0.9"], {"solve": 7200.0}),
        (["again.temperature=0.9"], {"again": 3600.0}),
        (["solve.k=2"], {}),
    ],
)
def test_paid_seconds_that_would_be_left_behind(done, overrides, behind):
    done.seal("solve", seconds=7200.0)
    done.seal("again", seconds=3600.0)
    done.seal("screen", seconds=999.0)  # was free
    plans = done.plans(done.recipe(*overrides))
    assert {name: plan.behind_s for name, plan in plans.items() if plan.behind_s} == behind


def test_what_was_never_sealed_leaves_what_it_took_behind(done):
    run = Run(done.path / "run", create=False)
    folder = run.path / "steps" / run.manifest["steps"]["solve"]["folder"]
    (folder / "seal.json").unlink()
    plan = done.plans(done.recipe("solve.temperature=0.9"))["solve"]
    assert plan.state == "again"
    assert plan.behind_s == read_json(folder / "spent.json")["seconds"] > 0


def test_a_model_that_cannot_be_trained_is_a_problem_with_its_fix(place):
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(place.file)]}},
        "pupil": {"stage": "train", "inputs": ["sources"], "model": "fake:student",
                  "settings": {"task": "student"}},
    }  # fmt: skip
    recipe = build({"name": "r", "domain": "nano", "steps": steps}, "r")
    run = Run(place.path / "run")
    (problem,) = Planner(recipe, run, open_domain("nano")).model_problems()
    assert isinstance(problem, RecipeError)
    assert "step pupil cannot train fake:student" in str(problem)
    assert Planner(place.recipe(), run, open_domain("nano")).model_problems() == []
