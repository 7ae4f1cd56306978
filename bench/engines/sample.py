"""Useful tokens a second of the embedded engine's sampling beside ``generate``, in one process.

``python bench/engines/sample.py [--model nano:teacher|smol] [--requests N] [--quick]``. Lengths
have a long tail: 8 % of the requests have 256 tokens, the others 8 to 48, by the token cap of each,
with nothing else that ends a response; both sides sample at temperature 1, top_p 0.95, top_k 20.

The baselines are static batches of ``transformers``' ``generate`` in order of arrival, each batch
as long as its longest member, at every batch size of the sweep and with both of its caches, and its
own continuous batching (``paged|sdpa``). What counts are the tokens that were asked for. Each is
run ``--times`` times, in turns, and the best of each is printed. Prints Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import time
from collections.abc import Callable
from dataclasses import replace

import torch
import transformers

from scalediff.core.engine import Request, Sampling
from scalediff.engines import EngineConfig
from scalediff.engines.loading import load_model
from scalediff.engines.transformers import TransformersEngine
from scalediff.model_names import resolve

SAMPLING = Sampling(temperature=1.0, top_p=0.95, top_k=20)


def lengths(n: int, seed: int = 0) -> list[int]:
    """8 % of 256 tokens, the others of 8 to 48, shuffled."""
    rng = random.Random(seed)
    long = max(1, round(0.08 * n))
    found = [256] * long + [rng.randint(8, 48) for _ in range(n - long)]
    rng.shuffle(found)
    return found


def prompts(tokenizer, n: int) -> list[str]:
    """Rendered prompts, each its own."""
    texts = [f"What is {i} plus {i % 97}?" for i in range(n)]
    if tokenizer.chat_template is None:
        return texts
    return [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        for text in texts
    ]


def static(model, tokenizer, texts, caps, batch: int, cache: str | None) -> None:
    """``generate`` on batches in order of arrival."""
    tokenizer.padding_side = "left"
    for at in range(0, len(texts), batch):
        part = texts[at : at + batch]
        inputs = tokenizer(part, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs.pop("token_type_ids", None)
        longest = max(caps[at : at + batch])
        more = {} if cache is None else {"cache_implementation": cache}
        with torch.inference_mode():
            model.generate(
                **inputs.to(model.device), do_sample=True, temperature=1.0, top_p=0.95, top_k=20,
                max_new_tokens=longest, min_new_tokens=longest, **more,
            )  # fmt: skip


def continuous(model, tokenizer, texts, caps) -> None:
    """``transformers``' own continuous batching."""
    config = transformers.GenerationConfig(
        do_sample=True, temperature=1.0, top_p=0.95, top_k=20, eos_token_id=-1,
        pad_token_id=tokenizer.pad_token_id or 0, max_new_tokens=256,
    )  # fmt: skip
    with model.continuous_batching_context_manager(generation_config=config) as manager:
        for text, cap in zip(texts, caps, strict=True):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            manager.add_request(ids, max_new_tokens=cap)
        done = 0
        while done < len(texts):
            result = manager.get_result(timeout=60)
            done += result is not None and result.is_finished()


class Ours:
    """The embedded engine over the same weights, with nothing that ends a response but its cap."""

    def __init__(self, model, tokenizer, slots: int, threads: int) -> None:
        from scalediff.core.engine import EngineInfo

        info = EngineInfo(model="bench", fingerprint="bench")
        config = EngineConfig(slots=slots, threads=threads)
        self.engine = TransformersEngine(model, tokenizer, info, config)
        self.engine._endings.stop_ids = frozenset()
        self.engine._worker.wait()

    def run(self, texts, caps) -> None:
        async def go() -> int:
            done = await asyncio.gather(
                *(
                    self.engine.sample(
                        Request(raw=t, sampling=replace(SAMPLING, max_new_tokens=c), seed=i)
                    )
                    for i, (t, c) in enumerate(zip(texts, caps, strict=True))
                )
            )
            return sum(d.num_tokens for d in done)

        assert asyncio.run(go()) == sum(caps)

    def close(self) -> None:
        asyncio.run(self.engine.close())


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Read the arguments, measure in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano:teacher")
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--slots", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    config = EngineConfig(precision=args.precision, device=args.device, threads=args.threads)
    model, tokenizer, _ = load_model(resolve(args.model), config)
    torch.set_num_threads(args.threads)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    n = 24 if args.quick else args.requests
    texts, caps = prompts(tokenizer, n), lengths(n)
    batches = [16] if args.quick else [b for b in args.batches if b <= n]
    caches = [None] if args.quick else [None, "static"]
    slots = [16] if args.quick else args.slots
    works: dict[str, Callable[[], None]] = {}
    for batch in batches:
        for cache in caches:
            name = f"generate, batches of {batch}, {cache or 'dynamic'} cache"
            works[name] = lambda b=batch, c=cache: static(model, tokenizer, texts, caps, b, c)
    engines = {slot: Ours(model, tokenizer, slot, args.threads) for slot in slots}
    for slot, engine in engines.items():
        works[f"this engine, {slot} slots"] = lambda e=engine: e.run(texts, caps)
    best = dict.fromkeys(works, float("inf"))
    for _ in range(1 if args.quick else args.times):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work))
    try:
        model.set_attn_implementation("paged|sdpa")
        name = "transformers' continuous batching, paged sdpa"
        best[name] = min(
            seconds(lambda: continuous(model, tokenizer, texts, caps))
            for _ in range(1 if args.quick else 2)
        )
    except Exception as error:  # versions differ in what they offer
        print(f"transformers' continuous batching did not run: {type(error).__name__}: {error}\n")
    print(f"{args.model}, {args.precision}, {args.device}, {args.threads} threads, {n} requests, "
          f"{sum(caps):,} tokens; torch {torch.__version__}, transformers "
          f"{transformers.__version__}, {platform.machine()}; best of {args.times}\n")  # fmt: skip
    reference = min(s for name, s in best.items() if name.startswith("generate"))
    print("| | useful tokens/s | against the best generate |")
    print("|---|---|---|")
    for name, took in best.items():
        print(f"| {name} | {sum(caps) / took:,.0f} | {reference / took:.2f} |")


if __name__ == "__main__":
    main()
