r"""Chat templates: rendering a request, and telling reasoning from content; all in one file.

What a template does is read off the rendered prompt and the response, never off a model's name:

* Qwen3 opens nothing when thinking (the response holds ``<think>…</think>``) and appends an empty
  block to the prompt when not.
* DeepSeek-R1-Distill, AdaptThink and Qwen3.5 end the prompt in an open ``<think>``, so the response
  has only ``</think>``. Which tags there are is said in ``text/marks.py``.
* Some templates ignore ``enable_thinking``, and some models never think.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.engine import FinishReason, Request
from scalediff.core.errors import RecipeError, RecordError
from scalediff.io.templates import check_template
from scalediff.text import thoughts

OPEN, CLOSE = "<think>", "</think>"
"""The tags in which a thought that came apart is written again, to go on from."""


def render(tokenizer: Any, request: Request) -> str:
    """The prompt as text: the raw text, or the messages in the model's own template.

    Raises:
        RecipeError: The tokenizer has no chat template, or one that loops.
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
    check_template(tokenizer)
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
    except (OverflowError, RecursionError, MemoryError) as error:
        kind = type(error).__name__
        raise RecordError("attempt_failed", f"the chat template fails on it: {kind}") from None
    return str(text)


def encode(tokenizer: Any, request: Request) -> tuple[str, list[int]]:
    """The rendered prompt, and its token ids with the request's prefix; nothing is added.

    Special tokens in the text are read as such; no BOS is added, for a template writes its own.
    """
    prompt = render(tokenizer, request)
    ids = tokenizer(prompt + request.prefix, add_special_tokens=False)["input_ids"]
    return prompt, list(ids)


def opens_think(prompt: str, tags: thoughts.Extra = ()) -> bool:
    r"""Whether a rendered prompt ends inside an open thought.

    Example:
        >>> opens_think("<|Assistant|><think>\n"), opens_think("<think>\n\n</think>\n\n")
        (True, False)
    """
    return bool(thoughts.opening(prompt, tags))


def split(
    prompt: str, response: str, finish_reason: FinishReason, tags: thoughts.Extra = ()
) -> tuple[str | None, str]:
    r"""Reasoning and content of a response (its given prefix included); see ``text/thoughts.py``.

    Args:
        prompt: The rendered prompt, which may have opened the thought.
        response: The text after it.
        finish_reason: Why it ended.
        tags: More tags than those of the table.

    Example:
        >>> split("…<think>\n", "2+2=4\n</think>\n\nIt is 4.", "stop")
        ('2+2=4', 'It is 4.')
        >>> split("…", "[THINK]hm", "length")
        ('hm', '')
    """
    opened = opens_think(prompt, tags)
    return thoughts.split(response, finish_reason, tags, opened=opened)
