"""The faulty server itself: the OpenAI API over the fake engine, with aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import dialects
import faults
import logprobs
import orjson
from aiohttp import web
from counting import SERVED, Counts
from dialects import BadCall, Call, Vocabulary
from sending import Reply, send, stream_events

from scalediff.core.engine import Completion, ModelSpec, Request
from scalediff.core.errors import EngineError, RecordError
from scalediff.engines.fake import FakeEngine, fingerprint_of


@dataclass(frozen=True)
class Settings:
    """How a server behaves; see ``fault_server.py --help``."""

    model: str = "fake:teacher"
    name: str = "teacher"
    reasoning: str = "field"
    score: str = "prompt_logprobs"
    tokenize: bool = True
    strict_window: bool = False
    refuse: Sequence[str] = ()
    api_key: str = ""
    capacity: int = 0
    tokens_per_s: float = 0.0
    lots: faults.Lots = field(default_factory=faults.Lots)
    retry_after_s: float = 1.0
    drip_s: float = 10.0
    fail_until: float = 0.0
    down_at: int = 0
    down_for: float = 0.0


@dataclass
class Try:
    """One try of a request: who, and what became of it so far."""

    key: str
    number: int
    outcome: str = "abandoned"
    seed: int | None = None
    tokens: int = 0


class Service:
    """Answers, or fails to, as its settings say."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        script = settings.model.removeprefix("fake:")
        self.settings = settings
        self.counts = counts
        self.engine = FakeEngine(ModelSpec(settings.model, "fake", script, fingerprint_of(script)))
        self._words = Vocabulary()
        self._num_tries = 0
        # after the seconds of --fail-until the server is up; --down-at sets a second such time
        self._up_at = time.monotonic() + settings.fail_until

    def app(self) -> web.Application:
        """The application with its routes."""
        app = web.Application(client_max_size=2**27)
        app.router.add_get("/health", self._health)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/counts", self._counts)
        app.router.add_post("/v1/chat/completions", self._post)
        app.router.add_post("/v1/completions", self._post)
        if self.settings.tokenize:
            app.router.add_post("/tokenize", self._tokenize)
            app.router.add_post("/detokenize", self._detokenize)
        return app

    def _is_down(self) -> bool:
        return time.monotonic() < self._up_at

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self._is_down() else 200)

    async def _models(self, http: web.Request) -> web.Response:
        if self._is_down():
            return _json(dialects.error("the server is down", 503), 503)
        if not self._may(http):
            return _json(dialects.error("the API key is not valid", 401), 401)
        window = self.engine.info.window
        card = {"id": self.settings.name, "object": "model", "created": 0, "owned_by": "fake"}
        return _json({"object": "list", "data": [{**card, "max_model_len": window}]})

    async def _counts(self, _: web.Request) -> web.Response:
        return _json(self.counts.totals())

    async def _post(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        key = faults.key_of(http.path, raw)
        one = Try(key, self.counts.begin(key))
        self._num_tries += 1
        if self.settings.down_for and self._num_tries == self.settings.down_at:
            self._up_at = time.monotonic() + self.settings.down_for
        refused = self._refused(http)
        if refused is not None:
            one.outcome, reply = refused
            self.counts.end(one.key, None, one.outcome, 0)
            return await send(http, reply)
        self.counts.work()
        try:
            return await self._work(http, raw, one)
        finally:  # also where the client went away: its try is over and stands as abandoned
            self.counts.in_flight -= 1
            self.counts.end(one.key, one.seed, one.outcome, one.tokens)

    def _may(self, http: web.Request) -> bool:
        key = self.settings.api_key
        return not key or http.headers.get("Authorization") == f"Bearer {key}"

    def _refused(self, http: web.Request) -> tuple[str, Reply] | None:
        """What is refused whatever it asks, and the outcome."""
        capacity = self.settings.capacity
        if self._is_down():
            return "down", Reply.of_error("the server is down", 503)
        if not self._may(http):
            return "401", Reply.of_error("the API key is not valid", 401)
        if capacity and self.counts.in_flight >= capacity:
            return "capacity", Reply.of_error(f"over {capacity} requests in flight", 429)
        return None

    async def _work(self, http: web.Request, raw: bytes, one: Try) -> web.StreamResponse:
        fault = self.settings.lots.fault(one.key, one.number)
        status = faults.status_of(fault)
        if fault is not None:
            one.outcome = fault
        if fault is not None and status:
            headers = faults.retry_after(fault, self.settings.retry_after_s)
            return await send(http, Reply.of_error(f"the fault {fault}", status, headers))
        if fault == "half-open":
            await asyncio.Event().wait()
        if fault == "reset":
            faults.reset(http.transport)
            return web.Response()
        await asyncio.sleep(self.settings.lots.latency(one.key, one.number))
        if fault == "garbage":
            return await send(http, Reply(200, [faults.GARBAGE]))
        if fault == "content-type":
            return await send(http, Reply(200, [faults.HTML], "text/html"))
        try:
            reply = await self._reply(http.path, raw, one, fault)
        except BadCall as bad:
            one.outcome = str(bad.status)
            return await send(http, Reply(bad.status, [orjson.dumps(bad.answer)]))
        except EngineError as failed:
            one.outcome = "500"
            return await send(http, Reply.of_error(str(failed), 500))
        settings = self.settings
        progress = await send(http, reply, fault, settings.tokens_per_s, settings.drip_s, one)
        if fault is None or fault == "slow-drip":
            one.outcome = SERVED
        return progress

    async def _reply(self, path: str, raw: bytes, one: Try, fault: str | None) -> Reply:
        try:
            body = orjson.loads(raw)
        except ValueError:
            raise BadCall("the body is not JSON") from None
        if not isinstance(body, dict):
            raise BadCall("the body is no object")
        if body.get("model") != self.settings.name:
            raise BadCall(f"The model `{body.get('model')}` does not exist.", 404)
        for name in self.settings.refuse:
            if name in body:
                raise BadCall(f"Unrecognized request argument supplied: {name}")
        info = self.engine.info
        call = dialects.read_call(body, path.endswith("/chat/completions"), info, self._words)
        one.seed = body.get("seed")
        logprobs.check(call, self.settings.score)
        completion = await self._sample(call)
        usage = dialects.usage_of(completion)
        pieces = self._pieces(call, completion)
        extra = await self._logprobs(call, completion)
        if call.stream:
            events = stream_events(
                call, self.settings.name, pieces, completion, usage, extra, fault
            )
            return Reply(200, events, "text/event-stream", tokens=completion.num_tokens)
        whole = self._whole(call, pieces, completion, usage, extra, fault, one.number)
        return Reply(200, [orjson.dumps(whole)], tokens=completion.num_tokens)

    async def _sample(self, call: Call) -> Completion:
        window = self.engine.info.window
        cap = call.max_tokens or 0
        try:
            completion = await self.engine.sample(call.request)
        except RecordError as refused:
            raise BadCall(
                f"This model's maximum context length is {window} tokens: {refused.evidence}",
                code="context_length_exceeded",
            ) from None
        if self.settings.strict_window and completion.num_prompt_tokens + cap > window:
            raise BadCall(
                f"This model's maximum context length is {window} tokens. However, you requested "
                f"{completion.num_prompt_tokens + cap} tokens ({completion.num_prompt_tokens} in "
                f"the messages, {cap} in the completion).",
                code="context_length_exceeded",
            )
        return completion

    def _pieces(self, call: Call, completion: Completion) -> list[tuple[str, str]]:
        if call.chat:
            style = self.settings.reasoning
            return dialects.message_pieces(style, self.engine.info, call.request, completion)
        echoed = call.body.get("echo") and self.settings.score in ("echo", "null")
        new = "" if echoed and call.max_tokens == 0 else completion.text or ""
        return [("text", (call.request.raw or "") + new if echoed else new)]

    async def _logprobs(self, call: Call, completion: Completion) -> dict[str, Any]:
        """The fields with log-probabilities that this server's dialect adds to the answer."""
        style, k = self.settings.score, call.body.get("logprobs") or 0
        prompt = self._prompt(call.request)
        new = (completion.text or "")[len(call.request.prefix) :]
        if style == "prompt_logprobs" and logprobs.asks(call, "prompt_logprobs"):
            found = await logprobs.of_prompt(self.engine, prompt)
            most = int(call.body["prompt_logprobs"])
            return {"prompt_logprobs": logprobs.vllm(found, most, self._words)}
        if not logprobs.asks(call, "logprobs"):
            return {}
        if call.chat and style in ("prompt_logprobs", "top_k"):
            best = int(call.body.get("top_logprobs") or 0)
            tokens = dialects.tokens_of(new)
            return {"logprobs": await logprobs.of_chat(self.engine, prompt, tokens, best)}
        if call.chat or style in ("null", "top_k"):
            return {"logprobs": None}
        found = []
        if style == "echo" and call.body.get("echo"):
            found = await logprobs.of_prompt(self.engine, prompt)
        if not found or call.max_tokens != 0:
            found = [*found, *logprobs.of_new(dialects.tokens_of(new))]
        return {"logprobs": logprobs.legacy(found, int(k))}

    def _prompt(self, request: Request) -> str:
        # the fake's template is its own affair, and this its only reader
        return self.engine._prompt(request) + request.prefix

    def _whole(
        self,
        call: Call,
        pieces: list[tuple[str, str]],
        completion: Completion,
        usage: dict[str, int],
        extra: dict[str, Any],
        fault: str | None,
        num_try: int,
    ) -> dict[str, Any]:
        """The answer as one object."""
        if fault == "error-body":
            return dialects.error("the fault error-body", 502)
        choice: dict[str, Any] = {"index": 0, "finish_reason": completion.finish_reason}
        answer: dict[str, Any] = {
            "id": f"fake-{time.time_ns()}",
            "object": "chat.completion" if call.chat else "text_completion",
            "created": int(time.time()),
            "model": self.settings.name,
            "choices": [] if fault == "empty-choice" else [choice],
            "usage": usage,
        }
        if call.chat:
            message = {"role": "assistant", "content": None, **dict(pieces)}
            if fault == "no-content":
                message = {"role": "assistant"} if num_try % 2 else {**message, "content": None}
            choice["message"] = message
        elif fault != "no-content":
            choice.update(pieces)
        # vLLM puts a chat's beside the choices, a completion's into them
        (answer if call.chat and "prompt_logprobs" in extra else choice).update(extra)
        return answer

    async def _tokenize(self, http: web.Request) -> web.Response:
        try:
            body = orjson.loads(await http.read())
            if "messages" in body:
                call = dialects.read_call(body, True, self.engine.info, self._words)
                text = self._prompt(call.request)
                if not body.get("add_generation_prompt", True) and not call.request.prefix:
                    text = text.rpartition("<|assistant|>")[0]
            else:
                text = cast(str, body["prompt"])
            tokens = dialects.tokens_of(text)
        except BadCall as bad:
            return _json(bad.answer, bad.status)
        except (ValueError, KeyError, TypeError):
            return _json(dialects.error("give prompt or messages", 400), 400)
        return _json(
            {
                "count": len(tokens),
                "max_model_len": self.engine.info.window,
                "tokens": self._words.ids(tokens),
                "token_strs": tokens if body.get("return_token_strs") else None,
            }
        )

    async def _detokenize(self, http: web.Request) -> web.Response:
        try:
            return _json({"prompt": self._words.text(orjson.loads(await http.read())["tokens"])})
        except BadCall as bad:
            return _json(bad.answer, bad.status)
        except (ValueError, KeyError, TypeError):
            return _json(dialects.error("give tokens", 400), 400)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
