"""Named warnings: at which figures they come, and that an unknown gives none."""

import pytest

from scalediff.report.warnings import repetition, unknown_signs, warnings_of


def names(summary):
    return [warning["name"] for warning in warnings_of(summary)]


def test_healthy_run_has_none(summary):
    assert names(summary) == []
    assert unknown_signs(summary) == []


def test_unknown_figures_give_no_warning():
    assert names({}) == []
    assert len(unknown_signs({})) == 6


@pytest.mark.parametrize(("share", "warned"), [(0.69, True), (0.70, False), (0.0, True)])
def test_few_difficult(summary, share, warned):
    summary["difficult_share"]["generated"] = share
    assert names(summary) == ["few_difficult"] * warned


@pytest.mark.parametrize(("rows", "warned"), [(61, True), (60, False)])
def test_filters_that_drop_most(summary, rows, warned):
    summary["counts"]["filter"] |= {"in": 100, "out": 100 - rows, "dropped": {"too_easy": rows}}
    assert names(summary) == ["filters_drop_most"] * warned
    assert all("student solves it" in warning["text"] for warning in warnings_of(summary))


def test_review_is_not_dropped(summary):
    entry = {"in": 100, "out": 0, "review": 90, "dropped": {"too_easy": 10}}
    summary["counts"]["filter"] |= entry
    assert names(summary) == []


@pytest.mark.parametrize(("rows", "warned"), [(21, True), (20, False)])
def test_many_truncated(summary, rows, warned):
    summary["counts"]["filter"] |= {"in": 100, "out": 100 - rows, "dropped": {"truncated": rows}}
    assert names(summary) == ["many_truncated"] * warned


def test_benchmark_hits_of_sources_and_generated(summary):
    summary["counts"]["screen_sources"]["dropped"] = {"contaminated": 2}
    summary["counts"]["screen"]["dropped"]["contaminated"] = 1
    (warning,) = warnings_of(summary)
    assert warning["name"] == "benchmark_hits"
    assert warning["text"].startswith("3 problems")


def test_lost_rows(summary):
    summary["rows_lost"] = 7
    assert names(summary) == ["rows_lost"]


@pytest.mark.parametrize(("repeated", "warned"), [(31, True), (30, False), (0, False)])
def test_a_generator_that_repeats_itself(summary, repeated, warned):
    summary["repeats"] = {"generate": {"n": 100, "repeated": repeated}}
    assert names(summary) == ["repetition"] * warned


def test_the_screen_says_so_where_texts_are_nearly_equal(summary):
    summary["repeats"] = {"generate": {"n": 60, "repeated": 3}}
    summary["counts"]["generate"] = {"stage": "generate", "in": 60, "out": 60}
    summary["counts"]["screen"] = {"in": 60, "out": 2, "dropped": {"duplicate": 58}}
    (warning,) = warnings_of(summary)
    text = "58 of 60 generated problems repeat an earlier one (97 %; expected: under 30 %)"
    assert warning["text"].startswith(text)
    assert "temperature" in warning["text"]
    assert repetition(summary, ["generate"]) is None
    assert repetition(summary, ["screen"]) == warning


def test_sources_that_repeat_themselves_are_named(summary):
    summary["counts"]["screen_sources"]["dropped"] = {"duplicate": 400}
    (warning,) = warnings_of(summary)
    assert warning["text"].startswith("400 of 600 problems that screen_sources read repeat")
