"""What goes wrong between a client and a server: which try meets what, drawn by lot.

A lot hangs on the server's seed, the request's key and the number of the try, so runs agree
whatever the order of arrival, and trying again helps.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from statistics import NormalDist
from typing import Any

import orjson

KINDS: dict[str, str] = {
    "429": "too many requests, without Retry-After",
    "429-after": "too many requests, with Retry-After in seconds",
    "429-date": "too many requests, with Retry-After as an HTTP date",
    "500": "an error of the server (as is any other status from 400 to 599: 502=0.01)",
    "503": "the service is unavailable",
    "cut": "the body ends half-way under its Content-Length; a stream ends without [DONE]",
    "reset": "the connection is reset (RST) instead of an answer",
    "garbage": "status 200, said to be JSON, is random bytes",
    "content-type": "status 200 with a page of HTML, as from a proxy",
    "error-body": "status 200 with an error object; in a stream it comes half-way",
    "empty-choice": "the answer's list of choices is empty",
    "no-content": "the message has no content, or null",
    "half-open": "the request is taken and never answered",
    "slow-drip": "the answer trickles in over --drip-s seconds",
}
"""The kinds of faults and what the client sees."""

HTML = b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
GARBAGE = bytes(range(128, 256)) + b'{"choices": [{"mess'


def read_shares(text: str) -> dict[str, float]:
    """Shares of tries by kind, as written: ``429=0.05,cut=0.02``.

    Raises:
        ValueError: A kind is unknown, or the shares are no shares; the message says which.
    """
    shares: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        kind, _, share = part.strip().partition("=")
        if kind not in KINDS and not (kind.isdecimal() and 400 <= int(kind) <= 599):
            raise ValueError(f"there is no fault {kind!r}; there are {', '.join(KINDS)}")
        shares[kind] = float(share)
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise ValueError(f"shares lie between 0 and 1 and add up to 1 at most: {text}")
    return shares


@dataclass(frozen=True)
class Lots:
    """What each try draws.

    Attributes:
        seed: Another seed, other lots.
        shares: Share of tries that meet each kind of fault.
        poison: Share of request keys that get 500 on every try.
        latency_s: Median of the seconds before the first byte.
        sigma: Spread of the log-normal latency; 0 is the median always.
        latency_cap_s: The latency is this at most; 0 is no cap.
        each_try: The latency is drawn anew at each try.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=dict)
    poison: float = 0.0
    latency_s: float = 0.0
    sigma: float = 0.0
    latency_cap_s: float = 0.0
    each_try: bool = False

    def fault(self, key: str, num_try: int) -> str | None:
        """The fault that a try meets: one of ``KINDS``, ``poison``, or None."""
        if self.poison and self._draw("poison", key) < self.poison:
            return "poison"
        lot = self._draw("fault", key, num_try) if self.shares else 1.0
        for kind, share in self.shares.items():
            lot -= share
            if lot < 0:
                return kind
        return None

    def latency(self, key: str, num_try: int = 0) -> float:
        """Seconds before the first byte of the answer."""
        if not self.latency_s:
            return 0.0
        lot = self._draw("latency", key, num_try if self.each_try else 0)
        # the lot may be 0, of which the normal distribution knows no value
        latency = self.latency_s * math.exp(self.sigma * NormalDist().inv_cdf(max(lot, 1e-12)))
        return min(latency, self.latency_cap_s) if self.latency_cap_s else latency

    def _draw(self, *parts: Any) -> float:
        text = "\x1f".join(map(str, (self.seed, *parts))).encode()
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        return (number >> 11) / 2**53


def key_of(path: str, body: bytes) -> str:
    """Identity of a request: all that was asked, but not whether it is streamed."""
    try:
        asked = orjson.loads(body)
        for name in ("stream", "stream_options", "user"):
            asked.pop(name, None)
        body = orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)
    except (ValueError, AttributeError):
        pass  # no JSON, or no object: the bytes are its identity
    return hashlib.blake2b(path.encode() + b"\n" + body, digest_size=8).hexdigest()


def status_of(fault: str | None) -> int:
    """The HTTP status of a fault that is one; 0 for every other."""
    if fault == "poison":
        return 500
    number = (fault or "").partition("-")[0]
    return int(number) if number.isdecimal() else 0


def retry_after(fault: str, seconds: float) -> dict[str, str]:
    """The header that goes with a fault."""
    if fault == "429-after":
        return {"Retry-After": f"{seconds:g}"}
    if fault == "429-date":
        # dates have whole seconds: the next one after the time, never one before it
        return {"Retry-After": formatdate(math.ceil(time.time() + seconds), usegmt=True)}
    return {}


def reset(transport: asyncio.Transport | None) -> None:
    """End a connection with RST: what was not read yet is lost to the client."""
    if transport is None:
        return
    # a second handle of the same socket, since that of uvloop takes no options
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
