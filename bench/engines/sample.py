"""Sampling with a long tail of lengths: the engine against static and continuous batching.

``python bench/engines/sample.py [--model smol] [-n 128] [--device cuda]``. 8 % of the responses
have 256 tokens and the rest 8 to 48; the lengths are set by ``max_new_tokens`` with the end token
ignored, for all sides alike, and only tokens that were asked for count. Baselines, in the same
precision, threads and sampling (temperature 0.6, top_p 0.95, top_k 20): ``generate`` of
transformers in arrival order in padded batches of each size of ``--sizes``, each run to its longest
member, with a growing cache, and at the best size with a static one; transformers' own continuous
batching (``paged|sdpa``); vLLM where it can be imported and the device is a GPU. The engine runs
between them. Prints Markdown.
"""

import argparse
import asyncio
import importlib.util
import random

import torch
import transformers
from common import Timed, baseline_model, machine, our_engine, questions

from scalediff.core.engine import Request, Sampling
from scalediff.engines import EngineConfig
from scalediff.model_names import resolve

TEMPERATURE, TOP_P, TOP_K = 0.6, 0.95, 20
VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])


def lengths(n: int, seed: int = 0) -> list[int]:
    """8 % of 256 tokens, spread at random; the rest 8 to 48."""
    draw = random.Random(seed)
    long = set(draw.sample(range(n), max(1, round(0.08 * n))))
    return [256 if place in long else draw.randint(8, 48) for place in range(n)]


def static(model, tokenizer, prompts, caps, size, cache):
    """``generate`` in batches of one size, in arrival order."""
    more = {"cache_implementation": "static"} if cache == "static" else {}
    for start in range(0, len(prompts), size):
        batch = tokenizer(
            prompts[start : start + size], padding=True, add_special_tokens=False,
            return_tensors="pt",
        ).to(model.device)  # fmt: skip
        longest = max(caps[start : start + size])
        out = model.generate(
            **batch, max_new_tokens=longest, do_sample=True, temperature=TEMPERATURE, top_p=TOP_P,
            top_k=TOP_K, eos_token_id=None, pad_token_id=tokenizer.pad_token_id, **more,
        )  # fmt: skip
        assert out.shape[1] == batch["input_ids"].shape[1] + longest, (
            "the end token was not ignored"
        )


def continuous(model, tokenizer, prompts, caps, timed):
    """The continuous batching of transformers; starting it is not timed."""
    from transformers import GenerationConfig

    before = model.config._attn_implementation
    model.set_attn_implementation("sdpa" if VERSION >= (5, 23) else "paged|sdpa")
    settings = GenerationConfig(
        do_sample=True, temperature=TEMPERATURE, top_p=TOP_P, top_k=TOP_K, eos_token_id=-1,
        pad_token_id=tokenizer.pad_token_id, max_new_tokens=max(caps),
    )  # fmt: skip
    with model.continuous_batching_context_manager(generation_config=settings) as manager:
        timed.run("continuous", lambda: _drain(manager, tokenizer, prompts, caps))
    model.set_attn_implementation(before)


def _drain(manager, tokenizer, prompts, caps):
    wanted = {}
    for prompt, cap in zip(prompts, caps, strict=True):
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        wanted[manager.add_request(ids, max_new_tokens=cap)] = cap
    while wanted:
        result = manager.get_result(timeout=600)
        assert result is not None, "transformers' continuous batching gave nothing for 10 minutes"
        assert not result.error, result.error
        if result.is_finished():
            assert len(result.generated_tokens) == wanted.pop(result.request_id)


async def ours(engine, requests):
    done = await asyncio.gather(*(engine.sample(request) for request in requests))
    assert all(
        c.num_tokens == r.sampling.max_new_tokens for c, r in zip(done, requests, strict=True)
    )


def vllm_ways(spec, prompts, caps, precision):
    """vLLM in this process, where it is installed and there is a GPU."""
    if importlib.util.find_spec("vllm") is None or not torch.cuda.is_available():
        return None
    from vllm import LLM, SamplingParams

    served = LLM(spec.location, dtype=precision, gpu_memory_utilization=0.4, max_model_len=2048)
    settings = [
        SamplingParams(
            temperature=TEMPERATURE, top_p=TOP_P, top_k=TOP_K, max_tokens=cap, ignore_eos=True
        )
        for cap in caps
    ]
    return lambda: served.generate(prompts, settings, use_tqdm=False)


def measure(args):
    spec = resolve(args.model)
    config = EngineConfig(
        device=args.device, threads=args.threads, precision=args.precision, slots=args.slots
    )
    engine = our_engine(spec, config)
    engine._endings.stop_ids = frozenset()  # the end token is ignored
    model, tokenizer, precision = baseline_model(spec, config)
    timed = Timed(torch.get_num_threads())
    about = machine(str(model.device), timed.threads)
    caps = lengths(args.n)
    messages = [({"role": "user", "content": text},) for text in questions(args.model, args.n)]
    requests = [
        Request(
            messages=m, sampling=Sampling(TEMPERATURE, TOP_P, TOP_K, max_new_tokens=cap), seed=i
        )
        for i, (m, cap) in enumerate(zip(messages, caps, strict=True))
    ]
    prompts = [
        tokenizer.apply_chat_template(list(m), tokenize=False, add_generation_prompt=True)
        for m in messages
    ]
    loop = asyncio.new_event_loop()

    def run_ours():
        timed.run("engine", lambda: loop.run_until_complete(ours(engine, requests)))

    def run_static(size, cache="growing"):
        name = f"static {size}, {cache} cache"
        timed.run(name, lambda: static(model, tokenizer, prompts, caps, size, cache))

    loop.run_until_complete(ours(engine, requests[:8]))
    static(model, tokenizer, prompts[:4], [2] * 4, 4, "growing")
    run_ours()
    for size in args.sizes:
        run_static(size)
        if args.model.startswith("nano:") or size == args.sizes[len(args.sizes) // 2]:
            run_ours()
    for again in range(args.repeats):
        size = int(timed.quickest("static").split()[1].rstrip(","))
        run_static(size)
        if not again:
            run_static(size, "static")
        continuous(model, tokenizer, prompts, caps, timed)
        run_ours()
    if served := vllm_ways(spec, prompts, caps, precision):
        served()
        for _ in range(args.repeats):
            timed.run("vllm", served)
    loop.run_until_complete(engine.close())
    print(about, "\n")
    report(args, timed, caps, precision, engine)


def report(args, timed, caps, precision, engine):
    useful = sum(caps)
    print(
        f"{args.model}, {precision}, {len(caps)} requests, {useful:,} useful tokens "
        f"({sum(c == 256 for c in caps)} responses of 256); engine: {args.slots} slots, own "
        f"forward pass {engine.is_lean}.\n"
    )
    print("| way | useful tokens a second | wall s, best of | processor s | engine is faster |")
    print("|---|---|---|---|---|")
    mine = timed.best("engine")
    for name in timed.wall:
        wall, processor = timed.best(name)
        print(
            f"| {name} | {useful / wall:,.0f} | {wall:.1f} of {len(timed.wall[name])} | "
            f"{processor:.1f} | {wall / mine[0]:.2f} ({processor / mine[1]:.2f} by processor "
            "time) |"
        )
    for kind in ("static", "continuous", "vllm"):
        if any(name.startswith(kind) for name in timed.wall):
            name = timed.quickest(kind)
            wall, _ = timed.best(name)
            print(
                f"\nAgainst {name}: **{wall / mine[0]:.2f} times** (best of "
                f"{len(timed.wall['engine'])}; by the engine's median "
                f"{wall / timed.middle('engine'):.2f})."
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smol")
    parser.add_argument("-n", type=int, default=128)
    parser.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=2, help="more runs of the best baselines")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    args = parser.parse_args()
    if args.quick:
        args.model, args.n, args.sizes, args.repeats = "nano:teacher", 16, [8], 1
    measure(args)


if __name__ == "__main__":
    main()
