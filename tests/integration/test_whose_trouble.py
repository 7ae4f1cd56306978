"""A row is dropped for its own fault alone; any other trouble stops the run, and is said."""

import json

import pytest
from commands import lines, run
from fault_server import Server

STATUS = {
    "401": (2, "API key"),
    "402": (75, "may not spend more"),
    "403": (2, "rights"),
    "quota-429": (75, "may not spend more"),
    "quota-400": (75, "may not spend more"),
    "quota-403": (75, "may not spend more"),
    "gone": (None, "does not serve"),
    "gone-400": (None, "does not serve"),
    "refuses": (2, "refuses what is sent"),
    "window-openai": (2, "max_new_tokens"),
    "window-vllm": (2, "max_new_tokens"),
    "window-sglang": (2, "max_new_tokens"),
    "window-tgi": (2, "max_new_tokens"),
    "window-llama": (2, "max_new_tokens"),
    "window-range": (2, "max_new_tokens"),
    "window-silent": (2, "max_new_tokens"),
    "finish-null": (1, "no finish reason"),
    "content-null": (1, "no content"),
    "refusal": (1, "the model refuses"),
    "empty-choices": (1, "no choice"),
    "choices-number": (1, "no choice"),
    "message-list": (1, "no content"),
    "deep": (1, "no JSON"),
    "redirect": (2, "was not named"),
    "redirect-307": (2, "was not named"),
    "huge-body": (1, "more than its token cap"),
    "gzip-bomb": (1, "more than its token cap"),
}
KEY = "sk-do-not-show-0123456789"


@pytest.fixture
def distill(tmp_path, monkeypatch, capsys):
    source = lines(tmp_path / "in.jsonl", *({"problem": f"What is ${i} + 1$?"} for i in range(80)))
    out = tmp_path / "out.jsonl"
    monkeypatch.setenv("SCALEDIFF_API_KEY", KEY)

    def distilled(model, *extra):
        status, said = run(monkeypatch, capsys, "distill", source, "-o", out, "--model", model,
                           "--engine", "http.in_flight=8", *extra)  # fmt: skip
        dropped = out.with_suffix(".dropped.jsonl")
        drops = (
            [json.loads(x) for x in dropped.read_text().splitlines()] if dropped.exists() else []
        )
        kept = len(out.read_text().splitlines()) if out.exists() else 0
        assert KEY not in said
        held = [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]
        assert not held
        return status, said, kept, drops

    return distilled


@pytest.mark.parametrize("mode", [m for m in STATUS if not m.startswith("redirect")])
def test_no_row_is_dropped_for_what_is_not_its_fault(distill, mode):
    expected, told = STATUS[mode]
    with Server("--mode", mode) as server:
        status, said, kept, drops = distill(server.model)
    assert told in said
    assert (kept, drops) == (0, [])
    assert status == (2 if expected is None else expected)


@pytest.mark.parametrize("mode", ["402", "gone", "finish-null", "window-openai"])
def test_once_the_trouble_is_over_the_same_command_does_what_remains(distill, mode):
    with Server("--mode", mode, "--mode-at", "31") as server:
        status, said, kept, drops = distill(server.model)
        model = server.model
    assert STATUS[mode][1] in said
    assert (kept, drops) == (0, [])
    assert status == (STATUS[mode][0] or 1)
    with Server("--port", model.rsplit(":", 1)[1].partition("/")[0]) as server:
        status, _, kept, drops = distill(model)
        assert (status, kept, drops) == (0, 80, [])
        assert server.counts()["served"] <= 60  # what was finished was not paid again


@pytest.mark.parametrize("mode", ["redirect", "redirect-307"])
def test_nobody_but_the_host_that_was_named_is_sent_anything(distill, mode):
    with Server() as other:
        options = ["--elsewhere", other.url.removesuffix("/v1")]
        with Server("--mode", mode, *options) as server:
            status, said, kept, drops = distill(server.model)
        assert other.counts()["tries"] == 0
    assert (status, kept, drops) == (2, 0, [])
    assert "was not named" in said


@pytest.mark.parametrize("mode", ["window-openai", "window-tgi", "window-range", "window-silent"])
def test_a_cap_above_the_window_is_lowered_where_the_recipe_says_so(distill, mode):
    with Server("--mode", mode) as server:
        status, _, kept, drops = distill(server.model, "--engine", "http.cap=fit")
    assert (status, kept, drops) == (0, 80, [])


def test_one_row_that_alone_is_too_long_is_its_own_fault(tmp_path, monkeypatch, capsys):
    rows = [{"problem": f"What is ${i} + 1$?"} for i in range(9)]
    source = lines(tmp_path / "in.jsonl", *rows, {"problem": "How many? " + "word " * 900})
    out = tmp_path / "out.jsonl"
    with Server("--mode", "window-openai") as server:
        status, said = run(monkeypatch, capsys, "distill", source, "-o", out, "--model",
                           server.model, "--engine", "http.cap=fit")  # fmt: skip
    assert status == 0, said
    assert len(out.read_text().splitlines()) == 9
    (drop,) = map(json.loads, out.with_suffix(".dropped.jsonl").read_text().splitlines())
    assert drop["reason"] == "over_length"


GOOD = ["surrogate", "infinity", "tokens-huge", "tokens-negative", "tokens-float", "tokens-bool",
        "tokens-text", "tokens-zero", "tokens-none", "tokens-nan", "digits", "bad-utf8",
        "usage-list", "logprobs-text", "logprobs-odd", "finish-object", "echo-key",
        "models-window-text", "models-window-odd", "models-window-negative", "models-number",
        "models-list", "models-id"]  # fmt: skip


@pytest.mark.parametrize("mode", GOOD)
def test_what_can_be_read_is_read_whatever_stands_beside_it(distill, tmp_path, mode):
    with Server("--mode", mode) as server:
        status, said, kept, drops = distill(server.model)
    assert (status, kept, drops) == (0, 80, []), said
    (spent,) = (tmp_path / "out.jsonl.run").glob("steps/distill-*/spent.json")
    tokens = json.loads(spent.read_bytes())
    assert 80 <= tokens["new"] < 80 * 200  # neither free nor more than the text can be
    assert 80 <= tokens["prompt"] < 80 * 200


def test_one_of_two_accounts_in_trouble_leaves_the_work_to_the_other(distill):
    with Server("--mode", "402") as poor, Server() as rich:
        url = poor.url
        status, said, kept, drops = distill(f"{url},{rich.url}#teacher")
    assert (status, kept, drops) == (0, 80, []), said


def test_a_bad_first_row_does_not_stop_the_run_under_another_name_of_the_cap(monkeypatch, tmp_path):
    import asyncio

    from aiohttp import web
    from scripted import Scripted, answer

    from scalediff.core.engine import Completion, Request, Sampling
    from scalediff.core.errors import RequestError
    from scalediff.engines import EngineConfig, open_engine
    from scalediff.model_names import resolve

    def handler(path, body):
        if "max_tokens" in body:
            return web.json_response({"error": {"message": "max_tokens unsupported"}}, status=400)
        if body["messages"][0]["content"] == "bad":
            return web.json_response({"error": {"message": "bad words"}}, status=400)
        return answer()

    async def go():
        async with Scripted(handler) as server:
            config = EngineConfig(http={"cap_field": "max_completion_tokens"})
            engine = await open_engine(resolve(server.model), config)
            cap = Sampling(max_new_tokens=64)
            texts = ("bad", "good")
            todo = [
                Request(messages=({"role": "user", "content": t},), sampling=cap) for t in texts
            ]
            done = [
                (await asyncio.gather(engine.sample(r), return_exceptions=True))[0] for r in todo
            ]
            await engine.close()
            return done

    bad, good = asyncio.run(go())
    assert isinstance(bad, RequestError)
    assert isinstance(good, Completion)
