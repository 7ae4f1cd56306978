"""One token asked of a served model, to see that it answers before anything is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.errors import EngineError, PrerequisiteError, RecipeError, ScalediffError
from scalediff.core.secrets import api_key
from scalediff.engines.config import HttpConfig
from scalediff.engines.endpoint import Endpoint, message_of
from scalediff.engines.payloads import BEYOND_OPENAI, Payloads
from scalediff.engines.reaching import endpoint_of, is_own, open_session, reach

_HELLO = Request(
    messages=({"role": "user", "content": "1+1?"},), sampling=Sampling(max_new_tokens=1)
)
_TRIES = 5
_PAUSE_S = 0.4
"""Seconds before the second try; each next pause is as much longer."""
_ANSWER_S = 120.0
_BUSY = frozenset({429, 503, 529})
_AGAIN_LATER = frozenset({0, 408, 409, 425, *_BUSY})


async def ask_one_token(spec: ModelSpec, http: HttpConfig, *, raw: bool = False) -> list[str]:
    """Ask each server of a model for one token.

    Args:
        spec: Of kind ``url``.
        http: How servers are spoken to.
        raw: Whether steps ask it to go on from raw text (``/completions``), not to chat.

    Returns:
        What a person has to know, though the run may begin: servers that are busy, or that are down
        while others of the model answer.

    Raises:
        PrerequisiteError: No server of the model can be reached, it is not served, or the account
            may not ask it.
        RecipeError: The server refuses what is sent.
        EngineError: The server answers with errors alone.
    """
    urls = spec.location.split()
    key = api_key(http.api_key_env)
    session = open_session(outside=not all(is_own(url) for url in urls))
    try:
        members = [endpoint_of(session, url, http, own=False, key=key) for url in urls]
        asked = (_ask(member, spec, http, raw=raw) for member in members)
        found = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await session.close()
    return _judged(spec, members, found)


def _judged(
    spec: ModelSpec, members: Sequence[Endpoint], found: Sequence[str | BaseException]
) -> list[str]:
    notes = [said for said in found if isinstance(said, str) and said]
    for error in found:
        if isinstance(error, BaseException) and not isinstance(error, EngineError):
            raise error
    dead = [e for e in found if isinstance(e, EngineError)]
    if len(dead) == len(members):
        raise PrerequisiteError(str(dead[0]))
    return [*notes, *(f"{error}; the other servers of {spec.name} do its part" for error in dead)]


async def _ask(member: Endpoint, spec: ModelSpec, http: HttpConfig, *, raw: bool) -> str:
    """What has to be known of a server that may be used; empty where all is well."""
    await reach(member, spec.served)
    status, said = 0, ""
    for number in range(_TRIES):
        await asyncio.sleep(number * _PAUSE_S)
        status, value = await _one_token(member, Payloads(spec.served, http), raw=raw)
        if status == 200 and isinstance(value, dict) and value.get("choices"):
            return ""
        said = message_of(value) if value else ""
        if 400 <= status < 500 and status not in _AGAIN_LATER:
            raise _refusal(member, spec, status, said)
    told = f"status {status}: {said}" if status else said or "no answer"
    if status in _BUSY:
        return f"{member.shown} is busy ({told}); the run waits for it"
    if status:
        raise EngineError(f"{member.shown} does not answer a question of one token ({told})")
    raise EngineError(f"{member.shown} does not answer ({told}); start it, or correct the URL")


async def _one_token(member: Endpoint, payloads: Payloads, *, raw: bool) -> tuple[int, Any]:
    status, value = 404, None
    if not raw:
        body = payloads.chat(_HELLO)
        status, value = await member.ask("/chat/completions", body, _ANSWER_S)
    if status in (404, 405):  # a server without chats, or a step that needs none
        again, other = await member.ask("/completions", payloads.completion(_HELLO, "1"), _ANSWER_S)
        if raw or again == 200:
            return again, other
    return status, value


def _refusal(member: Endpoint, spec: ModelSpec, status: int, said: str) -> ScalediffError:
    told = f"status {status}: {said}" if said else f"status {status}"
    if status in (401, 403):
        what = "does not take the API key that was sent" if member.sends_key else "wants an API key"
        return PrerequisiteError(
            f"{member.shown} {what} for {spec.served} ({told}); export SCALEDIFF_API_KEY=KEY"
        )
    if status == 402:
        return PrerequisiteError(
            f"{member.shown} wants to be paid before it answers ({told}); see to the account"
        )
    if status in (404, 405, 410) or "model" in said.lower():
        return PrerequisiteError(
            f"{member.shown} does not serve {spec.served} ({told}); check the URL and the name "
            "after the #"
        )
    named = [field for field in (*BEYOND_OPENAI, "seed", "add_special_tokens") if field in said]
    cure = f"; --engine 'http={{omit: [{', '.join(named)}]}}' leaves it out" if named else ""
    return RecipeError(f"{member.shown} refuses a question of one token ({told}){cure}")
