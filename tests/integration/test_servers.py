"""The openai engine against every dialect of the fault server: the same as the engine behind it."""

import asyncio

import pytest
from fault_server import Server

from scalediff.core.engine import Request, Sampling
from scalediff.core.errors import RecipeError, RecordError
from scalediff.engines import EngineConfig, open_engine
from scalediff.engines.config import HttpConfig
from scalediff.model_names import resolve

MODEL = "fake:identifier?accuracy=0.9"
TEXTS = [f"What is ${i} + {i % 7}$?" for i in range(12)]


def requests(**more):
    sampling = Sampling(max_new_tokens=more.pop("cap", 400))
    return [
        Request(messages=({"role": "user", "content": text},), sampling=sampling, seed=i, **more)
        for i, text in enumerate(TEXTS)
    ]


def asked(model, work, **http):
    """What a coroutine function makes of an open engine."""

    async def go():
        engine = await open_engine(resolve(model), EngineConfig(http=HttpConfig(**http)))
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(go())


async def sample_all(engine):
    done = await asyncio.gather(*(engine.sample(r) for r in requests(thinking=True)))
    return [(d.reasoning, d.content, d.finish_reason, d.num_tokens) for d in done]


async def score_all(engine):
    return await asyncio.gather(*(engine.score(r, "</think>") for r in requests()))


@pytest.mark.parametrize("dialect", ["field", "reasoning", "inline", "opened"])
def test_thoughts_of_every_dialect_are_those_of_the_engine_behind(dialect):
    with Server("--reasoning", dialect, model=MODEL) as server:
        assert asked(server.model, sample_all) == asked(MODEL, sample_all)


@pytest.mark.parametrize("dialect", ["field", "reasoning", "inline", "opened"])
def test_a_cut_thought_holds_no_answer_in_any_dialect(dialect):
    async def cut(engine):
        todo = requests(thinking=True, cap=12)
        return await asyncio.gather(*(engine.sample(r) for r in todo))

    with Server("--reasoning", dialect, model=MODEL) as server:
        for done in asked(server.model, cut):
            assert (done.finish_reason, done.content) == ("length", "")
            assert done.reasoning


@pytest.mark.parametrize(
    ("dialect", "method"), [("prompt_logprobs", "prompt_logprobs"), ("echo", "echo")]
)
def test_exact_scores_are_those_of_the_engine_behind(dialect, method):
    truth = asked(MODEL, score_all)
    with Server("--score", dialect, model=MODEL) as server:
        found = asked(server.model, score_all)
    for score, true in zip(found, truth, strict=True):
        assert score.method == method
        assert score.logprob == pytest.approx(true.logprob, abs=1e-9)
        assert score.is_greedy == true.is_greedy


def test_where_nothing_exact_is_had_the_first_tokens_leave_an_interval():
    truth = asked(MODEL, score_all)
    with Server("--score", "top_k", model=MODEL) as server:
        found = asked(server.model, score_all)
    for score, true in zip(found, truth, strict=True):
        assert score.method == "top_k"
        assert score.is_greedy == true.is_greedy
        assert score.low - 1e-9 <= true.logprob <= score.high + 1e-9


@pytest.mark.parametrize(
    ("dialect", "why"),
    [("echo-ignored", "accepted and ignored"), ("null", "null"), ("none", "not supported")],
)
def test_a_server_without_any_way_stops_the_run_and_says_why(dialect, why):
    server = Server("--score", dialect, model=MODEL)
    with server, pytest.raises(RecipeError, match="pass_rate") as error:
        asked(server.model, score_all)
    assert why in str(error.value)


def test_a_strict_window_is_met_and_a_prompt_over_it_is_the_row_s_own():
    async def both(engine):
        wide = Sampling(max_new_tokens=32768)
        texts = ("What is $1 + 1$?", "word " * 700)
        todo = (Request(messages=({"role": "user", "content": t},), sampling=wide) for t in texts)
        return await asyncio.gather(*(engine.sample(r) for r in todo), return_exceptions=True)

    with Server("--strict-window", model="fake:teacher?window=600") as server:
        fine, refused = asked(server.model, both)
    assert fine.finish_reason == "stop"
    assert isinstance(refused, RecordError)
    assert refused.reason == "over_length"


def test_a_cut_response_goes_on_from_its_text():
    async def parts(engine):
        (first, *_) = requests(thinking=True, cap=12)
        cut = await engine.sample(first)
        whole = requests(thinking=True)[0]
        rest = await engine.sample(
            Request(messages=whole.messages, sampling=whole.sampling, seed=whole.seed,
                    thinking=True, prefix=cut.text)
        )  # fmt: skip
        return await engine.sample(whole), rest

    # the fake behind the server understands a prefix in a chat, not in a rendered prompt
    with Server("--no-tokenize", "--reasoning", "inline", model="fake:teacher") as server:
        whole, rest = asked(server.model, parts)
    assert (rest.reasoning, rest.content) == (whole.reasoning, whole.content)


def test_a_wrong_tokenizer_is_noticed_once_and_early():
    folder = resolve("nano:teacher").location

    async def one(engine):
        return await engine.sample(requests()[0])

    server = Server(model=MODEL)
    with server, pytest.raises(RecipeError, match="chat templates or tokenizers"):
        asked(server.model, one, tokenizer=folder)


def test_a_port_that_speaks_no_tls_is_one_sentence():
    with Server(model=MODEL) as server:
        model = server.model.replace("http://", "https://")
        with pytest.raises(Exception, match="no server answers at https"):
            asked(model, sample_all)
