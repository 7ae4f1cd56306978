"""A try that gave no answer: what went wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from scalediff.core.secrets import mask
from scalediff.engines.refusals import Trouble

if TYPE_CHECKING:
    from scalediff.engines.endpoint import Endpoint

Kind = Literal["busy", "down", "broken", "late", "refused"]
"""``busy``: the server asks for patience (429, 503). ``down``: no connection. ``broken``: an answer
that is none (500, cut off, no JSON, no choice), or a connection that was reset. ``late``: past the
deadline. ``refused``: the request itself is not accepted; trying again would not help."""


class TryError(Exception):
    """A try that gave no answer.

    Attributes:
        kind: What sort of fault it is.
        status: HTTP status, where there is one.
        after_s: Seconds that the server asks to wait, where it does.
        num_tokens: Tokens that came and have to be thrown away.
        words: All that an error says: message, code and type; longer than what is shown.
        trouble: Of a refusal, whose it is by its words.
        is_whole: Whether an answer came to its end and is of no use all the same.
        member: The server, where a refusal came from one.
    """

    member: Endpoint | None = None

    def __init__(
        self,
        kind: Kind,
        text: str,
        *,
        status: int = 0,
        after_s: float | None = None,
        num_tokens: int = 0,
        words: str = "",
        trouble: Trouble | None = None,
        is_whole: bool = False,
    ) -> None:
        super().__init__(mask(text))
        self.words = words or text
        self.trouble = trouble
        self.is_whole = is_whole
        self.kind = kind
        self.status = status
        self.after_s = after_s
        self.num_tokens = num_tokens

    @property
    def is_unreachable(self) -> bool:
        """Whether there was no connection at all, rather than a proxy that says so."""
        return self.kind == "down" and not self.status
