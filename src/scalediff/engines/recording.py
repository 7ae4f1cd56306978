"""An engine that remembers: every attempt and score is paid for once and kept in a store.

The key of an attempt is the model's fingerprint, the request as sent and the seed. The token cap
and the finish reason are values of the record:

* an attempt that ended by itself serves every cap that it fits in;
* one that was cut by the cap is kept beside it under that cap and serves no other, but where a
  larger cap is asked for it goes on from where it was cut, and only the rest is paid for;
* one that ``stop_when`` ended has a place of its own and serves only requests that may be stopped.

What is asked for while it is already on its way is waited for, not paid again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from scalediff.core.engine import Completion, Engine, EngineInfo, Request, Score, Usage
from scalediff.core.keys import digest
from scalediff.engines.attempt_keys import (
    AttemptKeys,
    capped,
    cut_pointer,
    stopped,
    text_in_parts,
    text_of,
)
from scalediff.text.thoughts import split

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

    Args:
        engine: What answers what the store lacks.
        store: What keeps the records.
        goes_on: Whether a cut attempt goes on where a larger cap is asked for; else it is paid for
            anew, as a whole.

    Attributes:
        num_sampled: Calls that the engine answered: samples and scores paid for.
        num_served: Calls that cost nothing: found in the store, or already on their way.
        num_tokens: Tokens sampled, thus paid for (a score samples none).
        num_prompt_tokens: Tokens of the prompts that were paid for.

    Example:
        engine = RecordingEngine(await open_engine(spec, config), AttemptStore(folder))
        completion = await engine.sample(request)  # its attempt_id is its key in the store
    """

    def __init__(self, engine: Engine, store: Store, *, goes_on: bool = True) -> None:
        self.num_sampled = 0
        self.num_served = 0
        self.num_tokens = 0
        self.num_prompt_tokens = 0
        self._engine = engine
        self._store = store
        self._goes_on = goes_on
        self._before = replace(engine.usage)
        self._pending: dict[Any, asyncio.Future[Any]] = {}
        self._key = AttemptKeys(engine.info.fingerprint).of

    @property
    def info(self) -> EngineInfo:
        """The wrapped engine's."""
        return self._engine.info

    @property
    def usage(self) -> Usage:
        """The wrapped engine's: what was paid for, without what the store served."""
        return self._engine.usage

    def spent(self) -> dict[str, float]:
        """What this go has cost so far: calls and tokens, tries, and what came of them in vain."""
        now, before = self._engine.usage, self._before
        names = ("tries", "retries", "abandoned", "wasted_tokens", "stopped", "saved_tokens",
                 "estimated")  # fmt: skip
        return {
            "sampled": self.num_sampled,
            "served": self.num_served,
            "new": self.num_tokens,
            "prompt": self.num_prompt_tokens,
            **{name: getattr(now, name) - getattr(before, name) for name in names},
        }

    async def sample(self, request: Request) -> RecordedCompletion:
        """One response, from the store or the engine; see ``core.engine.Engine``."""
        key = self._key(request)
        cap = request.sampling.max_new_tokens
        may_stop = request.stop_when is not None

        async def get() -> RecordedCompletion:
            found = self._find(key, cap, request)
            if found is not None:
                self.num_served += 1
                return found
            cut = self._longest_cut(key, request)
            asked = _rest(request, cut) if cut else request
            completion = await self._engine.sample(asked)
            self._count(completion.num_prompt_tokens, completion.num_tokens)
            if cut:
                num_tokens = cut["num_tokens"] + completion.num_tokens
                completion = replace(
                    completion, num_tokens=num_tokens, num_prompt_tokens=cut["num_prompt_tokens"]
                )
            return self._keep(key, cap, completion, cut)

        # equal requests of which only one may be stopped are two attempts
        return await self._once((key, cap, may_stop), get)

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation, from the store or the engine."""
        key = digest("score", self.info.fingerprint, _prompt_identity(request), continuation)

        async def get() -> Score:
            record = self._store.get(key)
            if record is not None:
                self.num_served += 1
                return Score(**record)
            score = await self._engine.score(request, continuation)
            self._count(score.num_prompt_tokens, 0)
            told = {name: value for name, value in vars(score).items() if value is not None}
            # JSON has no infinity: an open end of an interval is a number that no logprob reaches
            told |= {n: -1e300 for n in ("low", "high", "logprob") if told.get(n) == -_INFINITE}
            self._store.put(key, told)
            return score

        return await self._once(key, get)

    async def close(self) -> None:
        """Close the wrapped engine; the store stays open, its owner closes it."""
        await self._engine.close()

    def _count(self, num_prompt_tokens: int, num_tokens: int) -> None:
        self.num_sampled += 1
        self.num_prompt_tokens += num_prompt_tokens
        self.num_tokens += num_tokens

    def _find(self, key: str, cap: int, request: Request) -> RecordedCompletion | None:
        places = [key] if request.stop_when is None else [key, stopped(key)]
        for place in places:
            record = self._store.get(place)
            if record is not None and record["num_tokens"] <= cap:
                return _completion(self._read_again(record, place, request), place)
        place = capped(key, cap)
        record = self._store.get(place)
        if record is None:
            return None
        return _completion(self._read_again(record, place, request), place)

    def _read_again(self, record: dict[str, Any], place: str, request: Request) -> dict[str, Any]:
        """A record in which a thought is found by tags that were not known when it was kept."""
        if record["reasoning"] is not None or request.raw is not None:
            return record
        reasoning, content = split(record["content"], record["finish_reason"], request.tags)
        if reasoning is not None:
            text = text_of(record)
            record = {**record, "reasoning": reasoning, "content": content}
            if text is not None:
                record["text"] = text_in_parts(text, record)
            self._store.put(place, record)
        return record

    def _longest_cut(self, key: str, request: Request) -> dict[str, Any] | None:
        """The longest attempt under this key that its cap cut, where a response can go on."""
        if request.prefix or request.logprobs or not self._goes_on:
            return None
        pointer = self._store.get(cut_pointer(key))
        record = self._store.get(pointer["place"]) if pointer else None
        if record is None or record["num_tokens"] >= request.sampling.max_new_tokens:
            return None
        # shorter than its cap it was cut by the window, and there is no room to go on
        return record if record["num_tokens"] >= record.get("cap", 0) and text_of(record) else None

    def _keep(
        self, key: str, cap: int, completion: Completion, cut: dict[str, Any] | None
    ) -> RecordedCompletion:
        reason = completion.finish_reason
        place = {"stop": key, "stopped": stopped(key), "length": capped(key, cap)}[reason]
        record: dict[str, Any] = {
            "reasoning": completion.reasoning,
            "content": completion.content,
            "finish_reason": reason,
            "num_tokens": completion.num_tokens,
            "num_prompt_tokens": completion.num_prompt_tokens,
        }
        if cut:
            record["continued_from"] = cut["num_tokens"]
        if reason == "length" and completion.text is not None:
            record |= {"text": text_in_parts(completion.text, record), "cap": cap}
        self._store.put(place, record)
        if "text" in record:
            longest = self._store.get(cut_pointer(key))
            if longest is None or longest.get("num_tokens", 0) < completion.num_tokens:
                pointer = {"place": place, "num_tokens": completion.num_tokens}
                self._store.put(cut_pointer(key), pointer)
        return _completion(record, place)

    async def _once(self, key: Any, get: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Get a value that all who ask for it meanwhile share; the first who asks does the work."""
        while (shared := self._pending.get(key)) is not None:
            try:
                result: T = await asyncio.shield(shared)
            except asyncio.CancelledError:
                if not shared.cancelled():
                    raise  # whoever waits here was cancelled
                continue  # the one who did the work was: the next one does it
            self.num_served += 1
            return result
        mine = self._pending[key] = asyncio.get_running_loop().create_future()
        try:
            result = await get()
        except BaseException as error:
            if isinstance(error, Exception):
                mine.set_exception(error)
                mine.exception()  # it is raised here: nobody else need ask for it
            else:
                mine.cancel()
            raise
        else:
            mine.set_result(result)
            return result
        finally:
            del self._pending[key]


_INFINITE = float("inf")


def _rest(request: Request, cut: dict[str, Any]) -> Request:
    """The request for what comes after a cut attempt."""
    left = request.sampling.max_new_tokens - cut["num_tokens"]
    return replace(
        request, prefix=text_of(cut) or "", sampling=replace(request.sampling, max_new_tokens=left)
    )


def _prompt_identity(request: Request) -> dict[str, Any]:
    """What of a request a score hangs on: the prompt, for nothing is drawn."""
    identity = request.identity()
    del identity["sampling"]
    return identity


def _completion(record: dict[str, Any], place: str) -> RecordedCompletion:
    return RecordedCompletion(
        reasoning=record["reasoning"],
        content=record["content"],
        finish_reason=record["finish_reason"],
        num_tokens=record["num_tokens"],
        num_prompt_tokens=record["num_prompt_tokens"],
        text=text_of(record),
        attempt_id=place,
    )
