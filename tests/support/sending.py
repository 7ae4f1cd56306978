"""An answer on the wire: whole or streamed, at a pace, and broken in the ways of ``faults``."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from aiohttp import web
from dialects import Call, error

from scalediff.core.engine import Completion

_PIECE = re.compile(r"\s*\S+\s*|\s+")
_DRIPS = 20


class Watcher(Protocol):
    """Who is told how many tokens went out, and when the last bytes do."""

    tokens: int

    def last(self, tokens: int) -> None:
        """The last bytes go out now."""


@dataclass(frozen=True)
class Reply:
    """What is sent.

    Attributes:
        status: HTTP status.
        chunks: The body; in a stream one event each.
        content_type: As the header says.
        headers: Further headers.
        tokens: Tokens that were sampled for it.
    """

    status: int
    chunks: list[bytes]
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    tokens: int = 0

    @classmethod
    def of_error(cls, message: str, status: int, headers: dict[str, str] | None = None) -> Reply:
        """An error in OpenAI's form."""
        return cls(status, [orjson.dumps(error(message, status))], headers=headers or {})

    @property
    def is_stream(self) -> bool:
        """Whether it is sent event by event."""
        return self.content_type == "text/event-stream"


def stream_events(
    call: Call,
    name: str,
    pieces: list[tuple[str, str]],
    completion: Completion,
    usage: dict[str, int],
    extra: dict[str, Any],
    fault: str | None,
) -> list[bytes]:
    """The events of a streamed answer, one a token, the closing ones included."""
    head = {
        "id": f"fake-{time.time_ns()}",
        "object": "chat.completion.chunk" if call.chat else "text_completion",
        "created": int(time.time()),
        "model": name,
    }

    def event(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        what = {"delta": delta} if call.chat else {"text": "", **delta}
        choice = {"index": 0, **what, "finish_reason": reason, **more}
        choices = [] if fault == "empty-choice" else [choice]
        return _event({**head, "choices": choices})

    events = [event({"role": "assistant", "content": ""})] if call.chat else []
    if fault != "no-content":
        events += [event({name: t}) for name, text in pieces for t in _PIECE.findall(text)]
    if fault == "error-body":
        return [*events[: len(events) // 2], _event(error("the fault error-body", 502))]
    events.append(event({}, completion.finish_reason, **extra))
    if call.include_usage:
        events.append(_event({**head, "choices": [], "usage": usage}))
    return [*events, b"data: [DONE]\n\n"]


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


async def send(
    http: web.Request,
    reply: Reply,
    watcher: Watcher,
    fault: str | None = None,
    tokens_per_s: float = 0.0,
    drip_s: float = 0.0,
) -> web.StreamResponse:
    """Send a reply; with the fault ``cut`` half of it, with ``slow-drip`` in drips."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_type = reply.content_type
    chunks, delay = reply.chunks, 1 / tokens_per_s if tokens_per_s else 0.0
    if not reply.is_stream:
        (body,) = chunks
        response.content_length = len(body)
        # the model works on all of it before the first byte goes out
        await asyncio.sleep(delay * reply.tokens)
        delay, size = 0.0, max(1, len(body) // _DRIPS)
        if fault in ("cut", "slow-drip"):
            chunks = [body[i : i + size] for i in range(0, len(body), size)]
    if fault == "slow-drip":
        delay = drip_s / len(chunks)
    await response.prepare(http)
    shown = chunks[: len(chunks) // 2] if fault == "cut" else chunks
    end = await _write(response, shown, delay, watcher if reply.is_stream else None)
    if http.transport is not None and not http.transport.is_closing():
        watcher.last(reply.tokens)
    await response.write(end)
    if fault == "cut" and not reply.is_stream and http.transport is not None:
        http.transport.close()  # after what was written; the length that was promised is not met
        return response
    await response.write_eof()
    return response


async def _write(
    response: web.StreamResponse, chunks: list[bytes], delay: float, watcher: Watcher | None
) -> bytes:
    """Write chunks, one each ``delay`` seconds; what is left for the last write is given back."""
    start, waiting = time.monotonic(), b""
    for i, chunk in enumerate(chunks):
        ahead = start + i * delay - time.monotonic()
        if ahead > 0.002:  # sleeps shorter than that cost more than they take
            if waiting:
                await response.write(waiting)
            waiting = b""
            await asyncio.sleep(ahead)
        waiting += chunk
        if watcher is not None:
            watcher.tokens = i
    return waiting
