"""What becomes of a refusal: a stop of the run with its fix, or an error of the one row.

A refusal that may be the row's own is checked: something harmless is asked of the same server under
the same settings. Where that is refused too, no row is to blame.
"""

from __future__ import annotations

import asyncio
from typing import Any

from scalediff.core.errors import (
    EngineError,
    PrerequisiteError,
    RecipeError,
    ScalediffError,
    Stopped,
)
from scalediff.engines.config import HttpConfig
from scalediff.engines.payloads import BEYOND_OPENAI, Body
from scalediff.engines.refusals import room_in
from scalediff.engines.trying import TryError

HELLO = ({"role": "user", "content": "1+1?"},)
_REMEMBERED_S = 1.0
"""Seconds for which the answer to a harmless question serves all who would ask it."""


def harmless(body: Body, omit: list[str], cap: int | None = None) -> Body:
    """A request that nobody could object to, with the settings of another one."""
    small = dict(body)
    for name in ("stream_options", "add_generation_prompt", "continue_final_message"):
        small.pop(name, None)
    if "stream" not in omit:
        small["stream"] = True  # so that it is known at once whether it is taken
    small |= {"prompt": "1"} if "prompt" in body else {"messages": list(HELLO)}
    if cap is not None:
        small |= {name: cap for name in ("max_tokens", "max_completion_tokens") if name in small}
    return small


class Judge:
    """Says whose fault a refusal is.

    Args:
        model: Name of the model, for people.
        config: How the servers are spoken to.
    """

    def __init__(self, model: str, config: HttpConfig) -> None:
        self._model = model
        self._config = config
        self._asked: dict[Any, tuple[float, asyncio.Task[TryError | None]]] = {}

    async def refuses_all(self, error: TryError, path: str, body: Body) -> TryError | None:
        """Why a server does not take a harmless request either; None where it takes it."""
        member = error.member
        if member is None:
            return None
        now = asyncio.get_running_loop().time()
        self._asked = {k: v for k, v in self._asked.items() if now - v[0] < _REMEMBERED_S}
        place = (member, path, body.get(self._config.cap_field), body.get("max_tokens"))
        if place not in self._asked:
            small = harmless(body, self._config.omit)
            self._asked[place] = (now, asyncio.create_task(member.refusal(path, small)))
        _, task = self._asked[place]
        return await asyncio.shield(task)

    async def stop_for(
        self, error: TryError, path: str, body: Body, *, has_answered: bool
    ) -> ScalediffError | None:
        """What ends the run (or this pass) over a refusal; None where the row may be to blame."""
        if error.status not in (401, 402, 404, 405, 410, 429) and error.trouble != "elsewhere":
            everybody = await self.refuses_all(error, path, body)
            if everybody is None:
                return None
            if everybody.kind != "refused":  # who is to blame will be seen when it answers again
                return EngineError(f"{self._model}: {everybody}, after {error}")
            error = everybody
        server = error.member.shown if error.member is not None else self._model
        if error.trouble == "quota":
            return Stopped(
                f"the account at {server} may not spend more ({error}); top it up or raise its "
                "limit and run the same command again: what is finished is kept, the rest remains"
            )
        if error.trouble == "key":
            return PrerequisiteError(
                f"{self._model}: the server wants an API key that it takes ({error}); export "
                f"{self._config.api_key_env or 'SCALEDIFF_API_KEY'}=KEY"
            )
        if error.trouble == "rights":
            return PrerequisiteError(
                f"{server} does not let this account use the model ({error}); see to its rights "
                "with the provider, or name another model"
            )
        if error.trouble == "gone":
            what = f"{self._model} does not serve this model or path ({error})"
            if has_answered:  # it did before, and may again
                return EngineError(what)
            return PrerequisiteError(f"{what}; check the URL and the name after the #")
        if error.trouble == "elsewhere":
            return PrerequisiteError(str(error))
        return RecipeError(f"{self._model} refuses what is sent ({error}){self._fix(error)}")

    def too_wide(self, error: TryError, cap: int) -> RecipeError:
        """What ends the run over a token cap that no prompt fits beside."""
        if self._fix(error).endswith("under that name"):
            return RecipeError(f"{self._model} refuses what is sent ({error}){self._fix(error)}")
        room = room_in(error.words)
        most = room.most_new or room.window
        known = f" under {most}" if most is not None and most <= cap else ""
        return RecipeError(
            f"{self._model}: the server's window has no room for a token cap of {cap} ({error}); "
            f"set the step's max_new_tokens to one{known} that it has room for, or let it be "
            "lowered to what is left beside each prompt: --engine http.cap=fit"
        )

    def _fix(self, error: TryError) -> str:
        """The setting that a refusal of everything asks for, where it names a field."""
        words = error.words
        is_old_name = "max_completion_tokens" in words and "nsupported" in words
        if is_old_name and self._config.cap_field == "max_tokens":
            return "; --engine http.cap_field=max_completion_tokens sends it under that name"
        fields = (*BEYOND_OPENAI, "seed", "add_special_tokens", "stream", "logprobs")
        named = [name for name in fields if name in words]
        if named:
            return f"; --engine 'http={{omit: [{', '.join(named)}]}}' leaves it out"
        return "; see what the server takes, and change the step's settings or engine.http"
