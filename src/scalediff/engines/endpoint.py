"""One URL of a server: one try of a request, and what went wrong with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from scalediff.core.secrets import keep_secret, mask
from scalediff.engines.bodies import MOST_OF_ERROR, Bodies, Bounds, load_json
from scalediff.engines.pacing import Limit, Speeds
from scalediff.engines.refusals import trouble_of
from scalediff.engines.trying import Kind, TryError

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_BUSY = frozenset({429, 503, 529})
_AGAIN = frozenset({408, 409, 425, 500, 502, 504, 520, 521, 522, 523, 524})
_LONGEST_PAUSE_S = 900.0
_SHOWN = 300
_MOST_WORDS = 4000
_MOST_REDIRECTS = 4
_ERROR_S = 10.0
_NO_ANSWER = 599
"""Stands for the status of an answer that is none."""
_UPGRADED = ("http", 80, "https", 443)

T = TypeVar("T")


class Endpoint:
    """A base URL and what is known of it.

    Args:
        session: Shared by all endpoints of an engine.
        url: Base URL (``http://host:8000/v1``); credentials in it are sent, never shown.
        limit: Requests in flight at most.
        speeds: How fast responses come.
        key: Of the API; a URL with credentials of its own is sent those instead.
        bodies: Shared by all endpoints of an engine.

    Attributes:
        shown: The URL without credentials, for people.
        in_flight: Requests on their way.
        is_down: Set aside until a probe is answered.
        paused_until: Loop time before which nothing is sent.
        num_failed: Failures since the last answer, of tries sent since ``fresh_since``.
        num_pauses: Pauses since the last answer that nobody asked for.
        fresh_since: Loop time since which failures count: before, they belong to an outage.
        answered_at: Loop time of the last answer.
        bodies: Reads what it answers.
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
        bodies: Bodies | None = None,
    ) -> None:
        self.bodies = bodies or Bodies()
        self.shown = mask(url)
        self.base, mark, query = url.partition("?")
        self.base = self.base.rstrip("/")
        self._query = mark + query
        parts = urlsplit(url)
        has_own = "@" in parts.netloc
        if has_own:
            user, password = unquote(parts.username or ""), unquote(parts.password or "")
            keep_secret(password, f"{user}:{password}")
        keep_secret(
            *(v for k, v in parse_qsl(parts.query) if mask(f"http://x?{k}=v").endswith("*"))
        )
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
            async with await self._opened("POST", path, body) as response:
                if response.status != 200:
                    raise _of_status(response, await self._start_of(response))
                return await read(response)
        except TryError as error:
            error.member = self
            raise
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

    async def _opened(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        """The response to a request, which is sent to nobody but the host that was named.

        Raises:
            TryError: The server sends it on elsewhere.
        """
        place = self._at(path)
        for _ in range(_MOST_REDIRECTS):
            response = await self._session.request(
                method, place, data=body, headers=self._headers, allow_redirects=False
            )
            if not 300 <= response.status < 400:
                return response
            response.close()
            place = self._next(place, response)
        raise TryError("broken", "the server redirects in a circle")

    def _next(self, place: URL, response: aiohttp.ClientResponse) -> URL:
        """Where a redirect leads, on the very same host."""
        from yarl import URL

        try:
            target = place.join(URL(response.headers.get("Location", "")))
        except ValueError:
            target = URL()
        same = target.host == place.host and target.port == place.port
        upgraded = (place.scheme, place.port, target.scheme, target.port) == _UPGRADED
        keeps = target.scheme == place.scheme if same else upgraded and target.host == place.host
        if not keeps or target == place:
            where = mask(str(target.origin()) if target.host else "nowhere")
            raise TryError(
                "refused",
                f"{self.shown} redirects to {where}, which was not named and is sent neither "
                "prompts nor keys; name that URL if it is meant",
                status=response.status,
                trouble="elsewhere",
            )
        return target.with_user(place.user).with_password(place.password)

    async def _start_of(self, response: aiohttp.ClientResponse) -> bytes:
        """The beginning of an error's body."""
        data = b""
        try:
            async with asyncio.timeout(_ERROR_S):
                async for part in response.content.iter_any():
                    data += part
                    if len(data) >= MOST_OF_ERROR:
                        response.close()
                        break
        except TimeoutError:
            response.close()
        return data[:MOST_OF_ERROR]

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

    async def refusal(self, path: str, value: Any, timeout_s: float = 60.0) -> TryError | None:
        """Why a request is refused; None where it is taken (its answer is not waited for)."""

        async def read(response: aiohttp.ClientResponse) -> None:
            response.close()

        try:
            async with asyncio.timeout(timeout_s):
                await self.post(path, orjson.dumps(value), read)
        except TimeoutError:
            return TryError("late", f"no answer within {timeout_s:.0f} s")
        except TryError as error:
            return error
        return None

    async def _plain(
        self, method: str, path: str, body: bytes | None, timeout_s: float
    ) -> tuple[int, Any]:
        import aiohttp

        try:
            async with (
                asyncio.timeout(timeout_s),
                await self._opened(method, path, body) as response,
            ):
                data = await self.bodies.whole(response, Bounds(drip_s=timeout_s))
        except TryError as error:
            return error.status or _NO_ANSWER, str(error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return 0, _short(error)
        try:
            return response.status, load_json(data)
        except ValueError:
            return response.status, None


def parse(data: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object of an answer.

    Raises:
        TryError: It is none.
    """
    try:
        value = load_json(data)
    except ValueError:
        shown = mask(data[:400].decode("utf-8", "replace"))[:80]
        text = f"the answer is no JSON ({content_type[:40]}): {shown!r}"
        raise TryError("broken", text, is_whole=True) from None
    if not isinstance(value, dict):
        text = f"the answer is no JSON object but {type(value).__name__}"
        raise TryError("broken", text, is_whole=True)
    if "choices" not in value and "error" in value:
        raise of_error(value)
    return value


def of_error(value: dict[str, Any], num_tokens: int = 0) -> TryError:
    """What an error under status 200 means, as some proxies give it: by its code, if it has one."""
    error = value.get("error")
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    status = int(str(code)) if re.fullmatch(r"[45]\d\d", str(code)) else 0
    text = f"the server answers with an error: {message_of(value)}"
    trouble = trouble_of(status or 429, _words_of(value))
    if trouble is not None:
        return TryError(
            "refused", text, status=status, words=_words_of(value), trouble=trouble,
            num_tokens=num_tokens,
        )  # fmt: skip
    if status in _BUSY:
        return TryError("busy", text, status=status, num_tokens=num_tokens)
    return TryError("broken", text, is_whole=not status, num_tokens=num_tokens)


def _of_status(response: aiohttp.ClientResponse, data: bytes) -> TryError:
    """What a status other than 200 means."""
    status = response.status
    try:
        value = load_json(data)
        shown, words = message_of(value), _words_of(value)
    except (ValueError, TypeError):
        words = " ".join(data.decode("utf-8", "replace").split())
        shown = mask(words)[:_SHOWN]
    text = f"status {status}: {shown}" if shown else f"status {status}"
    after_s = retry_after(response.headers.get("Retry-After"))
    trouble = trouble_of(status, words, asks_to_wait=after_s is not None)
    if trouble is not None:
        return TryError("refused", text, status=status, words=words, trouble=trouble)
    if status in _BUSY:
        return TryError("busy", text, status=status, after_s=after_s)
    if status in _AGAIN or status >= 500:
        kind: Kind = "down" if status in (502, 504) else "broken"
        return TryError(kind, text, status=status)
    return TryError("refused", text, status=status, words=words, trouble="row")


def message_of(value: Any) -> str:
    """What an error's JSON says: servers put it in several places."""
    for name in ("error", "message", "detail"):
        if isinstance(value, dict) and value.get(name):
            value = value[name]
    text = value if isinstance(value, str) else _dumped(value)
    return mask(" ".join(text.split()))[:_SHOWN]


def _words_of(value: Any) -> str:
    """Everything that an error's JSON says, its code and type included."""
    return mask(_dumped(value))[:_MOST_WORDS]


def _dumped(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # too deep, or a number of too many digits
        return "an error that cannot be shown"


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
