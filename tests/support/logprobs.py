"""Log-probabilities as servers write them, over the scores of the fake engine.

The last token of a prompt (``</think>`` is one) has the engine's score; every other is as probable
as its hash says. A server gives them in one dialect, and the others' fields are without effect.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

from dialects import BadCall, Call, Vocabulary, tokens_of

from scalediff.core.engine import Request
from scalediff.engines.chat import CLOSE
from scalediff.engines.fake import FakeEngine

SCORES: dict[str, str] = {
    "prompt_logprobs": "vLLM's prompt_logprobs, and logprobs of chats",
    "echo": "OpenAI's older echo with logprobs and max_tokens 0",
    "echo-ignored": "echo is without effect: text and logprobs are of new tokens alone",
    "null": "echo is taken, and logprobs are null",
    "top_k": "only logprobs and top_logprobs of a chat's new tokens",
    "none": "any such field is refused with 400",
}
"""The dialects and what each gives."""

Ranked = list[tuple[str, float]]
"""Tokens and log-probabilities, the most probable first."""

_OTHERS = ("Okay", "First", "Let", "The", "We", "I", "Alright", "So", "To", "Hmm", "Now", "Given")


async def ranked(engine: FakeEngine, text: str, token: str) -> Ranked:
    """What may follow a text, with a token's score as the engine gives it."""
    score = await engine.score(Request(raw=text), token)
    p = math.exp(score.logprob)
    rest = 1.0 - p
    others: list[float] = []
    for _ in _OTHERS:
        # half of what is left each time; where the token is not greedy, the first passes it
        share = 0.5 if not others and not score.is_greedy else rest / 2
        others.append(share)
        rest -= share
    found = [(token, score.logprob)]
    found += [(t, math.log(max(q, 1e-12))) for t, q in zip(_OTHERS, others, strict=True)]
    return sorted(found, key=lambda one: -one[1])


async def of_prompt(engine: FakeEngine, text: str) -> list[tuple[str, Ranked | None]]:
    """Each token of a prompt with what might have stood there; None for the first."""
    tokens = tokens_of(text)
    found: list[tuple[str, Ranked | None]] = [(t, [(t, _logprob(t))]) for t in tokens]
    if len(tokens) > 1:
        before = text.removesuffix(tokens[-1])
        found[-1] = (tokens[-1], await ranked(engine, before, tokens[-1]))
    return [(t, None if i == 0 else r) for i, (t, r) in enumerate(found)]


def of_new(tokens: list[str]) -> list[tuple[str, Ranked | None]]:
    """New tokens, each the most probable one."""
    return [(t, [(t, _logprob(t))]) for t in tokens]


def _logprob(token: str) -> float:
    return math.log(0.5 + zlib.crc32(token.encode("utf-8", "surrogatepass")) / 2**33)


def asks(call: Call, name: str) -> bool:
    """Whether a call asks for a field; 0 does, for it is a number of rivals."""
    value = call.body.get(name)
    return value is not None and value is not False


def check(call: Call, style: str) -> None:
    """Refuse what a server of this dialect refuses.

    Raises:
        BadCall: It does.
    """
    asked = [name for name in ("prompt_logprobs", "echo", "logprobs") if asks(call, name)]
    if style == "none" and asked:
        raise BadCall(f"{asked[0]} is not supported by this server")
    if style == "prompt_logprobs" and "prompt_logprobs" in asked and call.stream:
        raise BadCall("`prompt_logprobs` are not available when `stream=True`.")
    if call.max_tokens == 0 and "echo" not in asked:
        raise BadCall("max_tokens must be at least 1, got 0.")


def vllm(found: list[tuple[str, Ranked | None]], k: int, words: Vocabulary) -> list[Any]:
    """The list ``prompt_logprobs``: null, then a mapping of token ids for each token."""
    return [None if r is None else _vllm_one(token, r, k, words) for token, r in found]


def _vllm_one(token: str, found: Ranked, k: int, words: Vocabulary) -> dict[str, Any]:
    return {
        str(words.id(t)): {"logprob": logprob, "rank": rank, "decoded_token": t}
        for rank, (t, logprob) in enumerate(found, 1)
        if rank <= k or t == token
    }


def legacy(found: list[tuple[str, Ranked | None]], k: int) -> dict[str, list[Any]]:
    """The object ``logprobs`` of ``/v1/completions``."""
    offsets, at = [], 0
    for token, _ in found:
        offsets.append(at)
        at += len(token)
    return {
        "tokens": [token for token, _ in found],
        "token_logprobs": [None if r is None else dict(r)[t] for t, r in found],
        "top_logprobs": [
            None if r is None else {t: p for i, (t, p) in enumerate(r) if i < k or t == token}
            for token, r in found
        ],
        "text_offset": offsets,
    }


async def of_chat(engine: FakeEngine, prompt: str, tokens: list[str], k: int) -> dict[str, Any]:
    """The object ``logprobs`` of a chat: the first token has its rivals, ``</think>`` if it is."""
    first = (await ranked(engine, prompt, CLOSE))[:k]
    found = [(t, r or []) for t, r in of_new(tokens)]
    content = []
    for i, (token, own) in enumerate(found):
        best = first if i == 0 else own[:k]
        entry = _entry(token, dict(own)[token])
        content.append({**entry, "top_logprobs": [_entry(t, p) for t, p in best]})
    return {"content": content}


def _entry(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}
