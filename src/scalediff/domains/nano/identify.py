"""The identifier, made by AdaptThink's decision rule (arXiv 2505.13417) from sampled pass rates.

A copy of the teacher learns to answer at once. The pass rate of the frozen teacher with thinking
(AdaptThink's reference) and of the copy without label each problem, and the first token of the
copy's response is then trained on the labels. AdaptThink gets there by reinforcement learning on
whole responses; the rule decided by is the same.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scalediff.domains.nano.chat import user_turn
from scalediff.domains.nano.pretrain import (
    Model,
    Pair,
    Row,
    Schedule,
    batches,
    encode,
    train,
)
from scalediff.domains.nano.sampling import respond, right
from scalediff.domains.nano.tokenizer import END_THINK
from scalediff.domains.nano.world import (
    LEVELS,
    NanoProblem,
    make_problem,
    make_problems,
    thinking_response,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DELTA = 0.05
"""How much worse answering at once may be and still be preferred (AdaptThink-7B-delta0.05)."""

TEMPERATURE = 0.6
"""Temperature of the pass rates (AdaptThink's reference samples)."""

SAMPLES = 8
"""Samples for each pass rate; AdaptThink takes 16."""

LABEL_WEIGHTS = (40.0, 12.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0)
"""Weights of levels 1 to 8 among the labelled problems: about half of them easy."""

AT_ONCE_SCHEDULE = Schedule(steps=2000, lr=1e-3, decay=0.5)
"""The run in which the copy learns to answer at once; rows are short, it is a few minutes."""

FIRST_TOKEN_SCHEDULE = Schedule(steps=400, lr=3e-4, decay=1.0)
"""The run on the first token."""

_SEED = 41


@dataclass(frozen=True)
class Labelled:
    """A problem with its pass rates.

    Attributes:
        problem: The problem.
        thinking: Share of right answers of the teacher, thinking.
        at_once: Share of right answers of its copy, at once.
    """

    problem: NanoProblem
    thinking: float
    at_once: float

    @property
    def difficult(self) -> bool:
        """The rule: simple is what answering at once gets right as often, less delta."""
        return self.at_once + DELTA < self.thinking


def open_prompt(problem: str) -> str:
    """The identifier's prompt, as its template renders it: it ends in an open ``<think>``."""
    return user_turn(problem) + "<think>\n"


def learn_at_once(
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    schedule: Schedule = AT_ONCE_SCHEDULE,
) -> int:
    """Teach a thinking model to answer simple problems at once as well; returns the tokens."""

    def draw(rng: random.Random) -> Pair:
        if rng.random() < 0.85:
            problem = make_problem(rng, rng.choices(LEVELS, (12, 4, 1, 1, 1, 1, 1, 1))[0])
            return open_prompt(problem.problem), f"{END_THINK}\n\n{problem.final}"
        problem = make_problem(rng, rng.choices(LEVELS)[0])
        return open_prompt(problem.problem), thinking_response(problem).removeprefix("<think>\n")

    rows = batches(draw, tokenizer, schedule.batch, _SEED)
    return train(model, tokenizer, rows, schedule)


def measure_pass_rates(
    teacher: Model, model: Model, tokenizer: "PreTrainedTokenizerFast", n: int, seed: int
) -> list[Labelled]:
    """Sample the frozen teacher thinking, and its copy answering at once, on n problems."""
    import torch

    torch.manual_seed(seed)
    problems = make_problems(n, seed, LABEL_WEIGHTS)
    repeated = [p for p in problems for _ in range(SAMPLES)]
    rates = []
    for solver, ending in ((teacher, ""), (model, f"<think>\n{END_THINK}\n\n")):
        prompts = [user_turn(p.problem) + ending for p in repeated]
        marks = right(respond(solver, tokenizer, prompts, TEMPERATURE), repeated)
        rates.append([sum(marks[i : i + SAMPLES]) / SAMPLES for i in range(0, len(marks), SAMPLES)])
    return [Labelled(*row) for row in zip(problems, *rates, strict=True)]


def learn_first_token(
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    labelled: Sequence[Labelled],
    schedule: Schedule = FIRST_TOKEN_SCHEDULE,
) -> int:
    """Train the first token of the response on the labels, and nothing else of it."""
    pairs = [
        (open_prompt(x.problem.problem), x.problem.reasoning if x.difficult else END_THINK)
        for x in labelled
    ]
    rows = [(start, ids[: start + 1]) for start, ids in encode(tokenizer, pairs)]
    rng = random.Random(_SEED + 1)

    def shuffled() -> Iterator[list[Row]]:
        while True:
            yield rng.sample(rows, schedule.batch)

    return train(model, tokenizer, shuffled(), schedule)


def judge(
    model: Model, tokenizer: "PreTrainedTokenizerFast", problems: Sequence[str]
) -> list[bool]:
    """Whether the identifier calls each problem difficult: its greedy first token decides."""
    first = respond(model, tokenizer, [open_prompt(p) for p in problems], max_new_tokens=1)
    return [token != END_THINK for token in first]
