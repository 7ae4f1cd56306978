r"""Chat templates: rendering a request, and telling reasoning from content; all in one file.

What a template does is read off the rendered prompt and the response, never off a model's name:

* Qwen3 opens nothing when thinking (the response holds ``<think>…</think>``) and appends an empty
  block to the prompt when not.
* DeepSeek-R1-Distill, AdaptThink and Qwen3.5 end the prompt in an open ``<think>``, so the response
  has only ``</think>``.
* Some templates ignore ``enable_thinking``, and some models never think.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.engine import FinishReason, Request
from scalediff.core.errors import RecipeError, RecordError

OPEN, CLOSE = "<think>", "</think>"
"""The tags of a thought in every template this project knows."""


def render(tokenizer: Any, request: Request) -> str:
    """The prompt as text: the raw text, or the messages in the model's own template.

    Raises:
        RecipeError: The tokenizer has no chat template.
        RecordError: The template refuses these messages.
    """
    import jinja2

    if request.raw is not None:
        return request.raw
    if getattr(tokenizer, "chat_template", None) is None:
        name = getattr(tokenizer, "name_or_path", "") or "the model"
        raise RecipeError(
            f"the tokenizer of {name} has no chat template; name a model that has one, or add "
            "chat_template.jinja to its folder"
        )
    options = {} if request.thinking is None else {"enable_thinking": request.thinking}
    try:
        text = tokenizer.apply_chat_template(
            list(request.messages or ()), tokenize=False, add_generation_prompt=True, **options
        )
    except jinja2.TemplateSyntaxError as error:
        name = getattr(tokenizer, "name_or_path", "") or "the model"
        raise RecipeError(
            f"the chat template of {name} is broken ({error}); mend it or fetch the model anew"
        ) from None
    except jinja2.TemplateError as error:
        raise RecordError("attempt_failed", f"the chat template refuses it: {error}") from None
    return str(text)


def encode(tokenizer: Any, request: Request) -> tuple[str, list[int]]:
    """The rendered prompt, and its token ids with the request's prefix; nothing is added.

    Special tokens in the text are read as such; no BOS is added, for a template writes its own.
    """
    prompt = render(tokenizer, request)
    ids = tokenizer(prompt + request.prefix, add_special_tokens=False)["input_ids"]
    return prompt, list(ids)


def opens_think(prompt: str) -> bool:
    r"""Whether a rendered prompt ends inside an open thought.

    Example:
        >>> opens_think("<|Assistant|><think>\n"), opens_think("<think>\n\n</think>\n\n")
        (True, False)
    """
    _, tag, after = prompt.rpartition(OPEN)
    return bool(tag) and not after.strip()


def split(prompt: str, response: str, finish_reason: FinishReason) -> tuple[str | None, str]:
    r"""Reasoning and content of a response (its given prefix included).

    A thought that was never closed is all reasoning: it holds no answer.

    Args:
        prompt: The rendered prompt, which may have opened the thought.
        response: The text after it.
        finish_reason: Why it ended.

    Returns:
        The thought without its tags (None where there was none, empty where it was skipped), and
        the rest.

    Example:
        >>> split("…<think>\n", "2+2=4\n</think>\n\nIt is 4.", "stop")
        ('2+2=4', 'It is 4.')
        >>> split("…<think>\n", "</think>\n\nIt is 4.", "stop")
        ('', 'It is 4.')
        >>> split("…", "<think>\nhm", "length")
        ('hm', '')
        >>> split("…", "It is 4.", "stop")
        (None, 'It is 4.')
    """
    text = response
    opened = opens_think(prompt) and not response.lstrip().startswith(OPEN)
    if opened or (OPEN not in response.partition(CLOSE)[0] and CLOSE in response):
        text = OPEN + response
    before, tag, after = text.partition(OPEN)
    if not tag:
        return None, text.strip()
    reasoning, closed, content = after.partition(CLOSE)
    if not closed and before.strip() and finish_reason == "stop":
        return None, text.strip()  # it speaks of the tag and thinks no thought
    if not closed or (finish_reason != "stop" and content.rfind(OPEN) > content.rfind(CLOSE)):
        return (before + after).replace(OPEN, "").replace(CLOSE, "").strip(), ""
    return reasoning.strip(), (before + content).strip()
