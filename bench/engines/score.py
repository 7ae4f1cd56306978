"""Scores a second of the embedded engine beside a plain padded loop, and its share of a matmul.

``python bench/engines/score.py [--questions N] [--precision bfloat16] [--quick]``. What is scored
is one token after GSM8K questions, rendered by SmolLM2-135M's template with its system turn; they
are read from ``SCALEDIFF_DATA`` or ``../shared/data``. Baselines, in order of arrival, padded with
a mask, at every batch size of the sweep: the plain loop takes the logits of all positions, the
tuned one those of the last alone (``logits_to_keep``). All in the same precision and threads, in
turns, the best of ``--times`` each.

The share is the arithmetic that the scores need (two operations for each parameter of the layers
and token, prompt without padding, the attention's products, and the output matrix at one position)
over the time, over the rate of a large square matrix product in the same run and precision. Tokens
of the shared head of all prompts are counted in full, though they are computed once.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
import transformers

from scalediff.core.engine import EngineInfo, Request
from scalediff.engines import EngineConfig
from scalediff.engines.loading import load_model
from scalediff.engines.transformers import TransformersEngine
from scalediff.model_names import resolve

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))


def questions(n: int) -> list[str]:
    with open(DATA / "gsm8k_train.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(n), file, strict=False)]
    return [row.get("question") or row["problem"] for row in rows]


def plain(model, tokenizer, texts, target: int, batch: int, *, last_only: bool) -> list[float]:
    """A padded loop in order of arrival."""
    tokenizer.padding_side = "left" if last_only else "right"
    found = []
    for at in range(0, len(texts), batch):
        part = texts[at : at + batch]
        inputs = tokenizer(part, return_tensors="pt", padding=True, add_special_tokens=False)
        mask = inputs["attention_mask"]
        with torch.inference_mode():
            more = {"logits_to_keep": 1} if last_only else {}
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            out = model(input_ids=inputs["input_ids"], attention_mask=mask, position_ids=positions,
                        use_cache=False, **more)  # fmt: skip
            if last_only:
                logits = out.logits[:, -1]
            else:
                logits = out.logits[torch.arange(len(part)), mask.sum(-1) - 1]
            found += logits.float().log_softmax(-1)[:, target].tolist()
    return found


def ours(engine, texts: list[str]) -> list[float]:
    async def go() -> list[float]:
        requests = [Request(messages=({"role": "user", "content": t},)) for t in texts]
        scores = await asyncio.gather(*(engine.score(r, "1") for r in requests))
        return [score.logprob for score in scores]

    return asyncio.run(go())


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def matmul_rate(dtype, size: int = 2048) -> float:
    """Operations a second of a square product."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    took = min(seconds(lambda: a @ b) for _ in range(12))
    return 2 * size**3 / took


def operations(model, lengths: list[int]) -> float:
    """What the scores need, padding and repeated heads of prompts left out."""
    config = model.config
    embedding = model.get_input_embeddings().weight.numel()
    layers = sum(p.numel() for p in model.parameters()) - embedding
    if not config.tie_word_embeddings:
        layers -= embedding
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    attention = sum(2 * 2 * width * n * n / 2 * config.num_hidden_layers for n in lengths)
    return 2 * layers * sum(lengths) + attention + 2 * embedding * len(lengths)


def main() -> None:
    """Read the arguments, measure in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smol")
    parser.add_argument("--questions", type=int, default=512)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16, 32, 64])
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    config = EngineConfig(precision=args.precision, device=args.device, threads=args.threads)
    model, tokenizer, precision = load_model(resolve(args.model), config)
    torch.set_num_threads(args.threads)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    texts = questions(32 if args.quick else args.questions)
    rendered = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for text in texts
    ]
    lengths = [len(i) for i in tokenizer(rendered, add_special_tokens=False)["input_ids"]]
    (target,) = tokenizer("1", add_special_tokens=False)["input_ids"]
    engine = TransformersEngine(
        model, tokenizer, EngineInfo(model="bench", fingerprint="b", precision=precision), config
    )
    engine._worker.wait()
    works: dict[str, Callable[[], list[float]]] = {}
    for batch in [8] if args.quick else args.batches:
        for last_only in (False, True):
            name = f"{'tuned' if last_only else 'plain'} loop, batches of {batch}"
            works[name] = lambda b=batch, o=last_only: plain(
                model, tokenizer, rendered, target, b, last_only=o
            )
    works["this engine"] = lambda: ours(engine, texts)
    best = dict.fromkeys(works, float("inf"))
    rate = 0.0
    values: dict[str, list[float]] = {}
    for _ in range(1 if args.quick else args.times):
        rate = max(rate, matmul_rate(getattr(torch, precision)))
        for name, work in works.items():
            began = time.perf_counter()
            values[name] = work()
            best[name] = min(best[name], time.perf_counter() - began)
    asyncio.run(engine.close())
    needed = operations(model, lengths)
    print(f"{args.model}, {precision}, {args.device}, {args.threads} threads, {len(texts)} "
          f"questions, {sum(lengths):,} tokens; square product of 2048: {rate / 1e9:,.0f} GFLOP/s, "
          f"torch {torch.__version__}, transformers {transformers.__version__}, "
          f"{platform.machine()}; best of {args.times}\n")  # fmt: skip
    plains = min(s for name, s in best.items() if name.startswith("plain"))
    print("| | scores/s | against the best plain loop | share of the square product's rate |")
    print("|---|---|---|---|")
    for name, took in best.items():
        print(f"| {name} | {len(texts) / took:,.1f} | {plains / took:.2f} | "
              f"{needed / took / rate:.0%} |")  # fmt: skip
    reference = values[min(best, key=lambda n: best[n] if n.startswith("tuned") else 1e9)]
    apart = max(abs(a - b) for a, b in zip(reference, values["this engine"], strict=True))
    print(f"\nThe engine's log-probabilities differ from the tuned loop's by at most {apart:.3g}.")


if __name__ == "__main__":
    main()
