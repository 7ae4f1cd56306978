"""A server in the test's own loop that answers as a function says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

Handler = Callable[[str, dict[str, Any]], Any]


class Scripted:
    """``async with Scripted(handler) as server``: ``handler(path, body)`` gives JSON or a response.

    ``handler`` may be a coroutine function. ``/models`` lists ``m`` unless the handler says
    otherwise by answering for that path. Requests are kept in ``asked``.
    """

    def __init__(self, handler: Handler, *, models: Any = None) -> None:
        self._handler = handler
        self._models = {"data": [{"id": "m", "max_model_len": 4096}]} if models is None else models
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.now = self.most = 0
        self.port = 0

    async def __aenter__(self) -> Scripted:
        await self.start()
        return self

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        await self._runner.cleanup()

    def side(self, path: str, body: dict[str, Any]) -> Any:
        """Answers questions about prompts; here nobody does."""
        return web.Response(status=404)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def model(self) -> str:
        return f"{self.url}#m"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/v1")
        self.headers.append(dict(request.headers))
        if request.method == "GET":
            if isinstance(self._models, web.Response):
                return self._models
            return (
                web.json_response(self._models) if path == "/models" else web.Response(status=404)
            )
        body = orjson.loads(await request.read())
        if path in ("/tokenize", "/apply-template", "/detokenize"):
            made = self.side(path, body)
            return made if isinstance(made, web.Response) else web.json_response(made)
        self.asked.append((path, body))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            made = self._handler(path, body)
            if isinstance(made, Awaitable):
                made = await made
        finally:
            self.now -= 1
        return made if isinstance(made, web.StreamResponse) else web.json_response(made)


def answer(
    content: str | None = "It is $\\boxed{4}$.", reason: str | None = "stop", **message: Any
) -> dict[str, Any]:
    """The JSON of a chat's answer."""
    return {
        "choices": [{"message": {"content": content, **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5},
    }


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
