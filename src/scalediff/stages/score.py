r"""One forward pass a problem: would the identifier think about it?

An AdaptThink model decides by its first token: ``</think>`` means that it answers at once. Paper:
one greedy token of AdaptThink-7B-delta0.05, the problem as the only user turn; no gold is needed.

In: ``problem``. Out: ``p_think`` (one minus the probability of ``</think>`` as first token) and
``is_greedy`` (whether ``</think>`` is the most probable first token). ``select`` decides from them,
so that another threshold costs no token.
"""

from __future__ import annotations

import math

from pydantic import Field

from scalediff.core.engine import Engine, Request
from scalediff.core.errors import RecipeError
from scalediff.core.records import Row
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.stages.solve import engine_of


class ScoreConfig(Config):
    """Settings of the score stage."""

    continuation: str = Field(default="</think>", min_length=1)
    """Text whose probability right after the prompt is asked for. Paper: ``</think>``."""


class Score(AsyncStage):
    """Scores the end of thinking right after the prompt; nothing is decoded."""

    name = "score"
    pays = True
    adds = ("p_think", "is_greedy")
    Config = ScoreConfig
    config: ScoreConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row:
        """The probability of thinking on, and whether not thinking is greedy.

        Raises:
            RecipeError: The model's template does not open a thought, so its first token says
                nothing about difficulty.
        """
        engine = engine_of(ctx)
        _require_open_thought(engine, ctx)
        prompt = ctx.domain.prompt(row["problem"], "identifier")
        request = Request(messages=({"role": "user", "content": prompt},))
        score = await engine.score(request, self.config.continuation)
        # expm1 keeps the digits of a probability near zero; rounding may lift a logprob above 0
        p_think = -math.expm1(min(score.logprob, 0.0))
        return {"p_think": p_think, "is_greedy": score.is_greedy}


def _require_open_thought(engine: Engine, ctx: Context) -> None:
    info = engine.info
    if not info.opens_think:
        raise RecipeError(
            f"step {ctx.step}: the chat template of {info.model} does not end in an open <think>, "
            "so its first token cannot show difficulty; name an AdaptThink model whose template "
            "opens <think>, or set the identify step's signal to pass_rate"
        )
