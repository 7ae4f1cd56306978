"""An engine that remembers: every attempt and score is paid for once and kept in a store.

The key of an attempt is the model's fingerprint, the request as sent and the seed. The token cap
and the finish reason are values of the record:

* an attempt that ended by itself serves every cap that it fits in;
* one that was cut by the cap is kept beside it under that cap and serves no other;
* one that ``stop_when`` ended has a place of its own and serves only requests that may be stopped.

What is asked for while it is already on its way is waited for, not paid again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from scalediff.core.engine import Completion, Engine, EngineInfo, Request, Score, Usage
from scalediff.core.keys import digest

T = TypeVar("T")


class Store(Protocol):
    """What keeps the records; ``io.attempts.AttemptStore`` is one."""

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of a key, or None."""
        ...

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record durably."""
        ...


@dataclass(frozen=True)
class RecordedCompletion(Completion):
    """A completion and where it is kept. Token ids are not kept, so that a served one is the same.

    Attributes:
        attempt_id: The key of its record in the store.
    """

    attempt_id: str = ""


class RecordingEngine:
    """Wraps any engine; what the store has is served from there.

    Attributes:
        num_sampled: Calls that the engine answered: samples and scores paid for.
        num_served: Calls that cost nothing: found in the store, or already on their way.
        num_tokens: Tokens sampled, thus paid for (a score samples none).
        num_prompt_tokens: Tokens of the prompts that were paid for.

    Example:
        engine = RecordingEngine(await open_engine(spec, config), AttemptStore(folder))
        completion = await engine.sample(request)  # its attempt_id is its key in the store
    """

    def __init__(self, engine: Engine, store: Store) -> None:
        self.num_sampled = 0
        self.num_served = 0
        self.num_tokens = 0
        self.num_prompt_tokens = 0
        self._engine = engine
        self._store = store
        self._pending: dict[str, _Shared] = {}

    @property
    def info(self) -> EngineInfo:
        """The wrapped engine's."""
        return self._engine.info

    @property
    def usage(self) -> Usage:
        """The wrapped engine's: what was paid for, without what the store served."""
        return self._engine.usage

    async def sample(self, request: Request) -> RecordedCompletion:
        """One response, from the store or the engine; see ``core.engine.Engine``."""
        key = digest(self.info.fingerprint, request.identity(), request.seed)
        cap = request.sampling.max_new_tokens
        found = self._find(key, cap, request.stop_when is not None)
        if found is not None:
            self.num_served += 1
            return found

        async def pay() -> RecordedCompletion:
            completion = await self._engine.sample(request)
            self._count(completion.num_prompt_tokens, completion.num_tokens)
            return self._keep(key, cap, completion)

        # equal requests of which only one may be stopped are two attempts
        return await self._once(digest(key, "pending", cap, request.stop_when is not None), pay)

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation, from the store or the engine."""
        key = digest("score", self.info.fingerprint, _prompt_identity(request), continuation)
        record = self._store.get(key)
        if record is not None:
            self.num_served += 1
            return Score(record["logprob"], record["is_greedy"], record["num_prompt_tokens"])

        async def pay() -> Score:
            score = await self._engine.score(request, continuation)
            self._count(score.num_prompt_tokens, 0)
            record = {
                "logprob": score.logprob,
                "is_greedy": score.is_greedy,
                "num_prompt_tokens": score.num_prompt_tokens,
            }
            self._store.put(key, record)
            return score

        return await self._once(key, pay)

    async def close(self) -> None:
        """Close the wrapped engine; the store stays open, its owner closes it."""
        await self._engine.close()

    def _count(self, num_prompt_tokens: int, num_tokens: int) -> None:
        self.num_sampled += 1
        self.num_prompt_tokens += num_prompt_tokens
        self.num_tokens += num_tokens

    def _find(self, key: str, cap: int, may_stop: bool) -> RecordedCompletion | None:
        places = [key, _stopped(key)] if may_stop else [key]
        for place in places:
            record = self._store.get(place)
            if record is not None and record["num_tokens"] <= cap:
                return _completion(record, place)
        place = _capped(key, cap)
        record = self._store.get(place)
        return None if record is None else _completion(record, place)

    def _keep(self, key: str, cap: int, completion: Completion) -> RecordedCompletion:
        place = {"stop": key, "stopped": _stopped(key), "length": _capped(key, cap)}[
            completion.finish_reason
        ]
        record = {
            "reasoning": completion.reasoning,
            "content": completion.content,
            "finish_reason": completion.finish_reason,
            "num_tokens": completion.num_tokens,
            "num_prompt_tokens": completion.num_prompt_tokens,
        }
        self._store.put(place, record)
        return _completion(record, place)

    async def _once(self, key: str, pay: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await the payment of a key, which all who ask for it meanwhile share."""
        shared = self._pending.get(key)
        if shared is None:
            shared = self._pending[key] = _Shared(asyncio.ensure_future(pay()))
            joined = False
        else:
            joined = True
        shared.num_waiting += 1
        try:
            result: T = await asyncio.shield(shared.task)
        finally:
            shared.num_waiting -= 1
            if shared.num_waiting == 0:
                # the last one who waited was cancelled, or it is done
                shared.task.cancel()
                if self._pending.get(key) is shared:
                    del self._pending[key]
        if joined:
            self.num_served += 1
        return result


@dataclass
class _Shared:
    """A payment on its way and how many wait for it."""

    task: asyncio.Future[Any]
    num_waiting: int = 0


def _prompt_identity(request: Request) -> dict[str, Any]:
    """What of a request a score hangs on: the prompt, for nothing is drawn."""
    identity = request.identity()
    del identity["sampling"]
    return identity


def _capped(key: str, cap: int) -> str:
    return digest(key, "cap", cap)


def _stopped(key: str) -> str:
    return digest(key, "stopped")


def _completion(record: dict[str, Any], place: str) -> RecordedCompletion:
    return RecordedCompletion(
        reasoning=record["reasoning"],
        content=record["content"],
        finish_reason=record["finish_reason"],
        num_tokens=record["num_tokens"],
        num_prompt_tokens=record["num_prompt_tokens"],
        attempt_id=place,
    )
