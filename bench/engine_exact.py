"""Does a sample hang on what else is in the batch? ``python bench/engine_exact.py``.

Samples the same requests twice, in two orders of arrival and therefore with other batch mates and
in other slots, and counts those that differ. Prints Markdown.
"""

import argparse
import asyncio
import itertools
import random

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.keys import sample_seed
from scalediff.domains import open_domain
from scalediff.engines import EngineConfig, open_engine
from scalediff.model_names import resolve


async def sample_all(
    spec: ModelSpec, config: EngineConfig, requests: list[Request]
) -> list[tuple[int, ...]]:
    """The tokens of each request's response, asked in the order given."""
    engine = await open_engine(spec, config)
    try:
        done = await asyncio.gather(*(engine.sample(request) for request in requests))
        return [tuple(completion.token_ids) for completion in done]
    finally:
        await engine.close()


def requests(n: int, sampling: Sampling) -> list[Request]:
    """Problems of the nano world, which any model can be asked."""
    rows = open_domain("nano").sources("nano:test", n, 3)
    return [
        Request(
            messages=({"role": "user", "content": row["problem"]},),
            sampling=sampling,
            seed=sample_seed(1, "bench", row["key"], 0),
        )
        for row in rows
    ]


def main() -> None:
    """Read the arguments, sample twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano:teacher")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--precision", nargs="+", default=["float32"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--max-new-tokens", type=int, default=256)
    args = parser.parse_args()
    sampling = Sampling(temperature=0.6, max_new_tokens=args.max_new_tokens)
    asked = requests(args.n, sampling)
    order = list(range(args.n))
    random.Random(0).shuffle(order)
    print("| model | threads | slots | samples | tokens | differing | first at token |")
    print("|---|---|---|---|---|---|---|")
    for precision, threads in itertools.product(args.precision, args.threads):
        config = EngineConfig(
            slots=args.slots, threads=threads, precision=precision, device=args.device
        )
        spec = resolve(args.model)
        first = asyncio.run(sample_all(spec, config, asked))
        again = asyncio.run(sample_all(spec, config, [asked[i] for i in order]))
        places = [
            next((n for n, (a, b) in enumerate(zip(first[i], tokens, strict=False)) if a != b), 0)
            for i, tokens in zip(order, again, strict=True)
            if first[i] != tokens
        ]
        tokens = sum(map(len, first))
        print(
            f"| {args.model}, {precision} | {threads} | {args.slots} | {args.n} | {tokens:,} | "
            f"{len(places)} | {min(places, default='')} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
