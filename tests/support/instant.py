"""Canned answers with the least work possible: a server that is not what a benchmark measures.

A protocol of its own instead of aiohttp.web, which on one core serves about half as many requests:
the head of a request is searched for its length alone, and an answer is a template of fixed length
with a number in it, a checksum of the body. No model is asked, no try fails; latency costs a timer,
so thousands of requests may be under way.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from typing import Any, cast

import orjson
from answers import Settings
from counting import SERVED, Counts

_NUM_TOKENS = 24
_USAGE = {"prompt_tokens": 32, "completion_tokens": _NUM_TOKENS, "total_tokens": 32 + _NUM_TOKENS}
_THOUGHT = "The number that is asked for has to be worked out. So it is @@@."
_ANSWER = "The answer is $\\boxed{@@@}$."
_PROBLEM = "What is $@@@ \\cdot 7 + @@@@@@$?"
_CLOSE_ID = "151649"


def _http(body: bytes, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _template(value: bytes | dict[str, Any], content_type: str = "application/json") -> bytes:
    """A response into which two numbers are put by ``%``: six digits, and their last three."""
    body = value if isinstance(value, bytes) else orjson.dumps(value)
    text = _http(body, content_type=content_type).replace(b"%", b"%%")
    return text.replace(b"@@@@@@", b"%(six)06d").replace(b"@@@", b"%(three)03d")


def _events(head: dict[str, Any], *choices: dict[str, Any]) -> bytes:
    parts = [{**head, "choices": [choice]} for choice in choices]
    parts.append({**head, "choices": [], "usage": _USAGE})
    return b"".join(b"data: %s\n\n" % orjson.dumps(part) for part in parts) + b"data: [DONE]\n\n"


class Canned:
    """The answers of a server, made once."""

    def __init__(self, settings: Settings) -> None:
        head = {"id": "canned", "object": "chat.completion", "created": 0, "model": settings.name}
        message: dict[str, Any] = {"role": "assistant", "content": _ANSWER}
        if settings.reasoning in ("field", "reasoning"):
            name = "reasoning_content" if settings.reasoning == "field" else "reasoning"
            message[name] = _THOUGHT
        else:
            opening = "<think>" if settings.reasoning == "inline" else ""
            message["content"] = f"{opening}\n{_THOUGHT}\n</think>\n\n{_ANSWER}"
        end = {"index": 0, "finish_reason": "stop"}
        chunk = {**head, "object": "chat.completion.chunk"}
        text = {**head, "object": "text_completion"}
        asked = {"logprob": -0.25, "rank": 1, "decoded_token": "</think>"}
        scored = {"prompt_logprobs": [None, {_CLOSE_ID: asked}]}
        echoed = {
            "tokens": ["What", "</think>"],
            "token_logprobs": [None, -0.25],
            "top_logprobs": [None, {"</think>": -0.25}],
            "text_offset": [0, 4],
        }
        self.chat = _template({**head, "choices": [{**end, "message": message}], "usage": _USAGE})
        self.chat_stream = _template(
            _events(chunk, {"index": 0, "delta": message}, {**end, "delta": {}}),
            "text/event-stream",
        )
        self.text = _template({**text, "choices": [{**end, "text": _PROBLEM}], "usage": _USAGE})
        self.text_stream = _template(
            _events(text, {"index": 0, "text": _PROBLEM}, {**end, "text": ""}), "text/event-stream"
        )
        self.scores = _template(
            {**text, "choices": [{**end, "text": "x", **scored}], "usage": _USAGE}
        )
        self.echo = _template(
            {**text, "choices": [{**end, "text": "", "logprobs": echoed}], "usage": _USAGE}
        )
        card = {"id": settings.name, "object": "model", "max_model_len": 32768}
        self.models = _http(orjson.dumps({"object": "list", "data": [card]}))
        self.health = _http(b"")
        self.unknown = _http(b"{}", "404 Not Found")

    def answer(self, path: bytes, body: bytes) -> bytes:
        """The response to a call; the same for the same body."""
        checksum = zlib.crc32(body) % 1_000_000
        streams = b'"stream":true' in body or b'"stream": true' in body
        if path.endswith(b"/chat/completions"):
            template = self.chat_stream if streams else self.chat
        elif b'"prompt_logprobs"' in body:
            template = self.scores
        elif b'"echo"' in body:
            template = self.echo
        else:
            template = self.text_stream if streams else self.text
        return template % {b"six": checksum, b"three": checksum % 1000}


class Connection(asyncio.Protocol):
    """One kept-alive connection. With latency its client sends one request at a time."""

    def __init__(self, canned: Canned, settings: Settings, counts: Counts) -> None:
        self._canned, self._lots, self._counts = canned, settings.lots, counts
        self._slow = settings.lots.latency_s > 0
        self._waiting: dict[bytes, asyncio.TimerHandle] = {}
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It went; what it waited for is abandoned."""
        for key, timer in self._waiting.items():
            timer.cancel()
            self._counts.in_flight -= 1
            self._counts.end(key.hex(), None, "abandoned", 0)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Answer each request that is there in full."""
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end]
            length = _length(head)
            if len(self._buffer) < end + 4 + length:
                if b"100-continue" in head:
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b" ", 2)
        if method != b"POST" or not path.endswith(b"completions"):
            self._transport.write(self._aside(path))
            return
        key = hashlib.blake2b(body, digest_size=8).digest()
        number = self._counts.begin(key.hex())
        self._counts.work()
        if not self._slow:
            self._send(key, path, body)
            return
        delay = self._lots.latency(key.hex(), number)
        loop = asyncio.get_running_loop()
        self._waiting[key] = loop.call_later(delay, self._send, key, path, body)

    def _send(self, key: bytes, path: bytes, body: bytes) -> None:
        self._waiting.pop(key, None)
        self._transport.write(self._canned.answer(path, body))
        self._counts.in_flight -= 1
        self._counts.end(key.hex(), None, SERVED, _NUM_TOKENS)

    def _aside(self, path: bytes) -> bytes:
        if path.endswith(b"/models"):
            return self._canned.models
        if path == b"/health":
            return self._canned.health
        if path == b"/counts":
            return _http(orjson.dumps(self._counts.totals()))
        return self._canned.unknown


def _length(head: bytes) -> int:
    at = head.find(b"Content-Length:")
    if at < 0:
        at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
