"""What the three bases are trained on, for how long, and with which seeds.

The teacher is trained until it is good. The student's base is stopped early, while it knows the
form of a solution and half of its facts: a base that has seen too little gains nothing from any
data, and one that knows too much needs none (see the model card). The generator's base learns
to pose problems and nothing else.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from scalediff.domains.nano.chat import user_turn
from scalediff.domains.nano.pretrain import Pair, Schedule
from scalediff.domains.nano.world import LEVELS, NanoProblem, make_problem, thinking_response

AT_ONCE_PREFIX = "<think>\n\n</think>\n\n"
"""What the Qwen3-style template appends with ``enable_thinking=false``."""


@dataclass(frozen=True)
class Base:
    """A base to be made.

    Attributes:
        name: Its name in `scalediff.domains.nano.models.MODELS`.
        draw: Draws one prompt with its response.
        phases: How long and how fast to train, one schedule after the other, each with a fresh
            optimiser, on one stream of data.
        seed: Seed of the weights; the data's is one more.
        recipe: The same in words, for the model card.
    """

    name: str
    draw: Callable[[random.Random], Pair]
    phases: tuple[Schedule, ...]
    seed: int
    recipe: str


def thinking_pair(problem: NanoProblem) -> Pair:
    """A problem with its thinking response."""
    return user_turn(problem.problem), thinking_response(problem)


def at_once_pair(problem: NanoProblem) -> Pair:
    """A problem with its answer at once; the empty thought belongs to the prompt."""
    return user_turn(problem.problem) + AT_ONCE_PREFIX, problem.final


def _draw_teacher(rng: random.Random) -> Pair:
    if rng.random() < 0.78:
        return thinking_pair(make_problem(rng, rng.choice(LEVELS)))
    level = rng.choices(LEVELS, (8, 4, 1, 1, 1, 1, 1, 1))[0]
    return at_once_pair(make_problem(rng, level))


def _draw_student(rng: random.Random) -> Pair:
    if rng.random() < 0.7:
        return thinking_pair(make_problem(rng, rng.choice(LEVELS)))
    return at_once_pair(make_problem(rng, rng.choice(range(3, 9))))


def _draw_generator(rng: random.Random) -> Pair:
    problem = make_problem(rng, rng.choices(LEVELS, (60, 10, 5, 5, 5, 5, 5, 5))[0])
    return "<|im_start|>user\n", problem.problem


BASES = (
    Base(
        "teacher",
        _draw_teacher,
        (Schedule(steps=4500), Schedule(steps=1400, lr=1.5e-3, decay=1.0)),
        11,
        "78 % thinking at all levels alike, 22 % answers at once, mostly of levels 1 and 2",
    ),
    Base(
        "student",
        _draw_student,
        (Schedule(steps=1500, decay=0.0), Schedule(steps=600, decay=0.0)),
        21,
        "70 % thinking at all levels alike, 30 % answers at once of levels 3 to 8; "
        "constant learning rate, stopped in the middle of its breakthrough",
    ),
    Base(
        "generator",
        _draw_generator,
        (Schedule(steps=2400, batch=64),),
        31,
        "problems alone, after the bare user turn; 70 % of them of levels 1 and 2",
    ),
)
"""The bases, in the order in which they are started."""
