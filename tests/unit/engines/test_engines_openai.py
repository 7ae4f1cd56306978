"""The openai engine against servers that answer well, badly and in several dialects."""

import asyncio
import base64
import time
from typing import Any

import pytest
from aiohttp import web
from scripted import Scripted, answer, until

from scalediff.core.engine import Completion, Request, Sampling
from scalediff.core.errors import (
    EndpointError,
    EngineError,
    PrerequisiteError,
    RecipeError,
    RecordError,
    RequestError,
    Stopped,
)
from scalediff.engines import EngineConfig, endpoint, open_engine, pool
from scalediff.engines.config import HttpConfig
from scalediff.model_names import resolve

CAP = Sampling(max_new_tokens=64)


def request(text: str = "2+2?", **more: Any) -> Request:
    return Request(messages=({"role": "user", "content": text},), sampling=CAP, **more)


def ask(handler: Any, *requests: Request, models: Any = None, **http: Any) -> list[Any]:
    """What comes of each request, errors included, asked all at once."""

    async def go() -> list[Any]:
        async with Scripted(handler, models=models) as server:
            config = EngineConfig(http=HttpConfig(**http))
            engine = await open_engine(resolve(server.model), config)
            try:
                todo = (engine.sample(r) for r in requests)
                return await asyncio.gather(*todo, return_exceptions=True)
            finally:
                await engine.close()

    return asyncio.run(go())


def test_sample_sends_every_sampling_field_and_the_seed():
    sent = []

    def handler(path, body):
        sent.append((path, body))
        return answer()

    (done,) = ask(handler, request(seed=2**53 - 1, thinking=True))
    assert isinstance(done, Completion)
    path, body = sent[0]
    assert path == "/chat/completions"
    assert body["messages"] == [{"role": "user", "content": "2+2?"}]
    assert body["seed"] == 2**53 - 1
    assert body["chat_template_kwargs"] == {"enable_thinking": True}
    wanted = {"temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0.0, "max_tokens": 64}
    assert {name: body[name] for name in wanted} == wanted
    assert body["repetition_penalty"] == 1.0  # a server's generation config would leak in
    assert (done.num_tokens, done.num_prompt_tokens) == (5, 7)


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ({"content": "c", "reasoning_content": "r\n"}, "stop", ("r", "c")),
        ({"content": "c", "reasoning": "r"}, "stop", ("r", "c")),
        ({"content": "<think>\nr\n</think>\n\nc"}, "stop", ("r", "c")),
        ({"content": "r\n</think>\n\nc"}, "stop", ("r", "c")),
        ({"content": [{"type": "text", "text": "c"}]}, "stop", (None, "c")),
        # cut off within the thought: no answer, wherever the server put it
        ({"content": None, "reasoning_content": "r"}, "length", ("r", "")),
        ({"content": "r \\boxed{4} hm", "reasoning_content": "r \\boxed{4} hm"}, "length",
         ("r \\boxed{4} hm", "")),
        ({"content": "<think>\nso \\boxed{4}? let me"}, "length", ("so \\boxed{4}? let me", "")),
        ({"content": "so \\boxed{4}? let me"}, "length", ("so \\boxed{4}? let me", "")),
        # cut off after it
        ({"content": "It is", "reasoning_content": "r"}, "length", ("r", "It is")),
    ],
)  # fmt: skip
def test_a_thought_is_found_wherever_it_stands(message, reason, expected):
    def handler(path, body):
        choice = {"message": message, "finish_reason": reason}
        return {"choices": [choice], "usage": {"completion_tokens": 3, "prompt_tokens": 2}}

    (done,) = ask(handler, request(thinking=True))
    assert (done.reasoning, done.content) == expected
    assert done.finish_reason == reason


def test_a_thought_without_content_is_asked_for_once_more_and_then_believed(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    tries = []

    def handler(path, body):
        tries.append(body)
        return answer(None, reasoning_content="hm")

    (done,) = ask(handler, request())
    assert (done.reasoning, done.content, done.finish_reason) == ("hm", "", "stop")
    assert len(tries) == 2


def test_a_raw_prompt_goes_to_completions_as_it_is():
    sent = []

    def handler(path, body):
        sent.append((path, body))
        choice = {"text": " What is $1+1$?", "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"completion_tokens": 6}}

    raw = Request(raw="<|im_start|>user\n", sampling=Sampling(stop=("<|im_end|>",)), seed=1)
    (done,) = ask(handler, raw)
    assert sent[0][0] == "/completions"
    assert sent[0][1]["prompt"] == "<|im_start|>user\n"
    assert sent[0][1]["add_special_tokens"] is False  # no second BOS
    assert sent[0][1]["skip_special_tokens"] is False  # or the stop string would never be seen
    assert done.content == " What is $1+1$?"
    assert done.reasoning is None


def bad(kind: str) -> Any:
    good = answer()
    return {
        "500": web.Response(status=500, text="oops"),
        "503": web.Response(status=503),
        "429": web.Response(status=429, headers={"Retry-After": "0"}),
        "garbage": web.Response(body=b"\x00\xff{", content_type="application/json"),
        "html": web.Response(text="<html>hello</html>", content_type="text/html"),
        "list": [1, 2],
        "no choice": {**good, "choices": []},
        "no message": {"choices": [{"finish_reason": "stop"}]},
        "no content": answer(None),
        "not ended": answer(reason=None),
        "given up": answer(reason="abort"),
        "error inside": {"error": {"message": "worker died"}},
    }[kind]


KINDS = ["500", "503", "429", "garbage", "html", "list", "no choice", "no message", "no content",
         "not ended", "given up", "error inside"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_pass_is_tried_again(kind, monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    tries = []

    def handler(path, body):
        tries.append(body["seed"])
        return bad(kind) if len(tries) <= 2 else answer()

    (done,) = ask(handler, request(seed=9))
    assert isinstance(done, Completion), done
    assert tries == [9, 9, 9]


@pytest.mark.parametrize("kind", ["500", "garbage", "no content"])
def test_a_request_that_fails_alone_is_the_row_s_fault_after_its_tries(kind, monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.01)
    asked: dict[str, int] = {}

    def handler(path, body):
        text = body["messages"][0]["content"]
        asked[text] = asked.get(text, 0) + 1
        return bad(kind) if text == "poison" else answer()

    others = [request(str(i)) for i in range(40)]
    poison, *rest = ask(handler, request("poison"), *others, tries=3, in_flight=2)
    assert isinstance(poison, RequestError)
    assert asked["poison"] == 3
    assert all(isinstance(done, Completion) for done in rest)


def test_a_request_that_fails_last_of_all_is_told_from_an_outage_by_asking_something_small():
    def handler(path, body):
        return bad("500") if body["messages"][0]["content"] == "poison" else answer()

    (done,) = ask(handler, request("poison"), tries=2)
    assert isinstance(done, RequestError)


def test_a_server_that_answers_nobody_is_the_server_s_fault(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    (done,) = ask(lambda path, body: bad("500"), request(), tries=3)
    assert isinstance(done, EngineError)
    assert not isinstance(done, RequestError)


def refuse(status: int, message: str) -> Any:
    return web.json_response({"error": {"message": message}}, status=status)


def test_a_refusal_is_not_tried_again():
    tries = []

    def handler(path, body):
        tries.append(body)
        if body["messages"][0]["content"] == "long":
            return refuse(400, "the prompt is too long")
        return answer()

    long, fine = ask(handler, request("long"), request("fine"), models={"data": []})
    assert isinstance(long, RecordError)
    assert long.reason == "over_length"
    assert isinstance(fine, Completion)
    texts = [body["messages"][0]["content"] for body in tries]
    assert sorted(texts) == ["1+1?", "fine", "long"]  # the question whether all are refused


def test_a_refusal_of_one_request_is_the_row_s_own_and_of_all_the_recipe_s():
    def picky(path, body):
        return refuse(400, "bad words") if body["messages"][0]["content"] == "x" else answer()

    (done,) = ask(picky, request("x"))
    assert isinstance(done, RequestError)  # it remains, and its tries are counted
    assert "bad words" in str(done)

    (done,) = ask(lambda path, body: refuse(400, "Unrecognized argument: top_k"), request())
    assert isinstance(done, RecipeError)
    assert "omit: [top_k]" in str(done)


def test_a_cap_beyond_the_window_is_cut_to_what_it_has_room_for():
    caps = []

    def handler(path, body):
        if len(body["messages"][0]["content"]) > 4096:
            return refuse(400, "maximum context length is 4096 tokens, the prompt has 5012 tokens")
        caps.append(body["max_tokens"])
        return answer()

    wide = Request(messages=request().messages, sampling=Sampling(max_new_tokens=32768))
    long = Request(messages=request("x" * 5000).messages, sampling=wide.sampling)
    fine, refused = ask(handler, wide, long)
    assert isinstance(fine, Completion)
    assert 0.9 * 4096 < caps[0] < 4096
    assert isinstance(refused, RecordError)
    assert refused.reason == "over_length"


def test_fields_that_a_server_refuses_can_be_left_out():
    sent = []

    def handler(path, body):
        sent.append(body)
        return answer()

    ask(handler, request(), omit=["top_k", "repetition_penalty"], extra_body={"provider": "x"})
    assert "top_k" not in sent[0]
    assert "repetition_penalty" not in sent[0]
    assert sent[0]["provider"] == "x"


def test_a_model_that_is_no_longer_served_owes_rows_and_drops_none():
    def handler(path, body):
        first = body["messages"][0]["content"] == "first"
        return answer() if first else refuse(404, "The model `m` does not exist.")

    async def go():
        async with Scripted(handler) as server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            with pytest.raises(PrerequisiteError, match="name after the #"):
                await engine.sample(request("second"))
            await engine.sample(request("first"))
            with pytest.raises(EngineError, match="does not serve"):
                await engine.sample(request("second"))
            await engine.close()

    asyncio.run(go())


def test_a_missing_key_stops_the_run():
    (done,) = ask(lambda path, body: refuse(401, "no key"), request())
    assert isinstance(done, PrerequisiteError)
    assert "SCALEDIFF_API_KEY" in str(done)


def test_the_key_goes_into_requests_and_into_no_message(monkeypatch):
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-very-secret")

    async def go():
        echo = lambda path, body: refuse(401, "bad key sk-very-secret")  # noqa: E731
        async with Scripted(echo) as server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            with pytest.raises(PrerequisiteError) as error:
                await engine.sample(request())
            await engine.close()
            assert server.headers[-1]["Authorization"] == "Bearer sk-very-secret"
            assert "secret" not in str(error.value)

    asyncio.run(go())


def test_credentials_in_a_url_are_sent_in_place_of_the_key(monkeypatch):
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-very-secret")

    async def go():
        async with Scripted(lambda path, body: answer()) as server:
            url = server.model.replace("http://", "http://user:pw@")
            engine = await open_engine(resolve(url), EngineConfig())
            await engine.sample(request())
            await engine.close()
            sent = {headers["Authorization"] for headers in server.headers}
            assert sent == {"Basic " + base64.b64encode(b"user:pw").decode()}

    asyncio.run(go())


def test_a_key_that_is_not_taken_is_told_from_none(monkeypatch):
    async def opened(told):
        no = web.Response(status=401)
        async with Scripted(lambda path, body: answer(), models=no) as server:
            with pytest.raises(PrerequisiteError, match=told):
                await open_engine(resolve(server.model), EngineConfig())

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("SCALEDIFF_API_KEY", raising=False)
    asyncio.run(opened("wants an API key"))
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-wrong")
    asyncio.run(opened("does not take the API key that was sent"))


def test_what_a_step_decides_is_not_changed_behind_its_back():
    with pytest.raises(ValueError, match="max_tokens, temperature would change what is asked"):
        EngineConfig(http={"extra_body": {"temperature": 0, "max_tokens": 1, "user": "me"}})
    assert EngineConfig(http={"extra_body": {"user": "me"}}).http.extra_body == {"user": "me"}


@pytest.mark.parametrize("named", ["", "KEY_OF_TWO_LINES"])
def test_a_key_of_two_lines_is_one_sentence(monkeypatch, named):
    monkeypatch.setenv(named or "SCALEDIFF_API_KEY", "sk-one\nsk-two")
    config = EngineConfig(http={"api_key_env": named})
    with pytest.raises(PrerequisiteError, match="more than one line") as error:
        asyncio.run(open_engine(resolve("http://127.0.0.1:9/v1#m"), config))
    assert "sk-" not in str(error.value)


@pytest.mark.parametrize("wrong", [0, -3, "all"])
def test_requests_in_flight_are_some(wrong):
    with pytest.raises(ValueError, match="in_flight"):
        EngineConfig(http={"in_flight": wrong})


def test_a_page_in_place_of_a_server_is_said_at_once():
    async def go():
        page = web.Response(text="<html>Log in</html>", content_type="text/html")
        async with Scripted(lambda path, body: answer(), models=page) as server:
            with pytest.raises(PrerequisiteError, match="something else than JSON"):
                await open_engine(resolve(server.model), EngineConfig())

    asyncio.run(go())


def test_opening_says_what_is_wrong():
    async def opened(model: str) -> None:
        engine = await open_engine(resolve(model), EngineConfig())
        await engine.close()

    async def go():
        with pytest.raises(PrerequisiteError, match="no server answers at"):
            await opened("http://127.0.0.1:9/v1#m")
        async with Scripted(lambda path, body: answer()) as server:
            with pytest.raises(PrerequisiteError, match="does not serve n; it serves m"):
                await opened(f"{server.url}#n")
            await opened(f"{server.url.removesuffix('/v1')}#m")  # /v1 is found

    asyncio.run(go())


def test_retry_after_is_obeyed_by_all_that_wait(monkeypatch):
    at: list[float] = []

    def handler(path, body):
        at.append(time.monotonic())
        if len(at) == 1:
            return web.Response(status=429, headers={"Retry-After": "1"})
        return answer()

    done = ask(handler, *(request(str(i)) for i in range(4)), in_flight=1)
    assert all(isinstance(d, Completion) for d in done)
    assert at[1] - at[0] >= 0.95


def test_requests_in_flight_stay_under_the_limit():
    most = 0

    async def go():
        nonlocal most

        async def handler(path, body):
            await asyncio.sleep(0.01)
            return answer()

        async with Scripted(handler) as server:
            config = EngineConfig(http=HttpConfig(in_flight=3))
            engine = await open_engine(resolve(server.model), config)
            await asyncio.gather(*(engine.sample(request(str(i))) for i in range(30)))
            assert (engine.usage.in_flight, engine.usage.waiting) == (0, 0)
            await engine.close()
            most = server.most

    asyncio.run(go())
    assert most == 3


def test_an_adaptive_limit_settles_at_what_a_busy_server_takes():
    async def go():
        async with Scripted(lambda path, body: None) as server:

            async def handler(path, body):
                if server.now > 8:
                    return web.Response(status=429)
                await asyncio.sleep(0.01)
                return answer()

            server._handler = handler
            config = EngineConfig(http=HttpConfig(in_flight="adaptive"))
            engine = await open_engine(resolve(server.model), config)
            await asyncio.gather(*(engine.sample(request(str(i))) for i in range(600)))
            await engine.close()
            assert 2 <= engine.usage.limit <= 16
            assert engine.usage.retries < 200  # of 600 requests: no storm

    asyncio.run(go())


def test_several_urls_share_the_work_and_a_dead_one_is_set_aside_and_comes_back(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_PROBE_S", 0.05)

    async def go():
        async def handler(path, body):
            await asyncio.sleep(0.002)
            return answer()

        first, second = Scripted(handler), Scripted(handler)
        await first.start()
        await second.start()
        model = f"{first.url},{second.url}#m"
        engine = await open_engine(resolve(model), EngineConfig(http=HttpConfig(in_flight=4)))

        async def many(n: int) -> None:
            await asyncio.gather(*(engine.sample(request(str(i))) for i in range(n)))

        await many(100)
        assert 40 <= len(first.asked) <= 60
        await first.stop()
        await many(100)  # nobody notices
        before = len(first.asked)
        await first.start()
        await until(lambda: not engine._asker.pool.members[0].is_down)
        await many(100)
        assert len(first.asked) > before + 30
        await engine.close()
        await first.stop()
        await second.stop()

    asyncio.run(go())


def test_while_nobody_answers_requests_wait_in_silence_and_then_say_so(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_PROBE_S", 0.02)

    async def go():
        server = Scripted(lambda path, body: answer())
        await server.start()
        config = EngineConfig(http=HttpConfig(patience_s=0.3))
        engine = await open_engine(resolve(server.model), config)
        await server.stop()
        waiting = [asyncio.create_task(engine.sample(request(str(i)))) for i in range(20)]
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(d, EngineError) and not isinstance(d, RequestError) for d in done)
        assert engine.usage.tries <= 20
        await server.start()
        assert isinstance(await engine.sample(request()), Completion)
        await engine.close()
        await server.stop()

    asyncio.run(go())


def test_an_answer_that_never_comes_is_ended_by_a_deadline_from_cap_and_speed(monkeypatch):
    monkeypatch.setattr(pool, "_LOOK_S", 0.02)
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    stuck = []

    async def handler(path, body):
        if body["messages"][0]["content"] == "stuck" and not stuck:
            stuck.append(1)
            await asyncio.Event().wait()
        return answer()

    http = {"least_deadline_s": 0.2, "slowest_tokens_per_s": 1000}
    done = ask(handler, request("stuck"), *(request(str(i)) for i in range(10)), **http)
    assert all(isinstance(d, Completion) for d in done)
    assert stuck == [1]


def test_cancelling_closes_the_request():
    async def go():
        closed = asyncio.Event()

        async def handler(path, body):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                closed.set()
                raise

        server = Scripted(handler)
        await server.start()
        engine = await open_engine(resolve(server.model), EngineConfig())
        task = asyncio.create_task(engine.sample(request()))
        await until(lambda: server.now == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 60)
        assert engine.usage.in_flight == 0
        await engine.close()
        await server.stop()

    asyncio.run(go())


def events(*texts: str, reason: str | None = "stop", done: bool = True) -> web.StreamResponse:
    import orjson

    lines = [{"choices": [{"delta": {"content": t}, "finish_reason": None}]} for t in texts]
    if reason is not None:
        lines.append({"choices": [{"delta": {}, "finish_reason": reason}]})
    body = b"".join(b"data: " + orjson.dumps(line) + b"\n\n" for line in lines)
    body += b"data: [DONE]\n\n" if done else b""
    return web.Response(body=body, content_type="text/event-stream")


def test_a_stream_is_gathered_and_one_that_breaks_off_is_tried_again(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    tries = []

    def handler(path, body):
        tries.append(body)
        assert body["stream"] is True
        if len(tries) == 1:
            return events("<think>\n", "hm", reason=None, done=False)
        return events("<think>\n", "h", "m\n</th", "ink>\n\n", "4")

    (done,) = ask(handler, request(stop_when=lambda text: False))
    assert (done.reasoning, done.content, done.num_tokens) == ("hm", "4", 5)
    assert len(tries) == 2


def test_stop_when_ends_a_stream_early():
    async def go():
        sent = []

        async def handler(path, body):
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(server_request[0])
            for i in range(100_000):
                sent.append(i)
                line = b'data: {"choices": [{"delta": {"content": "again "}}]}\n\n'
                await response.write(line)
                await asyncio.sleep(0)
            return response

        server_request = []
        server = Scripted(handler)
        plain = server._answer

        async def keep(request):
            server_request[:] = [request]
            return await plain(request)

        server._answer = keep
        await server.start()
        engine = await open_engine(resolve(server.model), EngineConfig())
        looping = request(stop_when=lambda text: text.count("again") > 50)
        done = await engine.sample(looping)
        assert done.finish_reason == "stopped"
        assert 50 < done.num_tokens < 100
        assert engine.usage.stopped == 1
        await asyncio.sleep(0.1)
        assert len(sent) < 50_000  # the server was told to give up
        await engine.close()
        await server.stop()

    asyncio.run(go())


def test_retry_after_reads_numbers_and_dates():
    assert endpoint.retry_after("2.5") == 2.5
    assert endpoint.retry_after("Wed, 21 Oct 2015 07:28:10 GMT", now=1445412480.0) == 10.0
    assert endpoint.retry_after("-3") == 0.0
    assert endpoint.retry_after("nan") is None
    assert endpoint.retry_after("soon") is None


def test_a_busy_server_is_asked_so_often_and_no_more(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(pool, "_LONGEST_BACKOFF_S", 0.001)
    asked = []

    def handler(path, body):
        asked.append(body)
        return bad("429")

    (done,) = ask(handler, request())
    assert isinstance(done, EngineError)
    assert not isinstance(done, RequestError)
    assert len(asked) == pool._BUSY_TRIES


def test_a_place_given_to_a_request_that_was_cancelled_meanwhile_is_given_back():
    async def go():
        started = asyncio.Event()

        async def handler(path, body):
            started.set()
            await asyncio.sleep(0.05)
            return answer()

        async with Scripted(handler) as server:
            config = EngineConfig(http=HttpConfig(in_flight=1))
            engine = await open_engine(resolve(server.model), config)
            first = asyncio.create_task(engine.sample(request("0")))
            await started.wait()
            second = asyncio.create_task(engine.sample(request("1")))
            await until(lambda: engine.usage.waiting == 1)
            place = engine._asker.pool._waiting[0]
            # it gets its turn and is cancelled before it runs again
            place.add_done_callback(lambda _: second.cancel())
            await asyncio.gather(first, second, return_exceptions=True)
            assert second.cancelled()
            assert engine.usage.in_flight == 0
            async with asyncio.timeout(5):
                assert isinstance(await engine.sample(request("2")), Completion)
            await engine.close()

    asyncio.run(go())


@pytest.mark.parametrize(("num_tokens", "ends"), [(63, False), (64, True), (65, True)])
def test_an_answer_without_a_reason_that_fills_its_cap_was_cut_by_it(monkeypatch, num_tokens, ends):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)

    def handler(path, body):
        choice = {"message": {"content": "x " * 60}, "finish_reason": None}
        return {"choices": [choice], "usage": {"completion_tokens": num_tokens}}

    (done,) = ask(handler, request(), tries=1)
    assert (done.finish_reason == "length") if ends else isinstance(done, EngineError)


@pytest.mark.parametrize(
    ("num_good", "told"), [(0, "first 20 answers"), (1, "last 50 answers"), (9, "last 50 answers")]
)
def test_the_first_twenty_or_any_fifty_answers_of_no_use_stop_the_run(monkeypatch, num_good, told):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    asked = []

    def handler(path, body):
        asked.append(body)
        return answer(None) if len(asked) > num_good else answer()

    done = ask(handler, *(request(str(i)) for i in range(80)), in_flight=1, tries=1)
    errors = [d for d in done if isinstance(d, EndpointError)]
    assert errors
    assert told in str(errors[0])
    assert "no content" in str(errors[0])
    assert sum(isinstance(d, Completion) for d in done) == num_good
    assert len(asked) < 160  # with the questions whether others are answered


def test_answers_of_no_use_between_good_ones_stop_nothing(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)

    def handler(path, body):
        text = body["messages"][0]["content"]
        return answer(None) if text.isdecimal() and int(text) % 4 else answer()

    done = ask(handler, *(request(str(i)) for i in range(100)), in_flight=1, tries=2)
    assert sum(isinstance(d, Completion) for d in done) == 25
    assert sum(isinstance(d, RequestError) for d in done) == 75


def test_a_quota_in_passing_is_waited_for_and_one_for_good_is_not(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    asked = []

    def handler(path, body):
        asked.append(body)
        text = "You exceeded your current quota: requests per minute"
        return refuse(429, text) if len(asked) < 3 else answer()

    (done,) = ask(handler, request())
    assert isinstance(done, Completion)
    (done,) = ask(lambda path, body: refuse(429, "You exceeded your current quota"), request())
    assert isinstance(done, Stopped)


def test_an_error_about_the_words_of_a_row_is_no_trouble_of_the_account():
    def handler(path, body):
        text = body["messages"][0]["content"]
        return refuse(400, f"not accepted: {text}") if "balance" in text else answer()

    odd, fine = ask(handler, request("Her account balance is spent"), request())
    assert isinstance(odd, RequestError)
    assert isinstance(fine, Completion)


def test_a_redirect_on_the_same_host_is_followed_with_the_prompt():
    def handler(path, body):
        if path == "/chat/completions":
            return web.Response(status=307, headers={"Location": "/v1/elsewhere"})
        assert body["messages"]
        return answer()

    (done,) = ask(handler, request())
    assert isinstance(done, Completion)


def test_keys_and_passwords_that_a_server_repeats_are_in_no_answer(monkeypatch):
    monkeypatch.setenv("SCALEDIFF_API_KEY", "sk-very/secret+key")
    forms = ["sk-very/secret+key", "sk-very%2Fsecret%2Bkey",
             base64.b64encode(b"sk-very/secret+key").decode()]  # fmt: skip

    def handler(path, body):
        text = " ".join(forms)
        if body.get("stream"):
            return events(text[:10], text[10:30], text[30:], " $\\boxed{4}$")
        return answer(text, reasoning_content=text)

    for done in ask(handler, request(), request(stop_when=lambda text: False)):
        assert isinstance(done, Completion)
        for form in forms:
            assert form not in f"{done.reasoning} {done.content} {done.text}"
        assert "***" in done.content


@pytest.mark.parametrize(("user", "status"), [("", 2), ("me:pass word", 0)])
def test_a_masked_password_is_never_sent(monkeypatch, user, status):
    monkeypatch.setenv("SCALEDIFF_URL_CREDENTIALS", user)

    async def go():
        async with Scripted(lambda path, body: answer()) as server:
            model = server.model.replace("http://", "http://***@")
            if status:
                with pytest.raises(PrerequisiteError, match="SCALEDIFF_URL_CREDENTIALS"):
                    await open_engine(resolve(model), EngineConfig())
                assert not server.headers
                return
            engine = await open_engine(resolve(model), EngineConfig())
            await engine.sample(request())
            await engine.close()
            wanted = "Basic " + base64.b64encode(b"me:pass word").decode()
            assert {headers["Authorization"] for headers in server.headers} == {wanted}

    asyncio.run(go())


def test_what_is_lowered_is_said_once():
    async def go():
        async with Scripted(lambda path, body: answer()) as server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            wide = Sampling(max_new_tokens=32768)
            for i in range(3):
                await engine.sample(Request(messages=request(str(i)).messages, sampling=wide))
            await engine.close()
            return engine.usage.notes

    (note,) = asyncio.run(go())
    assert "32,768 is over the server's window of 4,096" in note


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/v1/models", "https://login.example.org/"])
def test_a_list_of_models_that_leads_elsewhere_is_said(where):
    async def go():
        moved = web.Response(status=301, headers={"Location": where})
        async with Scripted(lambda path, body: answer(), models=moved) as server:
            with pytest.raises(PrerequisiteError, match="was not named"):
                await open_engine(resolve(server.model), EngineConfig())

    asyncio.run(go())


def test_a_question_beside_the_point_that_leads_elsewhere_is_no_trouble():
    class Moved(Scripted):
        def side(self, path, body):
            return web.Response(status=301, headers={"Location": "https://login.example.org/"})

    async def go():
        async with Moved(lambda path, body: answer()) as server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            assert isinstance(await engine.sample(request()), Completion)
            await engine.close()

    asyncio.run(go())


@pytest.mark.parametrize("inner", ["[" * 600 + "]" * 600, "9" * 20, '"\\ud800"', "NaN"])
def test_an_error_of_any_form_is_an_error(monkeypatch, inner):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    for status in (200, 400, 500):
        text = f'{{"error": {{"detail": {inner}}}}}'
        response = lambda *_, s=status, t=text: web.Response(  # noqa: E731
            status=s, text=t, content_type="application/json"
        )
        (done,) = ask(response, request(), tries=1, patience_s=0.1)
        assert isinstance(done, EngineError | RecipeError | EndpointError), done
