"""Reaching servers: sessions, limits, and what a server says of the model that it serves."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scalediff.core.errors import PrerequisiteError
from scalediff.core.secrets import mask
from scalediff.engines.bodies import Bodies, count_of
from scalediff.engines.config import HttpConfig
from scalediff.engines.endpoint import Endpoint
from scalediff.engines.pacing import AdaptiveLimit, FixedLimit, Limit, Speeds

if TYPE_CHECKING:
    import aiohttp

_OWN_IN_FLIGHT = 256
_SOCKETS = 16_384


def open_session(*, outside: bool) -> aiohttp.ClientSession:
    """A session; servers outside are reached through the proxies that the environment names."""
    import aiohttp

    _allow_many_sockets()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, socket_factory=_socket),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        # what is packed is unpacked with a bound (bodies.py), and best not packed at all
        headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
        trust_env=outside,
        auto_decompress=False,
        read_bufsize=2**18,
    )


def _allow_many_sockets() -> None:
    """Every request in flight is a socket, and shells allow as few as 1,024 files."""
    import resource

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _SOCKETS if most == resource.RLIM_INFINITY else min(_SOCKETS, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _socket(address: Any) -> socket.socket:
    """A socket that notices a peer that is gone: a long answer is silent for many minutes."""
    family, kind, proto, _, _ = address
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def endpoint_of(
    session: aiohttp.ClientSession,
    url: str,
    http: HttpConfig,
    *,
    own: bool,
    key: str | None,
    bodies: Bodies,
) -> Endpoint:
    """The endpoint of a URL, with the limit and the deadlines that the settings ask for."""
    speeds = Speeds(http.least_deadline_s, http.slowest_tokens_per_s)
    return Endpoint(session, url, _limit(url, http, own), speeds, key, bodies)


def _limit(url: str, http: HttpConfig, own: bool) -> Limit:
    if isinstance(http.in_flight, int):
        return FixedLimit(http.in_flight)
    if http.in_flight == "auto" and (own or is_own(url)):
        return FixedLimit(_OWN_IN_FLIGHT)
    return AdaptiveLimit(http.floor, http.ceiling)


def is_own(url: str) -> bool:
    """Whether a URL is of a loopback or private address, or a name without a dot."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host
    return address.is_loopback or address.is_private


async def reach(endpoint: Endpoint, served: str) -> int | None:
    """The window of the served model (0 where it is not told); None where nobody answers.

    Raises:
        PrerequisiteError: The server answers and does not serve the model, wants a key, or speaks
            no JSON.
    """
    status, value = await endpoint.get("/models")
    is_other = status == 404 or (status == 200 and value is None)
    if is_other and not endpoint.base.endswith("/v1"):
        again, found = await endpoint.get("/v1/models")
        if again == 200:
            endpoint.base += "/v1"
            status, value = again, found
    if status == 0:
        return None
    if 300 <= status < 400:
        raise PrerequisiteError(str(value))
    if status in (401, 403):
        refused = "does not take the API key that was sent"
        wants = refused if endpoint.sends_key else "wants an API key"
        raise PrerequisiteError(
            f"{endpoint.shown} {wants} (status {status}); export SCALEDIFF_API_KEY=KEY"
        )
    if status == 200 and value is None:
        raise PrerequisiteError(
            f"{endpoint.shown} answers with something else than JSON: correct the URL (most end in "
            "/v1), or see whether a login page or a proxy answers in its place"
        )
    listed = value.get("data") if isinstance(value, dict) else None
    given = listed if isinstance(listed, list) else []
    models = [m for m in given if isinstance(m, dict) and isinstance(m.get("id"), str)]
    if not models:
        return 0  # not every server lists its models
    for model in models:
        if model["id"] == served:
            return count_of(model.get("max_model_len")) or 0
    names = ", ".join(m["id"][:80] for m in models[:5])
    raise PrerequisiteError(
        f"{endpoint.shown} does not serve {served}; it serves {mask(names)}: name one of these "
        "after the #"
    )
