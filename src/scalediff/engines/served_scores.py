"""The log-probability of a continuation from a server, by the best way that it has.

* ``prompt_logprobs`` (vLLM): exact, with the rank of each token.
* ``echo`` with ``logprobs`` (the older completions API): exact. Servers that accept ``echo`` and
  ignore it, or answer ``logprobs: null``, are noticed by counting what came back.
* ``top_k``: the most probable first tokens alone. Exact where the continuation is one of them, else
  an interval: it is at most as probable as the least of them, and as what they leave.

The first score finds out which there is, and later ones use it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scalediff.core.engine import Request, Score, ScoreMethod
from scalediff.core.errors import RecipeError, RequestError
from scalediff.engines.config import HttpConfig
from scalediff.engines.payloads import Body
from scalediff.engines.rendering import Prompt, Renderer
from scalediff.engines.trying import TryError

_ROUNDED = 1e-3
"""What rounding may add to the log-probability of what is certain."""

_TOP_K = (20, 5)
"""Most servers list up to 20 tokens, some no more than 5."""

Make = Callable[[dict[str, Any]], Score]
Post = Callable[[str, Body, Make], Awaitable[Score]]


class _NotOffered(Exception):
    """The server does not have this way; says why."""


@dataclass(frozen=True)
class _Way:
    """A way to a score; ``top_k`` by raw prompts or by chats, and how many tokens are listed."""

    method: ScoreMethod
    by_chat: bool = False
    top_k: int = 0


_WAYS = (
    _Way("prompt_logprobs"),
    _Way("echo"),
    *(_Way("top_k", by_chat, k) for by_chat in (False, True) for k in _TOP_K),
)


class Scorer:
    """Scores by one server's means.

    Args:
        post: Sends a body through the queue and gives what is made of the JSON of the answer.
        served: The model's name at the server.
        renderer: Renders prompts; without one only chats can be asked, and only for ``top_k``.
        config: Fields left out and added.
    """

    def __init__(
        self, post: Post, served: str, renderer: Renderer | None, config: HttpConfig
    ) -> None:
        self._post = post
        self._served = served
        self._renderer = renderer
        self._config = config
        self._way: _Way | None = None
        self._finding = asyncio.Lock()

    async def score(self, request: Request, continuation: str) -> Score:
        """The score, and by which way it was had.

        Raises:
            RecipeError: The server has none of the ways.
            RequestError: It refuses this request, or gives no score for it, and answers others.
            RecordError: The prompt is too long.
        """
        if self._way is None:
            async with self._finding:  # one request finds out for all
                if self._way is None:
                    return await self._find(request, continuation)
        return await self._by(self._way, request, continuation)

    async def _find(self, request: Request, continuation: str) -> Score:
        reasons: dict[str, str] = {}
        for way in _WAYS:
            try:
                score = await self._by(way, request, continuation)
            except _NotOffered as why:
                reasons[way.method] = str(why)
            except (RequestError, RecipeError) as error:  # another way may be taken
                reasons[way.method] = str(error)
            else:
                self._way = way
                return score
        told = "; ".join(f"{method}: {why}" for method, why in reasons.items())
        raise RecipeError(
            f"the server of {self._served} cannot score a continuation ({told}); use "
            "one with prompt_logprobs (vLLM) or echo, or set the identify step's signal to "
            "pass_rate"
        )

    async def _by(self, way: _Way, request: Request, continuation: str) -> Score:
        if way.method == "top_k":
            return await self._of_first_token(way, request, continuation)
        if self._renderer is None:
            raise _NotOffered("prompts cannot be rendered; name the model's tokenizer in "
                              "engine.http.tokenizer")  # fmt: skip
        prompt = await self._renderer.prompt(request, continuation)
        if way.method == "prompt_logprobs":
            body = self._body(prompt, prompt_logprobs=1)
            make = partial(_of_prompt, prompt, continuation)
        else:
            body = self._body(prompt, echo=True, logprobs=1)
            make = partial(_of_echo, continuation)
        return await self._had("/completions", body, make)

    async def _had(self, path: str, body: Body, make: Make) -> Score:
        """The score in an answer; one without it is of no use once the way is known."""

        def checked(value: dict[str, Any]) -> Score:
            try:
                return _checked(make, value)
            except _NotOffered as why:
                if self._way is None:
                    raise
                raise TryError("broken", f"no score: {why}", is_whole=True) from None

        return await self._post(path, body, checked)

    async def _of_first_token(self, way: _Way, request: Request, continuation: str) -> Score:
        if way.by_chat and (request.raw is not None or request.prefix):
            raise _NotOffered("a chat cannot go on from a prefix")
        if way.by_chat:
            body = self._body("", logprobs=True, top_logprobs=way.top_k)
            for name in ("prompt", "add_special_tokens", "skip_special_tokens"):
                body.pop(name, None)
            body["messages"] = list(request.messages or ())
            return await self._had("/chat/completions", body, partial(_of_best, continuation))
        if self._renderer is None:
            raise _NotOffered("prompts cannot be rendered")
        body = self._body(await self._renderer.prompt(request), logprobs=way.top_k)
        return await self._had("/completions", body, partial(_of_best, continuation))

    def _body(self, prompt: Prompt, **more: Any) -> Body:
        body = {
            "model": self._served,
            "prompt": prompt,
            "max_tokens": 1,
            "temperature": 0.0,
            "add_special_tokens": False,
            "skip_special_tokens": False,
            **more,
            **self._config.extra_body,
        }
        return {name: value for name, value in body.items() if name not in self._config.omit}


def _checked(make: Make, value: dict[str, Any]) -> Score:
    """The score that an answer holds.

    Raises:
        _NotOffered: It has another form, or its numbers are no log-probabilities.
    """
    try:
        score = make(value)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration):
        raise _NotOffered("its log-probabilities are of no form that is known") from None
    if not score.logprob <= _ROUNDED:  # NaN is not either
        raise _NotOffered(f"{score.logprob} is no log-probability")
    return score


def _of_prompt(prompt: Prompt, continuation: str, value: dict[str, Any]) -> Score:
    choice = value["choices"][0]
    given = choice.get("prompt_logprobs") or value.get("prompt_logprobs")
    if not isinstance(given, list) or len(given) < 2:
        raise _NotOffered("the answer has no prompt_logprobs")
    # the token that stands in the prompt comes first, then the most probable ones
    last = [next(iter(entry.values())) if entry else {} for entry in given]
    if isinstance(prompt, list) and len(prompt) == len(given):
        last = [(e or {}).get(str(t), {}) for e, t in zip(given, prompt, strict=True)]
    m = _at_end([str(token.get("decoded_token") or "") for token in last], continuation)
    logprobs = [float(token["logprob"]) for token in last[-m:]]
    is_greedy = all(token.get("rank") == 1 for token in last[-m:])
    return Score(sum(logprobs), is_greedy, len(given) - m, "prompt_logprobs")


def _of_echo(continuation: str, value: dict[str, Any]) -> Score:
    told = value["choices"][0].get("logprobs")
    if not isinstance(told, dict) or not told.get("tokens"):
        raise _NotOffered("the answer's logprobs are null")
    usage = value.get("usage") or {}
    sampled = int(usage.get("completion_tokens") or 0)
    tokens = [str(token) for token in told["tokens"]]
    num = len(tokens) - sampled
    counted = int(usage.get("prompt_tokens") or 0)
    if num < 2 or num < counted - 1:  # some leave out the token that begins the text
        raise _NotOffered(f"echo is accepted and ignored: {len(tokens)} tokens came back of a "
                          f"prompt of {counted}")  # fmt: skip
    m = _at_end(tokens[:num], continuation)
    logprobs = [float(x) for x in told["token_logprobs"][num - m : num]]
    best = (told.get("top_logprobs") or [None] * len(tokens))[num - m : num]
    if any(entry is None for entry in best):
        raise _NotOffered("echo comes without top_logprobs")
    is_greedy = all(
        lp >= max(entry.values(), default=lp) for lp, entry in zip(logprobs, best, strict=True)
    )
    return Score(sum(logprobs), is_greedy, num - m, "echo")


def _of_best(continuation: str, value: dict[str, Any]) -> Score:
    counted = int((value.get("usage") or {}).get("prompt_tokens") or 0)
    return _from_best(_first_tokens(value["choices"][0].get("logprobs")), continuation, counted)


def _at_end(tokens: Sequence[str], continuation: str) -> int:
    """How many of the last tokens are the continuation.

    Raises:
        _NotOffered: No number of them: a token holds both its beginning and what stands before.
    """
    text = ""
    for m, token in enumerate(reversed(tokens), start=1):
        text = token + text
        if text.strip() == continuation.strip():
            return m
        if len(text) > len(continuation) + 8:
            break
    raise _NotOffered(f"the prompt does not end in {continuation!r} but in {text[-40:]!r}")


def _first_tokens(told: Any) -> dict[str, float]:
    """The most probable first tokens, in the form of completions or of chats."""
    best: dict[str, float] = {}
    if isinstance(told, dict) and isinstance(told.get("content"), list) and told["content"]:
        entries = told["content"][0].get("top_logprobs") or ()
        best = {str(e.get("token")): float(e["logprob"]) for e in entries if "logprob" in e}
    elif isinstance(told, dict) and told.get("top_logprobs"):
        first = told["top_logprobs"][0]
        best = {str(t): float(lp) for t, lp in first.items()} if isinstance(first, dict) else {}
    if len(best) < 2:  # the sampled token alone says nothing of any other
        raise _NotOffered("the answer has no top_logprobs")
    return best


def _from_best(best: dict[str, float], continuation: str, num_prompt_tokens: int) -> Score:
    """What the best first tokens say of a continuation: its logprob, or between what it lies."""
    top = max(best, key=lambda token: best[token])
    if continuation in best:
        logprob = best[continuation]
        return Score(logprob, top == continuation, num_prompt_tokens, "top_k", logprob, logprob)
    begun = [token for token in best if token and continuation.startswith(token)]
    left = max(0.0, 1.0 - sum(math.exp(lp) for lp in best.values()))
    most = min(left, math.exp(min(best.values())))
    # it may be written in several tokens, of which one that is listed is the first
    most = min(1.0, most + sum(math.exp(best[token]) for token in begun))
    high = math.log(most) if most > 0 else -math.inf
    logprob = high - math.log(2) if most > 0 else -math.inf
    return Score(logprob, False, num_prompt_tokens, "top_k", -math.inf, high)
