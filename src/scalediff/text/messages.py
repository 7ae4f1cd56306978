r"""What a message of a chat holds, wherever its writer put the thought.

Servers and files use the same fields: ``reasoning_content`` (vLLM, SGLang, llama.cpp, DeepSeek),
``reasoning`` (newer vLLM, OpenRouter), ``thinking`` (Ollama), ``reasoning_details`` (OpenRouter);
or the content is a list of parts, some of them thought. Where several say it, the first that says
anything counts, so that nothing is doubled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scalediff.text.thoughts import Extra, cleaned, split

FIELDS = ("reasoning_content", "reasoning", "thinking", "thinking_content", "reasoning_text",
          "think_content", "reasoning_details")  # fmt: skip
"""Fields of a thought, in the order in which they count."""

_CONTENT_PARTS = (None, "text", "output_text", "input_text", "text_delta", "message")
"""Types of parts that are content; one of any other type is thought, or nothing."""
_TEXTS = ("text", "thinking", "reasoning", "thought", "summary", "content", "value",
          "reasoning_text", "reasoningText")  # fmt: skip


def parts_of(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Thought and content of a message, or of a piece of one in a stream, as they stand.

    Each is None where the message has none; what is encrypted or redacted is none.

    Example:
        >>> parts_of({"content": [{"type": "thinking", "thinking": "Hm."}, {"text": "4"}]})
        ('Hm.', '4')
        >>> parts_of({"reasoning_content": "", "reasoning": "Hm.", "content": "4"})
        ('Hm.', '4')
    """
    content = message.get("content")
    if (held := message_in(content)) is not None:
        return parts_of({**message, **held})
    inline: list[str] = []
    if isinstance(content, list):
        said = [(_is_thought(part), _text(part)) for part in content]
        inline = [text for thought, text in said if thought and text is not None]
        texts = [text for thought, text in said if not thought and text is not None]
        content = "".join(texts) if texts or not inline else None
    found = [text for name in FIELDS if (text := _text(message.get(name))) is not None]
    found += ["".join(inline)] if inline else []
    reasoning = next((t for t in found if t.strip()), next((t for t in found if t), None))
    if reasoning is None and found:
        reasoning = ""
    return reasoning, content if isinstance(content, str) else None


def message_in(content: Any) -> dict[str, Any] | None:
    """The message that a text holds as JSON; None where it is another text."""
    if not isinstance(content, str) or content[:64].lstrip()[:1] != "{":
        return None
    try:
        held = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    is_message = "content" in held and any(name in held for name in FIELDS)
    return held if is_message and held["content"] != content else None


def as_text(message: Mapping[str, Any]) -> str | None:
    r"""A message as one text, a thought from outside of the content between tags.

    Example:
        >>> as_text({"reasoning_content": "Hm.", "content": "4"})
        '<think>\nHm.\n</think>\n\n4'
    """
    reasoning, content = parts_of(message)
    if reasoning is None or not reasoning.strip():
        return content
    return with_thought(*apart(reasoning, content or ""))


def apart(
    thought: str, content: str, finish_reason: object = None, extra: Extra = ()
) -> tuple[str, str]:
    """Reasoning and content where a thought came by itself, though the content may hold it too."""
    inline, content = split(content, finish_reason, extra)
    thought = cleaned(thought, extra).strip()
    # a parser may have taken a part of it and left the rest
    return f"{thought}\n\n{inline}" if inline and inline not in thought else thought, content


def with_thought(reasoning: str, content: str) -> str:
    """A response as one text, its thought between the usual tags."""
    return f"<think>\n{cleaned(reasoning).strip()}\n</think>\n\n{content}"


def _is_thought(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    kind = part.get("type")
    if kind is None:
        return part.get("thought") is True or ("text" not in part and _text(part) is not None)
    return kind not in _CONTENT_PARTS or part.get("thought") is True


def _text(value: Any, depth: int = 0) -> str | None:
    """The text in a part, in a list of parts or in what they hold; None where there is none."""
    if isinstance(value, str) or depth > 5:
        return value if isinstance(value, str) else None
    if isinstance(value, list):
        texts = [text for one in value if (text := _text(one, depth + 1)) is not None]
        return "".join(texts) if texts else None
    if isinstance(value, Mapping):
        found = (_text(value.get(name), depth + 1) for name in _TEXTS)
        return next((text for text in found if text is not None), None)
    return None
