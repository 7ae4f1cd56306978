r"""New problems from a generator that was trained to pose them.

The prompt is the bare user turn; what the model writes into it is the problem. No topic, no
example. In: nothing. Out: one row a slot with ``slot``, ``problem``, ``problem_id``,
``finish_reason`` and ``num_tokens``. A slot keeps its seed whatever n is, so a larger n adds rows
and changes none. Text that was cut off or is empty is a row too: ``screen`` drops and counts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from scalediff.core.engine import Request, Sampling
from scalediff.core.keys import problem_id, sample_seed
from scalediff.core.records import Row
from scalediff.core.stage import EXTENT, AsyncStage, Config, Context
from scalediff.stages.solve import engine_of
from scalediff.text.marks import Thoughts


class GenerateConfig(Config):
    """Settings of the generate stage."""

    n: Annotated[int, EXTENT] = Field(default=1000, ge=1, le=10**12)
    """Problems to sample. Paper: about 2 million before its filters."""
    prompt: str = Field(default="<|im_start|>user\n", min_length=1)
    """Sent as it is. Released script: the bare user turn."""
    temperature: float = Field(default=1.0, ge=0)
    """Sampling temperature. Paper (as quoted by a review): 1.0; released script: 0.6."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Nucleus mass. Released script: 0.95."""
    top_k: int = Field(default=20, ge=0)
    """The k most probable tokens only; 0 keeps all. Released script: 20."""
    max_new_tokens: int = Field(default=1024, ge=1, le=2**31)
    """Token cap of a problem. Released script: 1,024."""
    stop: tuple[str, ...] = ("<|im_end|>",)
    """Strings that end a problem. Released script: ``<|im_end|>``."""
    thoughts: Thoughts = Thoughts()
    """Finish reasons that the model's server uses besides the known ones."""


class Generate(AsyncStage):
    """One new problem a slot."""

    name = "generate"
    pays = True
    births = True
    adds = ("slot", "problem", "problem_id", "finish_reason", "num_tokens")
    Config = GenerateConfig
    config: GenerateConfig

    def newborn(self) -> Iterator[Row]:
        """An empty row for each slot."""
        for slot in range(self.config.n):
            yield {"key": f"slot-{slot:08d}", "slot": slot}

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row:
        """The problem of this slot."""
        config = self.config
        completion = await engine_of(ctx).sample(
            Request(
                raw=config.prompt,
                sampling=Sampling(
                    temperature=config.temperature,
                    top_p=config.top_p,
                    top_k=config.top_k,
                    max_new_tokens=config.max_new_tokens,
                    stop=config.stop,
                ),
                seed=sample_seed(ctx.seed, "generator", row["key"], sample_index),
                reasons=tuple(config.thoughts.finish_reasons.items()),
            )
        )
        problem = completion.content.strip()
        return {
            "slot": row["slot"],
            "problem": problem,
            "problem_id": problem_id(problem),
            "finish_reason": completion.finish_reason,
            "num_tokens": completion.num_tokens,
        }
