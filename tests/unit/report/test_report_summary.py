"""Every figure of the summary, to the digit, of a run whose rows can be counted by hand."""

from dataclasses import replace

import pytest
import runs
from runs import Step, attempt, solved

from scalediff.core.keys import problem_id
from scalediff.core.records import Drop
from scalediff.domains import open_domain
from scalediff.io.run import read_json, write_json
from scalediff.report.summary import flow_of, summary_of
from scalediff.stages.tally import wilson

KEYS = [f"g{i}" for i in range(10)]


def problem(key, **more):
    text = f"What is {key}?"
    return {"problem": text, "problem_id": problem_id(text), **more}


def teacher(tokens, index=0):
    return attempt("teacher", index, tokens, answer="4")


def student(tokens, verdict=None):
    return attempt("student", 0, tokens, verdict=verdict)


def line():
    """The generated half of a line: ten problems, of which one is kept and one is in review."""
    verdicts = {"g0": "wrong", "g1": "right", "g2": "wrong", "g3": "undecided"}
    left = Drop("attempt_failed", "in 3 passes")
    steps = [
        Step("sources", "sources", {k: problem(k) for k in ("s0", "s1", "s2")}, seconds=0.5),
        Step("generate", "generate", {k: problem(k) for k in KEYS[:9]} | {"g9": left},
             model="m", tokens={"new": 900, "prompt": 10, "cost": 0.25}, seconds=4.0),
        Step("screen", "screen",
             {"g0": {"twin_of": "aime24:3"}} | {k: {} for k in KEYS[1:6]}
             | {"g6": Drop("copy_of_source"), "g7": Drop("duplicate"), "g8": Drop("malformed")},
             ["generate", "sources"], tokens={"cost": 99.0}, seconds=1.0),
        Step("identify.score", "score", {k: {"p_think": 0.5} for k in KEYS[:6]}, ["screen"], "i"),
        Step("identify.select", "select",
             {k: {"difficult": k != "g4"} for k in KEYS[:5]} | {"g5": Drop("simple")},
             ["identify.score"]),
        Step("distill", "solve",
             {k: solved(teacher(100 * n)) for n, k in enumerate(KEYS[:5], start=1)},
             ["identify.select"], "t", {"new": 1500, "prompt": 50, "cost": 1.25}, 10.0, {"k": 1}),
        Step("filter.rules", "rules", {k: {} for k in KEYS[:4]} | {"g4": Drop("truncated")},
             ["distill"]),
        Step("filter.student", "solve",
             {k: solved(student(10 * n)) for n, k in enumerate(KEYS[:4], start=1)},
             ["filter.rules"], "s", {"new": 100, "prompt": 40, "cost": 0.5}, 5.0, {"k": 1}),
        Step("filter.grade", "grade",
             {k: solved(student(None, verdict)) for k, verdict in verdicts.items()},
             ["filter.student"]),
        Step("filter.easy", "decide",
             {k: {"student_outcome": verdicts[k]} for k in ("g0", "g2", "g3")}
             | {"g1": Drop("too_easy")},
             ["filter.grade"]),
        Step("filter.more", "solve",
             {"g0": solved(teacher(100), teacher(1000, 1), teacher(2000, 2)),
              "g2": solved(teacher(300), teacher(3000, 1)),
              "g3": solved(teacher(400), teacher(4000, 1))},
             ["filter.easy"], "t", {"new": 10_000, "prompt": 40, "cost": 8.0}, 20.0, {"k": 3}),
        Step("filter.decide", "decide",
             {"g0": {}, "g2": {"review": True}, "g3": Drop("disagreement")}, ["filter.more"]),
    ]  # fmt: skip
    return {step.name: step for step in steps}


@pytest.fixture
def summary(tmp_path):
    run = runs.make(tmp_path / "run", [*line().values()])
    runs.events(
        run,
        (1000.0, "go"), (1004.0, "begin"), (1010.0, "stop"),
        (5000.0, "go"), (5005.5, "stop"),
    )  # fmt: skip
    return summary_of(run)


def test_the_waterfall_and_its_phases(summary):
    assert summary["waterfall"] == {
        "generated": 10,
        "kept": 1,
        "review": 1,
        "dropped": dict.fromkeys(
            ["attempt_failed", "malformed", "duplicate", "copy_of_source", "simple", "truncated",
             "too_easy", "disagreement"], 1,
        ),
    }  # fmt: skip
    phases = {n: summary["counts"][n] for n in ("screen", "identify", "distill", "filter")}
    assert {name: (c["in"], c["out"], c["review"]) for name, c in phases.items()} == {
        "screen": (9, 6, 0),
        "identify": (6, 5, 0),
        "distill": (5, 5, 0),
        "filter": (5, 1, 1),
    }
    assert phases["filter"]["dropped"] == {"truncated": 1, "too_easy": 1, "disagreement": 1}
    assert summary["rows_lost"] == 0
    assert "finished" in summary
    assert isinstance(summary["warnings"], list)


def test_what_was_spent(summary):
    assert summary["cost_total"] == 10.0  # a step that does not pay has no cost
    assert summary["currency"] == "$"
    assert summary["tokens_total"] == 900 + 1500 + 100 + 10_000
    paying = {"generate", "distill", "filter.student", "filter.more", "identify.score"}
    assert set(summary["tokens"]) == paying
    assert summary["seconds"]["distill"] == 10.0
    assert summary["seconds_total"] == 15.5  # the hour between the two invocations is no work


def test_tokens_of_generated_rows_and_what_went_to_those_that_left(summary):
    # the first attempts come again in filter.more, and were paid for once
    assert summary["cost"] == {
        "teacher_tokens": 1500 + 10_000,
        "all_tokens": 11_600,
        "per_kept_row": 11_600.0,
        "left_share": (4440 + 500 + 220) / 11_600,
        "left_by_reason": {"disagreement": 4440, "truncated": 500, "too_easy": 220},
    }


def test_difficulty_memorisation_and_the_student(summary):
    assert summary["difficult_share"] == {"generated": 4 / 6}
    assert summary["difficulty"]["generated"] == {
        "p_think_share": 4 / 6,
        "teacher_tokens": 300.0,
        "student_pass_rate": 1 / 3,
    }
    memorised = summary["memorisation"]
    assert (memorised["share"], memorised["n"]) == (1 / 8, 8)
    assert (memorised["low"], memorised["high"]) == pytest.approx((0.0224, 0.4709), abs=5e-5)
    assert summary["benchmark_twins"] == 1
    assert summary["student_outcomes"] == {"wrong": 2, "right": 1, "undecided": 1}


def test_what_is_not_there_is_absent(tmp_path):
    steps = line()
    run = runs.make(tmp_path / "run", [steps["sources"]], order=["sources", "generate"])
    summary = summary_of(run)
    assert "finished" not in summary
    for name in ("waterfall", "cost", "cost_total", "scores", "memorisation", "canaries", "oracle",
                 "difficulty", "difficult_share", "student_outcomes", "training"):  # fmt: skip
        assert name not in summary
    assert set(flow_of(run)) <= set(summary)


def test_a_currency_and_a_line_without_copies_or_decided_students(tmp_path):
    steps = line()
    undecided = solved(student(None, "undecided"))
    steps["filter.grade"] = replace(
        steps["filter.grade"], outcomes=dict.fromkeys(KEYS[:4], undecided)
    )
    kept = {k: {} for k in KEYS[:6]} | {k: Drop("duplicate") for k in KEYS[6:9]}
    steps["screen"] = replace(steps["screen"], outcomes=kept)
    summary = summary_of(runs.make(tmp_path / "run", [*steps.values()], currency="€"))
    assert (summary["currency"], summary["cost_total"]) == ("€", 10.0)
    assert "student_pass_rate" not in summary["difficulty"]["generated"]
    assert (summary["memorisation"]["share"], summary["memorisation"]["n"]) == (0.0, 9)
    assert summary["benchmark_twins"] == 0


def test_a_pass_rate_alone_is_a_difficulty(tmp_path):
    steps = [replace(line()["filter.grade"], inputs=())]
    summary = summary_of(runs.make(tmp_path / "run", steps))
    assert summary["difficulty"] == {"generated": {"student_pass_rate": 1 / 3}}


def test_what_was_made_from_other_inputs_or_by_another_model_is_left_out(tmp_path):
    tally = evaluation("after", "@student", {"e1": 1.0}, LEVELS)
    steps = [*line().values(), Step("student", "train", {}), *tally]
    run = runs.make(tmp_path / "run", steps)
    whole = summary_of(run)
    assert {"filter.decide", "after.tally"} <= set(whole["seconds"])
    assert "student" in whole["scores"]

    def change(step, name, **values):
        path = run.path / "steps" / run.manifest["steps"][step]["folder"] / name
        write_json(path, read_json(path) | values)

    change("after.attempts", "step.json", model="a model of before")
    summary = summary_of(run)
    assert set(whole["seconds"]) - set(summary["seconds"]) == {"after.attempts", "after.tally"}
    assert "scores" not in summary
    assert "finished" not in summary
    change("distill", "seal.json", input="other rows")
    summary = summary_of(run)
    assert {"generate", "screen", "identify.select", "student"} <= set(summary["seconds"])
    assert not {n for n in summary["seconds"] if n.startswith(("distill", "filter", "after"))}
    assert (summary["rows_lost"], summary["waterfall"]["kept"]) == (0, 5)
    (run.path / "steps" / run.manifest["steps"]["student"]["folder"] / "seal.json").unlink()
    change("after.attempts", "step.json", model=run.manifest["steps"]["student"]["key"])
    assert "after.attempts" not in summary_of(run)["seconds"]  # its model is gone


def test_added_up_seconds_stand_in_where_no_event_is_left(tmp_path):
    run = runs.make(tmp_path / "run", [*line().values()])
    assert summary_of(run)["seconds_total"] == 0.5 + 4 + 1 + 10 + 5 + 20


@pytest.mark.parametrize(
    ("step", "change", "lost"),
    [
        # a row of the input that the step never saw
        ("filter.rules", {"outcomes": {k: {} for k in KEYS[:4]}}, 1),
        # rows that came in and neither stay nor left
        ("screen", {"counts": {"in": 9, "out": 4, "review": 0, "dropped": {"duplicate": 3}}}, 2),
        # more came out than went in
        ("screen", {"counts": {"in": 9, "out": 9, "review": 0, "dropped": {"duplicate": 3}}}, 3),
        ("filter.decide", {"counts": {"in": 3, "out": 1, "review": 0, "dropped": {"wrong": 1}}}, 1),
    ],
)
def test_lost_rows_are_counted_within_a_step_and_between_steps(tmp_path, step, change, lost):
    steps = line()
    if step == "filter.rules":  # what follows has as many rows as ever
        steps = {name: steps[name] for name in list(steps)[: list(steps).index(step) + 1]}
    steps[step] = replace(steps[step], **change)
    found = summary_of(runs.make(tmp_path / "run", [*steps.values()]))
    assert found["rows_lost"] == lost


def test_a_dataset_takes_what_is_kept_of_all_its_inputs(tmp_path):
    def lost(where, *keys):
        rows = {k: {"problem": "p", "split": "generated"} for k in keys}
        made = Step("assemble", "assemble", rows, ["filter.decide", "sources"])
        return summary_of(runs.make(tmp_path / where, [*line().values(), made]))["rows_lost"]

    assert lost("whole", "g0", "s0", "s1", "s2") == 0  # the row in review is in no dataset
    assert lost("less", "g0", "s0", "s1") == 1
    assert lost("more", "g0", "g2", "s0", "s1", "s2") == 1


def evaluation(name, model, scores, level, **settings):
    solving = Step(
        f"{name}.attempts", "solve", {k: {"level": level[k]} for k in scores}, model=model
    )
    told = {"all": {"mean": sum(scores.values()) / len(scores), "problems": len(scores)}}
    rows = {key: {"score": score} for key, score in scores.items()}
    tally = Step(f"{name}.tally", "tally", rows, [solving.name], settings=settings,
                 files={"scores.json": told})  # fmt: skip
    return [solving, tally]


LEVELS = {"e0": 1, "e1": "Level 3", "e2": 5, "e3": None}
COMPARE = {"baseline": "before", "control": "control", "scaled": "after"}


def compared(path, **settings):
    steps = [
        *evaluation("before", "small", {"e0": 1.0, "e1": 0.0, "e2": 0.0, "e3": 1.0}, LEVELS),
        *evaluation("control", "other", {"e0": 1.0, "e1": 0.5, "e2": 0.0, "e3": 1.0}, LEVELS),
        *evaluation("after", "scaled", {"e0": 0.0, "e1": 1.0, "e2": 0.5, "e3": 0.0}, LEVELS),
    ]
    steps = [replace(s, settings=settings) if s.stage == "tally" else s for s in steps]
    return summary_of(runs.make(path, steps, compare=COMPARE))


def test_a_gain_is_of_the_problems_from_the_floor_on(tmp_path):
    found = compared(tmp_path / "floor", difficult_from=3)
    # of e1 and e2: differences 1 and 0.5; a problem without a level is not among the difficult
    assert found["gain"] == pytest.approx({"mean": 0.75, "low": 0.26, "high": 1.0}, abs=5e-5)
    # against the control both differ by 0.5, and two problems alone make nobody certain
    control = {"mean": 0.5, "low": 0.5 - 0.6576, "high": 1.0}
    assert found["gain_over_control"] == pytest.approx(control, abs=5e-5)
    higher = compared(tmp_path / "higher", difficult_from=5)
    assert (higher["gain"]["mean"], higher["gain_over_control"]["mean"]) == (0.5, 0.5)
    every = compared(tmp_path / "every")
    assert every["gain"]["mean"] == (-1.0 + 1.0 + 0.5 - 1.0) / 4
    assert every["gain_over_control"]["mean"] == (-1.0 + 0.5 + 0.5 - 1.0) / 4
    none = compared(tmp_path / "none", difficult_from=9)
    assert "gain" not in none


@pytest.mark.parametrize("missing", ["before", "after"])
def test_there_is_no_gain_with_one_evaluation_alone(tmp_path, missing):
    there = [name for name in ("before", "control", "after") if name != missing]
    steps = [s for n in there for s in evaluation(n, n, {"e1": 0.5, "e2": 1.0}, LEVELS)]
    found = summary_of(runs.make(tmp_path / "run", steps, compare=COMPARE))
    assert "gain" not in found
    assert ("gain_over_control" in found) == (missing == "before")
    assert set(found["scores"]) == set(there)


def test_scores_go_by_model_and_a_second_evaluation_hides_no_first(tmp_path):
    first = evaluation("one", "model", {"a": 1.0, "b": 0.0}, {"a": 1, "b": 1})
    again = evaluation("two", "model", {"a": 1.0, "b": 1.0}, {"a": 1, "b": 1})
    other = evaluation("three", "other", {"a": 0.0}, {"a": 1})
    found = summary_of(runs.make(tmp_path / "run", [*first, *again, *other]))
    assert {m: {b: s["mean"] for b, s in v.items()} for m, v in found["scores"].items()} == {
        "model": {"all": 0.5, "all (two)": 1.0},
        "other": {"all": 0.0},
    }
    assert "gain" not in found


def test_canaries(tmp_path):
    keys = [f"c{i}" for i in range(7)]
    verdicts = ["right", "right", "wrong", "undecided", "wrong"]
    steps = [
        Step("sources", "sources", {f"s{i}": problem(f"s{i}") for i in range(50)}),
        # a few of its input's rows: the others are not lost
        Step("canaries.sample", "sample", {k: problem(k) for k in keys}, ["sources"]),
        Step("canaries.rules", "rules", {k: {} for k in keys[:6]} | {"c6": Drop("truncated")},
             ["canaries.sample"]),
        Step("canaries.decide", "decide",
             {k: {"review": True} if k == "c4" else {} for k in keys[:5]} | {"c5": Drop("wrong")},
             ["canaries.rules"]),
        Step("canaries.confirm", "confirm",
             {k: {"canary_verdict": v} for k, v in zip(keys, verdicts, strict=False)},
             ["canaries.decide"]),
    ]  # fmt: skip
    found = summary_of(runs.make(tmp_path / "run", steps))
    assert found["rows_lost"] == 0
    canaries = found["canaries"]
    share = canaries.pop("wrong_label_share")
    canaries.pop("blind_to")
    assert canaries == {
        "n": 7, "kept": 4, "review": 1, "dropped": {"truncated": 1, "wrong": 1}, "undecided": 1,
    }  # fmt: skip
    # one in review and one that the grader cannot judge say nothing of the labels that are kept
    assert (share["share"], share["n"]) == (1 / 3, 3)
    assert (share["low"], share["high"]) == pytest.approx((0.0615, 0.7923), abs=5e-5)


def test_the_oracle_s_word_on_labels_and_problems(tmp_path):
    domain = open_domain("nano")
    rows = [{**row, "key": f"g{i}"} for i, row in enumerate(domain.sources("nano:sources", 6, 1))]
    right = {row["key"]: domain.audit(row["problem"])["answer"] for row in rows}
    posed = {row["key"]: problem(row["key"], problem=row["problem"]) for row in rows}
    nonsense = {key: problem(key, problem=f"Find it. {key}") for key in ("x0", "x1", "x2")}

    def answers(**values):
        return {k: solved(attempt("teacher", 0, 1, answer=v)) for k, v in values.items()}

    labels = {**right, "g5": "no", "x0": "4"}
    decided = {
        "g0": {}, "g1": {"review": True}, "g5": {}, "x0": {}, "g2": Drop("too_easy"),
    }  # fmt: skip
    steps = [
        Step("generate", "generate", posed | nonsense, model="m"),
        Step("screen", "screen",
             {k: {} for k in labels} | {k: Drop("malformed") for k in ("x1", "x2")}, ["generate"]),
        Step("distill", "solve", answers(**labels), ["screen"], "t"),
        Step("filter.agree", "agree", {k: {"label": v} for k, v in labels.items()}, ["distill"]),
        Step("filter.decide", "decide", {k: decided.get(k, Drop("simple")) for k in labels},
             ["filter.agree"]),
    ]  # fmt: skip
    oracle = summary_of(runs.make(tmp_path / "run", steps, domain="nano"))["oracle"]
    # one wrong label and one of a problem that has no answer, of seven
    shares = oracle["wrong_label_share"]
    assert {name: (s["share"], s["n"], s["ill_posed"], s["wrong_among_well_posed"])
            for name, s in shares.items()} == {
        "before": (2 / 7, 7, 1 / 7, 1 / 6),
        "dataset": (2 / 3, 3, 1 / 3, 1 / 2),
        "review": (0.0, 1, 0.0, 0.0),
    }  # fmt: skip
    assert shares["before"]["low"] == pytest.approx(wilson(2, 7)[1])
    assert oracle["well_posed_share"] == 6 / 7
    assert oracle["well_posed_share_unscreened"] == 6 / 9
