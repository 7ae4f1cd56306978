r"""From rows to token ids and labels, token for token what the engine will render.

* ``generator``: the prompt is the bare user turn, the response the problem and the end of turn; the
  loss is on the problem alone (released script: template ``qwen_qft``).
* ``student``: the prompt is the user turn in the model's own template, the response the solution;
  the loss is on the response.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scalediff.core.errors import RecipeError

IGNORED = -100
"""Label of a token without a loss."""

Example = dict[str, list[int]]


def make_examples(
    rows: Iterable[Mapping[str, Any]], tokenizer: Any, task: str, max_length: int
) -> tuple[list[Example], int]:
    """Examples with ``input_ids`` and ``labels``, and how many rows were over ``max_length``.

    Over-length rows are left out and counted; TRL would cut them without a word.

    Args:
        rows: With ``prompt`` (the raw text, or the user turn's content) and ``response``.
        tokenizer: The model's.
        task: ``generator`` or ``student``.
        max_length: In tokens, prompt and response together.
    """
    end = tokenizer.eos_token_id
    made: list[Example] = []
    over = 0
    for row in rows:
        prompt = row["prompt"] if task == "generator" else _rendered(tokenizer, row["prompt"])
        first = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        second = [*tokenizer(row["response"], add_special_tokens=False)["input_ids"], end]
        if len(first) + len(second) > max_length:
            over += 1
            continue
        made.append({"input_ids": first + second, "labels": [IGNORED] * len(first) + second})
    return made, over


def _rendered(tokenizer: Any, content: str) -> str:
    """The user turn as the engine renders it; a thought that the template opens is taken back.

    The solution brings its own ``<think>``, so a template that opens one would open it twice.
    """
    if tokenizer.chat_template is None:
        raise RecipeError(
            "the student's tokenizer has no chat template; add chat_template.jinja to its folder"
        )
    turn = [{"role": "user", "content": content}]
    text: str = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    stripped = text.rstrip()
    return stripped.removesuffix("<think>") if stripped.endswith("<think>") else text
