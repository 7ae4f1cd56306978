import json
import math

import pytest
from fakes import FakeTable, context

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.records import Drop
from scalediff.stages.tally import Tally, interval, level_of, normal, paired_gain, wilson


def row(key, verdicts, **columns):
    attempts = [
        {"role": "evaluation", "sample_index": i, "verdict": verdict}
        for i, verdict in enumerate(verdicts)
    ]
    return {"key": key, "attempts": attempts, **columns}


def tally(rows, folder, **settings):
    stage = Tally(Tally.Config(**settings))
    outcomes = list(stage.run([FakeTable(rows)], context(folder=folder)))
    return outcomes, json.loads((folder / "scores.json").read_text())


def test_rows_gain_their_mean_and_undecided_is_not_right(tmp_path):
    rows = [row("a", ["right", "wrong"]), row("b", ["undecided", "right", "right"])]
    outcomes, scores = tally(rows, tmp_path)
    assert outcomes == [("a", {"score": 0.5}), ("b", {"score": pytest.approx(2 / 3)})]
    assert scores["all"]["mean"] == pytest.approx((0.5 + 2 / 3) / 2)
    counts = {name: scores["all"][name] for name in ("problems", "samples", "undecided")}
    assert counts == {"problems": 2, "samples": 5, "undecided": 1}


def test_the_interval_is_of_problems_where_each_has_several_samples(tmp_path):
    right = {"a": 4, "b": 2, "c": 0, "d": 3}  # of four samples each: 1, 0.5, 0 and 0.75
    rows = [row(key, ["right"] * n + ["wrong"] * (4 - n)) for key, n in right.items()]
    _, scores = tally(rows, tmp_path)
    found = scores["all"]
    # by hand: s² = 0.546875 / 3, 0.5625 ± 1.959964 · √(s² / 4)
    assert found["mean"] == 0.5625
    assert found["low"] == pytest.approx(0.144091, abs=1e-6)
    assert found["high"] == pytest.approx(0.980909, abs=1e-6)
    # sixteen samples that were one a problem would say more than four problems do
    assert found["low"] < wilson(9, 16)[1]
    assert (found["problems"], found["samples"]) == (4, 16)


def test_the_interval_is_wilson_s_where_each_problem_has_one_sample(tmp_path):
    rows = [row(key, ["right" if key in "abc" else "wrong"]) for key in "abcd"]
    _, scores = tally(rows, tmp_path)
    found = [scores["all"][name] for name in ("mean", "low", "high")]
    assert found == pytest.approx(wilson(3, 4))
    assert found == pytest.approx([0.75, 0.300642, 0.954413], abs=1e-6)


def test_undecided_ones_are_counted_over_all_rows(tmp_path):
    rows = [
        row("a", ["undecided", "right"]),
        row("b", ["undecided", "undecided"]),
        row("c", ["wrong"]),
    ]
    _, scores = tally(rows, tmp_path)
    assert (scores["all"]["undecided"], scores["all"]["samples"]) == (3, 5)
    assert scores["all"]["mean"] == pytest.approx(0.5 / 3)


def test_attempts_of_another_role_do_not_count(tmp_path):
    mixed = row("a", ["right", "wrong"])
    mixed["attempts"].append({"role": "teacher", "sample_index": 0, "verdict": "right"})
    outcomes, scores = tally([mixed], tmp_path)
    assert outcomes == [("a", {"score": 0.5})]
    assert scores["all"]["samples"] == 2
    outcomes, scores = tally([mixed], tmp_path, role="teacher")
    assert (outcomes, scores["all"]["samples"]) == ([("a", {"score": 1.0})], 1)
    outcomes, _ = tally([mixed], tmp_path, role="student")
    (drop,) = [drop for _, drop in outcomes]
    assert (drop.reason, drop.evidence) == (
        "attempt_failed",
        "no attempt of the role 'student' to count",
    )


def test_the_level_at_the_floor_is_difficult(tmp_path):
    rows = [row(str(level), ["right"], level=level) for level in (2, 3, 4)]
    _, scores = tally(rows, tmp_path, difficult_from=3)
    assert (scores["difficult"]["problems"], scores["simple"]["problems"]) == (2, 1)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (3, 3), (3.0, 3), ("3", 3), (" Level 3 ", 3), ("level3", 3), (3.5, None), ("hard", None),
        (None, None), ("Level", None), ("-3", None), ("1234567", None), (True, None),
    ],
)  # fmt: skip
def test_a_level_is_a_number_however_it_is_written(value, level):
    assert level_of(value) == level


def test_one_problem_alone_says_nothing_of_the_spread():
    assert normal([0.25]) == (0.25, -math.inf, math.inf)


def test_groups_by_benchmark_and_level(tmp_path):
    rows = [
        row("a", ["right"], benchmark="aime24", level=2),
        row("b", ["wrong"], benchmark="aime24", level="Level 3"),
        row("c", ["right"], benchmark="math500", level=10),
        row("d", ["right"], level="unknown"),
    ]
    _, scores = tally(rows, tmp_path, difficult_from=3)
    assert {name: group["problems"] for name, group in scores.items()} == {
        "all": 4,
        "aime24": 2,
        "math500": 1,
        "level_2": 1,
        "level_3": 1,
        "level_10": 1,
        "difficult": 2,
        "simple": 1,
    }
    assert scores["difficult"]["mean"] == 0.5
    levels = [name for name in scores if name.startswith("level")]
    assert levels == ["level_2", "level_3", "level_10"]
    _, without = tally(rows, tmp_path)
    assert "difficult" not in without


def test_a_row_without_attempts_leaves_and_ungraded_ones_are_an_error(tmp_path):
    outcomes, scores = tally([row("a", []), row("b", ["right"])], tmp_path)
    assert isinstance(outcomes[0][1], Drop)
    assert outcomes[0][1].reason == "attempt_failed"
    assert scores["all"]["problems"] == 1
    with pytest.raises(RecipeError, match="row c have no verdict"):
        tally([row("c", [None])], tmp_path)


def test_nothing_in_gives_no_scores(tmp_path):
    assert tally([], tmp_path) == ([], {})


def test_wilson_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263 and 0/20
    assert wilson(81, 263) == pytest.approx((81 / 263, 0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0, 0.1611), abs=5e-5)
    assert wilson(20, 20)[2] == 1


def test_normal_against_a_calculation_by_hand():
    mean, low, high = normal([0.0, 0.5, 1.0, 0.5])
    assert mean == 0.5
    assert high - mean == pytest.approx(1.959964 * (1 / 6) ** 0.5 / 2, rel=1e-6)
    assert mean - low == pytest.approx(high - mean)


def test_which_interval_is_used():
    assert interval([1, 0, 1], one_sample=True) == wilson(2, 3)
    assert interval([1, 0.5, 0], one_sample=False) == pytest.approx(
        (0.5, max(0, normal([1, 0.5, 0])[1]), min(1, normal([1, 0.5, 0])[2]))
    )
    assert interval([1.0, 1.0], one_sample=False) == wilson(2, 2)
    assert interval([0.5], one_sample=False) == wilson(0.5, 1)


def test_a_paired_gain_is_narrower_than_two_intervals():
    a = {str(i): float(i % 3 == 0) for i in range(90)}
    b = {str(i): float(i % 3 <= 1) for i in range(90)}
    mean, low, high = paired_gain(a, b)
    assert mean == pytest.approx(1 / 3)
    assert 0 < low < mean < high
    assert paired_gain(b, a) == pytest.approx((-mean, -high, -low))
    apart = (wilson(60, 90)[2] - wilson(60, 90)[1]) + (wilson(30, 90)[2] - wilson(30, 90)[1])
    assert high - low < apart


def test_a_paired_gain_needs_common_problems():
    assert paired_gain({"a": 0.0, "b": 1.0}, {"b": 1.0, "c": 0.0}) == (0.0, -1.0, 1.0)
    with pytest.raises(InputError, match="no problem in common"):
        paired_gain({"a": 1.0}, {"b": 1.0})


def test_a_gain_that_is_the_same_everywhere_is_not_certain():
    same = {str(i): 1.0 for i in range(5)}
    mean, low, high = paired_gain(same, same)
    assert mean == 0
    assert low == pytest.approx(-high)
    assert high == pytest.approx(wilson(0, 5)[2])
    mean, low, high = paired_gain(dict.fromkeys(same, 0.0), same)
    assert (mean, high) == (1.0, 1.0)
    assert low < 0.7
