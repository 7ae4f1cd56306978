"""The OpenAI API as servers speak it: calls read into requests, completions written as answers."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass
from typing import Any

from scalediff.core.engine import Completion, EngineInfo, Message, Request, Sampling
from scalediff.engines.chat import CLOSE, OPEN, split

REASONING = ("field", "reasoning", "inline", "opened")
"""Where servers put the thought: ``reasoning_content``, ``reasoning``, in the content with its
tags, in the content without the opening tag (the template wrote it)."""

_WORD = re.compile(r"\s*\S+\s*")
_FIELDS = {"field": "reasoning_content", "reasoning": "reasoning"}
_IDS = {OPEN: 151648, CLOSE: 151649}


class BadCall(Exception):
    """The call is refused; ``answer`` is what OpenAI's API says in such a case."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.answer = error(message, status, code)


def error(message: str, status: int, code: str | None = None) -> dict[str, Any]:
    """An error object of OpenAI's API."""
    kinds = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def tokens_of(text: str) -> list[str]:
    """A text in tokens, which are words; a ``</think>`` at its end is one of its own."""
    if text.endswith(CLOSE):
        return [*_WORD.findall(text.removesuffix(CLOSE)), CLOSE]
    return _WORD.findall(text)


class Vocabulary:
    """Ids of words: hashes, so that a restarted server gives the same; read back while it lives."""

    def __init__(self) -> None:
        self._words: dict[int, str] = {number: tag for tag, number in _IDS.items()}

    def ids(self, tokens: list[str]) -> list[int]:
        """The id of each token, from now on known."""
        return [self.id(token) for token in tokens]

    def id(self, token: str) -> int:
        """The id of one token: a number that JSON holds exactly."""
        hashed = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=6).digest()
        number = _IDS.get(token) or int.from_bytes(hashed, "big")
        self._words[number] = token
        return number

    def text(self, ids: list[int]) -> str:
        """The text of ids that this server has given out.

        Raises:
            BadCall: An id is not known here.
        """
        try:
            return "".join(self._words[number] for number in ids)
        except (KeyError, TypeError):
            raise BadCall(
                "token ids are only taken when this server's /tokenize gave them"
            ) from None


@dataclass(frozen=True)
class Call:
    """A call as read.

    Attributes:
        request: What is asked of the model.
        body: The JSON object as it came.
        chat: Whether it came to ``/v1/chat/completions``.
        max_tokens: The cap as written; None where none was.
    """

    request: Request
    body: dict[str, Any]
    chat: bool
    max_tokens: int | None

    @property
    def stream(self) -> bool:
        """Whether the answer is streamed."""
        return bool(self.body.get("stream"))

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))


def read_call(body: dict[str, Any], chat: bool, info: EngineInfo, words: Vocabulary) -> Call:
    """The request that a call asks for.

    Raises:
        BadCall: A field is missing, of another type or out of range.
    """
    if body.get("n", 1) != 1 or body.get("best_of", 1) != 1:
        raise BadCall("n has to be 1")
    cap = body.get("max_completion_tokens", body.get("max_tokens"))
    if cap is not None and (not isinstance(cap, int) or cap < 0):
        raise BadCall(f"max_tokens must be at least 1, got {cap}.")
    seed = body.get("seed")
    common: dict[str, Any] = {
        "sampling": _sampling(body, info.window if cap is None else max(cap, 1)),
        # as on a real server, what is asked without a seed comes out otherwise each time
        "seed": random.getrandbits(53) if seed is None else int(seed),
    }
    if chat:
        messages, prefix = _messages(body, info)
        thinking = (body.get("chat_template_kwargs") or {}).get("enable_thinking")
        request = Request(messages=messages, prefix=prefix, thinking=thinking, **common)
    else:
        prompt = body.get("prompt")
        if isinstance(prompt, list):
            prompt = words.text(prompt)
        if not isinstance(prompt, str):
            raise BadCall("prompt has to be a string")
        request = Request(raw=prompt, **common)
    return Call(request, body, chat, cap)


def _sampling(body: dict[str, Any], cap: int) -> Sampling:
    stop = body.get("stop") or ()
    try:
        return Sampling(
            temperature=float(body.get("temperature", 1.0)),
            top_p=float(body.get("top_p", 1.0)),
            top_k=max(0, int(body.get("top_k", 0))),  # -1 keeps everything, as 0 does
            min_p=float(body.get("min_p", 0.0)),
            max_new_tokens=cap,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
        )
    except (TypeError, ValueError) as bad:
        raise BadCall(f"a sampling field is no number: {bad}") from None


def _messages(body: dict[str, Any], info: EngineInfo) -> tuple[tuple[Message, ...], str]:
    """The messages, and the last one's text where it is to be continued."""
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise BadCall("messages has to be a list of messages")
    try:
        messages = [{"role": m["role"], "content": _content(m["content"])} for m in given]
    except (KeyError, TypeError):
        raise BadCall("a message has to have a role and a content") from None
    if not body.get("continue_final_message"):
        return tuple(messages), ""
    if body.get("add_generation_prompt", True):
        raise BadCall("Cannot set both `continue_final_message` and `add_generation_prompt`.")
    if messages[-1]["role"] != "assistant":
        raise BadCall("continue_final_message needs a last message of the assistant")
    prefix = messages.pop()["content"]
    if info.opens_think and prefix.startswith(OPEN):
        # the fake's template opens the thought itself; a client that knows writes the tag anew
        prefix = prefix.removeprefix(OPEN).removeprefix("\n")
    return tuple(messages), prefix


def _content(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise TypeError
    return content


def message_pieces(
    style: str, info: EngineInfo, request: Request, completion: Completion
) -> list[tuple[str, str]]:
    """A chat answer as (field, text), in the order in which a stream brings them."""
    new = (completion.text or "")[len(request.prefix) :]
    if style == "inline":
        opened = info.opens_think and not request.prefix and not new.startswith(OPEN)
        return [("content", f"{OPEN}{new}" if opened else new)]
    if style == "opened":
        return [("content", new.removeprefix(OPEN))]
    if CLOSE in request.prefix:
        return [("content", new)]
    opened = info.opens_think or OPEN in request.prefix
    reasoning, content = split(OPEN if opened else "", new, completion.finish_reason)
    pieces = [] if reasoning is None else [(_FIELDS[style], reasoning)]
    return [*pieces, ("content", content)] if content or not pieces else pieces


def usage_of(completion: Completion) -> dict[str, int]:
    """The usage object."""
    prompt, new = completion.num_prompt_tokens, completion.num_tokens
    return {"prompt_tokens": prompt, "completion_tokens": new, "total_tokens": prompt + new}
