"""The faulty server itself: the OpenAI API over the fake engine, with aiohttp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import dialects
import faults
import hostile
import orjson
from aiohttp import web
from answers import Answers, Settings, Try
from counting import Counts
from dialects import BadCall
from sending import Reply, send

from scalediff.core.errors import EngineError


class Service:
    """Answers, or fails to, as its settings say."""

    def __init__(self, settings: Settings, counts: Counts) -> None:
        self.settings = settings
        self.counts = counts
        self._answers = Answers(settings)
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
        if self.settings.mode in hostile.MODELS:
            return _json(hostile.MODELS[self.settings.mode])
        window = 0 if self.settings.mode in hostile.WINDOWS else self._answers.engine.info.window
        card = {"id": self.settings.name, "object": "model", "created": 0, "owned_by": "fake"}
        return _json({"object": "list", "data": [{**card, "max_model_len": window}]})

    async def _counts(self, _: web.Request) -> web.Response:
        return _json(self.counts.totals())

    async def _post(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        key = faults.key_of(http.path, raw)
        one = Try(key, self.counts.begin(key), self.counts)
        self._num_tries += 1
        if self.settings.down_for and self._num_tries == self.settings.down_at:
            self._up_at = time.monotonic() + self.settings.down_for
        refused = self._refused(http)
        if refused is not None:
            one.outcome, reply = refused
            one.end()
            return await send(http, reply, one)
        self.counts.work()
        try:
            if self.settings.mode in hostile.MODES and self._num_tries >= self.settings.mode_at:
                mode, elsewhere = self.settings.mode, self.settings.elsewhere
                made = await hostile.respond(mode, http, orjson.loads(raw), elsewhere)
                if made is not None:
                    one.outcome = mode
                    return made
            return await self._work(http, raw, one)
        except ConnectionError:
            return web.Response()  # nobody is there to read it
        finally:  # also where the client went away: its try is over and stands as abandoned
            self.counts.in_flight -= 1
            one.end()

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
            return await send(http, Reply.of_error(f"the fault {fault}", status, headers), one)
        if fault == "half-open":
            await asyncio.Event().wait()
        if fault == "reset":
            faults.reset(http.transport)
            return web.Response()
        await asyncio.sleep(self.settings.lots.latency(one.key, one.number))
        if fault == "garbage":
            return await send(http, Reply(200, [faults.GARBAGE]), one)
        if fault == "content-type":
            return await send(http, Reply(200, [faults.HTML], "text/html"), one)
        try:
            reply = await self._answers.reply(http.path, raw, one, fault)
        except BadCall as bad:
            one.outcome = str(bad.status)
            return await send(http, Reply(bad.status, [orjson.dumps(bad.answer)]), one)
        except EngineError as failed:
            one.outcome = "500"
            return await send(http, Reply.of_error(str(failed), 500), one)
        pace, drip_s = self.settings.tokens_per_s, self.settings.drip_s
        return await send(http, reply, one, fault, pace, drip_s)

    async def _tokenize(self, http: web.Request) -> web.Response:
        def found(body: Any) -> dict[str, Any]:
            text = body["prompt"] if "prompt" in body else self._answers.rendered(body)
            tokens = dialects.tokens_of(text)
            return {
                "count": len(tokens),
                "max_model_len": self._answers.engine.info.window,
                "tokens": self._answers.words.ids(tokens),
                "token_strs": tokens if body.get("return_token_strs") else None,
            }

        return _aside(await http.read(), found)

    async def _detokenize(self, http: web.Request) -> web.Response:
        def found(body: Any) -> dict[str, Any]:
            return {"prompt": self._answers.words.text(body["tokens"])}

        return _aside(await http.read(), found)


def _aside(raw: bytes, found: Callable[[Any], dict[str, Any]]) -> web.Response:
    """The answer to a call that asks nothing of the model."""
    try:
        return _json(found(orjson.loads(raw)))
    except BadCall as bad:
        return _json(bad.answer, bad.status)
    except (ValueError, KeyError, TypeError, AttributeError):
        return _json(dialects.error("the body lacks a field, or one is of another type", 400), 400)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
