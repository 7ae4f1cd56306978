"""Answers that come as server-sent events: gathered, watched, and ended early where asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import orjson

from scalediff.engines.endpoint import TryError, message_of
from scalediff.engines.replies import Reply, add_message, read_logprobs

if TYPE_CHECKING:
    import aiohttp

_LOOK_EVERY = 16
"""Events between two looks at whether the response is to end."""


async def gather(
    response: aiohttp.ClientResponse,
    ends: Callable[[Reply], bool],
    given_up: Callable[[int], None] = lambda _: None,
) -> Reply:
    """Read a stream to its end, or until ``ends`` says so (finish reason ``stopped``).

    Ending early closes the connection, which makes the server give up the request. Where the reader
    is cancelled, ``given_up`` is called with the tokens that had come.

    Raises:
        TryError: The stream broke off or holds an error.
    """
    reply = Reply()
    events = 0
    try:
        async for event in _events(response):
            if "error" in event and not event.get("choices"):
                raise TryError("broken", message_of(event), num_tokens=events)
            reply.count(event.get("usage"))
            for choice in event.get("choices") or ():
                events += _add(reply, choice)
            if events and events % _LOOK_EVERY == 0 and reply.reason is None and ends(reply):
                response.close()
                reply.reason = "stopped"
                break
    except asyncio.CancelledError:
        given_up(reply.num_tokens or events)
        raise
    if reply.reason is None:
        raise TryError("broken", "the stream broke off", num_tokens=reply.num_tokens or events)
    if reply.num_tokens is None:
        reply.num_tokens = events  # servers send a token an event, or nearly so
    if reply.content is None and reply.reasoning is None:
        reply.content = ""
    return reply


def _add(reply: Reply, choice: dict[str, Any]) -> int:
    """Add one choice of an event; 1 where it held text."""
    delta = choice.get("delta")
    before = len(reply.content or "") + len(reply.reasoning or "")
    if isinstance(delta, dict):
        add_message(reply, delta)
    elif isinstance(choice.get("text"), str):
        reply.content = (reply.content or "") + choice["text"]
    reply.logprobs += read_logprobs(choice.get("logprobs"))
    reply.reason = choice.get("finish_reason") or reply.reason
    return int(len(reply.content or "") + len(reply.reasoning or "") > before)


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """The JSON objects of the ``data:`` lines.

    Raises:
        TryError: A line is no JSON, or there are no lines at all but something else.
    """
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = _event(line)
            if event is not None:
                yield event
    event = _event(rest)
    if event is not None:
        yield event


def _event(line: bytes) -> dict[str, Any] | None:
    name, colon, data = line.strip().partition(b":")
    data = data.strip()
    if name != b"data" or not colon or not data or data == b"[DONE]":
        return None
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise TryError("broken", f"an event is no JSON: {data[:80]!r}") from None
    return value if isinstance(value, dict) else None
