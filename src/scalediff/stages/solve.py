r"""Ask a model to solve problems: one attempt for each row and sample index.

In: ``problem``. Out: ``attempts``, one dict for each sample (``role``, ``sample_index``,
``reasoning``, ``content``, ``answer``, ``finish_reason``, ``num_tokens``, ``sample_seed``,
``model``, ``attempt_id``). The teacher's attempts are the paper's distillation; the student's are
what the filter compares with; evaluation and the identifier's pass rate use the same stage under
another role.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from scalediff.core.engine import Completion, Engine, Request, Sampling
from scalediff.core.errors import RecipeError
from scalediff.core.keys import sample_seed
from scalediff.core.records import Row
from scalediff.core.stage import EXTENT, AsyncStage, Config, Context
from scalediff.text.marks import Thoughts
from scalediff.text.watching import LoopWatch


class SolveConfig(Config):
    """Settings of the solve stage."""

    role: str = "teacher"
    """Who answers: ``teacher``, ``student``, ``evaluation`` or ``identifier``. Chooses the domain's
    prompt and is part of every sample's seed."""
    k: Annotated[int, EXTENT] = Field(default=1, ge=1, le=1_000_000)
    """Attempts a problem. Paper: 1 for distillation, 10 or 3 for evaluation."""
    temperature: float = Field(default=0.6, ge=0)
    """Sampling temperature; 0 is greedy. Released script: 0.6 for distillation and evaluation."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Nucleus mass. Released script: 0.95."""
    top_k: int = Field(default=20, ge=0)
    """The k most probable tokens only; 0 keeps all. Released script: 20 for distillation."""
    max_new_tokens: int = Field(default=32768, ge=1, le=2**31)
    """Token cap of an attempt. Released script: 32,768."""
    stop_loops: bool = False
    """End responses that have run into a loop while they stream (finish reason ``stopped``; the
    rules drop them as ``looping``). Ours. Over HTTP it makes every response a stream."""
    first_cap: int | None = Field(default=None, ge=1)
    """Token cap of a first part: a response that reaches it goes on from there to
    ``max_new_tokens`` only where it does not repeat itself. null asks for the whole at once. Ours:
    it bounds what loops cost where a server does not stream."""
    thinking: bool | None = True
    """Ask the chat template for thinking (true), against it (false), or leave its default (null).
    Released script: true."""
    thoughts: Thoughts = Thoughts()
    """Tags and finish reasons that the model and its server use besides the known ones."""


class Solve(AsyncStage):
    """One attempt a unit; the engine decides how many are in flight."""

    name = "solve"
    version = "2"
    pays = True
    adds = ("attempts",)
    Config = SolveConfig
    config: SolveConfig

    def __init__(self, config: SolveConfig) -> None:
        super().__init__(config)
        self._sampling = Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            max_new_tokens=config.max_new_tokens,
        )

    def sample_indices(self) -> range:
        """The indices of the k attempts of a row."""
        return range(self.config.k)

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row:
        """The row's attempt with this index."""
        engine = engine_of(ctx)
        config = self.config
        seed = sample_seed(ctx.seed, config.role, row["key"], sample_index)
        prompt = ctx.domain.prompt(row["problem"], config.role)
        request = Request(
            messages=({"role": "user", "content": prompt},),
            thinking=config.thinking,
            sampling=self._sampling,
            seed=seed,
            stop_when=LoopWatch() if config.stop_loops else None,
            tags=tuple(map(tuple, config.thoughts.tags)),
            reasons=tuple(config.thoughts.finish_reasons.items()),
        )
        completion = await self._sample(engine, request)
        attempt = self._attempt(completion, ctx) | {
            "role": config.role,
            "sample_index": sample_index,
            "sample_seed": seed,
            "model": engine.info.model,
        }
        return {"attempts": [attempt]}

    async def _sample(self, engine: Engine, request: Request) -> Completion:
        """The response, where it is asked for in a short part first and then the rest of it."""
        first_cap = self.config.first_cap
        if first_cap is None or first_cap >= self.config.max_new_tokens:
            return await engine.sample(request)
        short = replace(self._sampling, max_new_tokens=first_cap)
        part = await engine.sample(replace(request, sampling=short))
        if part.finish_reason != "length":
            return part
        if LoopWatch()(f"{part.reasoning or ''}{part.content}"):
            return replace(part, finish_reason="stopped")
        if request.stop_when is not None:  # a watch serves one response
            request = replace(request, stop_when=LoopWatch())
        return await engine.sample(request)

    def _attempt(self, completion: Completion, ctx: Context) -> dict[str, Any]:
        """What of a completion an attempt keeps; a thought that was cut off holds no answer."""
        content = completion.content
        kept = {
            "answer": ctx.domain.answer(content) if content.strip() else None,
            "finish_reason": completion.finish_reason,
            "num_tokens": completion.num_tokens,
        }
        # where the engine keeps its completions in the attempt store, it says under which id, and
        # the text lies there once
        if attempt_id := getattr(completion, "attempt_id", None):
            return {**kept, "attempt_id": attempt_id}
        return {**kept, "reasoning": completion.reasoning, "content": content}


def engine_of(ctx: Context) -> Engine:
    """The engine of a step that pays.

    Raises:
        RecipeError: The step names no model.
    """
    if ctx.engine is None:
        raise RecipeError(f"step {ctx.step} calls a model but names none; give it a `model`")
    return ctx.engine
