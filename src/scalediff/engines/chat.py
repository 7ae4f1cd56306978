r"""Chat templates: rendering a request, and telling reasoning from content. All templates, one file.

What a template does is read off the rendered prompt, never off a model's name:

* Qwen3 opens nothing when thinking (the response holds ``<think>…</think>``) and appends an empty
  block to the prompt when not.
* DeepSeek-R1-Distill, AdaptThink and Qwen3.5 end the prompt in an open ``<think>``, so the response
  has only ``</think>``.
* Some templates ignore ``enable_thinking``, and some models never think.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.engine import FinishReason, Request
from scalediff.core.errors import RecordError

OPEN, CLOSE = "<think>", "</think>"


def render(tokenizer: Any, request: Request) -> str:
    """The prompt as text: the raw text, or the messages in the model's own template.

    Raises:
        RecordError: The tokenizer has no chat template.
    """
    if request.raw is not None:
        return request.raw
    if getattr(tokenizer, "chat_template", None) is None:
        raise RecordError("attempt_failed", "the model's tokenizer has no chat template")
    options = {} if request.thinking is None else {"enable_thinking": request.thinking}
    text = tokenizer.apply_chat_template(
        list(request.messages or ()), tokenize=False, add_generation_prompt=True, **options
    )
    return str(text)


def encode(tokenizer: Any, request: Request) -> tuple[str, list[int]]:
    """The rendered prompt and its token ids, the request's prefix included; nothing is added."""
    prompt = render(tokenizer, request)
    ids = tokenizer(prompt + request.prefix, add_special_tokens=False)["input_ids"]
    return prompt, list(ids)


def opens_think(prompt: str) -> bool:
    """Whether a rendered prompt ends inside an open thought."""
    return prompt.rfind(OPEN) > prompt.rfind(CLOSE) and not prompt[
        prompt.rfind(OPEN) + len(OPEN) :
    ].strip()


def split(prompt: str, response: str, finish_reason: FinishReason) -> tuple[str | None, str]:
    r"""Reasoning and content of a response (its given prefix included).

    Args:
        prompt: The rendered prompt, which may have opened the thought.
        response: The text after it.
        finish_reason: Why it ended.

    Returns:
        The thought without its tags (None where there was none, empty where it was skipped), and
        the rest. A thought that was never closed is all reasoning: it holds no answer.

    Example:
        >>> split("…<think>\n", "2+2=4\n</think>\n\nIt is 4.", "stop")
        ('2+2=4', 'It is 4.')
        >>> split("…", "<think>\nhm", "length")
        ('hm', '')
        >>> split("…", "It is 4.", "stop")
        (None, 'It is 4.')
    """
    body = response
    if not opens_think(prompt):
        before, tag, after = response.partition(OPEN)
        if tag and not before.strip():
            body = after
        elif CLOSE not in response:
            return None, response.strip()
    reasoning, tag, content = body.partition(CLOSE)
    if not tag:
        return body.strip(), ""
    return reasoning.strip(), content.strip()
