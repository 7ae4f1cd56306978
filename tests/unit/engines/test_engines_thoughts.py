"""Thoughts and finish reasons from servers and from the embedded engine, by the one table."""

import asyncio
from typing import Any

import orjson
import pytest
from aiohttp import web
from scripted import Scripted

from scalediff.core.engine import Completion, EngineInfo, Request, Sampling, Usage
from scalediff.core.errors import EngineError, RecipeError, RequestError
from scalediff.engines import EngineConfig, chat, open_engine, pool
from scalediff.engines.recording import RecordingEngine
from scalediff.engines.responses import Endings, Response
from scalediff.model_names import resolve
from scalediff.text.marks import REASONS, TAGS

CAP = Sampling(max_new_tokens=64)
PAIRS = [tags[:2] for tags in TAGS]
DETAILS = [{"type": "reasoning.text", "text": "hm"}]
TEXT = {"type": "text", "text": "4"}


def ask(message: Any, reason: Any = "stop", *, stream: bool = False, **more: Any) -> Any:
    """What comes of a request that is answered with this message (streamed: these deltas)."""

    def handler(path: str, body: Any) -> Any:
        assert bool(body.get("stream")) is stream
        if not stream:
            choice = {"message": message, "finish_reason": reason}
            return {"choices": [choice], "usage": {"completion_tokens": 3, "prompt_tokens": 2}}
        choices = [{"delta": delta, "finish_reason": None} for delta in message]
        lines = [{"choices": [c]} for c in (*choices, {"delta": {}, "finish_reason": reason})]
        text = b"".join(b"data: %s\n\n" % orjson.dumps(line) for line in lines)
        return web.Response(body=text, content_type="text/event-stream")

    async def go() -> Any:
        async with Scripted(handler) as server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            watch = (lambda text: False) if stream else None
            turns = ({"role": "user", "content": "2+2?"},)
            request = Request(messages=turns, sampling=CAP, stop_when=watch, **more)
            try:
                (done,) = await asyncio.gather(engine.sample(request), return_exceptions=True)
                return done
            finally:
                await engine.close()

    return asyncio.run(go())


def parts(done: Any) -> tuple[str | None, str]:
    assert isinstance(done, Completion), done
    return done.reasoning, done.content


@pytest.mark.parametrize(
    "message",
    [
        {"content": "4", "reasoning_content": "hm"},
        {"content": "4", "reasoning_content": "", "reasoning": "hm"},
        {"content": "4", "reasoning_content": "hm", "reasoning": "hm"},
        {"content": "4", "reasoning": "hm", "reasoning_details": DETAILS},
        {"content": "4", "reasoning": None, "reasoning_details": DETAILS},
        {"content": "4", "thinking": "hm"},
        {"content": [{"type": "thinking", "thinking": "hm"}, TEXT]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, TEXT]},
        {"content": [{"type": "reasoning", "text": "hm"}, TEXT]},
        {"content": [{"type": "redacted_thinking", "data": "A"},
                     {"type": "reasoning", "reasoning": "hm"}, TEXT]},
        {"content": "<think>hm</think>4", "reasoning_content": "hm"},
        {"content": "m</think>4", "reasoning_content": "<think>hm"},
        {"content": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final"
                    "<|message|>4<|return|>"},
        {"content": "analysishmassistantfinal4"},
        {"content": "<|begin_of_thought|>hm<|end_of_thought|><|begin_of_solution|>4"
                    "<|end_of_solution|>"},
        {"content": "hm[/THINK]4"},
    ],
)  # fmt: skip
def test_a_thought_is_found_once_wherever_a_server_puts_it(message):
    assert parts(ask(message, thinking=True)) == ("hm", "4")
    assert parts(ask([message], stream=True)) == ("hm", "4")


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning": "h"}, {"reasoning": "m"}, {"content": "4"}],
        [{"reasoning_content": "", "reasoning": "h"}, {"reasoning_content": "", "reasoning": "m"},
         {"content": "4"}],
        [{"reasoning": c, "reasoning_details": [{"type": "reasoning.text", "text": c}]}
         for c in "hm"] + [{"content": "4", "reasoning": None}],
        [{"content": "", "reasoning_details": [{"type": "reasoning.text", "text": c}]}
         for c in "hm"] + [{"content": "4"}],
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": c}]}]}
         for c in "hm"] + [{"content": "4"}],
        [{"content": c} for c in ("<th", "ought>", "hm</", "thought>", "4")],
    ],
)  # fmt: skip
def test_a_thought_that_comes_in_pieces(deltas):
    assert parts(ask(deltas, stream=True)) == ("hm", "4")


def test_spaces_in_pieces_of_a_thought_are_kept():
    deltas = [{"reasoning_content": c, "reasoning": c} for c in ("a", " ", "b")]
    assert parts(ask([*deltas, {"content": "4"}], stream=True)) == ("a b", "4")


@pytest.mark.parametrize(("begin", "end"), PAIRS)
def test_every_tag_whole_and_cut(begin, end):
    assert parts(ask({"content": f"{begin}hm{end}4"})) == ("hm", "4")
    assert parts(ask({"content": f"{begin}so \\boxed{{4}}"}, "stop")) == ("so \\boxed{4}", "")
    done = ask({"content": f"a{end}b{begin}so \\boxed{{4}}"}, "MAX_TOKENS")
    assert (done.content, done.finish_reason) == ("", "length")


@pytest.mark.parametrize("meaning", ["stop", "length"])
def test_every_finish_reason(meaning):
    for name in REASONS[meaning].split():
        done = ask({"content": "4", "reasoning_content": "hm"}, name.upper())
        assert (name, done.finish_reason) == (name, meaning)


def test_a_response_that_was_withheld_or_is_not_whole(monkeypatch):
    monkeypatch.setattr(pool, "_FIRST_BACKOFF_S", 0.001)
    for reason in ("SAFETY", "refusal", "content_filter"):
        done = ask({"content": "4"}, reason)
        assert isinstance(done, RequestError)  # it remains: all answers may be withheld
        assert reason in str(done)
    for reason in ("insufficient_system_resource", "cancelled"):
        done = ask({"content": "4"}, reason)
        assert isinstance(done, EngineError), done  # nobody is answered: the server's trouble
        assert reason in str(done)


@pytest.mark.parametrize("reason", ["tired", 7, {"x": 1}, ["stop"], True])
def test_a_finish_reason_that_nobody_knows_is_no_end(reason):
    done = ask({"content": "\\boxed{4}"}, reason)
    assert isinstance(done, RecipeError)
    assert "thoughts.finish_reasons" in str(done)


def test_a_recipe_says_what_its_server_means():
    message = {"content": "<x>so \\boxed{4}"}
    more = {"tags": (("<x>", "</x>"),), "reasons": (("tired", "length"),)}
    done = ask(message, "Tired", **more)
    assert (*parts(done), done.finish_reason) == ("so \\boxed{4}", "", "length")
    assert parts(ask({"content": "<x>hm</x>4"}, **more)) == ("hm", "4")


def test_a_server_that_says_stopped_was_not_stopped_by_us():
    assert ask({"content": "4", "reasoning": "hm"}, "stopped").finish_reason == "length"


class Store(dict):
    def put(self, key: str, record: Any) -> None:
        self[key] = record


def test_what_was_stored_before_its_tags_were_known_is_read_again():
    class Old:
        """An engine of a time when these tags were not known."""

        info = EngineInfo("old", "w")
        usage = Usage()
        asked = 0

        async def sample(self, request: Request) -> Completion:
            self.asked += 1
            text = "<x>hm</x>4"
            return Completion(None, text, "length", 64, 2, text=text)

    old = Old()
    store = Store()
    engine = RecordingEngine(old, store)  # type: ignore[arg-type]
    turns = ({"role": "user", "content": "2+2?"},)
    plain = Request(messages=turns, sampling=CAP)
    tagged = Request(messages=turns, sampling=CAP, tags=(("<x>", "</x>"),))
    assert parts(asyncio.run(engine.sample(plain))) == (None, "<x>hm</x>4")
    done = asyncio.run(engine.sample(tagged))
    assert parts(done) == ("hm", "4")
    assert done.text == "<x>hm</x>4"
    record = store[done.attempt_id]  # the text lies there once, for all who read it later
    assert (record["reasoning"], record["content"]) == ("hm", "4")
    assert old.asked == 1


TAGGED = ("[THINK]", "[/THINK]", "<|START_THINKING|>", "<|END_THINKING|>", "◁think▷", "◁/think▷")


@pytest.fixture(scope="module")
def special(tokenizer: Any) -> Any:
    """A tokenizer that counts the tags of thoughts as special tokens."""
    import copy

    made = copy.deepcopy(tokenizer)
    made.add_special_tokens({"additional_special_tokens": [*TAGGED]})
    return made


@pytest.mark.parametrize(("begin", "end"), [TAGGED[:2], TAGGED[2:4], TAGGED[4:]])
def test_the_embedded_engine_sees_tags_that_are_special_tokens(special, begin, end):
    model = type("Model", (), {"config": type("Config", (), {"eos_token_id": 258})()})()
    endings = Endings(model, special)

    def completion(prompt: str, text: str, reason: Any) -> Completion:
        request = Request(messages=(), sampling=CAP)
        response = Response(request, prompt, [1], 64, lambda _: None, endings)
        response.tokens = [*endings.encode(text), *([258] if reason == "stop" else [])]
        return response.completion(reason)

    assert parts(completion("x", f"{begin}hm{end}4", "stop")) == ("hm", "4")
    assert parts(completion(f"x{begin}\n", f"hm{end}4", "stop")) == ("hm", "4")
    assert parts(completion("x", f"{begin}so \\boxed{{4}}", "length")) == ("so \\boxed{4}", "")
    assert parts(completion(f"x{begin}\n", "so \\boxed{4}", "stop")) == ("so \\boxed{4}", "")


@pytest.mark.parametrize(("begin", "end"), PAIRS)
def test_a_template_may_open_any_of_them(begin, end):
    assert chat.opens_think(f"<|Assistant|>{begin}\n")
    assert not chat.opens_think(f"{begin}\n\n{end}\n\n")
    assert chat.split(f"x{begin}\n", f"hm{end}4", "stop") == ("hm", "4")
    assert chat.split(f"x{begin}\n", "so \\boxed{4}", "stop") == ("so \\boxed{4}", "")
