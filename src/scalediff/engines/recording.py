"""An engine that remembers: what was paid for once is served from the attempt store.

Wraps any engine. A record's key is the model's fingerprint, the request as sent and the seed; the
token cap is a value in it. An attempt that ended by itself serves any cap that it fits into; one
that was cut (or stopped) serves the same cap alone.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from scalediff.core.engine import Completion, Engine, EngineInfo, Request, Score
from scalediff.core.keys import digest


class Store(Protocol):
    """Where records are kept (``io.attempts.AttemptStore``)."""

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of a key."""

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record."""


@dataclass(frozen=True)
class RecordedCompletion(Completion):
    """A completion and the key of its record.

    Attributes:
        attempt_id: Where its text is found in the attempt store.
    """

    attempt_id: str = ""


class RecordingEngine:
    """``core.engine.Engine`` before another one.

    Attributes:
        num_sampled: Requests and scores that were paid for.
        num_served: Those that the store answered.
        num_tokens: Tokens sampled and paid for.
    """

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self.num_sampled = 0
        self.num_served = 0
        self.num_tokens = 0

    @property
    def info(self) -> EngineInfo:
        """Of the engine behind."""
        return self._engine.info

    async def sample(self, request: Request) -> RecordedCompletion:
        """The completion, from the store or the engine."""
        key = digest("sample", self.info.fingerprint, request.identity(), request.seed)
        cap = request.sampling.max_new_tokens
        capped = digest(key, "cap", cap)
        whole = self._store.get(key)
        if whole is not None and whole["num_tokens"] <= cap:
            return self._serve(key, whole)
        cut = self._store.get(capped)
        if cut is not None:
            return self._serve(capped, cut)
        return await self._once(capped, self._pay(request, key, capped))

    def _serve(self, key: str, record: dict[str, Any]) -> RecordedCompletion:
        self.num_served += 1
        return _completion(key, record)

    async def _pay(self, request: Request, key: str, capped: str) -> RecordedCompletion:
        done = await self._engine.sample(request)
        found = key if done.finish_reason == "stop" else capped
        record = {
            "reasoning": done.reasoning,
            "content": done.content,
            "finish_reason": done.finish_reason,
            "num_tokens": done.num_tokens,
            "num_prompt_tokens": done.num_prompt_tokens,
            "cap": request.sampling.max_new_tokens,
            "seed": request.seed,
            "model": self.info.model,
        }
        self._store.put(found, record)
        self.num_sampled += 1
        self.num_tokens += done.num_tokens
        return _completion(found, record)

    async def _once(self, key: str, paying: Any) -> Any:
        """Two equal requests at the same time are paid for once."""
        running = self._pending.get(key)
        if running is not None:
            paying.close()
            return await asyncio.shield(running)
        task = self._pending[key] = asyncio.ensure_future(paying)
        try:
            return await task
        finally:
            del self._pending[key]

    async def score(self, request: Request, continuation: str) -> Score:
        """The score, from the store or the engine."""
        asked = {**request.identity(), "sampling": None}
        key = digest("score", self.info.fingerprint, asked, continuation)
        record = self._store.get(key)
        if record is not None:
            self.num_served += 1
            return Score(**record)
        score: Score = await self._once(key, self._pay_score(request, continuation, key))
        return score

    async def _pay_score(self, request: Request, continuation: str, key: str) -> Score:
        score = await self._engine.score(request, continuation)
        record = {
            "logprob": score.logprob,
            "is_greedy": score.is_greedy,
            "num_prompt_tokens": score.num_prompt_tokens,
        }
        self._store.put(key, record)
        self.num_sampled += 1
        return score

    async def close(self) -> None:
        """Close the engine behind."""
        await self._engine.close()


def _completion(key: str, record: dict[str, Any]) -> RecordedCompletion:
    return RecordedCompletion(
        record["reasoning"],
        record["content"],
        record["finish_reason"],
        record["num_tokens"],
        record.get("num_prompt_tokens", 0),
        attempt_id=key,
    )
