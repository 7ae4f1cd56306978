"""The embedded engine and a training on a CUDA device; `make gpu` runs these where there is one."""

import asyncio
import dataclasses
import json

import pytest

from scalediff.core.engine import Request, Sampling
from scalediff.core.keys import sample_seed
from scalediff.domains import open_domain
from scalediff.engines import EngineConfig, open_engine
from scalediff.model_names import resolve
from scalediff.training import run_job

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def requests(n):
    sampling = Sampling(temperature=0.6, max_new_tokens=200)
    for row in open_domain("nano").sources("nano:test", n, 3):
        message = {"role": "user", "content": row["problem"]}
        yield Request(
            messages=(message,), sampling=sampling, seed=sample_seed(1, "g", row["key"], 0)
        )


async def answers(config, order):
    engine = await open_engine(resolve("nano:teacher"), config)
    try:
        done = await asyncio.gather(*(engine.sample(request) for request in order))
        return [tuple(completion.token_ids) for completion in done]
    finally:
        await engine.close()


def test_few_samples_hang_on_what_else_is_in_the_batch():
    order = list(requests(64))
    config = EngineConfig(device="cuda", slots=32)
    first = asyncio.run(answers(config, order))
    again = asyncio.run(answers(config, order[::-1]))[::-1]
    assert sum(a != b for a, b in zip(first, again, strict=True)) <= 3


async def with_engine(config, use):
    engine = await open_engine(resolve("nano:teacher"), config)
    try:
        return await use(engine)
    finally:
        await engine.close()


def on(device, use, **more):
    config = EngineConfig(device=device, slots=32, precision="float32", **more)
    return asyncio.run(with_engine(config, use))


def test_scores_are_those_of_the_cpu():
    order = list(requests(40))

    async def use(engine):
        assert engine.is_lean
        return await asyncio.gather(*(engine.score(request, "</think>") for request in order))

    for ours, theirs in zip(on("cuda", use), on("cpu", use), strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-2)
        assert ours.num_prompt_tokens == theirs.num_prompt_tokens


def test_scores_move_little_with_what_else_is_in_the_batch():
    order = list(requests(40))

    async def use(engine):
        together = await asyncio.gather(*(engine.score(request, "</think>") for request in order))
        return together, [await engine.score(request, "</think>") for request in order]

    for precision, most in (("float32", 1e-4), ("bfloat16", 5e-2)):
        config = EngineConfig(device="cuda", slots=32, precision=precision)
        for a, b in zip(*asyncio.run(with_engine(config, use)), strict=True):
            assert a.logprob == pytest.approx(b.logprob, abs=most)


def test_logprobs_are_those_that_a_score_gives():
    order = [dataclasses.replace(request, logprobs=True) for request in requests(16)]

    async def use(engine):
        done = await asyncio.gather(*(engine.sample(request) for request in order))
        first = [
            await engine.score(request, engine._endings.raw_text([c.token_ids[0]]))
            for request, c in zip(order, done, strict=True)
        ]
        return done, first

    for completion, score in zip(*on("cuda", use), strict=True):
        assert len(completion.logprobs) == completion.num_tokens
        assert completion.logprobs[0] == pytest.approx(score.logprob, abs=1e-2)


def test_aborting_one_leaves_the_others_going():
    order = list(requests(8))

    async def use(engine):
        calls = [asyncio.ensure_future(engine.sample(request)) for request in order]
        while engine.usage.in_flight < 8 and not calls[2].done():
            await asyncio.sleep(0.001)
        calls[2].cancel()
        return await asyncio.gather(*calls, return_exceptions=True), engine.usage

    done, usage = on("cuda", use)
    assert sum(isinstance(one, asyncio.CancelledError) for one in done) <= 1
    assert sum(not isinstance(one, BaseException) for one in done) >= 7
    assert (usage.in_flight, usage.waiting) == (0, 0)


def test_a_packed_training_leaves_a_model(tmp_path):
    rows = tmp_path / "train.jsonl"
    problems = open_domain("nano").sources("nano:sources", 400, 1)
    pairs = ({"prompt": r["problem"], "response": f"It is {r['answer']}."} for r in problems)
    rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    base = resolve("nano:student")
    job = {
        "task": "student", "rows": str(rows), "base_model": base.location, "base_kind": base.kind,
        "epochs": 1.0, "batch_size": 2, "learning_rate": 1e-3, "schedule": "linear",
        "warmup_ratio": 0.1, "weight_decay": 0.0, "max_length": 512, "packing": True,
        "train_seed": 1,
    }  # fmt: skip
    folder = run_job(job, tmp_path / "model")
    told = json.loads((folder / "training.json").read_text())
    assert told["rows"] == 400
    assert told["steps"] < 100  # packed: several rows a sequence
