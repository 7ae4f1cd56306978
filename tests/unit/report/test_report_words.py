"""How figures are written, and careful reading."""

import math

import pytest

from scalediff.report import plots, reading, rows_view, words


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0.0 %"),
        (1.0, "100.0 %"),
        (0.0004, "<0.1 %"),
        (0.99996, ">99.9 %"),
        (None, "unknown"),
        (math.nan, "unknown"),
        (True, "unknown"),
        ("0.5", "unknown"),
    ],
)
def test_percent(value, told):
    assert words.percent(value) == told


def test_amounts_and_durations():
    assert [words.amount(n) for n in (912, 12_345, 340_000, 2_500_000, None)] == [
        "912",
        "12.3 k",
        "340 k",
        "2.5 M",
        "unknown",
    ]
    assert [words.duration(s) for s in (0, 0.04, 9.96, 119, 120, 7200)] == [
        "0 s",
        "<0.1 s",
        "10 s",
        "119 s",
        "2.0 min",
        "2.0 h",
    ]


def test_points_have_a_sign():
    assert words.points({"mean": -0.02, "low": -0.05, "high": 0.01}) == "−2.0 points [−5.0, 1.0]"


@pytest.mark.parametrize(
    ("benchmark", "level"),
    [("level_3", 3), ("level 12", 12), ("5", 5), ("aime24", None), ("level_", None), ("²", None)],
)
def test_levels(benchmark, level):
    assert words.level_of(benchmark) == level


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2025-09-25T14:03:00Z", "2025-09-25 14:03 UTC"),
        (0, "1970-01-01 00:00 UTC"),
        ("tomorrow", "tomorrow"),
        (1e300, "1e+300"),
        (None, ""),
    ],
)
def test_moments(value, told):
    assert words.moment(value) == told


def test_numbers_that_are_none():
    assert reading.number(10**400) is None
    assert reading.count(-1) is None
    assert reading.counts({"a": 1, "b": None, "c": 5, "d": 0}) == {"c": 5, "a": 1}


def test_bar_parts_keep_their_proportion():
    parts = [plots.Part("a", 3, "f-kept", "kept"), plots.Part("b", 1, "f-review", "review")]
    drawn = str(plots.stacked_bar(parts, "label"))
    assert 'x="750.00"' in drawn
    assert "a: 3 (75.0 %)" in drawn
    assert plots.stacked_bar([], "label") == ""


def test_plot_holds_outliers_within_its_frame():
    points = [plots.Point(1, 2.5, -1.0, 9.0), plots.Point(2, -3.0, -4.0, 0.5)]
    drawn = str(plots.level_plot([plots.Series("<b>", "s1", points)], "label"))
    assert "<b>" not in drawn
    heights = [
        float(part.split(",")[1]) for part in drawn.split('points="')[1].split('"')[0].split()
    ]
    assert min(heights) >= 0
    assert max(heights) <= 262


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((1, 1, 4), "1 of 1 graded answers agree (4 attempts counted)"),
        ((3, 4, 4), "3 of 4 graded answers agree"),
        ((None, None, None), "75 % of graded answers agree"),
    ],
)
def test_agreement_says_what_it_is_a_share_of(row, told):
    names = ("num_agree", "num_graded", "num_counted")
    row = dict(zip(names, row, strict=True)) | {"confidence": 0.75}
    assert rows_view.agreement(row) == told
    assert rows_view.agreement({}) == ""
