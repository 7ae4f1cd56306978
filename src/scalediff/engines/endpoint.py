"""One URL of a server: one try of a request, and what went wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import orjson

from scalediff.core.secrets import mask
from scalediff.engines.pacing import Limit, Speeds

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

Kind = Literal["busy", "down", "broken", "late", "refused"]
"""``busy``: the server asks for patience (429, 503). ``down``: no connection. ``broken``: an answer
that is none (500, cut off, no JSON, no choice), or a connection that was reset. ``late``: past the
deadline. ``refused``: the request itself is not accepted; trying again would not help."""

_BUSY = frozenset({429, 503, 529})
_AGAIN = frozenset({408, 409, 425, 500, 502, 504, 520, 521, 522, 523, 524})
_LONGEST_PAUSE_S = 900.0
_SHOWN = 300

T = TypeVar("T")


class TryError(Exception):
    """A try that gave no answer.

    Attributes:
        kind: What sort of fault it is.
        status: HTTP status, where there is one.
        after_s: Seconds that the server asks to wait, where it does.
        num_tokens: Tokens that came and have to be thrown away.
    """

    def __init__(
        self,
        kind: Kind,
        text: str,
        *,
        status: int = 0,
        after_s: float | None = None,
        num_tokens: int = 0,
    ) -> None:
        super().__init__(text)
        self.kind = kind
        self.status = status
        self.after_s = after_s
        self.num_tokens = num_tokens

    @property
    def is_unreachable(self) -> bool:
        """Whether there was no connection at all, rather than a proxy that says so."""
        return self.kind == "down" and not self.status


class Endpoint:
    """A base URL and what is known of it.

    Args:
        session: Shared by all endpoints of an engine.
        url: Base URL (``http://host:8000/v1``); credentials in it are sent, never shown.
        limit: Requests in flight at most.
        speeds: How fast responses come.
        key: Of the API; a URL with credentials of its own is sent those instead.

    Attributes:
        shown: The URL without credentials, for people.
        in_flight: Requests on their way.
        is_down: Set aside until a probe is answered.
        paused_until: Loop time before which nothing is sent.
        num_failed: Failures since the last answer, of tries sent since ``fresh_since``.
        num_pauses: Pauses since the last answer that nobody asked for.
        fresh_since: Loop time since which failures count: before, they belong to an outage.
        answered_at: Loop time of the last answer.
        failing_since: Loop time of the first failure since then; None where there was none.
        why: What its last failure says.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        limit: Limit,
        speeds: Speeds,
        key: str | None = None,
    ) -> None:
        self.shown = mask(url)
        self.base, mark, query = url.partition("?")
        self.base = self.base.rstrip("/")
        self._query = mark + query
        has_own = "@" in urlsplit(url).netloc
        self._headers = {"Authorization": f"Bearer {key}"} if key and not has_own else {}
        self.limit = limit
        self.speeds = speeds
        self.in_flight = 0
        self.is_down = False
        self.paused_until = 0.0
        self.num_failed = self.num_pauses = 0
        self.fresh_since = 0.0
        self.answered_at = float("-inf")
        self.failing_since: float | None = None
        self.why = ""
        self._session = session
        self._urls: dict[str, URL] = {}

    @property
    def sends_key(self) -> bool:
        """Whether requests carry a key of the API."""
        return bool(self._headers)

    def has_room(self, now: float) -> bool:
        """Whether a request may be sent now."""
        return not self.is_down and self.in_flight < self.limit.value and now >= self.paused_until

    async def post(
        self, path: str, body: bytes, read: Callable[[aiohttp.ClientResponse], Awaitable[T]]
    ) -> T:
        """Send a request and read its answer; ``read`` gets only answers of status 200.

        Raises:
            TryError: There is no answer.
        """
        import aiohttp

        try:
            place = self._at(path)
            async with self._session.post(place, data=body, headers=self._headers) as response:
                if response.status != 200:
                    raise _of_status(response, await response.read())
                return await read(response)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientSSLError,
            aiohttp.InvalidURL,
        ) as error:
            raise TryError("down", f"{self.shown}: {_short(error)}") from None
        except aiohttp.ClientPayloadError:
            raise TryError("broken", "the answer was cut off") from None
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise TryError("broken", f"the connection broke: {_short(error)}") from None

    def _at(self, path: str) -> URL:
        """The URL of a path; one that begins at the root of the server is given whole."""
        place = (path if path.startswith("http") else self.base + path) + self._query
        if place not in self._urls:
            from yarl import URL

            self._urls[place] = URL(place)
        return self._urls[place]

    async def get(self, path: str, timeout_s: float = 10.0) -> tuple[int, Any]:
        """Status and JSON (None where it is none) of a GET; status 0 where nobody answers."""
        return await self._plain("GET", path, None, timeout_s)

    async def ask(self, path: str, value: Any, timeout_s: float = 60.0) -> tuple[int, Any]:
        """Status and JSON of a POST outside the queue, for questions about the server itself."""
        return await self._plain("POST", path, orjson.dumps(value), timeout_s)

    async def _plain(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> tuple[int, Any]:
        import aiohttp

        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    method, self._at(path), data=body, headers=self._headers
                ) as response,
            ):
                data = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, _short(error)
        try:
            return response.status, orjson.loads(data)
        except orjson.JSONDecodeError:
            return response.status, None


def parse(data: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        TryError: It is none.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        shown = data[:80].decode("utf-8", "replace")
        raise TryError("broken", f"the answer is no JSON ({content_type}): {shown!r}") from None
    if not isinstance(value, dict):
        raise TryError("broken", f"the answer is no JSON object but {type(value).__name__}")
    if "choices" not in value and "error" in value:  # some proxies say it with status 200
        raise TryError("broken", f"the server answers with an error: {message_of(value)}")
    return value


_TOO_LONG = (
    "context length",
    "context_length",
    "context window",
    "context size",
    "too long",
    "max_model_len",
)


def is_too_long(error: TryError) -> bool:
    """Whether a refusal says that the prompt does not fit the window."""
    text = str(error).lower()
    return error.status in (400, 413, 422) and any(phrase in text for phrase in _TOO_LONG)


def _of_status(response: aiohttp.ClientResponse, data: bytes) -> TryError:
    """What a status other than 200 means."""
    status = response.status
    try:
        told = message_of(orjson.loads(data))
    except orjson.JSONDecodeError:
        told = " ".join(data[:_SHOWN].decode("utf-8", "replace").split())
    text = f"status {status}: {told}" if told else f"status {status}"
    if status in _BUSY:
        after_s = retry_after(response.headers.get("Retry-After"))
        return TryError("busy", text, status=status, after_s=after_s)
    if status in _AGAIN or status >= 500:
        kind: Kind = "down" if status in (502, 504) else "broken"
        return TryError(kind, text, status=status)
    return TryError("refused", text, status=status)


def message_of(value: Any) -> str:
    """What an error's JSON says: servers put it in several places."""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(name):
            value = value[name]
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return mask(" ".join(text.split())[:_SHOWN])


def retry_after(value: str | None, now: float | None = None) -> float | None:
    """Seconds of a ``Retry-After``, given as a number or as a date; None where it is neither.

    Example:
        >>> retry_after("3"), retry_after("soon")
        (3.0, None)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - (time() if now is None else now)
        except ValueError:
            return None
    if seconds != seconds:
        return None
    return min(max(seconds, 0.0), _LONGEST_PAUSE_S)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())[:_SHOWN]
    return mask(f"{type(error).__name__}: {text}".rstrip(": "))
