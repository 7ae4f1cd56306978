"""Does a sample hang on what else is in the batch? ``python bench/engine_exact.py``.

Samples the same requests twice, in two orders of arrival and therefore with other batch mates, and
counts those that differ. Prints Markdown.
"""

import argparse
import asyncio
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


def main() -> None:
    """Read the arguments, sample twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano:teacher")
    parser.add_argument("-n", type=int, default=300)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    args = parser.parse_args()
    sampling = Sampling(temperature=0.6, max_new_tokens=args.max_new_tokens)
    rows = list(open_domain("nano").sources("nano:test", args.n, 3))
    requests = [
        Request(
            messages=({"role": "user", "content": row["problem"]},),
            sampling=sampling,
            seed=sample_seed(1, "bench", row["key"], 0),
        )
        for row in rows
    ]
    config = EngineConfig(slots=args.slots, threads=1, precision="float32")
    spec = resolve(args.model)
    order = list(range(args.n))
    random.Random(0).shuffle(order)
    first = asyncio.run(sample_all(spec, config, requests))
    again = asyncio.run(sample_all(spec, config, [requests[i] for i in order]))
    differing = sum(first[i] != tokens for i, tokens in zip(order, again, strict=True))
    print("| model | slots | samples | differing |")
    print("|---|---|---|---|")
    print(f"| {args.model}, float32 | {args.slots} | {args.n} | {differing} |")


if __name__ == "__main__":
    main()
