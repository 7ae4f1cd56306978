"""What a change of a recipe, or of what it reads, leaves as it was and what it makes anew."""

import json
import time
from pathlib import Path

import pytest
from watchers import Quiet

from scalediff.core.errors import RunStateError
from scalediff.domains import open_domain
from scalediff.io.run import Run, write_json
from scalediff.pipeline import Pipeline
from scalediff.planning import Planner
from scalediff.recipe import build, load
from scalediff.report.summary import summary_of

FAKE = Path(__file__).parents[1] / "support" / "fake.yaml"


def execute(recipe, out, ask=lambda question: True):
    """Run a recipe to its end; the steps that ran."""
    run, quiet = Run(out), Quiet()
    run.update_manifest(order=[*recipe.nodes], domain=recipe.file.domain, compare={})
    try:
        pipeline = Pipeline(recipe, run, quiet)
        pipeline.execute(pipeline.plan(), ask)
    finally:
        run.close()
    return quiet.ran


def small(tmp_path, problems):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in problems))
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(path)]}},
        "screen": {"stage": "screen", "inputs": ["sources"]},
        "assemble": {"stage": "assemble", "inputs": ["screen"]},
    }
    return build({"name": "small", "steps": steps}, "small.yaml")


def test_a_changed_solution_reaches_the_dataset_though_the_screen_says_the_same(tmp_path):
    rows = [{"problem": f"How much is ${n}+{n}$?", "solution": f"{2 * n}."} for n in range(3)]
    execute(small(tmp_path, rows), tmp_path / "run")
    rows[1]["solution"] = "It is 2."
    ran = execute(small(tmp_path, rows), tmp_path / "run")
    assert ran == ["sources", "screen", "assemble"]
    table = Run(tmp_path / "run", create=False).table("assemble")
    assert [row["solution"] for row in table.rows()] == ["0.", "It is 2.", "4."]


def test_another_teacher_reaches_the_dataset(tmp_path):
    execute(load(FAKE, ["generate.n=40"]), tmp_path / "run")
    hotter = load(FAKE, ["generate.n=40", "distill.temperature=0.9"])
    ran = execute(hotter, tmp_path / "run")
    assert "distill" in ran
    assert "assemble" in ran
    assert execute(hotter, tmp_path / "run") == []


def test_the_text_of_an_attempt_lies_in_the_store_alone(tmp_path):
    execute(load(FAKE, ["generate.n=20"]), tmp_path / "run")
    run = Run(tmp_path / "run", create=False)
    (attempt,) = next(iter(run.table("distill").rows()))["attempts"]
    assert "content" not in attempt
    (with_text,) = next(iter(run.table("distill", texts=True).rows()))["attempts"]
    assert "\\boxed" in with_text["content"]
    (tmp_path / "run" / "attempts" / "attempts.log").unlink()
    (tmp_path / "run" / "attempts" / "attempts.idx").unlink()
    run.close()
    with pytest.raises(RunStateError, match="lacks an attempt"):
        next(iter(Run(tmp_path / "run", create=False).table("distill", texts=True).rows()))


def test_two_processes_never_work_in_one_run(tmp_path):
    first, second = Run(tmp_path), Run(tmp_path)
    with (
        first.locked(),
        pytest.raises(RunStateError, match="at work in another process"),
        second.locked(),
    ):
        pass
    with second.locked():
        pass


def test_a_half_way_changed_run_reports_what_belongs_together(tmp_path):
    execute(load(FAKE, ["generate.n=40"]), tmp_path / "run")
    more = load(FAKE, ["generate.n=60", "generate.temperature=0.5"])
    execute(more.until("screen"), tmp_path / "run")
    run = Run(tmp_path / "run", create=False)
    run.update_manifest(order=[*more.nodes])
    summary = summary_of(run)
    assert summary["waterfall"]["generated"] == 60
    assert "filter" not in summary["counts"]
    assert "finished" not in summary
    assert summary["rows_lost"] == 0


def seal_with_hours(out, step, hours):
    run = Run(out, create=False)
    folder = run.path / "steps" / run.manifest["steps"][step]["folder"]
    seal = json.loads((folder / "seal.json").read_text())
    write_json(folder / "seal.json", {**seal, "seconds": hours * 3600})


@pytest.mark.parametrize(
    ("change", "hours"),
    [
        ("generate.temperature=0.5", 20),  # other problems: all that was paid below is left behind
        ("generate.n=50", 0),  # more of the same
        ("filter.min_confidence=0.9", 0),  # a threshold
        ("distill.temperature=0.5", 10),  # the other step's attempts serve on
    ],
)
def test_paid_hours_that_a_change_leaves_behind_are_counted(tmp_path, change, hours):
    out = tmp_path / "run"
    execute(load(FAKE, ["generate.n=40"]), out)
    for step in ("distill", "filter.student"):
        seal_with_hours(out, step, 10)
    planner = Planner(load(FAKE, ["generate.n=40", change]), Run(out), open_domain("nano"))
    behind = sum(plan.behind_s for plan in planner.plan())
    assert behind / 3600 == pytest.approx(hours, abs=0.1)


def test_the_time_of_a_killed_go_is_not_forgotten(tmp_path):
    execute(load(FAKE, ["generate.n=20"]), tmp_path / "run")
    run = Run(tmp_path / "run", create=False)
    before = summary_of(run)["seconds_total"]
    now = time.time()
    with open(run.path / "events.jsonl", "a") as events:  # a go that was killed after 60 seconds
        events.write(json.dumps({"time": now, "event": "go"}) + "\n5\n")
        events.write(json.dumps({"time": now + 60, "event": "end"}) + "\n")
    assert summary_of(run)["seconds_total"] == pytest.approx(before + 60, abs=0.01)
