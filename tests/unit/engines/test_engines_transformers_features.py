"""The embedded engine: log-probabilities, going on from a cut response, aborting, counts."""

import asyncio
import copy
import dataclasses

import pytest
import torch

from scalediff.core.engine import Request, Sampling
from scalediff.engines.sampling import draw

GREEDY = Sampling(temperature=0, max_new_tokens=40)
LOOSE = Sampling(temperature=1.0, top_p=0.95, top_k=20, max_new_tokens=40)
TEXTS = [f"{'What is it? ' * (i % 4)}{i} + {i * i}" for i in range(20)]
WIDE = Sampling(temperature=0.7, top_p=1.0, top_k=0, max_new_tokens=40)
SYSTEM = (
    "<|im_start|>system\nBe brief.<|im_end|>\n{% for m in messages %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def ask(text, sampling=GREEDY, seed=0, **more):
    return Request(raw=text, sampling=sampling, seed=seed, **more)


def gather(engine, requests):
    return asyncio.gather(*(engine.sample(request) for request in requests))


def without_end(model):
    """The model with no probability of its end tokens: its forward pass is wrapped."""
    endless = copy.copy(model)
    endless.config = copy.deepcopy(model.config)
    endless.config.eos_token_id = 256
    endless.generation_config = copy.deepcopy(model.generation_config)
    endless.generation_config.eos_token_id = 256

    def forward(*args, **kwargs):
        out = model.forward(*args, **kwargs)
        out.logits[..., [256, 258]] = -1e9
        return out

    endless.forward = forward
    return endless


def plain_logprobs(model, tokenizer, text, tokens):
    prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, torch.tensor(tokens)[:, None]).squeeze(-1).tolist()


@pytest.mark.parametrize("sampling", [GREEDY, LOOSE, WIDE], ids=["greedy", "cut", "whole"])
def test_logprobs_are_those_of_the_untempered_softmax(model, tokenizer, with_engine, sampling):
    requests = [ask(t, sampling, seed=n, logprobs=True) for n, t in enumerate(TEXTS)]
    found = with_engine(model, lambda engine: gather(engine, requests))
    assert {c.finish_reason for c in found} == {"stop", "length"}, "one kind of end is not tried"
    for request, completion in zip(requests, found, strict=True):
        expected = plain_logprobs(model, tokenizer, request.raw, completion.token_ids)
        assert completion.logprobs == pytest.approx(expected, abs=1e-3)
        assert len(completion.logprobs) == completion.num_tokens


def test_logprobs_change_no_token_and_are_absent_where_not_asked_for(qwen3, with_engine):
    asked = [ask(t, LOOSE, seed=n, logprobs=n % 2 == 0) for n, t in enumerate(TEXTS)]
    never = [dataclasses.replace(request, logprobs=False) for request in asked]
    found = with_engine(qwen3, lambda engine: gather(engine, asked))
    plain = with_engine(qwen3, lambda engine: gather(engine, never))
    assert [c.token_ids for c in found] == [c.token_ids for c in plain]
    assert [c.logprobs is None for c in found] == [n % 2 == 1 for n in range(len(TEXTS))]
    assert all(c.logprobs is None for c in plain)


def test_a_cut_response_goes_on_as_if_it_had_not_been_cut(model, with_engine):
    """The same seed draws the numbers that the uninterrupted response would have drawn."""
    short = dataclasses.replace(LOOSE, max_new_tokens=15)
    rest = dataclasses.replace(LOOSE, max_new_tokens=25)

    async def use(engine):
        whole = await gather(engine, [ask(t, LOOSE, seed=n) for n, t in enumerate(TEXTS)])
        cut = await gather(engine, [ask(t, short, seed=n) for n, t in enumerate(TEXTS)])
        on = await gather(
            engine,
            [
                ask(t, rest, seed=n, prefix=c.text)
                for n, (t, c) in enumerate(zip(TEXTS, cut, strict=True))
            ],
        )
        return whole, cut, on

    compared = 0
    for whole, cut, on in zip(*with_engine(model, use), strict=True):
        # tokens that are hidden, or half a character, are in no text
        if cut.finish_reason == "length" and len(cut.text) == 15 and cut.text.isascii():
            compared += 1
            assert cut.token_ids + on.token_ids == whole.token_ids
            assert on.text == whole.text
            assert on.text.startswith(cut.text)
    assert compared >= 5


def test_the_text_is_as_written_with_its_tags(qwen3, tokenizer_with, with_engine):
    opening = tokenizer_with("{% for m in messages %}{{ m.content }}{% endfor %}<think>\n")
    message = ({"role": "user", "content": "1+1?"},)
    request = Request(messages=message, sampling=LOOSE, prefix="so</think>It is", seed=4)
    completion = with_engine(qwen3, lambda e: e.sample(request), tokenizer=opening)
    assert completion.text.startswith("so</think>It is")
    assert completion.reasoning == "so"
    stop = completion.text[17:19]
    stopped = dataclasses.replace(request, sampling=dataclasses.replace(LOOSE, stop=(stop,)))
    ended = with_engine(qwen3, lambda e: e.sample(stopped), tokenizer=opening)
    assert ended.finish_reason == "stop"
    assert ended.text == completion.text[:15] + completion.text[15:].partition(stop)[0]


@pytest.mark.parametrize("place", [0, 7, 20])
def test_the_first_of_several_stop_strings_counts(qwen3, with_engine, place):
    whole = with_engine(qwen3, lambda e: e.sample(ask("What is it?"))).content
    stops = (whole[place + 3 : place + 6], whole[place : place + 2], "")
    sampling = dataclasses.replace(GREEDY, stop=stops)
    stopped = with_engine(qwen3, lambda e: e.sample(ask("What is it?", sampling)))
    first = min(whole.find(stop) for stop in stops if stop)
    assert stopped.content == whole[:first].strip()
    assert stopped.text == whole[:first]


def test_aborting_one_leaves_the_others_as_they_were(qwen3, with_engine):
    model = without_end(qwen3)
    long = dataclasses.replace(LOOSE, max_new_tokens=120)
    requests = [ask(text, long, seed=n) for n, text in enumerate(TEXTS[:8])]

    async def use(engine):
        calls = [asyncio.ensure_future(engine.sample(request)) for request in requests]
        while engine.usage.in_flight < 8:
            await asyncio.sleep(0.001)
        calls[3].cancel()
        calls[5].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        return results, await gather(engine, requests), dataclasses.replace(engine.usage)

    results, whole, usage = with_engine(model, use)
    for n, (result, expected) in enumerate(zip(results, whole, strict=True)):
        if n in (3, 5):
            assert isinstance(result, asyncio.CancelledError)
        else:
            assert result == expected
    assert (usage.in_flight, usage.waiting) == (0, 0)
    assert usage.requests == 14
    assert usage.tries == 16


def test_an_aborted_response_gives_its_slot_to_one_that_waits(qwen3, with_engine):
    endless = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_new_tokens=100_000)

    async def use(engine):
        held = [asyncio.ensure_future(engine.sample(ask("a", endless, seed=s))) for s in range(3)]
        short = Sampling(temperature=0, max_new_tokens=3)
        waiting = [asyncio.ensure_future(engine.sample(ask("b" * n, short))) for n in range(1, 30)]
        while engine.usage.in_flight < 3:
            await asyncio.sleep(0.001)
        held[1].cancel()  # the others hold their slots for ever
        done = await asyncio.gather(*waiting)
        for call in held:
            call.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        return done

    done = with_engine(without_end(qwen3), use, slots=3, window=0)
    assert [c.num_tokens for c in done] == [3] * 29


def test_no_more_are_in_flight_than_there_are_slots(qwen3, with_engine):
    async def use(engine):
        seen = []

        async def one(n):
            await engine.sample(ask(TEXTS[n], LOOSE, seed=n))
            seen.append(dataclasses.replace(engine.usage))

        await asyncio.gather(*(one(n) for n in range(20)))
        scored = asyncio.gather(*(engine.score(ask(text), "b") for text in TEXTS))
        await asyncio.sleep(0)
        waiting = engine.usage.waiting + engine.usage.in_flight
        await scored
        return seen, waiting, engine.usage

    seen, waiting, usage = with_engine(qwen3, use, slots=4)
    assert max(counts.in_flight for counts in seen) <= 4
    assert max(counts.waiting for counts in seen) > 0
    assert all(counts.limit == 4 for counts in seen)
    assert waiting == 20
    assert (usage.in_flight, usage.waiting, usage.requests) == (0, 0, 40)


def test_a_system_turn_is_read_once_and_changes_nothing(model, tokenizer_with, with_engine):
    tokenizer = tokenizer_with(SYSTEM)
    requests = [
        Request(messages=({"role": "user", "content": text},), sampling=LOOSE, seed=n)
        for n, text in enumerate(TEXTS)
    ]

    async def use(engine):
        assert len(engine.head) > 20
        prompts = [engine._encode(request)[0] for request in requests]
        raw = [Request(raw="\n" + prompt, sampling=LOOSE) for prompt in prompts]
        scores = [await engine.score(request, "ok") for request in (*requests, *raw)]
        return prompts, scores, await gather(engine, requests), await gather(engine, requests[::-1])

    prompts, scores, first, again = with_engine(model, use, tokenizer=tokenizer)
    assert first == again[::-1]
    whole = [*prompts, *("\n" + prompt for prompt in prompts)]
    for prompt, score in zip(whole, scores, strict=True):
        ids = tokenizer("ok", add_special_tokens=False)["input_ids"]
        assert score.logprob == pytest.approx(
            sum(plain_logprobs(model, tokenizer, prompt, ids)), abs=1e-3
        )


def test_a_wide_nucleus_is_drawn_as_from_a_sorted_vocabulary():
    torch.manual_seed(1)
    logits = torch.randn(40, 9000) * torch.linspace(0.1, 6, 40)[:, None]
    numbers = torch.rand(40, dtype=torch.float64).numpy()
    for sampling in (
        Sampling(1.0, 0.95, 0),
        Sampling(1.0, 1.0, 0, 0.02),
        Sampling(1.0, 0.9, 0, 0.1),
    ):
        values, ids = logits.softmax(-1).sort(dim=-1, descending=True)
        before = values.double().cumsum(-1) - values.double()
        kept = (before < sampling.top_p) & (values >= sampling.min_p * values[:, :1])
        mass = (values.double() * kept).cumsum(-1)
        goal = torch.from_numpy(numbers)[:, None] * mass[:, -1:]
        expected = ids.gather(-1, torch.searchsorted(mass, goal, right=True)).squeeze(-1)
        assert torch.equal(draw(logits, sampling, numbers), expected)
