"""The embedded engine and a training on a CUDA device; `make gpu` runs these where there is one."""

import asyncio
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
