"""One token asked of a served model, to see that it answers before anything is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.errors import EngineError, PrerequisiteError, RecipeError, ScalediffError
from scalediff.core.secrets import api_key
from scalediff.engines.blame import HELLO, Judge
from scalediff.engines.bodies import Bodies, Bounds
from scalediff.engines.config import HttpConfig
from scalediff.engines.endpoint import Endpoint, parse
from scalediff.engines.payloads import Body, Payloads
from scalediff.engines.reaching import endpoint_of, is_own, open_session, reach
from scalediff.engines.trying import TryError

if TYPE_CHECKING:
    import aiohttp

_HELLO = Request(messages=HELLO, sampling=Sampling(max_new_tokens=1))
_TRIES = 5
_PAUSE_S = 0.4
"""Seconds before the second try; each next pause is as much longer."""
_ANSWER_S = 120.0


async def ask_one_token(spec: ModelSpec, http: HttpConfig, *, raw: bool = False) -> list[str]:
    """Ask each server of a model for one token.

    Args:
        spec: Of kind ``url``.
        http: How servers are spoken to.
        raw: Whether steps ask it to go on from raw text (``/completions``), not to chat.

    Returns:
        What a person has to know, though the run may begin: servers that are busy, or that do not
        answer while others of the model do.

    Raises:
        PrerequisiteError: No server of the model answers, it is not served, or the account may not
            use it.
        Stopped: The account may not spend more.
        RecipeError: The server refuses what is sent.
        EngineError: Its answers are of no use.
    """
    urls = spec.location.split()
    key = api_key(http.api_key_env)
    session = open_session(outside=not all(is_own(url) for url in urls))
    bodies = Bodies()
    try:
        members = [
            endpoint_of(session, url, http, own=False, key=key, bodies=bodies) for url in urls
        ]
        await asyncio.gather(*(reach(member, spec.served) for member in members))
        asked = (_ask(member, spec, http, raw=raw) for member in members)
        found = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await session.close()
    return _judged(spec, found)


def _judged(spec: ModelSpec, found: Sequence[str | BaseException]) -> list[str]:
    notes = [said for said in found if isinstance(said, str) and said]
    errors = [error for error in found if isinstance(error, BaseException)]
    for error in errors:
        if isinstance(error, RecipeError) or not isinstance(error, ScalediffError):
            raise error
    if len(errors) == len(found):
        raise errors[0]
    return [*notes, *(f"{error}; the other servers of {spec.name} do its part" for error in errors)]


async def _ask(member: Endpoint, spec: ModelSpec, http: HttpConfig, *, raw: bool) -> str:
    """What has to be known of a server that may be used; empty where all is well."""
    payloads, error = Payloads(spec.served, http), None
    for number in range(_TRIES):
        await asyncio.sleep(number * _PAUSE_S)
        path, body, error = await _one_token(member, payloads, raw=raw)
        if error is None:
            return ""
        if error.kind == "refused":
            stop = await Judge(spec.name, http).stop_for(error, path, body, has_answered=False)
            if stop is None:  # it is taken where it is streamed, as the step's own will be
                return ""
            raise stop
    assert error is not None
    if error.kind == "busy":
        return f"{member.shown} is busy ({error}); the run waits for it"
    if error.kind == "down":
        raise PrerequisiteError(
            f"{member.shown} does not answer ({error}); start it, or correct the URL"
        )
    raise EngineError(f"{member.shown} does not answer a question of one token ({error})")


async def _one_token(
    member: Endpoint, payloads: Payloads, *, raw: bool
) -> tuple[str, Body, TryError | None]:
    """What was asked, and why it was not answered."""
    first = "/chat/completions", payloads.chat(_HELLO)
    other = "/completions", payloads.completion(_HELLO, "1")
    if raw:
        return *other, await _try(member, *other)
    error = await _try(member, *first)
    has_no_chats = error is not None and error.status in (404, 405)
    if has_no_chats and await _try(member, *other) is None:
        return *other, None
    return *first, error


async def _try(member: Endpoint, path: str, body: Body) -> TryError | None:
    sent = orjson.dumps(body)
    bounds = Bounds.of(1, len(sent), _ANSWER_S, logprobs=False)

    async def read(response: aiohttp.ClientResponse) -> None:
        data = await member.bodies.whole(response, bounds)
        choices = parse(data, response.headers.get("Content-Type", "")).get("choices")
        if not isinstance(choices, list) or not choices:
            raise TryError("broken", "the answer has no choice", is_whole=True)

    try:
        async with asyncio.timeout(_ANSWER_S):
            await member.post(path, sent, read)
    except TimeoutError:
        return TryError("late", f"no answer within {_ANSWER_S:.0f} s")
    except TryError as error:
        return error
    return None
