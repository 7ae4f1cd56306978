"""The nano world: problems with a known answer and a known level, as many as one likes.

Nothing here is used by the pipeline itself. The world feeds the sources of the laboratory, the
training of the shipped models and the tests; the oracle (`oracle.py`) judges by the text alone.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from scalediff.domains.nano.families import FIRST_LEVEL, WRITERS

FAMILIES: tuple[str, ...] = tuple(WRITERS)
"""Names of the families of problems."""

LEVELS = range(1, 9)
"""The levels of the world; about the number of steps that a solution takes."""

DIFFICULT_FROM = 3
"""The lowest level that the world calls difficult (the identifier judges on its own)."""

SOURCE_LEVEL_WEIGHTS: tuple[float, ...] = (64.0, 6.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0)
"""Weights of levels 1 to 8 among the laboratory's sources.

Mostly easy, so that about the share of the paper's sources (34 %) is identified as difficult:
the shipped identifier calls nearly everything from level 2 on difficult (see its model card).
"""

_MAX_REDRAWS = 200
"""Duplicates in a row after which no more distinct problems are expected."""


@dataclass(frozen=True)
class NanoProblem:
    r"""A problem of the nano world with its solution.

    Attributes:
        problem: The text as a person would pose it.
        solution: The reasoning, one step a line, and a last sentence with ``\boxed{answer}``.
        answer: The answer: a residue, as decimal digits.
        family: One of `FAMILIES`.
        level: The level, in `LEVELS`.
    """

    problem: str
    solution: str
    answer: str
    family: str
    level: int

    @property
    def reasoning(self) -> str:
        """The steps alone, one a line."""
        return self.solution.rpartition("\n")[0]

    @property
    def final(self) -> str:
        r"""The last sentence alone, the one with ``\boxed{answer}``."""
        return self.solution.rpartition("\n")[2]


def final_sentence(answer: str) -> str:
    """The sentence that every solution of the world ends with."""
    return rf"The answer is $\boxed{{{answer}}}$."


def thinking_response(problem: NanoProblem) -> str:
    """The response of a model that thinks: the steps between the tags, then the answer."""
    return f"<think>\n{problem.reasoning}\n</think>\n\n{problem.final}"


def at_once_response(problem: NanoProblem) -> str:
    """The response of a model that answers at once: nothing between the tags."""
    return f"<think>\n\n</think>\n\n{problem.final}"


def make_problem(rng: random.Random, level: int, family: str | None = None) -> NanoProblem:
    """Draw one problem.

    Args:
        rng: The source of randomness; the same state gives the same problem.
        level: The level, in `LEVELS`.
        family: One of `FAMILIES`; drawn among those that have the level where None.

    Raises:
        ValueError: The level or the family does not exist, or not together.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level} is not in 1 to {LEVELS[-1]}")
    fitting = [name for name in FAMILIES if FIRST_LEVEL[name] <= level]
    if family is not None and family not in fitting:
        raise ValueError(f"no problem of family {family!r} at level {level}: {', '.join(fitting)}")
    name = family or rng.choice(fitting)
    draft = WRITERS[name](rng, level)
    answer = str(draft.answer)
    solution = "\n".join([*draft.steps, final_sentence(answer)])
    return NanoProblem(draft.problem, solution, answer, name, level)


def make_problems(
    n: int, seed: int, level_weights: Sequence[float] | None = None
) -> list[NanoProblem]:
    """Draw problems with distinct texts.

    Args:
        n: How many.
        seed: The same seed gives the same problems, and a smaller n a beginning of them.
        level_weights: Weights of levels 1 to 8 (they need not add up to 1); alike where None.
            Level 1 has some 5,000 texts, so that a large share of it in a large n is not met.

    Raises:
        ValueError: The weights do not fit the levels, or the world has too few such problems.
    """
    weights = [1.0] * len(LEVELS) if level_weights is None else list(level_weights)
    if len(weights) != len(LEVELS):
        raise ValueError(f"{len(weights)} level weights for {len(LEVELS)} levels")
    rng = random.Random(seed)
    seen: dict[str, NanoProblem] = {}
    redraws = 0
    while len(seen) < n:
        problem = make_problem(rng, rng.choices(LEVELS, weights)[0])
        if problem.problem not in seen:
            seen[problem.problem] = problem
            redraws = 0
        elif (redraws := redraws + 1) > _MAX_REDRAWS:
            raise ValueError(f"the world has too few problems of these levels: {len(seen)} of {n}")
    return list(seen.values())
