"""Bytes of answers, read in bounded memory, and the JSON in them, read as far as it can be.

What an answer may hold follows from the token cap: a body, a line and a stream over it are given
up, also where they only unpack to so much, and where they come byte by byte.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from scalediff.engines.trying import TryError

if TYPE_CHECKING:
    import aiohttp

_BASE = 1 << 20
_A_TOKEN = 256
"""Bytes of a token in JSON, twice where the thought is repeated: twenty times what is usual."""
_A_TEXT = 32
"""Characters of a token on average: eight times what is usual."""
_A_LOGPROB = 2048
"""Bytes of a token with its log-probabilities and the best others."""
_AN_EVENT = 2048
"""Bytes of an event of one token, with all that providers send along."""
_MOST = 128 << 20
_MOST_ASIDE = 16 << 20
"""Bytes of an answer to a question about the server, such as a list of thousands of models."""
MOST_OF_ERROR = 64 << 10
_FREE = 1 << 20
_A_PIECE = 1 << 18
"""Bytes that are unpacked at once."""
_MOST_HELD = 256 << 20
"""Bytes of all answers under way together; those under ``_FREE`` each are never refused."""


@dataclass(frozen=True)
class Bounds:
    """What an answer may be.

    Attributes:
        body: Bytes of a body, or of a line of a stream.
        text: Characters of a stream's text.
        stream: Bytes of a stream in all.
        tokens: Tokens that a server may count, somewhat over the cap.
        prompt: Tokens of a prompt that it may count.
        drip_s: Seconds that a body may take from its first byte to its last.
    """

    body: int = _MOST_ASIDE
    text: int = _MOST_ASIDE
    stream: int = _MOST_ASIDE
    tokens: int = 2**31
    prompt: int = 2**31
    drip_s: float = 60.0

    @classmethod
    def of(cls, cap: int, num_sent: int, drip_s: float, *, logprobs: bool) -> Bounds:
        """Of an answer to ``num_sent`` bytes that may have ``cap`` tokens."""
        each = _A_LOGPROB if logprobs else _A_TOKEN
        echoed = num_sent * (_A_TOKEN if logprobs else 16)
        return cls(
            body=min(_MOST, _BASE + cap * each + echoed),
            text=min(_MOST, (1 << 16) + cap * _A_TEXT),
            stream=min(8 * _MOST, _BASE + cap * (each + _AN_EVENT) + echoed),
            tokens=2 * cap + 1024,
            prompt=num_sent + (1 << 17),
            drip_s=drip_s,
        )


class Bodies:
    """Reads bodies; all that one engine reads share what they may hold together."""

    def __init__(self) -> None:
        self._held = 0

    async def whole(
        self, response: aiohttp.ClientResponse, bounds: Bounds, most: int | None = None
    ) -> bytes:
        """A body.

        Raises:
            TryError: It is too large or takes too long.
        """
        most = bounds.body if most is None else most
        packed = response.headers.get("Content-Encoding", "identity").lower() != "identity"
        if not packed and response.content.is_eof() and _declared(response) <= most:
            return await response.read()
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(None) as limit:
                async for part in self._parts(response, most):
                    if not parts and part.strip():  # blanks keep a connection alive, for long
                        limit.reschedule(asyncio.get_running_loop().time() + bounds.drip_s)
                    if parts or part.strip():
                        parts.append(part)
        except TryError:
            parts.clear()
            raise
        except TimeoutError:
            parts.clear()
            response.close()
            text = f"the answer trickles in, and is not whole after {bounds.drip_s:.0f} s"
            raise TryError("broken", text, is_whole=True) from None
        return b"".join(parts)

    async def lines(self, response: aiohttp.ClientResponse, bounds: Bounds) -> AsyncIterator[bytes]:
        """The lines of a stream.

        Raises:
            TryError: One is too long, or they have no end.
        """
        rest: list[bytes] = []
        size = 0
        try:
            async for part in self._parts(response, bounds.stream, kept=False):
                *lines, last = part.split(b"\n")
                if lines:
                    lines[0] = b"".join([*rest, lines[0]])
                    self._held -= size
                    rest, size = [], 0
                for line in lines:
                    yield line
                rest.append(last)
                size += len(last)
                self._held += len(last)
                if size > bounds.body:
                    raise _too_large(response, bounds.body, "a line of the stream")
                self._check_held(response, size)
            yield b"".join(rest)
        finally:
            rest.clear()
            self._held -= size

    async def _parts(
        self, response: aiohttp.ClientResponse, most: int, *, kept: bool = True
    ) -> AsyncIterator[bytes]:
        """The unpacked parts of a body; with ``kept`` they count as held until its end."""
        unpack = _unpacker(response.headers.get("Content-Encoding", "identity").lower())
        size = held = 0
        raw = part = b""
        try:
            async for raw in response.content.iter_any():
                for part in unpack(raw):
                    size += len(part)
                    if kept:
                        held += len(part)
                        self._held += len(part)
                    if size > most:
                        raise _too_large(response, most, "the answer")
                    self._check_held(response, held)
                    yield part
        finally:
            # an error keeps the frames that it came through, and with them what they hold
            raw = part = b""
            unpack = _as_it_is
            self._held -= held

    def _check_held(self, response: aiohttp.ClientResponse, own: int) -> None:
        if own > _FREE and self._held > _MOST_HELD:
            raise _too_large(response, _MOST_HELD, "what is under way together")


def _too_large(response: aiohttp.ClientResponse, most: int, what: str) -> TryError:
    response.close()
    shown = f"{most / 2**20:.1f} MB" if most >= _BASE else f"{most / 2**10:.0f} kB"
    text = f"{what} is over {shown}, more than its token cap can take"
    return TryError("broken", text, is_whole=True)


def _declared(response: aiohttp.ClientResponse) -> float:
    length = response.content_length
    return float("inf") if length is None else length


def _unpacker(encoding: str) -> Callable[[bytes], Iterable[bytes]]:
    """Unpacks a part into pieces of bounded size.

    Raises:
        TryError: It is packed in a way that nobody asked for.
    """
    if encoding in ("", "identity"):
        return _as_it_is
    if encoding not in ("gzip", "x-gzip", "deflate"):
        text = f"the answer is packed as {encoding[:40]}, which was not asked for"
        raise TryError("broken", text, is_whole=True)
    machine = zlib.decompressobj(47)

    def unpack(part: bytes) -> Iterator[bytes]:
        while part:
            try:
                yield machine.decompress(part, _A_PIECE)
            except zlib.error:
                raise TryError("broken", "the answer is no valid gzip") from None
            part = machine.unconsumed_tail

    return unpack


def _as_it_is(part: bytes) -> tuple[bytes]:
    return (part,)


def load_json(data: bytes) -> Any:
    """The value of JSON, also of what is nearly JSON.

    Half characters and bytes that are no UTF-8 become U+FFFD, NaN and infinities are floats, and
    numbers of many digits are text.

    Raises:
        ValueError: It is none.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return _readable(_DECODER.decode(data.decode("utf-8", "replace")))
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= 20 else digits


_DECODER = json.JSONDecoder(parse_int=_whole)
_HALF = re.compile("[\ud800-\udfff]")


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", k): _readable(v) for k, v in value.items()}
    return [_readable(v) for v in value] if isinstance(value, list) else value


def count_of(value: Any, most: int = 2**31) -> int | None:
    """A count as a number; None where it is none, or one that cannot be.

    Example:
        >>> count_of(5.0), count_of("5"), count_of(-1), count_of(True), count_of(2**64)
        (5, 5, None, None, None)
    """
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value == value and abs(value) < 2**53 and value % 1 == 0:
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if is_count else None
