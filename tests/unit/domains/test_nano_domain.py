import asyncio

import pytest

from scalediff.core.errors import RecipeError
from scalediff.domains import open_domain
from scalediff.domains.math import MathDomain
from scalediff.domains.nano import world


@pytest.fixture
def nano():
    return open_domain("nano")


def test_every_role_reads_the_bare_problem(nano):
    for role in ("identifier", "teacher", "student", "evaluation"):
        assert nano.prompt("Find $x$.", role) == "Find $x$."


def test_the_grader_tested_is_the_grader_shipped(nano):
    assert type(nano).read is MathDomain.read
    assert type(nano).verify is MathDomain.verify
    assert type(nano).same is MathDomain.same
    assert type(nano).check_problem is MathDomain.check_problem


@pytest.mark.parametrize("name", ["nano:sources", "nano:tune", "nano:test"])
def test_sets_are_reproducible_and_grow_without_change(nano, name):
    few, many = list(nano.sources(name, 20, 3)), list(nano.sources(name, 40, 3))
    assert many[:20] == few
    assert list(nano.sources(name, 20, 4)) != few
    assert len({row["key"] for row in many}) == 40
    for row in many:
        assert row["level"] in world.LEVELS
        assert nano.read(row["solution"]).answer == row["answer"]
        assert nano.check_problem(row["problem"]) is None
        audit = nano.audit(row["problem"])
        assert (audit["answer"], audit["reason"]) == (row["answer"], None)
        assert ("benchmark" in row) == (name != "nano:sources")


def test_sources_are_mostly_easy_and_tests_are_of_all_levels(nano):
    easy = [row["level"] == 1 for row in nano.sources("nano:sources", 400, 0)]
    assert sum(easy) / 400 > 0.6
    levels = [row["level"] for row in nano.sources("nano:test", 400, 0)]
    assert all(levels.count(level) > 20 for level in world.LEVELS)


def test_sets_of_one_seed_share_hardly_a_text(nano):
    test = {row["problem"] for row in nano.sources("nano:test", 400, 0)}
    tune = {row["problem"] for row in nano.sources("nano:tune", 400, 0)}
    assert len(test & tune) < 8


def test_an_unknown_or_too_large_set_is_an_error_of_one_sentence(nano, monkeypatch):
    with pytest.raises(RecipeError, match="nano:sources"):
        list(nano.sources("nano:sorces", 3, 0))
    monkeypatch.setattr(world, "_MAX_REDRAWS", 0)
    with pytest.raises(RecipeError, match="ask for fewer"):
        list(nano.sources("nano:sources", 3_000, 0))


def test_benchmarks_are_the_embedded_sets(nano):
    assert set(nano.benchmarks()) == {"nano:test", "nano:tune"}


def test_the_oracle_says_why_there_is_no_answer(nano):
    assert nano.audit("What is love?")["reason"] == "not_understood"
    assert nano.audit("")["answer"] is None


def test_nano_answers_start_no_process(nano):
    for row in nano.sources("nano:test", 5, 0):
        assert (
            asyncio.run(nano.verify(row["problem"], row["answer"], row["answer"])).value == "right"
        )
        assert asyncio.run(nano.same(row["problem"], row["answer"], "11")).value == "wrong"
    assert not nano._grader.started
