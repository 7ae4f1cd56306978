"""A request on its way through the pool, and what is made of it without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import orjson

from scalediff.core.engine import Request, Sampling, Usage
from scalediff.core.errors import (
    EndpointError,
    RecordError,
    RequestError,
    ScalediffError,
)
from scalediff.engines.blame import HELLO, Judge
from scalediff.engines.config import HttpConfig
from scalediff.engines.endpoint import Endpoint
from scalediff.engines.payloads import Body, Payloads
from scalediff.engines.pool import Pool
from scalediff.engines.replies import finish_reason, read_reply
from scalediff.engines.trying import TryError
from scalediff.engines.useless import Useless

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

_HELLO = Request(messages=HELLO, sampling=Sampling(max_new_tokens=16))


class NoRoomError(Exception):
    """A refusal of a prompt and its token cap: they do not fit the window.

    Attributes:
        refusal: What the server says.
        path: Where it was sent.
        body: What was sent.
    """

    def __init__(self, refusal: TryError, path: str, body: Body) -> None:
        super().__init__(str(refusal))
        self.refusal, self.path, self.body = refusal, path, body


class Asker:
    """Has bodies answered by the servers of one model.

    Args:
        endpoints: The servers.
        model: Name of the model, for people.
        config: How they are spoken to.
        payloads: Makes the bodies of questions about the servers.
        usage: Counts that are kept up to date.
    """

    def __init__(
        self,
        endpoints: list[Endpoint],
        model: str,
        config: HttpConfig,
        payloads: Payloads,
        usage: Usage,
    ) -> None:
        self.pool = Pool(endpoints, config.tries, config.patience_s, usage, self._serves)
        self.judge = Judge(model, config)
        self._useless = Useless(model, config.useless_in_a_row)
        self._payloads = payloads
        self._path = "/chat/completions"

    async def ask(
        self,
        path: str,
        body: Body,
        read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        cap: int,
        num_tokens: Callable[[T], int],
    ) -> T:
        """Have a body answered.

        Args:
            path: Below the base of the URLs.
            body: What is asked.
            read: Makes an answer of a response of status 200.
            cap: Tokens that the answer may have.
            num_tokens: Of an answer.

        Raises:
            NoRoomError: The server has no room for the prompt and its token cap.
            RequestError: It refuses this request, or fails on it, and answers others.
            EngineError: It answers nobody now.
            ScalediffError: What no row is to blame for; those that wait are not sent any more.
        """
        data = orjson.dumps(body)
        clock = asyncio.get_running_loop().time
        self._path = path

        async def send(member: Endpoint) -> T:
            sent = clock()
            try:
                answer = await member.post(path, data, read)
            except TryError as error:
                if error.is_whole:
                    self._useless.bad(data, str(error))
                raise
            except RecordError as error:  # withheld: if all are, no row is to blame
                self._useless.bad(data, str(error))
                raise RequestError(str(error)) from None
            self.pool.note_answer(member, clock() - sent, num_tokens(answer))
            return answer

        try:
            answer = await self.pool.run(send, cap)
        except TryError as error:
            if error.trouble == "size":
                raise NoRoomError(error, path, body) from None
            has_answered = self._useless.has_answered
            stop = await self.judge.stop_for(error, path, body, has_answered=has_answered)
            raise self._stopped(stop or self._refused(data, error)) from None
        except EndpointError as error:
            raise self._stopped(error) from None
        self._useless.good()
        return answer

    def _refused(self, data: bytes, error: TryError) -> ScalediffError:
        """That one request is refused, or too many are for that."""
        try:
            self._useless.bad(data, f"refused, {error}")
        except EndpointError as too_many:
            return too_many
        return RequestError(f"the server refuses it: {error}")

    def _stopped(self, error: ScalediffError) -> ScalediffError:
        """The error; those that wait get it as well, where it is not of one request alone."""
        if isinstance(error, RequestError):
            return error
        self.pool.stop(lambda: type(error)(str(error)))
        return error

    async def _serves(self, member: Endpoint) -> bool:
        """Whether a server answers something that anybody may ask."""
        if self._path == "/completions":
            body = self._payloads.completion(_HELLO, "1+1=")
        else:
            body = self._payloads.chat(_HELLO)
        status, value = await member.ask(self._path, body)
        if status != 200 or not isinstance(value, dict):
            return False
        try:
            finish_reason(read_reply(value), _HELLO.sampling.max_new_tokens)
        except RecordError:
            return True
        except TryError:
            return False
        return True
