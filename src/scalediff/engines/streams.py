"""Answers that come as server-sent events: gathered, watched, and ended early where asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from scalediff.core.secrets import mask
from scalediff.engines.bodies import Bounds, load_json
from scalediff.engines.endpoint import of_error
from scalediff.engines.replies import Reply, read_logprobs, without_keys
from scalediff.engines.trying import TryError
from scalediff.text.messages import parts_of

_LOOK_EVERY = 16
"""Events between two looks at whether the response is to end."""
_MOST_IDLE = 2 << 20
"""Bytes without text: comments that keep a connection alive for days have fewer."""


async def gather(
    lines: AsyncIterator[bytes],
    bounds: Bounds,
    ends: Callable[[Reply], bool],
    close: Callable[[], None],
    given_up: Callable[[int], None] = lambda _: None,
) -> Reply:
    """Read a stream to its end, or until ``ends`` says so (finish reason ``stopped``).

    Ending early closes the connection, which makes the server give up the request.

    Args:
        lines: Of the stream.
        bounds: What it may hold.
        ends: Whether the response so far is to end.
        close: Closes the connection.
        given_up: Called with the tokens that had come, where the reader is cancelled.

    Raises:
        TryError: The stream broke off, holds an error, or more than it may.
    """
    gathered = _Gathered(Reply(bounds=bounds))
    reply = gathered.reply
    try:
        await _read(lines, gathered, ends, close)
    except asyncio.CancelledError:
        given_up(reply.num_tokens or gathered.events)
        raise
    gathered.joined()
    if reply.reason is None:
        num_tokens = reply.num_tokens or gathered.events
        raise TryError("broken", "the stream broke off", num_tokens=num_tokens)
    if reply.num_tokens is None:
        reply.num_tokens = gathered.events  # servers send a token an event, or nearly so
    if reply.content is None and reply.reasoning is None:
        reply.content = ""
    return without_keys(reply)


async def _read(
    lines: AsyncIterator[bytes],
    gathered: _Gathered,
    ends: Callable[[Reply], bool],
    close: Callable[[], None],
) -> None:
    """Add the events of a stream, to its end or until ``ends`` says so."""
    reply, bounds = gathered.reply, gathered.reply.bounds
    idle = 0
    async for line in lines:
        idle += len(line) + 1
        if idle > _MOST_IDLE:
            close()
            text = f"the stream goes on for {_MOST_IDLE >> 20} MB without a token"
            raise TryError("broken", text, num_tokens=gathered.events, is_whole=True)
        event = _event(line)
        if event is None:
            continue
        if "error" in event and not event.get("choices"):
            raise of_error(event, num_tokens=gathered.events)
        reply.count(event.get("usage"))
        if not gathered.add(event.get("choices")):
            continue
        idle = 0
        if gathered.events > bounds.tokens or gathered.size > bounds.text:
            close()
            text = "the stream goes on beyond its token cap"
            raise TryError("broken", text, num_tokens=bounds.tokens, is_whole=True)
        if gathered.events % _LOOK_EVERY == 0 and reply.reason is None and ends(gathered.joined()):
            close()
            reply.reason = "stopped"
            return


class _Gathered:
    """A reply that grows: its parts are joined where somebody looks.

    Attributes:
        reply: What it comes to.
        events: Events that held text.
        size: Characters of it.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.events = self.size = 0
        self._contents: list[str] = []
        self._thoughts: list[str] = []

    def add(self, choices: Any) -> bool:
        """Add the choices of an event; True where they held text."""
        before = self.size
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            delta, reasoning, content = choice.get("delta"), None, choice.get("text")
            if isinstance(delta, dict):
                reasoning, content = parts_of(delta)
            for text, texts in ((content, self._contents), (reasoning, self._thoughts)):
                if isinstance(text, str):
                    texts.append(text)
                    self.size += len(text)
            self.reply.logprobs += read_logprobs(choice.get("logprobs"))
            self.reply.reason = choice.get("finish_reason") or self.reply.reason
        self.events += self.size > before
        return self.size > before

    def joined(self) -> Reply:
        """The reply so far."""
        for texts in (self._contents, self._thoughts):
            if len(texts) > 1:
                texts[:] = ["".join(texts)]
        self.reply.content = self._contents[0] if self._contents else None
        self.reply.reasoning = self._thoughts[0] if self._thoughts else None
        return self.reply


def _event(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a ``data:`` line.

    Raises:
        TryError: It is none.
    """
    name, colon, data = line.strip().partition(b":")
    data = data.strip()
    if name != b"data" or not colon or not data or data == b"[DONE]":
        return None
    try:
        value = load_json(data)
    except ValueError:
        shown = mask(data[:400].decode("utf-8", "replace"))[:80]
        raise TryError("broken", f"an event is no JSON: {shown!r}") from None
    return value if isinstance(value, dict) else None
