"""Token caps that fit the window: of each request, and of all where the recipe lets it be lowered.

Servers refuse a cap that their window has no room for. Where the window is known (listed by the
server, or said in a refusal), a cap that fits it only without the prompt is lowered by what the
prompt takes. A cap that the window has no room for at all is the recipe's, and with ``cap: fit``
lowered to what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from scalediff.core.engine import Request
from scalediff.core.errors import EngineError, RecordError
from scalediff.engines.asking import NoRoomError
from scalediff.engines.blame import HELLO, Judge, harmless
from scalediff.engines.config import HttpConfig
from scalediff.engines.refusals import room_in
from scalediff.engines.rendering import Renderer
from scalediff.engines.trying import TryError

_GOOD_PART = 0.9
_BYTES_A_TOKEN = 2
"""Where nobody counts: formulas have hardly fewer, prose about four."""


class Caps:
    """What responses may have.

    Args:
        window: Tokens of prompt and response together; 0 is unknown.
        overhead: Bytes that the chat template adds to a prompt, at most.
        renderer: Counts the tokens of a prompt, where somebody does.
        judge: Asks a server whether it takes a cap at all.
        config: Whether a cap may be lowered.
        note: Takes a sentence for people.

    Attributes:
        window: As it is known by now.
        most_new: Tokens of a response at most, where that is known.
    """

    def __init__(
        self,
        window: int,
        overhead: int,
        renderer: Renderer | None,
        judge: Judge,
        config: HttpConfig,
        note: Callable[[str], None],
    ) -> None:
        self.window = window
        self.most_new: int | None = None
        self._overhead = overhead
        self._renderer = renderer
        self._judge = judge
        self._config = config
        self._note = note
        self._lowering = asyncio.Lock()
        self._said = False

    async def fitted(self, request: Request, counted: int | None = None) -> Request:
        """The request with a token cap that the window has room for.

        The prompt's tokens are counted only where the bound by its bytes would cost a good part of
        the cap.

        Args:
            request: What is asked.
            counted: Tokens of its prompt as the server counted them.

        Raises:
            RecordError: The prompt alone fills the window.
        """
        cap = most = request.sampling.max_new_tokens
        if self.most_new is not None:
            most = min(most, self.most_new)
        if self.window:
            num = self.bytes_of(request) if counted is None else counted
            if num + most > self.window:
                most = min(most, await self._left(request, most, num, is_given=counted is not None))
        if most == cap:
            return request
        if self.window and cap >= self.window and not self._said:
            self._said = True
            self._note(
                f"the token cap of {cap:,} is over the server's window of {self.window:,} tokens; "
                "each response may have what the window leaves beside its prompt"
            )
        return replace(request, sampling=replace(request.sampling, max_new_tokens=most))

    async def _left(self, request: Request, most: int, num: int, *, is_given: bool) -> int:
        """Tokens that the window leaves beside a prompt of ``num`` tokens at most."""
        left = self.window - num
        if not is_given and left < _GOOD_PART * min(most, self.window):
            if self._renderer is None or not self._renderer.is_exact:
                # the server counts: what does not fit it refuses, and then says by how much
                return max(self.window - num // _BYTES_A_TOKEN, self.window // 8, 1)
            num = await self._renderer.count(request)
            left = self.window - num
        if left < 1:
            raise RecordError("over_length", f"{num} tokens of prompt, window {self.window}")
        return left

    async def make_room(self, error: NoRoomError, request: Request) -> int | None:
        """Learn from a refusal, so that the request may be fitted anew.

        Returns:
            Tokens of its prompt, where the server says so, or at most.

        Raises:
            RecordError: The prompt is too long, whatever the cap.
            RecipeError: The window has no room for the cap, and it may not be lowered.
            ScalediffError: The server refuses everything, for another reason.
        """
        path, body = error.path, error.body
        everybody = await self._judge.refuses_all(error.refusal, path, body)
        if everybody is None:
            room = room_in(error.refusal.words)
            self._learn(room.window)
            if not self.window:
                raise RecordError("over_length", str(error))
            return room.prompt or self.bytes_of(request)
        if everybody.trouble != "size":
            stop = await self._judge.stop_for(error.refusal, path, body, has_answered=True)
            raise stop or EngineError(str(everybody))
        cap = request.sampling.max_new_tokens
        if self._config.cap != "fit":
            raise self._judge.too_wide(everybody, cap)
        async with self._lowering:
            if not (self.window and self.window <= cap) and (self.most_new or cap) >= cap:
                await self._lower(everybody, error, cap)
        return None

    async def _lower(self, refusal: TryError | None, error: NoRoomError, cap: int) -> None:
        """Find out what the server takes beside a short prompt."""
        member = error.refusal.member
        assert member is not None
        overhead = self.bytes_of(Request(messages=HELLO))
        most, window, most_new = cap, None, None
        while refusal is not None:
            if refusal.kind != "refused":
                raise EngineError(f"{member.shown}: {refusal}")
            room = room_in(refusal.words)
            window, most_new = room.window or window, room.most_new or most_new
            known = room.most_new or (room.window or 0) - (room.prompt or overhead)
            most = known if 0 < known < most else most // 2
            if most < 1:
                raise self._judge.too_wide(refusal, cap)
            small = harmless(error.body, self._config.omit, most)
            refusal = await member.refusal(error.path, small)
        self._learn(window)
        if most_new or not window:
            self.most_new = most
        if self.most_new:
            self._note(
                f"{member.shown} takes no token cap of {cap:,}; it is lowered to {most:,} "
                "(engine.http.cap: fit)"
            )

    def _learn(self, window: int | None) -> None:
        if window and (not self.window or window < self.window):
            self.window = window

    def bytes_of(self, request: Request) -> int:
        """Bytes of a prompt: a token has at least one, so that they bound its tokens."""
        texts = [m["content"] for m in request.messages or ()]
        num = sum(len(t.encode("utf-8", "replace")) for t in (*texts, request.raw or ""))
        return num + len(request.prefix.encode("utf-8", "replace")) + self._overhead
