"""Scoring one token after each prompt: the engine against a padded transformers loop.

``python bench/engines/score.py [--model smol] [-n 256] [--device cuda]``. The baselines go through
the prompts in arrival order, in padded batches of each size of ``--sizes``, in the same precision
and threads: *plain* takes the logits of every position, as most people write it, *tuned* asks for
those of the last position only (``logits_to_keep=1``). All tokenise within the time. The engine
runs before, between and after them; each baseline's best size is run again, and the best of each
is compared (beside it the engine's median against the baseline's best). Prints Markdown.
"""

import argparse
import asyncio

import torch
from common import Timed, baseline_model, machine, multiply_rate, our_engine, questions

from scalediff.core.engine import Request
from scalediff.engines import EngineConfig
from scalediff.model_names import resolve


def padded_loop(model, tokenizer, prompts, token, size, tuned):
    """Log-probabilities of the token after each prompt, in padded batches of one size."""
    found = []
    more = {"logits_to_keep": 1} if tuned else {}
    for start in range(0, len(prompts), size):
        batch = tokenizer(
            prompts[start : start + size], padding=True, add_special_tokens=False,
            return_tensors="pt",
        ).to(model.device)  # fmt: skip
        with torch.inference_mode():
            logits = model(**batch, **more).logits[:, -1]
        found += logits.float().log_softmax(-1)[:, token].tolist()
    return found


async def scores(engine, requests, text):
    return await asyncio.gather(*(engine.score(request, text) for request in requests))


async def alone(engine, requests, text):
    return [await engine.score(request, text) for request in requests]


def operations(model, ids, head):
    """Those of what the engine computes: each token once, the head once, logits where needed."""
    config = model.config
    heads, layers = config.num_attention_heads, config.num_hidden_layers
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    embedding = model.get_input_embeddings().weight.numel()
    body = sum(p.numel() for p in model.parameters()) - embedding
    body -= 0 if config.tie_word_embeddings else embedding
    begins = [row[: len(head)] == head and len(row) > len(head) > 0 for row in ids]
    shared = [len(head) * begin for begin in begins]
    tokens = sum(len(row) - s for row, s in zip(ids, shared, strict=True))
    pairs = sum(
        len(row) * (len(row) + 1) // 2 - s * (s + 1) // 2
        for row, s in zip(ids, shared, strict=True)
    )
    return 2 * body * tokens + 4 * layers * heads * size * pairs + 2 * embedding * len(ids), tokens


def measure(args):
    config = EngineConfig(device=args.device, threads=args.threads, precision=args.precision)
    spec = resolve(args.model)
    engine = our_engine(spec, config)
    model, tokenizer, precision = baseline_model(spec, config)
    timed = Timed(torch.get_num_threads())
    texts = questions(args.model, args.n)
    requests = [Request(messages=({"role": "user", "content": text},)) for text in texts]
    prompts = [
        tokenizer.apply_chat_template(list(r.messages), tokenize=False, add_generation_prompt=True)
        for r in requests
    ]
    text = args.continuation
    token = tokenizer(text, add_special_tokens=False)["input_ids"][0]
    text = tokenizer.decode([token])
    where = str(model.device)
    about = machine(where, timed.threads)
    rates, loop = [], asyncio.new_event_loop()

    def ours():
        rates.append(multiply_rate(args.square, model.dtype, where, repeats=3))
        return timed.run("engine", lambda: loop.run_until_complete(scores(engine, requests, text)))

    loop.run_until_complete(scores(engine, requests[:16], text))
    padded_loop(model, tokenizer, prompts[:4], token, 4, False)
    found, reference = ours(), None

    def baseline(kind, size):
        return timed.run(
            f"{kind} {size}",
            lambda: padded_loop(model, tokenizer, prompts, token, size, kind == "tuned"),
        )

    for size in args.sizes:
        for kind in ("plain", "tuned"):
            reference = baseline(kind, size)
        ours()
    for _ in range(args.repeats):
        for kind in ("plain", "tuned"):
            baseline(kind, int(timed.quickest(kind).split()[1]))
            ours()
    few = loop.run_until_complete(alone(engine, requests[:: max(1, args.n // 32)], text))
    crowd = found[:: max(1, args.n // 32)]
    moved = max(abs(a.logprob - b.logprob) for a, b in zip(few, crowd, strict=True))
    apart = max(abs(a.logprob - b) for a, b in zip(found, reference, strict=True))
    rates.append(multiply_rate(args.square, model.dtype, where, repeats=3))
    own = multiply_rate(2048, model.dtype, where, model.config.hidden_size,
                        2 * model.config.intermediate_size)  # fmt: skip
    ids = [tokenizer(p, add_special_tokens=False)["input_ids"] for p in prompts]
    flops, tokens = operations(model, ids, engine.head)
    loop.run_until_complete(engine.close())
    print(about, "\n")
    report(args, timed, ids, precision, engine)
    rate = flops / timed.best("engine")[0]
    print(
        f"\nThe engine's {flops / 1e12:.2f} TFLOP (2 x parameters outside the embedding x "
        f"{tokens:,} tokens that it reads, the template's head of {len(engine.head)} once and not "
        f"counted; attention; logits of {len(ids):,} positions): {rate / 1e9:,.0f} GFLOP/s, "
        f"**{rate / max(rates):.0%}** of the best square product of {args.square:,} in {precision} "
        f"({max(rates) / 1e9:,.0f}, measured {len(rates)} times in between, median "
        f"{sorted(rates)[len(rates) // 2] / 1e9:,.0f}); the model's own shape [2048, "
        f"{model.config.hidden_size}] x {2 * model.config.intermediate_size}: {own / 1e9:,.0f}."
    )
    print(
        f"\nA score alone and among all the others: at most {moved:.1e} apart ({len(few)} rows); "
        f"engine and the last baseline: at most {apart:.1e}."
    )


def report(args, timed, ids, precision, engine):
    longest = max(map(len, ids))
    print(
        f"{args.model}, {precision}, {len(ids):,} prompts of {sum(map(len, ids)) / len(ids):.0f} "
        f"tokens on average (at most {longest}); own forward pass: {engine.is_lean}.\n"
    )
    print("| way | batch | prompts a second | wall s, best of | processor s | engine is faster |")
    print("|---|---|---|---|---|---|")
    mine = timed.best("engine")
    for name in timed.wall:
        wall, processor = timed.best(name)
        kind, _, size = name.partition(" ")
        print(
            f"| {kind} | {size or 'packed'} | {len(ids) / wall:.1f} | {wall:.1f} of "
            f"{len(timed.wall[name])} | {processor:.1f} | {wall / mine[0]:.2f} "
            f"({processor / mine[1]:.2f} by processor time) |"
        )
    for kind in ("plain", "tuned"):
        name = timed.quickest(kind)
        wall, processor = timed.best(name)
        print(
            f"\nAgainst the {kind} loop at its best size ({name.split()[1]}): "
            f"**{wall / mine[0]:.2f} times** (best of {len(timed.wall['engine'])}; by the engine's "
            f"median {wall / timed.middle('engine'):.2f}; by processor time "
            f"{min(timed.best(n)[1] for n in timed.wall if n.startswith(kind)) / mine[1]:.2f})."
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smol")
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--repeats", type=int, default=2, help="more runs of the best sizes")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--square", type=int, default=4096)
    parser.add_argument("--continuation", default="The")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    args = parser.parse_args()
    if args.quick:
        args.n, args.sizes, args.square, args.repeats = 16, [4], 1024, 1
    measure(args)


if __name__ == "__main__":
    main()
