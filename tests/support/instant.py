"""A server with canned answers and next to no work: what a client is measured against.

It speaks as much HTTP/1.1 as a client with keep-alive connections needs, on ``asyncio.Protocol``
itself: aiohttp's server takes several times as long for a request as the client under test may.
Every chat gets a short thought and an answer that hangs on the bytes of its body; latencies work.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from typing import cast

import faults
import orjson

_ANSWER = (
    b'{"id":"i","object":"chat.completion","created":0,"model":"%s","choices":[{"index":0,'
    b'"message":{"role":"assistant","reasoning_content":"We add the numbers.",'
    b'"content":"The answer is $\\\\boxed{%d}$."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":16,"total_tokens":28}}'
)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Tally:
    """What an instant server served."""

    def __init__(self) -> None:
        self.served = self.in_flight = self.max_in_flight = 0
        self.latency_s = 0.0
        self.first = self.last = 0.0

    def totals(self) -> dict[str, float]:
        """What ``GET /counts`` answers; ``latency_s`` is the sum of all latencies."""
        return {
            "tries": self.served,
            "served": self.served,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "latency_s": self.latency_s,
            "span_s": self.last - self.first,
        }


class Instant(asyncio.Protocol):
    """One connection; answers go out in the order of their requests."""

    def __init__(self, name: str, lots: faults.Lots, tally: Tally) -> None:
        self._name = name.encode()
        self._lots = lots
        self._tally = tally
        self._data = b""
        self._due: deque[list[bytes | None]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._data += data
        while True:
            head_end = self._data.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = self._data[:head_end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            end = head_end + 4 + length
            if len(self._data) < end:
                return
            body, self._data = self._data[head_end + 4 : end], self._data[end:]
            if head.startswith(b"post"):
                self._post(head.split(b" ", 2)[1], body)
            else:
                self._transport.write(self._get(head.split(b" ", 2)[1]))

    def _post(self, path: bytes, body: bytes) -> None:
        tally = self._tally
        if not path.endswith(b"/completions"):
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        tally.in_flight += 1
        tally.max_in_flight = max(tally.max_in_flight, tally.in_flight)
        tally.first = tally.first or time.monotonic()
        text = _ANSWER % (self._name, zlib.crc32(body) % 1000)
        place: list[bytes | None] = [None]
        self._due.append(place)
        answer = _HEAD % len(text) + text
        if not self._lots.latency_s:
            self._settle(place, answer)
            return
        latency = self._lots.latency(faults.key_of("", body))
        tally.latency_s += latency
        asyncio.get_running_loop().call_later(latency, self._settle, place, answer)

    def _settle(self, place: list[bytes | None], answer: bytes) -> None:
        place[0] = answer
        self._tally.served += 1
        self._tally.in_flight -= 1
        self._tally.last = time.monotonic()
        while self._due and self._due[0][0] is not None:
            ready = self._due.popleft()[0]
            assert ready is not None
            self._transport.write(ready)

    def _get(self, path: bytes) -> bytes:
        if path == b"/counts":
            value: object = self._tally.totals()
        elif path == b"/v1/models":
            value = {"object": "list", "data": [{"id": self._name.decode()}]}
        else:
            value = {}
        text = orjson.dumps(value)
        return _HEAD % len(text) + text
