"""The model cards of the nano models: how each was made and what it scores, as measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scalediff.domains.nano import identify
from scalediff.domains.nano.bases import AT_ONCE_PREFIX
from scalediff.domains.nano.chat import user_turn
from scalediff.domains.nano.oracle import read
from scalediff.domains.nano.pretrain import Model
from scalediff.domains.nano.sampling import respond, right, share_by_level
from scalediff.domains.nano.world import DIFFICULT_FROM, LEVELS, SOURCE_LEVEL_WEIGHTS, make_problems

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SEED = 90
"""Seed of the problems that cards score; apart from every seed of training and labels."""

_HEAD = """---
license: apache-2.0
library_name: transformers
tags: [laboratory, synthetic]
---

# nano:{name}

**LABORATORY.** {purpose}
It knows the nano world of scalediff, a closed world of small arithmetic, and nothing else; what
it shows proves nothing of large models.

Qwen3 architecture, {parameters:,} parameters, ChatML without a system turn, a byte-level
tokenizer with the world's phrases as tokens. Made from nothing by
`python -m scalediff.domains.nano.make_models`. Weights are stored as float16 and loaded as
float32.

## How it was made

{recipe}

## What it scores

{scores}
"""

_PURPOSE = {
    "teacher": "A teacher that thinks and is good, but not perfect.",
    "student": "The base that students of the laboratory are trained from.",
    "generator": "The base that generators of the laboratory are trained from.",
    "identifier": "It tells simple problems from difficult ones by its first token.",
}


def write_card(name: str, model: Model, recipe: Mapping[str, object], scores: str) -> str:
    """The text of a card.

    Args:
        name: The model's name.
        model: The model, for its size.
        recipe: What it was trained on, and how; names and values.
        scores: The table of scores.
    """
    lines = "\n".join(f"- {key}: {value}" for key, value in recipe.items())
    return _HEAD.format(
        name=name,
        purpose=_PURPOSE[name],
        parameters=model.num_parameters(),
        recipe=lines,
        scores=scores,
    )


def _table(title: str, rows: Mapping[str, Mapping[int, float]]) -> str:
    head = f"| {title} | " + " | ".join(str(level) for level in LEVELS) + " |"
    lines = [head, "|---" * (len(LEVELS) + 1) + "|"]
    for label, shares in rows.items():
        lines.append(f"| {label} | " + " | ".join(f"{shares.get(n, 0):.0f}" for n in LEVELS) + " |")
    return "\n".join(lines)


def score_solver(model: Model, tokenizer: "PreTrainedTokenizerFast", n: int = 1600) -> str:
    """Right answers by level, thinking and at once, greedy."""
    problems = make_problems(n, _SEED)
    rows = {}
    for label, prefix in (("thinking", ""), ("at once", AT_ONCE_PREFIX)):
        prompts = [user_turn(p.problem) + prefix for p in problems]
        marks = right(respond(model, tokenizer, prompts), problems)
        rows[label] = share_by_level(problems, marks)
    note = f"Right answers in percent, greedy, {n} problems of seed {_SEED}, levels alike."
    return f"{note}\n\n{_table('level', rows)}"


def score_generator(model: Model, tokenizer: "PreTrainedTokenizerFast", n: int = 2000) -> str:
    """What the oracle makes of the base's own problems."""
    import torch

    torch.manual_seed(_SEED)
    texts = respond(model, tokenizer, ["<|im_start|>user\n"] * n, temperature=1.0)
    readings = [read(text) for text in texts]
    levels = Counter(r.level for r in readings if r.level is not None)
    shares = {level: 100 * levels[level] / n for level in LEVELS}
    reasons = Counter(r.reason for r in readings if r.reason)
    parts = [f"{100 * count / n:.1f} % {reason}" for reason, count in reasons.most_common()]
    hard = 100 * sum(c for level, c in levels.items() if level >= DIFFICULT_FROM) / n
    return (
        f"{n} problems at temperature 1, read by the oracle: {hard:.0f} % of level "
        f"{DIFFICULT_FROM} or more, {100 * len(set(texts)) / n:.0f} % distinct; without an "
        f"answer: {', '.join(parts) or 'none'}.\n\n{_table('level, percent', {'share': shares})}"
    )


def score_identifier(
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    held_out: Sequence[identify.Labelled],
) -> str:
    """Agreement with held-out labels, and whom it calls difficult by level."""
    problems = [x.problem for x in held_out]
    marks = identify.judge(model, tokenizer, [p.problem for p in problems])
    agree = [mark == x.difficult for mark, x in zip(marks, held_out, strict=True)]
    world = [mark == (p.level >= DIFFICULT_FROM) for mark, p in zip(marks, problems, strict=True)]
    sources = make_problems(600, _SEED, SOURCE_LEVEL_WEIGHTS)
    called = identify.judge(model, tokenizer, [p.problem for p in sources])
    rows = {
        "labelled difficult": share_by_level(problems, [x.difficult for x in held_out]),
        "called difficult": share_by_level(problems, marks),
    }
    n = len(held_out)
    return (
        f"On {n} held-out labelled problems it agrees with {100 * sum(agree) / n:.1f} % of the "
        f"labels, and with level {DIFFICULT_FROM} or more in {100 * sum(world) / n:.1f} %. Of 600 "
        f"sources (seed {_SEED}) it calls {100 * sum(called) / 600:.1f} % difficult.\n\n"
        f"{_table('level, percent', rows)}"
    )
