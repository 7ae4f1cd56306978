"""The fault server: what it says in each dialect, and what each fault looks like to a client."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections import Counter
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
from counting import read_lines
from fault_server import Server
from faults import Lots, read_shares

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.engines.fake import FakeEngine

USER = {"role": "user", "content": "What is $3 + 4$?"}
SAMPLING = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0}
SCORED = "<|user|>What is $3 + 4$?\n<|assistant|><think>\n"


def engine(script):
    return FakeEngine(ModelSpec(f"fake:{script}", "fake", script))


def ask(server, *bodies, path="/chat/completions", headers=None, timeout=100.0):
    """(status, headers, body) of each call, all at once; an exception where there was none."""

    async def one(session, body):
        body = {"model": server.name, **body}
        async with session.post(server.url + path, json=body, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    async def all_of_them():
        limit = aiohttp.ClientTimeout(total=timeout)
        async with aiohttp.ClientSession(timeout=limit) as session:
            calls = [one(session, body) for body in bodies]
            return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(all_of_them())


def chat(server, timeout=100.0, **fields):
    (found,) = ask(server, {"messages": [USER], "seed": 5, **SAMPLING, **fields}, timeout=timeout)
    return found


def complete(server, **fields):
    (found,) = ask(server, fields, path="/completions")
    return found


def whole(found):
    status, headers, body = found
    assert (status, headers["Content-Type"]) == (200, "application/json"), body
    return json.loads(body)


def events(found):
    status, headers, body = found
    assert (status, headers["Content-Type"]) == (200, "text/event-stream"), body
    return [part.removeprefix(b"data: ") for part in body.split(b"\n\n") if part]


@pytest.fixture(scope="module")
def teacher():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def identifier():
    with Server(model="fake:identifier") as server:
        yield server


def test_a_chat_is_what_the_fake_engine_says(teacher):
    request = Request(messages=(USER,), sampling=Sampling(max_new_tokens=1000), seed=5)
    expected = asyncio.run(engine("teacher").sample(request))
    answer = whole(chat(teacher, max_tokens=1000))
    (choice,) = answer["choices"]
    assert choice["message"]["reasoning_content"] == expected.reasoning
    assert choice["message"]["content"] == expected.content
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == expected.num_tokens
    assert answer["usage"]["prompt_tokens"] == expected.num_prompt_tokens


def test_the_answer_hangs_on_the_seed_and_the_sampling(teacher):
    def said(**fields):
        return whole(chat(teacher, **fields))["choices"][0]["message"]

    assert said() == said()
    assert said() != said(seed=6)
    assert said() != said(temperature=0.7)
    assert said(seed=None) != said(seed=None)


@pytest.mark.parametrize(
    ("style", "field"), [("field", "reasoning_content"), ("reasoning", "reasoning")]
)
def test_a_thought_in_a_field(style, field):
    with Server("--reasoning", style) as server:
        message = whole(chat(server))["choices"][0]["message"]
        assert message[field].startswith("The problem asks")
        assert message["content"].startswith("The answer is")
        cut = whole(chat(server, max_completion_tokens=5))["choices"][0]
        assert (cut["finish_reason"], cut["message"]["content"]) == ("length", None)


@pytest.mark.parametrize(
    ("style", "script", "start"),
    [
        ("inline", "teacher", "<think>\nThe problem"),
        ("inline", "teacher?opens_think=1", "<think>\nThe problem"),
        ("opened", "teacher", "\nThe problem"),
        ("opened", "teacher?opens_think=1", "\nThe problem"),
    ],
)
def test_a_thought_in_the_content(style, script, start):
    with Server("--reasoning", style, model=f"fake:{script}") as server:
        message = whole(chat(server))["choices"][0]["message"]
    assert set(message) == {"role", "content"}
    assert message["content"].startswith(start)
    assert "</think>\n\nThe answer is" in message["content"]


def test_thinking_is_switched_off(teacher):
    found = whole(chat(teacher, chat_template_kwargs={"enable_thinking": False}))
    assert set(found["choices"][0]["message"]) == {"role", "content"}


def test_an_answer_goes_on_from_a_prefix(teacher):
    options = {"continue_final_message": True, "add_generation_prompt": False}
    prefix = {"role": "assistant", "content": "<think>\nSo it is 7.\n</think>\n\n"}
    message = whole(chat(teacher, messages=[USER, prefix], **options))["choices"][0]["message"]
    assert message["content"].startswith("The answer is")
    assert "reasoning_content" not in message
    assert chat(teacher, messages=[USER, prefix], continue_final_message=True)[0] == 400


def test_a_stream_says_the_same(teacher):
    expected = whole(chat(teacher))
    found = events(chat(teacher, stream=True, stream_options={"include_usage": True}))
    assert found[-1] == b"[DONE]"
    parts = [json.loads(part) for part in found[:-1]]
    assert parts[-1] == {**parts[-1], "choices": [], "usage": expected["usage"]}
    deltas = [part["choices"][0]["delta"] for part in parts[:-1]]
    for name in ("reasoning_content", "content"):
        said = "".join(delta.get(name, "") for delta in deltas)
        assert said == expected["choices"][0]["message"][name]
    assert parts[-2]["choices"][0]["finish_reason"] == "stop"
    assert len(parts) > 10


def test_a_raw_prompt_is_continued(teacher):
    fields = {"prompt": "<|user|>", "seed": 3, "max_tokens": 50}
    text = whole(complete(teacher, **fields))["choices"][0]["text"]
    assert "$" in text
    streamed = events(complete(teacher, **fields, stream=True))[:-1]
    assert "".join(json.loads(part)["choices"][0]["text"] for part in streamed) == text


def test_calls_that_are_refused(teacher):
    assert chat(teacher, n=2)[0] == 400
    assert chat(teacher, messages=[])[0] == 400
    assert chat(teacher, max_tokens=0)[0] == 400
    assert chat(teacher, temperature="warm")[0] == 400
    assert chat(teacher, model="another")[0] == 404
    assert complete(teacher, prompt=[1, 2])[0] == 400
    with Server("--refuse", "top_k,min_p", "--api-key", "k", "--strict-window") as server:
        assert chat(server)[0] == 401
        fields = {"messages": [USER], "max_tokens": 32768}
        (found,) = ask(server, {**fields, "top_k": 3}, headers={"Authorization": "Bearer k"})
        assert found[0] == 400
        assert b"top_k" in found[2]
        (found,) = ask(server, fields, headers={"Authorization": "Bearer k"})
        assert json.loads(found[2])["error"]["code"] == "context_length_exceeded"


def test_a_prompt_over_the_window():
    with Server(model="fake:teacher?window=8") as server:
        status, _, body = chat(server, messages=[{**USER, "content": "a " * 9}])
    said = json.loads(body)["error"]
    assert (status, said["code"]) == (400, "context_length_exceeded")
    assert said["message"].startswith("This model's maximum context length is 8 tokens")


def test_models_and_tokens(identifier):
    async def get():
        async with aiohttp.ClientSession() as session:
            async with session.get(identifier.url + "/models") as answer:
                models = await answer.json()
            root = identifier.url.removesuffix("/v1")
            async with session.get(root + "/health") as answer:
                assert answer.status == 200
            fields = {"messages": [USER], "return_token_strs": True}
            async with session.post(root + "/tokenize", json=fields) as answer:
                tokens = await answer.json()
            fields = {"tokens": tokens["tokens"]}
            async with session.post(root + "/detokenize", json=fields) as answer:
                return models, tokens, await answer.json()

    models, tokens, back = asyncio.run(get())
    assert [model["id"] for model in models["data"]] == ["identifier"]
    assert "".join(tokens["token_strs"]) == back["prompt"] == SCORED
    assert tokens["count"] == len(tokens["tokens"])
    assert tokens["max_model_len"] == 32768
    fields = {"prompt_logprobs": 1, "max_tokens": 1}
    ids = whole(complete(identifier, prompt=[*tokens["tokens"], 151649], **fields))
    text = whole(complete(identifier, prompt=SCORED + "</think>", **fields))
    assert ids["choices"][0]["prompt_logprobs"] == text["choices"][0]["prompt_logprobs"]


@pytest.fixture(scope="module")
def scores():
    """Problems of which some are greedy and others are not, with their scores."""
    own = engine("identifier")
    problems = [f"What is $3 + {i}$?" for i in range(12)]

    async def all_of_them():
        return [await own.score(Request(messages=(said(p),)), "</think>") for p in problems]

    found = dict(zip(problems, asyncio.run(all_of_them()), strict=True))
    assert len({score.is_greedy for score in found.values()}) == 2
    return found


def said(problem):
    return {"role": "user", "content": problem}


def raw(problem):
    return SCORED.replace(USER["content"], problem) + "</think>"


def test_prompt_logprobs_of_vllm(identifier, scores):
    for problem, score in scores.items():
        answer = whole(complete(identifier, prompt=raw(problem), prompt_logprobs=3, max_tokens=1))
        first, *_, last = answer["choices"][0]["prompt_logprobs"]
        assert first is None
        one = last["151649"]
        assert one["decoded_token"] == "</think>"
        assert one["logprob"] == pytest.approx(score.logprob)
        assert (one["rank"] == 1) == score.is_greedy
        best = max(last.values(), key=lambda entry: entry["logprob"])
        assert best["rank"] == 1
        assert len(last) in (3, 4)
        messages = [said(problem), {"role": "assistant", "content": "</think>"}]
        options = {"continue_final_message": True, "add_generation_prompt": False}
        fields = {"messages": messages, "prompt_logprobs": 3, "max_tokens": 1, **options}
        assert whole(ask(identifier, fields)[0])["prompt_logprobs"][-1] == last
    streamed = complete(identifier, prompt="a b", prompt_logprobs=0, max_tokens=1, stream=True)
    assert streamed[0] == 400


def test_echo(scores):
    with Server("--score", "echo", model="fake:identifier") as server:
        for problem, score in scores.items():
            fields = {"prompt": raw(problem), "echo": True, "logprobs": 2, "max_tokens": 0}
            (choice,) = whole(complete(server, **fields))["choices"]
            found = choice["logprobs"]
            assert choice["text"] == "".join(found["tokens"]) == raw(problem)
            assert found["token_logprobs"][0] is found["top_logprobs"][0] is None
            assert found["token_logprobs"][-1] == pytest.approx(score.logprob)
            best = max(found["top_logprobs"][-1].items(), key=lambda item: item[1])[0]
            assert (best == "</think>") == score.is_greedy
            assert raw(problem)[found["text_offset"][-1] :] == "</think>"


@pytest.mark.parametrize("style", ["echo-ignored", "null", "none", "top_k"])
def test_echo_where_there_is_none(style):
    with Server("--score", style, model="fake:identifier") as server:
        fields = {"prompt": raw("a b"), "echo": True, "logprobs": 2, "max_tokens": 1}
        found = complete(server, **fields)
    if style == "none":
        assert found[0] == 400
        return
    (choice,) = whole(found)["choices"]
    assert ("</think>" in choice["text"]) == (style == "null")
    if style == "echo-ignored":
        assert "</think>" not in choice["logprobs"]["tokens"]
    else:
        assert choice["logprobs"] is None


def test_top_k_of_the_first_token(scores):
    with Server("--score", "top_k", model="fake:identifier") as server:
        for problem, score in scores.items():
            fields = {"logprobs": True, "top_logprobs": 5, "max_tokens": 1}
            (answer,) = ask(server, {"messages": [said(problem)], **fields})
            best = whole(answer)["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            assert len(best) == 5
            assert best == sorted(best, key=lambda entry: -entry["logprob"])
            assert (best[0]["token"] == "</think>") == score.is_greedy
            found = {entry["token"]: entry["logprob"] for entry in best}
            assert found.get("</think>", score.logprob) == pytest.approx(score.logprob)


def fault(kind, *options, **fields):
    with Server("--fault", f"{kind}=1", *options) as server:
        found = chat(server, **fields)
        counted = server.counts()
    outcome = "served" if kind == "slow-drip" else kind
    assert {"served": counted["served"], **counted["faults"]}[outcome] == 1
    return found


def test_statuses():
    for kind, status in (("429", 429), ("500", 500), ("503", 503), ("502", 502)):
        found = fault(kind)
        assert found[0] == status
        assert "Retry-After" not in found[1]
        assert "error" in json.loads(found[2])


def test_retry_after():
    assert fault("429-after", "--retry-after", "2.5")[1]["Retry-After"] == "2.5"
    before = time.time()
    date = parsedate_to_datetime(fault("429-date", "--retry-after", "3")[1]["Retry-After"])
    assert before + 3 <= date.timestamp() <= time.time() + 4  # whole seconds, rounded up


def test_cut():
    assert isinstance(fault("cut"), aiohttp.ClientPayloadError)
    found = events(fault("cut", stream=True))
    assert found
    assert b"[DONE]" not in found
    assert not any(b'"stop"' in part for part in found)


def test_reset():
    assert isinstance(fault("reset"), aiohttp.ClientOSError | aiohttp.ServerDisconnectedError)


def test_garbage_and_html():
    status, headers, body = fault("garbage")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(ValueError):  # noqa: PT011
        json.loads(body)
    status, headers, body = fault("content-type")
    assert (status, headers["Content-Type"], body[:6]) == (200, "text/html", b"<html>")


def test_answers_that_hold_nothing():
    assert whole(fault("empty-choice"))["choices"] == []
    assert whole(fault("no-content"))["choices"][0]["message"] == {"role": "assistant"}
    assert "error" in whole(fault("error-body"))
    streamed = events(fault("no-content", stream=True))
    assert not any(b'"reasoning_content"' in part for part in streamed)
    assert b'"error"' in events(fault("error-body", stream=True))[-1]
    parts = events(fault("empty-choice", stream=True))
    assert {bytes(part) for part in parts[:-1] if b'"choices":[]' not in part} == set()


def test_half_open():
    with Server("--fault", "half-open=1") as server:
        assert isinstance(chat(server, timeout=1.0), asyncio.TimeoutError)
        wait_for(lambda: server.counts()["faults"] == {"half-open": 1})


def test_slow_drip():
    start = time.monotonic()
    assert whole(fault("slow-drip", "--drip-s", "0.4"))["choices"]
    assert time.monotonic() - start >= 0.35


def test_an_https_url_meets_no_tls():
    async def get(url):
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status

    with Server("--tls-garbage-port", str(free_port())) as server:
        port = server._options[1]
        for url in (server.url.replace("http:", "https:"), f"https://127.0.0.1:{port}/v1"):
            with pytest.raises(aiohttp.ClientConnectorError):
                asyncio.run(get(url + "/models"))


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def wait_for(done, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_trying_again_helps_except_with_poison():
    with Server("--fault", "500=0.5", "--poison", "0.2", "--seed", "1") as server:
        body = {"messages": [USER], **SAMPLING}
        bodies = [{**body, "seed": i} for i in range(40)]
        rounds = [[found[0] for found in ask(server, *bodies)] for _ in range(12)]
        best = Counter(min(tries) for tries in zip(*rounds, strict=True))
        counts = server.counts()
    assert 2 <= best[500] <= 16
    assert best[200] + best[500] == 40
    assert counts["faults"]["poison"] == 12 * best[500]
    assert counts["served_again"] == counts["served"] - best[200]


def test_capacity():
    with Server("--capacity", "2", "--latency", "0.3") as server:
        bodies = [{"messages": [USER], "seed": i} for i in range(5)]
        found = Counter(answer[0] for answer in ask(server, *bodies))
        counts = server.counts()
    assert found == {200: 2, 429: 3}
    assert counts["max_in_flight"] == 2
    assert counts["faults"] == {"capacity": 3}


def test_who_goes_away_is_not_served():
    with Server("--tokens-per-s", "2") as server:
        assert isinstance(chat(server, timeout=4.0, stream=True), asyncio.TimeoutError)
        wait_for(lambda: server.counts()["faults"] == {"abandoned": 1})
        counts = server.counts()
    assert 0 < counts["wasted_tokens"] < 20
    assert counts["in_flight"] == counts["served"] == 0


@pytest.mark.parametrize(
    "options", [("--down-at", "1", "--down-for", "0.3"), ("--fail-until", "1.5")]
)
def test_a_server_that_is_down_for_a_while(options):
    with Server(*options) as server:
        assert chat(server)[0] == 503
        wait_for(lambda: chat(server)[0] == 200)
        assert server.counts()["faults"].keys() == {"down"}


def test_counts_outlive_a_kill(tmp_path):
    path = tmp_path / "counts.jsonl"
    with Server("--counts", path) as server:
        url = server.url
        assert [chat(server, seed=i)[0] for i in (1, 2)] == [200, 200]
        server.restart()
        assert server.url == url
        assert chat(server, seed=2)[0] == 200
        counts = server.counts()
        server.kill()
    lines = read_lines(path)
    assert [line["seed"] for line in lines] == [1, 2, 2]
    assert {line["outcome"] for line in lines} == {"served"}
    assert (counts["served"], counts["served_keys"], counts["served_again"]) == (3, 2, 1)
    assert counts["tokens"] == sum(line["tokens"] for line in lines) > 0
    with path.open("ab") as file:
        file.write(b'{"key": "torn')
    assert read_lines(path) == lines


def test_it_dies_with_its_parent():
    here = Path(__file__).parents[1] / "support"
    script = (
        f"import sys, time; sys.path.insert(0, {str(here)!r}); from fault_server import Server\n"
        "server = Server(); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    wait_for(lambda: not alive(pid))


def alive(pid):
    try:
        # a process that ended and waits to be reaped is dead
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("options", [(), ("--latency", "0.05", "--sigma", "0.5")])
def test_instant(options):
    with Server("--instant", *options) as server:
        bodies = [{"messages": [USER], "seed": i} for i in range(200)]
        found = [whole(answer)["choices"][0]["message"] for answer in ask(server, *bodies)]
        assert len({message["content"] for message in found}) > 100
        assert all("\\boxed{" in message["content"] for message in found)
        again = whole(ask(server, bodies[7])[0])["choices"][0]["message"]
        assert again == found[7]
        streamed = events(ask(server, {**bodies[7], "stream": True})[0])
        assert streamed[-1] == b"[DONE]"
        score = whole(complete(server, prompt="a</think>", prompt_logprobs=1, max_tokens=1))
        assert score["choices"][0]["prompt_logprobs"][-1]["151649"]["rank"] == 1
        counts = server.counts()
    assert (counts["served"], counts["served_again"]) == (203, 1)
    assert counts["max_in_flight"] > 50 if options else counts["max_in_flight"] >= 1


def test_lots_hang_on_nothing_but_their_names():
    lots = Lots(seed=1, shares=read_shares("429=0.1,cut=0.2"), latency_s=2.0, sigma=0.5)
    drawn = [lots.fault("k", i) for i in range(4000)]
    assert drawn == [lots.fault("k", i) for i in range(4000)]
    assert 300 < drawn.count("429") < 500
    assert 700 < drawn.count("cut") < 900
    latencies = sorted(lots.latency(str(i)) for i in range(2001))
    assert 1.9 < latencies[1000] < 2.1
    assert lots.latency("a", 1) == lots.latency("a", 2)
    assert Lots(latency_s=2.0, sigma=9.0, latency_cap_s=3.0).latency("x") <= 3.0


@pytest.mark.parametrize("text", ["cut=2", "cut=0.6,500=0.6", "boom=0.1", "cut=x", "700=0.1"])
def test_shares_that_are_none(text):
    with pytest.raises(ValueError):  # noqa: PT011
        read_shares(text)
