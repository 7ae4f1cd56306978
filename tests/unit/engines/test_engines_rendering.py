"""Prompts rendered by servers: vLLM's and llama.cpp's ways, spoken by a scripted server."""

import asyncio

from aiohttp import web
from scripted import Scripted, answer

from scalediff.core.engine import Completion, Request
from scalediff.engines import EngineConfig, open_engine
from scalediff.model_names import resolve

USER = {"role": "user", "content": "1+1?"}


class Vllm(Scripted):
    """Tokens are characters; the template opens a thought."""

    def side(self, path, body):
        if path == "/tokenize":
            text = body.get("prompt")
            if text is None:
                text = f"<u>{body['messages'][-1]['content']}<a><think>\n"
            return {"tokens": [ord(c) for c in text]}
        if path == "/detokenize":
            return {"prompt": "".join(chr(t) for t in body["tokens"])}
        return web.Response(status=404)


class Llama(Scripted):
    def side(self, path, body):
        if path == "/apply-template":
            return {"prompt": f"<u>{body['messages'][-1]['content']}<a>"}
        return web.Response(status=404)


def sample(server: Scripted, request: Request) -> tuple[Completion, object]:
    async def go():
        async with server:
            engine = await open_engine(resolve(server.model), EngineConfig())
            try:
                return await engine.sample(request), engine.info
            finally:
                await engine.close()

    return asyncio.run(go())


def text_answer(path, body):
    assert path == "/completions"
    return {"choices": [{"text": "4</think>4", "finish_reason": "stop"}]}


def test_a_prefix_stands_right_after_the_prompt_as_tokens():
    server = Vllm(text_answer)
    done, info = sample(server, Request(messages=(USER,), prefix="2+2="))
    assert info.opens_think
    assert info.example_prompt == "<u>{problem}<a><think>\n"
    prompt = "".join(chr(t) for t in server.asked[0][1]["prompt"])
    assert prompt == "<u>1+1?<a><think>\n2+2="
    assert (done.reasoning, done.content, done.text) == ("2+2=4", "4", "2+2=4</think>4")


def test_llama_renders_text():
    server = Llama(text_answer)
    _, info = sample(server, Request(messages=(USER,), prefix="2"))
    assert not info.opens_think
    assert server.asked[0][1]["prompt"] == "<u>1+1?<a>2"


def test_without_a_renderer_a_prefix_is_an_answer_to_be_continued():
    server = Scripted(lambda path, body: answer("4"))
    done, info = sample(server, Request(messages=(USER,), prefix="2+2="))
    path, body = server.asked[0]
    assert (path, info.example_prompt) == ("/chat/completions", "")
    assert body["messages"][-1] == {"role": "assistant", "content": "2+2="}
    assert (body["add_generation_prompt"], body["continue_final_message"]) == (False, True)
    assert done.content == "2+2=4"
