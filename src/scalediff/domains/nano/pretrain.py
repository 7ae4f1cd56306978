"""A plain training loop for the nano models' bases: problems drawn as it goes, one thread.

The line itself trains with TRL; this loop only makes the shipped bases from nothing, where
nothing is ever seen twice and speed decides.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalediff.domains.nano.tokenizer import IM_END

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

Model = Any
"""A ``Qwen3ForCausalLM``; transformers' models are hardly typed."""

Pair = tuple[str, str]
"""A prompt and its response as text; the loss is on the response alone."""

Row = tuple[int, list[int]]
"""Token ids of a prompt with its response, behind the length of the prompt."""

_POOL = 16
"""Batches that are drawn together and sorted by length, so that little is padding."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train; the defaults are those of the trial.

    Attributes:
        steps: Optimiser steps.
        batch: Rows a step.
        lr: Peak learning rate of AdamW.
        warmup: Steps of linear warmup.
        decay: Share of the steps, at the end, in which the rate falls linearly to zero.
    """

    steps: int
    batch: int = 32
    lr: float = 3e-3
    warmup: int = 50
    decay: float = 0.3

    def rate(self, step: int) -> float:
        """The factor on the learning rate at a step."""
        left = (self.steps - step) / max(1.0, self.steps * self.decay)
        return min((step + 1) / self.warmup, 1.0, left) if self.decay else 1.0


def new_model(tokenizer: "PreTrainedTokenizerFast", seed: int) -> Model:
    """A Qwen3 model of some 0.8 million parameters with random weights."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model: Model = Qwen3ForCausalLM(config)
    model.set_attn_implementation("sdpa")
    return model.float()


def encode(tokenizer: "PreTrainedTokenizerFast", pairs: Sequence[Pair]) -> list[Row]:
    """Token ids of each prompt with its response and ``<|im_end|>``, and the prompt's length."""
    prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
    responses = tokenizer([response + IM_END for _, response in pairs])["input_ids"]
    return [(len(p), p + r) for p, r in zip(prompts, responses, strict=True)]


def collate(rows: Sequence[Row], pad: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Ids padded on the right (attention is causal: no mask is needed), and labels."""
    import torch

    width = max(len(ids) for _, ids in rows)
    inputs = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), -100)
    for i, (start, ids) in enumerate(rows):
        inputs[i, : len(ids)] = torch.tensor(ids)
        labels[i, start : len(ids)] = torch.tensor(ids[start:])
    return inputs, labels


def batches(
    draw: Callable[[random.Random], Pair],
    tokenizer: "PreTrainedTokenizerFast",
    batch: int,
    seed: int,
) -> Iterator[list[Row]]:
    """Endless batches of rows of about equal length."""
    rng = random.Random(seed)
    while True:
        rows = encode(tokenizer, [draw(rng) for _ in range(batch * _POOL)])
        rows.sort(key=lambda row: len(row[1]))
        pool = [rows[i : i + batch] for i in range(0, len(rows), batch)]
        rng.shuffle(pool)
        yield from pool


def train(
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    rows: Iterator[list[Row]],
    schedule: Schedule,
    on_step: Callable[[int, float, int], None] | None = None,
) -> int:
    """Train a model in place.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        rows: Batches of rows, at least as many as there are steps.
        schedule: How long and how fast.
        on_step: Called after each step with its number, its loss and the tokens so far.

    Returns:
        The number of tokens trained on, without padding.
    """
    import torch

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=schedule.lr, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate)
    pad = int(tokenizer.pad_token_id)
    tokens = 0
    model.train()
    for step in range(1, schedule.steps + 1):
        batch = next(rows)
        inputs, labels = collate(batch, pad)
        # Without mask, cache and position ids the causal fast path of sdpa is taken.
        logits = model(input_ids=inputs, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        tokens += sum(len(ids) for _, ids in batch)
        if on_step:
            on_step(step, loss.item(), tokens)
    model.eval()
    return tokens
