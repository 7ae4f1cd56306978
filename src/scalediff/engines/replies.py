"""What comes back from an OpenAI-compatible server, read for what it is.

Servers put the thought in several places: ``reasoning_content`` (vLLM, SGLang, llama.cpp),
``reasoning`` (newer vLLM, OpenRouter), or inline between tags of which the template may have
written the first. Wherever it stands, it becomes the attempt's reasoning; a response that was cut
off within it has no content.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scalediff.core.engine import Completion, FinishReason, Request
from scalediff.core.errors import RecordError
from scalediff.engines import chat
from scalediff.engines.endpoint import TryError

_STOPPED = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn", "tool_calls"})
_CUT = frozenset({"length", "max_tokens", "model_length"})


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
    """

    content: str | None = None
    reasoning: str | None = None
    reason: str | None = None
    num_tokens: int | None = None
    num_prompt_tokens: int | None = None
    logprobs: list[float] = field(default_factory=list)

    def count(self, usage: Any) -> None:
        """Take the counts of a ``usage`` object."""
        if isinstance(usage, dict):
            sampled, prompt = usage.get("completion_tokens"), usage.get("prompt_tokens")
            self.num_tokens = sampled if isinstance(sampled, int) else self.num_tokens
            self.num_prompt_tokens = prompt if isinstance(prompt, int) else self.num_prompt_tokens


def read_reply(value: dict[str, Any]) -> Reply:
    """The reply in the body of an answer that was not streamed.

    Raises:
        TryError: There is no choice in it, or a choice without a message or text.
    """
    choices = value.get("choices")
    reply = Reply()
    reply.count(value.get("usage"))
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise TryError("broken", "the answer has no choice", num_tokens=reply.num_tokens or 0)
    choice = choices[0]
    reply.reason = choice.get("finish_reason")
    reply.logprobs = read_logprobs(choice.get("logprobs"))
    message = choice.get("message")
    if isinstance(message, dict):
        add_message(reply, message)
    elif isinstance(choice.get("text"), str):
        reply.content = choice["text"]
    if reply.content is None and reply.reasoning is None:
        raise TryError("broken", "the choice has no content", num_tokens=reply.num_tokens or 0)
    return reply


def add_message(reply: Reply, message: dict[str, Any]) -> None:
    """Add a message (or a delta of one) to a reply."""
    content = message.get("content")
    if isinstance(content, list):  # parts: {"type": "text", "text": …}
        content = "".join(str(p.get("text") or "") for p in content if isinstance(p, dict))
    if isinstance(content, str):
        reply.content = (reply.content or "") + content
    reasoning = message.get("reasoning_content")
    if reasoning is None:
        reasoning = message.get("reasoning")
    if isinstance(reasoning, str):
        reply.reasoning = (reply.reasoning or "") + reasoning


def read_logprobs(value: Any) -> list[float]:
    """The log-probabilities of sampled tokens, in the form of chats or of completions."""
    if not isinstance(value, dict):
        return []
    if isinstance(value.get("content"), list):
        return [float(entry["logprob"]) for entry in value["content"] if "logprob" in entry]
    given = value.get("token_logprobs")
    return [float(x) for x in given if x is not None] if isinstance(given, list) else []


def finish_reason(reply: Reply, cap: int) -> FinishReason:
    """Why a response ended, in our words.

    Raises:
        TryError: It did not end: a stream that broke off, or a server that gave up.
        RecordError: A filter of the server withheld it.
    """
    reason = reply.reason
    if reason == "content_filter":
        raise RecordError("attempt_failed", "the server's content filter withheld the response")
    if reason in _CUT:
        return "length"
    if reason in _STOPPED:
        return "stop"
    if reason is None and reply.num_tokens is not None and reply.num_tokens >= cap:
        return "length"
    if reason is None or reason in ("abort", "error", "cancelled", "load", "insufficient_system"):
        told = "no finish reason" if reason is None else f"finish reason {reason!r}"
        raise TryError("broken", f"the answer is not whole ({told})",
                       num_tokens=reply.num_tokens or 0)  # fmt: skip
    return "stop"


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
    num_tokens = reply.num_tokens
    if num_tokens is None:  # a rough count is better than none, which would say that it was free
        num_tokens = len(reply.logprobs) or _guess(reply.content) + _guess(reply.reasoning)
    return Completion(
        reasoning=reasoning,
        content=content,
        finish_reason=reason,
        num_tokens=num_tokens,
        num_prompt_tokens=reply.num_prompt_tokens or 0,
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
        return thought.strip(), content.strip()
    prompt = chat.OPEN if opens_think and request.thinking is not False else ""
    text = request.prefix + content
    reasoning, answer = chat.split(prompt, text, reason)
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


def _guess(text: str | None) -> int:
    """Tokens of a text at four characters each."""
    return -(-len(text or "") // 4)
