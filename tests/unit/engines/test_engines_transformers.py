"""The embedded engine on tiny models with random weights."""

import asyncio
import dataclasses
import random

import pytest
import torch

from scalediff.core.engine import Request, Sampling
from scalediff.core.errors import EngineError, RecordError

GREEDY = Sampling(temperature=0, max_new_tokens=40)
LOOSE = Sampling(temperature=1.0, top_p=0.95, top_k=20, max_new_tokens=40)
TEXTS = [f"{'What is it? ' * (i % 4)}{i} + {i * i}" for i in range(20)]


def ask(text, sampling=GREEDY, seed=0, **more):
    return Request(raw=text, sampling=sampling, seed=seed, **more)


def gather(engine, requests):
    return asyncio.gather(*(engine.sample(request) for request in requests))


def generated(model, tokenizer, text, **options):
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=256, **options
        )
    return out[0, ids.shape[1] :].tolist()


def test_greedy_samples_are_those_of_generate(model, tokenizer, with_engine):
    """Twenty requests in eight slots: rows leave and enter on the way."""
    found = with_engine(model, lambda engine: gather(engine, [ask(text) for text in TEXTS]))
    assert len({c.num_tokens for c in found}) > 1, "all are cut: nothing leaves early"
    for text, completion in zip(TEXTS, found, strict=True):
        expected = generated(model, tokenizer, text, max_new_tokens=40)
        assert list(completion.token_ids) == expected
        assert completion.finish_reason == ("stop" if expected[-1] == 258 else "length")
        assert completion.num_prompt_tokens == len(text)


def test_a_sample_is_the_same_alone_in_a_full_batch_and_in_another_order(model, with_engine):
    requests = [ask(text, LOOSE, seed=7 + i) for i, text in enumerate(TEXTS)]

    async def use(engine):
        together = await gather(engine, requests)
        order = list(range(len(requests)))
        random.Random(1).shuffle(order)

        async def late(place, i):
            await asyncio.sleep(0.005 * place)
            return i, await engine.sample(requests[i])

        shuffled = dict(await asyncio.gather(*(late(n, i) for n, i in enumerate(order))))
        alone = [await engine.sample(request) for request in requests]
        return together, [shuffled[i] for i in range(len(requests))], alone

    together, shuffled, alone = with_engine(model, use)
    assert together == shuffled
    assert together == alone


def test_the_seed_decides(qwen3, with_engine):
    requests = [ask("What is it?", LOOSE, seed=seed) for seed in (1, 2, 1, 3)]
    first, second, again, third = with_engine(qwen3, lambda engine: gather(engine, requests))
    assert first == again
    assert len({first.token_ids, second.token_ids, third.token_ids}) == 3


def test_scores_are_those_of_a_plain_forward_pass(model, tokenizer, with_engine):
    texts, more = [*TEXTS, "a" * 200], "</think>ok"

    async def use(engine):
        return await asyncio.gather(*(engine.score(ask(text), more) for text in texts))

    for text, score in zip(texts, with_engine(model, use), strict=True):
        ids = tokenizer(text + more, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, len(text) - 1 : -1]
        targets = ids[0, len(text) :]
        logprob = logits.log_softmax(-1).gather(-1, targets[:, None]).sum()
        assert score.logprob == pytest.approx(logprob.item(), abs=1e-4)
        assert score.is_greedy == bool((logits.argmax(-1) == targets).all())
        assert score.num_prompt_tokens == len(text)


def test_the_score_of_a_greedy_response_is_greedy(qwen3, tokenizer, with_engine):
    short = dataclasses.replace(GREEDY, max_new_tokens=3)

    async def use(engine):
        found = {text: await engine.sample(ask(text, short)) for text in TEXTS[:6]}
        # a response with hidden tokens is not the text that was sampled
        whole = {t: c for t, c in found.items() if len(tokenizer(c.content)["input_ids"]) == 3}
        assert whole
        return [
            (await engine.score(ask(t), c.content), await engine.score(ask(t), c.content + "é"))
            for t, c in whole.items()
        ]

    for score, other in with_engine(qwen3, use):
        assert score.is_greedy
        assert not other.is_greedy
        assert other.logprob < score.logprob < 0


def test_messages_are_rendered_and_come_apart(qwen3, tokenizer_with, with_engine):
    opening = tokenizer_with(
        "{% for m in messages %}{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}<think>\n{% endif %}"
    )
    request = Request(
        messages=({"role": "user", "content": "1+1?"},), sampling=LOOSE, prefix="so</think>It is"
    )
    completion = with_engine(qwen3, lambda e: e.sample(request), tokenizer=opening)
    assert completion.reasoning == "so"
    assert completion.content.startswith("It is")
    assert completion.num_prompt_tokens == len("1+1?") + 1 + len("\nso") + 1 + len("It is")
    assert completion.num_tokens == len(completion.token_ids) <= 40


def test_a_cut_thought_is_no_content(qwen3, tokenizer_with, with_engine):
    opening = tokenizer_with("{% for m in messages %}{{ m.content }}{% endfor %}<think>\n")
    request = Request(
        messages=({"role": "user", "content": "1+1?"},),
        sampling=Sampling(temperature=0, max_new_tokens=2),
    )
    completion = with_engine(qwen3, lambda e: e.sample(request), tokenizer=opening)
    assert (completion.content, completion.finish_reason) == ("", "length")
    assert completion.reasoning is not None


def test_a_stop_string_ends_the_response_and_is_no_part_of_it(qwen3, with_engine):
    whole = with_engine(qwen3, lambda e: e.sample(ask("What is it?")))
    text = whole.content
    stop = text[5:8]
    assert text.isascii(), "the stop string would begin within a character"
    sampling = dataclasses.replace(GREEDY, stop=(stop, "never there"))
    stopped = with_engine(qwen3, lambda e: e.sample(ask("What is it?", sampling)))
    assert stopped.content == text.partition(stop)[0]
    assert stopped.finish_reason == "stop"
    assert stopped.num_tokens < whole.num_tokens


def test_a_stop_string_that_is_a_special_token_stops_by_its_id(qwen3, with_engine):
    """``<|im_start|>`` is no end of the model's own, so only the request can make it one."""
    seeds = range(60)
    plain = [ask("What", Sampling(1.0, 1.0, 0, max_new_tokens=60), seed=s) for s in seeds]
    found = with_engine(qwen3, lambda e: gather(e, plain))
    hit = next(s for s in seeds if 257 in found[s].token_ids[1:])
    sampling = Sampling(1.0, 1.0, 0, max_new_tokens=60, stop=("<|im_start|>",))
    stopped = with_engine(qwen3, lambda e: e.sample(ask("What", sampling, seed=hit)))
    place = found[hit].token_ids.index(257)
    assert stopped.token_ids == found[hit].token_ids[: place + 1]
    assert stopped.finish_reason == "stop"
    assert "<|im_start|>" not in stopped.content


def test_stop_when_sees_the_text_so_far(qwen3, with_engine):
    seen = []

    def look(text):
        seen.append(text)
        return len(seen) == 2

    request = ask("What is it?", prefix=" Well", stop_when=look)
    stopped = with_engine(qwen3, lambda e: e.sample(request))
    assert stopped.finish_reason == "stopped"
    assert stopped.num_tokens < 40
    assert stopped.content == seen[-1]
    assert all(text.startswith(" Well") for text in seen)
    assert len(seen[0]) < len(seen[1])


def test_a_stop_when_that_breaks_fails_its_own_request_alone(qwen3, with_engine):
    def broken(text):
        raise ZeroDivisionError("of the caller's own")

    async def use(engine):
        bad = engine.sample(ask("What is it?", stop_when=broken))
        return await asyncio.gather(bad, engine.sample(ask("What")), return_exceptions=True)

    bad, good = with_engine(qwen3, use)
    assert isinstance(bad, ZeroDivisionError)
    assert good.num_tokens > 0


def test_the_window_caps_a_response_and_refuses_a_prompt(qwen3, with_engine):
    long = dataclasses.replace(LOOSE, max_new_tokens=10_000)

    async def use(engine):
        capped = await engine.sample(ask("a" * 50, long, seed=3))
        errors = []
        for text in ("a" * 64, "a" * 65, "a" * 10_000_000):
            with pytest.raises(RecordError) as error:
                await engine.sample(ask(text, long))
            errors.append(error.value)
        with pytest.raises(RecordError) as error:
            await engine.score(ask("a" * 64), "b")
        return capped, [*errors, error.value], await engine.score(ask("a" * 63), "b")

    capped, errors, score = with_engine(qwen3, use, window=64)
    assert capped.num_tokens <= 14
    assert capped.finish_reason == "stop" or capped.num_tokens == 14
    assert all(error.reason == "over_length" and "64" in error.evidence for error in errors)
    assert score.num_prompt_tokens == 63


def test_an_empty_prompt_is_the_rows_own_fault(qwen3, with_engine):
    with pytest.raises(RecordError, match="prompt is empty"):
        with_engine(qwen3, lambda e: e.sample(ask("")))


def test_half_a_character_is_the_rows_own_fault(qwen3, with_engine):
    with pytest.raises(RecordError, match="no valid text: surrogates not allowed at 5"):
        with_engine(qwen3, lambda e: e.sample(ask("What \ud800")))


def test_a_cancelled_call_frees_its_slot(qwen3, with_engine):
    """Two slots, held by responses that never end: others get through once they are cancelled."""
    endless = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=100_000)
    # nothing ends a response but its cap where the model has no end
    model_without_end = _without_end(qwen3)

    async def use(engine):
        held = [asyncio.ensure_future(engine.sample(ask("a", endless, seed=s))) for s in (1, 2)]
        waiting = asyncio.ensure_future(engine.sample(ask("b")))
        given_up = asyncio.ensure_future(engine.sample(ask("c")))
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in (*held, waiting, given_up))
        for task in (*held, given_up):
            task.cancel()
        completion = await waiting
        await asyncio.gather(*held, given_up, return_exceptions=True)
        return completion

    completion = with_engine(model_without_end, use, slots=2, window=0)
    assert completion.num_tokens == 40


def _without_end(model):
    import copy

    endless = copy.copy(model)
    endless.config = copy.deepcopy(model.config)
    endless.config.eos_token_id = 256
    endless.generation_config = copy.deepcopy(model.generation_config)
    endless.generation_config.eos_token_id = 256
    endless.forward = _never(model.forward, (256, 258))
    return endless


def _never(forward, tokens):
    def muted(*args, **kwargs):
        out = forward(*args, **kwargs)
        out.logits[..., list(tokens)] = -1e9
        return out

    return muted


def test_closing_fails_those_who_wait_and_those_who_come_late(qwen3, with_engine):
    async def use(engine):
        sampling = Sampling(temperature=0, max_new_tokens=100_000)
        calls = [asyncio.ensure_future(engine.sample(ask("a", sampling))) for _ in range(12)]
        await asyncio.sleep(0.1)
        await engine.close()
        results = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(EngineError, match="tiny is closed"):
            await engine.sample(ask("a"))
        return results

    results = with_engine(_without_end(qwen3), use, window=0)
    assert all(isinstance(result, EngineError) for result in results)


def test_a_failing_model_fails_every_call_with_an_engine_error(qwen3, with_engine, monkeypatch):
    from scalediff.engines.decoder import SlotDecoder

    real, calls = SlotDecoder.step, []

    def step(self, *args):
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("CUDA out of memory")
        return real(self, *args)

    monkeypatch.setattr(SlotDecoder, "step", step)

    async def use(engine):
        calls = [engine.sample(ask("a", LOOSE, seed=s)) for s in range(12)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(EngineError, match="tiny failed"):
            await engine.score(ask("a"), "b")
        return results

    failed = [r for r in with_engine(qwen3, use) if isinstance(r, Exception)]
    assert failed
    assert all(isinstance(r, EngineError) and "lower the engine's slots" in str(r) for r in failed)


def test_each_completion_is_handed_over_as_it_finishes(qwen3, with_engine):
    async def use(engine):
        done = []

        async def one(name, num):
            await engine.sample(ask("a", Sampling(temperature=0, max_new_tokens=num)))
            done.append(name)

        await asyncio.gather(one("long", 40), one("short", 2))
        return done

    assert with_engine(_without_end(qwen3), use) == ["short", "long"]
