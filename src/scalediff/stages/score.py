r"""One forward pass a problem: would the identifier think about it?

An AdaptThink model decides by its first token: ``</think>`` means that it answers at once. Paper:
one greedy token of AdaptThink-7B-delta0.05, the problem as the only user turn; no gold is needed.

In: ``problem``. Out: ``p_think`` (one minus the probability of ``</think>`` as first token),
``is_greedy`` (whether ``</think>`` is the most probable first token) and ``score_method`` (how the
engine came by them). Where a server tells no more than its most probable first tokens, ``p_think``
lies between ``p_think_low`` and ``p_think_high``. ``select`` decides from them, so that another
threshold costs no token.
"""

from __future__ import annotations

import math

from pydantic import Field

from scalediff.core.engine import Engine, Request
from scalediff.core.errors import RecipeError
from scalediff.core.records import Row
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.stages.solve import engine_of
from scalediff.text import thoughts


class ScoreConfig(Config):
    """Settings of the score stage."""

    continuation: str = Field(default="</think>", min_length=1)
    """Text whose probability right after the prompt is asked for. Paper: ``</think>``."""


class Score(AsyncStage):
    """Scores the end of thinking right after the prompt; nothing is decoded."""

    name = "score"
    pays = True
    version = "2"
    adds = ("p_think", "is_greedy", "score_method", "p_think_low", "p_think_high")
    Config = ScoreConfig
    config: ScoreConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row:
        """The probability of thinking on, and whether not thinking is greedy.

        Raises:
            RecipeError: The model's template does not open a thought, so its first token says
                nothing about difficulty.
        """
        engine = engine_of(ctx)
        _require_open_thought(engine, ctx, self.config.continuation)
        prompt = ctx.domain.prompt(row["problem"], "identifier")
        request = Request(messages=({"role": "user", "content": prompt},))
        score = await engine.score(request, self.config.continuation)
        row = {
            "p_think": _p_think(score.logprob),
            "is_greedy": score.is_greedy,
            "score_method": score.method,
        }
        if score.low is not None and score.high is not None:
            row |= {"p_think_low": _p_think(score.high), "p_think_high": _p_think(score.low)}
        return row


def _p_think(logprob: float) -> float:
    """One minus a probability."""
    # expm1 keeps the digits of a probability near zero; rounding may lift a logprob above 0
    return -math.expm1(min(logprob, 0.0))


def _require_open_thought(engine: Engine, ctx: Context, continuation: str) -> None:
    info = engine.info
    if not info.opens_think and not info.example_prompt:
        raise RecipeError(
            f"step {ctx.step}: the server does not show the template of {info.model}; name its "
            "tokenizer: --engine 'http={tokenizer: FOLDER or HUB ID}'"
        )
    if not info.opens_think:
        raise RecipeError(
            f"step {ctx.step}: the chat template of {info.model} does not end in an open <think>, "
            "so its first token cannot show difficulty; name an AdaptThink model whose template "
            "opens <think>, or set the identify step's signal to pass_rate"
        )
    begin = thoughts.opening(info.example_prompt)
    end = thoughts.closing(begin)
    asked = thoughts.first_tag(continuation)
    if begin and asked and asked.casefold() != end.casefold():
        raise RecipeError(
            f"step {ctx.step}: the chat template of {info.model} opens its thought with {begin}, "
            f"which {asked} does not end; set the score step's continuation to {end!r}"
        )
