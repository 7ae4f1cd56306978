"""Is a probability the same from vLLM as from the embedded engine?

``SCALEDIFF_VLLM_PYTHON=... python bench/engines/served.py [--model smol] [-n 12]``. The embedded
engine's greedy answer to each question gives five continuations (its first 1 to 5 words); each of
the ways below says how probable they are, and the reference is the embedded engine in float32.
Prints Markdown.
"""

import argparse
import asyncio
import itertools
import math
import os
import sys

from common import machine, questions

from scalediff.core.engine import Request, Sampling
from scalediff.engines import EngineConfig, open_engine
from scalediff.engines.config import VllmConfig
from scalediff.model_names import resolve

NUM_WORDS = 5
WAYS = {
    "embedded, float32": ("transformers", "float32", {}),
    "embedded, bfloat16": ("transformers", "bfloat16", {}),
    "vLLM, float32": ("vllm", "float32", {}),
    "vLLM, bfloat16, its head in bfloat16": ("vllm", "bfloat16", {"hf-overrides": None}),
    "vLLM, bfloat16, its head in float32 (default)": ("vllm", "bfloat16", {}),
}


async def starts_of(engine, request):
    """The first words of the greedy answer, one to five of them."""
    answer = await engine.sample(request)
    words = ((answer.reasoning or "") + answer.content).split(" ")
    return [" ".join(words[:n]) for n in range(1, NUM_WORDS + 1)]


async def probabilities(args, way, requests, starts):
    """What one way says, continuation by continuation; finds these where there are none yet."""
    kind, precision, flags = WAYS[way]
    vllm = VllmConfig(python=args.python, flags={"max-model-len": 2048, **flags})
    config = EngineConfig(kind=kind, precision=precision, threads=args.threads, vllm=vllm)
    engine = await open_engine(resolve(args.model), config)
    try:
        if not starts:
            starts += [await starts_of(engine, request) for request in requests]
        pairs = [(r, text) for r, texts in zip(requests, starts, strict=True) for text in texts]
        scores = await asyncio.gather(*(engine.score(r, text) for r, text in pairs))
        return [math.exp(score.logprob) for score in scores]
    finally:
        await engine.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smol", help="what the embedded engine and vLLM read")
    parser.add_argument("-n", type=int, default=12)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", default=os.environ.get("SCALEDIFF_VLLM_PYTHON"))
    args = parser.parse_args()
    if not args.python:
        sys.exit("set SCALEDIFF_VLLM_PYTHON to an interpreter with vLLM")
    sampling = Sampling(temperature=0, max_new_tokens=24)
    requests = [
        Request(messages=({"role": "user", "content": text},), sampling=sampling)
        for text in questions(args.model, args.n)
    ]
    starts: list[list[str]] = []
    found = {way: await probabilities(args, way, requests, starts) for way in WAYS}
    print(f"{machine('cpu', args.threads)}; {args.model}, {NUM_WORDS} continuations of {args.n}\n")
    print("| | | largest difference | mean | within 0.01 |\n|---|---|---|---|---|")
    for one, other in itertools.combinations(WAYS, 2):
        apart = [abs(a - b) for a, b in zip(found[one], found[other], strict=True)]
        within = f"{sum(d <= 0.01 for d in apart)} of {len(apart)}"
        print(f"| {one} | {other} | {max(apart):.2g} | {sum(apart) / len(apart):.2g} | {within} |")


asyncio.run(main())
