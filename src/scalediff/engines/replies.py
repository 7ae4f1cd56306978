"""What comes back from an OpenAI-compatible server, read for what it is.

Servers put the thought in fields, in parts of the content (``text/messages.py``), or inline between
tags of which the template may have written the first (``text/thoughts.py``). Wherever it stands, it
becomes the attempt's reasoning; a response that was cut off within it has no content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scalediff.core.engine import Completion, FinishReason, Request
from scalediff.core.errors import RecipeError, RecordError
from scalediff.core.secrets import mask, mask_keys
from scalediff.engines import chat
from scalediff.engines.bodies import Bounds, count_of
from scalediff.engines.trying import TryError
from scalediff.text import thoughts
from scalediff.text.marks import ending
from scalediff.text.messages import apart, parts_of

LEAST_LOGPROB = -1e300
"""Stands for minus infinity, which JSON lacks."""


@dataclass
class Reply:
    """One choice as the server gave it, whole or gathered from a stream.

    Attributes:
        content: The text outside of fields for the thought.
        reasoning: The text in such a field; None where there was none.
        reason: The finish reason as the server says it.
        num_tokens: Sampled tokens; None where the server does not count them.
        num_prompt_tokens: Tokens of the prompt; None where it does not.
        logprobs: Of each sampled token.
        bounds: What counts may be.
        is_estimated: Whether its tokens are an estimate, since the server counts none that can be.
    """

    content: str | None = None
    reasoning: str | None = None
    reason: Any = None
    num_tokens: int | None = None
    num_prompt_tokens: int | None = None
    logprobs: list[float] = field(default_factory=list)
    bounds: Bounds = field(default_factory=Bounds)
    is_estimated: bool = False

    def count(self, usage: Any) -> None:
        """Take the counts of a ``usage`` object, as far as they can be."""
        if isinstance(usage, dict):
            sampled = count_of(usage.get("completion_tokens"), self.bounds.tokens)
            prompt = count_of(usage.get("prompt_tokens"), self.bounds.prompt)
            self.num_tokens = self.num_tokens if sampled is None else sampled
            self.num_prompt_tokens = self.num_prompt_tokens if prompt is None else prompt

    def tokens(self) -> int:
        """Sampled tokens; a rough count where the server's cannot be.

        None at all would say that it was free, and a count too small evades a budget.
        """
        length = len(self.content or "") + len(self.reasoning or "")
        if self.num_tokens is not None and length <= _LONGEST_TOKEN * self.num_tokens:
            return self.num_tokens
        self.is_estimated = True
        return min(max(len(self.logprobs), -(-length // _CHARACTERS)), self.bounds.tokens)

    def prompt_tokens(self, num_characters: int) -> int:
        """Tokens of a prompt of so many characters; estimated where the count cannot be."""
        if self.num_prompt_tokens is not None and num_characters <= (
            _LONGEST_TOKEN * self.num_prompt_tokens
        ):
            return self.num_prompt_tokens
        self.is_estimated = True
        return -(-num_characters // _CHARACTERS)


_CHARACTERS = 4
"""Of a token, about."""
_LONGEST_TOKEN = 128
"""Characters of a token, at most: some are long runs of blanks."""


def read_reply(value: dict[str, Any], bounds: Bounds | None = None) -> Reply:
    """The reply in the body of an answer that was not streamed.

    Raises:
        TryError: There is no choice in it, or a choice without a message or text.
    """
    choices = value.get("choices")
    reply = Reply(bounds=bounds or Bounds())
    reply.count(value.get("usage"))
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _useless(reply, "the answer has no choice")
    choice = choices[0]
    reply.reason = choice.get("finish_reason")
    reply.logprobs = read_logprobs(choice.get("logprobs"))
    message = choice.get("message")
    if isinstance(message, dict):
        reply.reasoning, reply.content = parts_of(message)
        refused = message.get("refusal")
        if reply.content is None and reply.reasoning is None and isinstance(refused, str):
            raise _useless(reply, f"the model refuses: {mask(refused)[:120]}")
    elif isinstance(choice.get("text"), str):
        reply.content = choice["text"]
    if reply.content is None and reply.reasoning is None:
        raise _useless(reply, "the choice has no content")
    return without_keys(reply)


def without_keys(reply: Reply) -> Reply:
    """The reply without an API key that the server repeats."""
    reply.content = mask_keys(reply.content) if reply.content else reply.content
    reply.reasoning = mask_keys(reply.reasoning) if reply.reasoning else reply.reasoning
    return reply


def _useless(reply: Reply, why: str) -> TryError:
    return TryError("broken", why, num_tokens=reply.num_tokens or 0, is_whole=True)


def read_logprobs(value: Any) -> list[float]:
    """The log-probabilities of sampled tokens, in the form of chats or of completions.

    None at all where one is no log-probability: they stand for tokens by their places.
    """
    if not isinstance(value, dict):
        return []
    given = value.get("token_logprobs")
    if isinstance(value.get("content"), list):
        given = [e.get("logprob") if isinstance(e, dict) else "" for e in value["content"]]
    if not isinstance(given, list):
        return []
    numbers = [x for x in given if x is not None]
    if any(isinstance(x, bool) or not isinstance(x, int | float) or x != x for x in numbers):
        return []
    return [max(float(x), LEAST_LOGPROB) for x in numbers]


def finish_reason(
    reply: Reply, cap: int, more: Mapping[str, str] | None = None, model: str = "the server"
) -> FinishReason:
    """Why a response ended, in our words.

    Args:
        reply: What came.
        cap: Its token cap.
        more: Names besides those of ``text/marks.py``, and what they mean.
        model: Who answered, for messages.

    Raises:
        TryError: It did not end: a stream that broke off, or a server that gave up.
        RecordError: A filter of the server withheld it.
        RecipeError: Nobody knows what the reason means: to take it for an end would make answers
            of what may have been cut.
    """
    reason = reply.reason
    if reason in (None, ""):
        if reply.num_tokens is not None and reply.num_tokens >= cap:
            return "length"
        raise _useless(reply, "the answer is not whole (no finish reason)")
    meaning, said = ending(reason, more), repr(reason)[:80]
    if meaning == "refused":
        raise RecordError(
            "attempt_failed", f"the server's content filter withheld the response ({said})"
        )
    if meaning == "broken":
        raise _not_whole(reply, f"finish reason {said}")
    if meaning == "unknown":
        raise RecipeError(
            f"{model} ends a response with the finish reason {said}, which is not known; say "
            "what it means (stop, length, refused or broken) under thoughts.finish_reasons of the "
            "recipe"
        )
    return "stop" if meaning == "stop" else "length"


def _not_whole(reply: Reply, why: str) -> TryError:
    return TryError("broken", f"the answer is not whole ({why})", num_tokens=reply.num_tokens or 0)


def completion_of(
    request: Request, reply: Reply, reason: FinishReason, opens_think: bool | None
) -> Completion:
    """The completion that a reply amounts to.

    Args:
        request: What was asked.
        reply: What came.
        reason: Why it ended.
        opens_think: Whether the model's template opens the thought; None where nobody knows.
    """
    reasoning, content = _parts(request, reply, reason, opens_think)
    num_characters = sum(len(m["content"]) for m in request.messages or ())
    num_characters += len(request.raw or "") + len(request.prefix)
    return Completion(
        reasoning=reasoning,
        content=content,
        finish_reason=reason,
        num_tokens=reply.tokens(),
        num_prompt_tokens=reply.prompt_tokens(num_characters),
        text=written(request, reply, opens_think),
        logprobs=tuple(reply.logprobs) if request.logprobs else None,
    )


def _parts(
    request: Request, reply: Reply, reason: FinishReason, opens_think: bool | None
) -> tuple[str | None, str]:
    """Reasoning and content, wherever the server put them."""
    content = reply.content or ""
    if request.raw is not None and not opens_think:
        return None, request.prefix + content
    thought = reply.reasoning
    if thought is not None and thought.strip():
        if reason != "stop" and content.strip() in thought:
            content = ""  # some servers repeat an unfinished thought as content
        return apart(thought, content, reason, request.tags)
    text = request.prefix + content
    opened = bool(opens_think) and request.thinking is not False
    reasoning, answer = thoughts.split(text, reason, request.tags, opened=opened)
    asked = request.thinking or opens_think
    if reason == "length" and reasoning is None and asked and opens_think is not False:
        return text.strip(), ""  # a parser that saw no end of the thought gave it as content
    return reasoning if reasoning is not None else (thought and thought.strip()), answer


def written(request: Request, reply: Reply, opens_think: bool | None) -> str | None:
    """The response as the model wrote it, for another request to go on from; None if unknown."""
    content = reply.content or ""
    if reply.reasoning is None:
        return request.prefix + content
    if opens_think is None:
        return None
    closed = f"\n{chat.CLOSE}\n\n{content}" if content else ""
    start = "" if opens_think or request.prefix else f"{chat.OPEN}\n"
    return f"{request.prefix}{start}{reply.reasoning}{closed}"
