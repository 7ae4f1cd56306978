import random
from collections import Counter

import pytest

from scalediff.domains.nano import world
from scalediff.domains.nano.families import FIRST_LEVEL


def test_the_same_seed_gives_the_same_problems_and_a_smaller_n_their_beginning():
    problems = world.make_problems(500, seed=3)
    assert problems == world.make_problems(500, seed=3)
    assert problems[:100] == world.make_problems(100, seed=3)
    assert problems != world.make_problems(500, seed=4)


def test_texts_are_distinct_even_where_most_are_of_level_1():
    problems = world.make_problems(4000, 5, world.SOURCE_LEVEL_WEIGHTS)
    assert len({p.problem for p in problems}) == 4000


def test_every_family_has_every_level_from_its_first():
    at = Counter((p.family, p.level) for p in world.make_problems(4000, seed=1))
    wanted = {(f, n) for f in world.FAMILIES for n in world.LEVELS if n >= FIRST_LEVEL[f]}
    assert set(at) == wanted
    assert len(world.FAMILIES) >= 4


def test_source_weights_are_kept():
    problems = world.make_problems(2000, 2, world.SOURCE_LEVEL_WEIGHTS)
    difficult = sum(p.level >= world.DIFFICULT_FROM for p in problems) / len(problems)
    weights = world.SOURCE_LEVEL_WEIGHTS
    assert difficult == pytest.approx(sum(weights[2:]) / sum(weights), abs=0.04)


def test_a_level_above_one_has_one_line_a_step():
    for problem in world.make_problems(400, seed=6):
        lines = len(problem.reasoning.split("\n"))
        assert lines == problem.level - (problem.family == "recurrence")


def test_solution_forms():
    problem = world.make_problem(random.Random(0), 4)
    assert problem.solution == f"{problem.reasoning}\n{problem.final}"
    assert problem.final == rf"The answer is $\boxed{{{problem.answer}}}$."
    thinking = world.thinking_response(problem)
    assert thinking == f"<think>\n{problem.reasoning}\n</think>\n\n{problem.final}"
    assert world.at_once_response(problem) == f"<think>\n\n</think>\n\n{problem.final}"


@pytest.mark.parametrize(
    ("level", "family"), [(0, None), (9, None), (1, "recurrence"), (2, "algebra")]
)
def test_what_does_not_exist_is_refused(level, family):
    with pytest.raises(ValueError, match="level"):
        world.make_problem(random.Random(0), level, family)


def test_asking_for_more_problems_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="too few"):
        world.make_problems(20_000, 0, (1, 0, 0, 0, 0, 0, 0, 0))


def test_level_weights_must_fit():
    with pytest.raises(ValueError, match="3 level weights for 8 levels"):
        world.make_problems(1, 0, (1, 1, 1))
