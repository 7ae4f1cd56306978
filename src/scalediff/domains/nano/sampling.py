"""Answers of a nano model to many problems: for labels, scores and checks while making models."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scalediff.domains.nano.pretrain import Model
from scalediff.domains.nano.world import NanoProblem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_BOXED = re.compile(r"\\boxed\{(-?\d+)\}")


def respond(
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    prompts: Sequence[str],
    temperature: float = 0.0,
    max_new_tokens: int = 200,
    batch: int = 128,
) -> list[str]:
    """Complete prompts; greedy at temperature 0, else with torch's global random state.

    Prompts of about equal length share a batch, so that short ones do not wait for long ones.
    """
    import torch

    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    responses = [""] * len(prompts)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        inputs = tokenizer(
            [prompts[i] for i in chosen],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            return_token_type_ids=False,
        )
        with torch.inference_mode():
            output = model.generate(
                **inputs,
                do_sample=temperature > 0,
                temperature=temperature or None,
                top_k=0 if temperature else None,
                max_new_tokens=max_new_tokens,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        texts = tokenizer.batch_decode(
            output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        for i, text in zip(chosen, texts, strict=True):
            responses[i] = text
    return responses


def answer_of(response: str) -> str | None:
    """The boxed answer behind the last ``</think>``, or in the whole where there is none."""
    found = _BOXED.findall(response.rpartition("</think>")[2])
    return found[-1] if found else None


def right(responses: Sequence[str], problems: Sequence[NanoProblem]) -> list[bool]:
    """Whether each response ends in its problem's answer."""
    return [answer_of(r) == p.answer for r, p in zip(responses, problems, strict=True)]


def share_by_level(problems: Sequence[NanoProblem], marks: Sequence[bool]) -> dict[int, float]:
    """The share of true marks at each level that occurs, in percent."""
    at: dict[int, list[bool]] = defaultdict(list)
    for problem, mark in zip(problems, marks, strict=True):
        at[problem.level].append(mark)
    return {level: 100 * sum(marks) / len(marks) for level, marks in sorted(at.items())}
