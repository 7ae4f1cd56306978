import asyncio
import re
from dataclasses import replace

import pytest

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.errors import EngineError, RecipeError, RecordError
from scalediff.engines import EngineConfig, open_engine
from scalediff.engines.fake import BEHAVIOURS, FakeEngine, fingerprint_of, read_script, script_of

SAMPLING = Sampling(max_new_tokens=500)


def engine_of(script):
    return FakeEngine(ModelSpec(f"fake:{script}", "fake", script))


def ask(problem, seed=0, sampling=SAMPLING, **more):
    message = {"role": "user", "content": problem}
    return Request(messages=(message,), seed=seed, sampling=sampling, **more)


def sample(script, *requests):
    engine = engine_of(script)

    async def main():
        return await asyncio.gather(*(engine.sample(request) for request in requests))

    return asyncio.run(main())


def boxed(content):
    found = re.search(r"\\boxed\{(-?\d+)\}", content)
    return int(found[1]) if found else None


def problems(n=200, script="generator"):
    requests = [Request(raw="<|im_start|>user\n", sampling=SAMPLING, seed=s) for s in range(n)]
    return [completion.content for completion in sample(script, *requests)]


def test_new_problems_are_arithmetic_and_hang_on_the_seed():
    texts = problems(script="generator?malformed=0")
    assert texts == problems(script="generator?malformed=0")
    assert len(set(texts)) > 190
    assert all(re.fullmatch(r"[A-Z][a-z ]+\$[\d \\cdot+-]+\$[.?]", text) for text in texts)


def test_shares_of_malformed_and_repeated_problems_are_as_asked():
    texts = problems(400, "generator?malformed=0.25")
    assert sum(not text.endswith(("?", ".")) for text in texts) == pytest.approx(100, abs=30)
    assert len(set(problems(400, "generator?num_problems=20&malformed=0"))) == 20


@pytest.mark.parametrize(
    ("problem", "value"),
    [
        (r"What is $4 \cdot 7 + 2$?", 30),
        (r"Work out $2 + 3 \cdot 4 - 20$.", -6),
        ("Find 12*3 x, then what is $10 - 3 - 4$?", 3),
        ("What is $3 × 5$?", 15),
    ],
)
def test_arithmetic_is_worked_out(problem, value):
    (completion,) = sample("teacher?accuracy=1", ask(problem))
    assert boxed(completion.content) == value
    assert str(value) in completion.reasoning
    assert completion.finish_reason == "stop"


@pytest.mark.parametrize("problem", ["", "$", "What is $007+08$?", "9*" * 5000 + "9", "\ud800"])
def test_whatever_is_asked_has_one_right_answer(problem):
    first, second = sample("teacher?accuracy=1", ask(problem), ask(problem, seed=1))
    assert boxed(first.content) == boxed(second.content) is not None


@pytest.mark.parametrize("accuracy", [0, 0.5, 1])
def test_accuracy_is_the_share_of_right_answers(accuracy):
    requests = [ask("What is $20+22$?", seed=seed) for seed in range(300)]
    found = sample(f"teacher?accuracy={accuracy}", *requests)
    right = sum(boxed(completion.content) == 42 for completion in found)
    assert right == pytest.approx(300 * accuracy, abs=40 * (0 < accuracy < 1))


def test_a_sample_is_a_function_of_request_and_seed():
    requests = [ask(f"What is ${i}+1$?", seed=i) for i in range(20)]
    forwards = sample("student", *requests)
    assert forwards == sample("student", *requests[::-1])[::-1]
    others = sample("student", *(replace(request, seed=99) for request in requests))
    assert forwards != others


def test_shares_of_faulty_responses_are_as_asked():
    requests = [ask("What is $1+1$?", seed=seed) for seed in range(300)]
    for share in ("truncated", "looping"):
        found = sample(f"teacher?{share}=0.3", *requests)
        cut = [c for c in found if c.finish_reason == "length"]
        assert len(cut) == pytest.approx(90, abs=30)
        assert all(c.content == "" and c.num_tokens == 500 for c in cut)
    unanswered = [c for c in sample("teacher?unanswered=0.3", *requests) if not boxed(c.content)]
    assert len(unanswered) == pytest.approx(90, abs=30)


def test_a_larger_cap_only_adds():
    request = ask("1+1", sampling=replace(SAMPLING, max_new_tokens=50))
    # the cap is no part of an attempt's key, so it may not change what is said
    larger = replace(request, sampling=replace(SAMPLING, max_new_tokens=5000))
    short, long = sample("teacher?truncated=1", request, larger)
    assert long.reasoning.startswith(short.reasoning)
    assert (short.num_tokens, long.num_tokens) == (50, 5000)


def test_thinking_is_as_asked():
    thinking, at_once, given, opened = sample(
        "teacher", ask("1+1"), ask("1+1", thinking=False), ask("1+1", prefix="<think>\n\n</think>"),
        ask("1+1", prefix="<think>\nFirst,"),
    )  # fmt: skip
    assert thinking.reasoning
    assert at_once.reasoning is None
    assert given.reasoning == ""
    assert opened.reasoning.startswith("First,")
    for completion in (thinking, at_once, given, opened):
        assert boxed(completion.content) is not None
    (identified,) = sample("identifier", ask("1+1"))
    assert identified.reasoning


def test_stop_strings_and_stop_when_end_a_response():
    stops = replace(SAMPLING, stop=("Step 2",))
    (stopped,) = sample("teacher", ask("What is $1+1$?", sampling=stops))
    assert "Step 1" in stopped.reasoning
    assert "Step 2" not in stopped.reasoning
    assert (stopped.content, stopped.finish_reason) == ("", "stop")
    looping = ask("What is $1+1$?", stop_when=lambda text: text.count("once more") > 9)
    (looped,) = sample("teacher?looping=1", looping)
    assert (looped.finish_reason, looped.content) == ("stopped", "")
    assert looped.num_tokens < 100


def test_the_window_refuses_a_long_prompt_and_caps_a_response():
    with pytest.raises(RecordError, match="over_length"):
        sample("teacher?window=10", ask("a " * 10))
    (capped,) = sample("teacher?window=20&looping=1", ask("a " * 10))
    assert capped.num_prompt_tokens + capped.num_tokens == 20
    with pytest.raises(RecordError, match="over_length"):
        asyncio.run(engine_of("identifier?window=10").score(ask("a " * 10), "</think>"))


def test_scores_hang_on_the_text_and_have_the_share_asked():
    engine = engine_of("identifier?simple=0.3")

    async def main():
        return [await engine.score(ask(f"{i}+1"), "</think>") for i in range(300)]

    found = asyncio.run(main())
    assert found == asyncio.run(main())
    assert sum(s.is_greedy for s in found) == pytest.approx(90, abs=30)
    assert all(s.logprob < 0 for s in found)
    assert engine.info.opens_think
    assert engine.info.example_prompt.endswith("<think>\n")


def test_failures_come_in_the_share_asked_and_change_no_result():
    engine = engine_of("teacher?fail_share=0.4")
    requests = [ask(f"What is ${i}+1$?", seed=i) for i in range(100)]
    failures = 0

    async def until_done(request):
        nonlocal failures
        while True:
            try:
                return await engine.sample(request)
            except EngineError:
                failures += 1

    async def main():
        return [await until_done(request) for request in requests]

    assert asyncio.run(main()) == sample("teacher", *requests)
    # each success costs 0.4 / 0.6 failures
    assert failures == pytest.approx(67, abs=35)


def test_latency_is_waited_and_calls_wait_together(monkeypatch):
    engine = engine_of("teacher?latency_s=0.05")
    waited = []

    async def main():
        together = asyncio.Event()

        async def sleep(seconds):  # ends once all twenty are asleep
            waited.append(seconds)
            if len(waited) == 20:
                together.set()
            await together.wait()

        monkeypatch.setattr("scalediff.engines.fake.asyncio.sleep", sleep)
        calls = (engine.sample(ask("1+1", seed=s)) for s in range(20))
        await asyncio.wait_for(asyncio.gather(*calls), 60)

    asyncio.run(main())
    assert waited == [0.05] * 20


def test_the_fingerprint_is_what_it_says_and_no_more():
    assert fingerprint_of("teacher") != fingerprint_of("student")
    assert fingerprint_of("teacher") == fingerprint_of("teacher?latency_s=1&fail_share=0.5")
    assert fingerprint_of("teacher?accuracy=0.5") == fingerprint_of("student")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("techer", "did you mean teacher?"),
        ("", "there are teacher, student, generator, identifier"),
        ("teacher?acuracy=1", "did you mean accuracy?"),
        ("teacher?accuracy=often", "give a number"),
        ("teacher?accuracy=2", "has to be from 0 to 1"),
        ("teacher?accuracy=nan", "has to be from 0 to 1"),
        ("teacher?latency_s=-1", "has to be at least 0"),
        ("teacher?latency_s=inf", "has to be at least 0"),
        ("teacher?window=0", "has to be at least 1"),
        ("teacher?window=1.5", "give a whole number"),
        ("teacher?window=", "give a whole number"),
    ],
)
def test_a_wrong_script_is_one_sentence(script, says):
    with pytest.raises(RecipeError) as error:
        read_script(script)
    assert says in str(error.value)


def test_every_script_reads_and_opens():
    for name in BEHAVIOURS:
        script = script_of(name, accuracy=0.25)
        assert read_script(script.removeprefix("fake:")).accuracy == 0.25
        spec = ModelSpec(script, "fake", script.removeprefix("fake:"))
        engine = asyncio.run(open_engine(spec, EngineConfig()))
        assert engine.info.model == script
