r"""From rows to token ids and labels, token for token what the engine will render.

* ``generator``: the prompt is the bare user turn, the response the problem and the end of turn; the
  loss is on the problem and its end alone (released script: template ``qwen_qft``).
* ``student``: the prompt is the user turn in the model's own template, the response the solution
  and the end of turn; the loss is on the response.

Prompt and response are tokenised apart, since that is how the engine meets them: the prompt is
encoded alone and the response grows from it, so no token reaches over the border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scalediff.core.errors import RecipeError
from scalediff.io.templates import check_template

IGNORED = -100
"""Label of a token without a loss."""

_OPEN = "<think>"
_BATCH = 256
"""Rows tokenised at once; the tokenizer spreads them over the cores."""


class Example(NamedTuple):
    """Token ids of prompt and response, and the labels: ``IGNORED`` on the prompt."""

    input_ids: list[int]
    labels: list[int]


@dataclass
class Counts:
    """What became of the rows.

    Attributes:
        rows: Rows to train on.
        over_length: Rows left out because they are longer than the trainer reads.
        tokens: Of the rows to train on, prompts included.
        loss_tokens: Of those, the ones that are learnt.
        longest: Tokens of the longest row that came, left out or not.
    """

    rows: int = 0
    over_length: int = 0
    tokens: int = 0
    loss_tokens: int = 0
    longest: int = 0


def examples(rows: Iterable[Mapping[str, Any]], tokenizer: Any, task: str) -> Iterator[Example]:
    """Tokenise rows, in order.

    Args:
        rows: With ``prompt`` (raw text for the generator, the user turn's content for the student)
            and ``response``.
        tokenizer: The model's.
        task: ``generator`` or ``student``.

    Raises:
        RecipeError: The student's tokenizer has no chat template.
    """
    end = end_of_turn(tokenizer, task)
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        pairs = [_pair(row, tokenizer, task) for row in batch]
        prompts = _encode(tokenizer, [prompt for prompt, _ in pairs])
        responses = _encode(tokenizer, [response for _, response in pairs])
        for prompt, response in zip(prompts, responses, strict=True):
            learnt = [*response, *end]
            yield Example([*prompt, *learnt], [IGNORED] * len(prompt) + learnt)


def write_examples(found: Iterable[Example], max_length: int, path: Path) -> Counts:
    """Write examples to an Arrow file that ``datasets`` maps, so that no set has to fit in memory.

    Over-length examples are left out whole and counted; TRL would cut them without a word.
    """
    import pyarrow as pa

    tokens = pa.list_(pa.int32())
    schema = pa.schema([("input_ids", tokens), ("labels", tokens)])
    counts = Counts()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        fitting = _fitting(found, max_length, counts)
        while batch := list(islice(fitting, _BATCH)):
            columns = [pa.array(column, tokens) for column in zip(*batch, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return counts


def _fitting(found: Iterable[Example], max_length: int, counts: Counts) -> Iterator[Example]:
    for example in found:
        size = len(example.input_ids)
        counts.longest = max(counts.longest, size)
        if size > max_length:
            counts.over_length += 1
            continue
        counts.rows += 1
        counts.tokens += size
        counts.loss_tokens += sum(label != IGNORED for label in example.labels)
        yield example


def end_of_turn(tokenizer: Any, task: str) -> list[int]:
    r"""Token ids that end a response.

    The generator's is ``<|im_end|>`` and a line break where the tokenizer has that token (released
    script: template ``qwen_qft``). The student's is the mark that the model's own template writes
    after an assistant's turn, which in base models is not the tokenizer's ``eos_token``.
    """
    special = _special_ids(tokenizer)
    if task == "generator":
        ids = _encode(tokenizer, ["<|im_end|>\n"])[0]
        return ids if ids[0] in special else [tokenizer.eos_token_id]
    after = _after_turn(tokenizer)
    mark = next((token for token in _encode(tokenizer, [after])[0] if token in special), None)
    return [tokenizer.eos_token_id if mark is None else mark]


def _special_ids(tokenizer: Any) -> set[int]:
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {number for number, token in added.items() if token.special} | set(
        tokenizer.all_special_ids
    )


def _after_turn(tokenizer: Any) -> str:
    """What the template writes behind an assistant's turn."""
    marker = "a response"
    turns = [{"role": "user", "content": "a problem"}, {"role": "assistant", "content": marker}]
    text: str = _template(tokenizer, turns)
    return text.rpartition(marker)[2]


def _pair(row: Mapping[str, Any], tokenizer: Any, task: str) -> tuple[str, str]:
    prompt, response = row["prompt"], row["response"]
    if task == "generator":
        return prompt, response
    turns = [{"role": "user", "content": prompt}]
    rendered = _template(tokenizer, turns, add_generation_prompt=True)
    return open_once(rendered, response)


def open_once(prompt: str, response: str) -> tuple[str, str]:
    r"""Prompt and response with the thought opened once, where the template has opened it already.

    A response without a thought is learnt as it is, and then the prompt opens none.

    Example:
        >>> open_once("…<think>\n", "<think>\nhm\n</think>\n\n4")
        ('…<think>\n', 'hm\n</think>\n\n4')
        >>> open_once("…<think>\n", "4")
        ('…', '4')
        >>> open_once("…", "<think>\nhm\n</think>\n\n4")
        ('…', '<think>\nhm\n</think>\n\n4')
    """
    before, tag, after = prompt.rpartition(_OPEN)
    if not tag or after.strip():
        return prompt, response
    if not response.startswith(_OPEN):
        return before, response
    return prompt, response.removeprefix(_OPEN).removeprefix(after)


def _template(tokenizer: Any, turns: list[dict[str, str]], **options: Any) -> str:
    import jinja2

    if tokenizer.chat_template is None:
        raise RecipeError(
            "the student's tokenizer has no chat template; add chat_template.jinja to the folder "
            "of its model"
        )
    check_template(tokenizer)
    try:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, **options))
    except jinja2.TemplateError as error:
        raise RecipeError(
            f"the chat template of the student's tokenizer refuses a user turn alone ({error}); "
            "mend chat_template.jinja in the folder of its model"
        ) from None


def _encode(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return found
