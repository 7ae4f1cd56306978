"""A response on its way: when it ends, and what of its tokens is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scalediff.core.engine import Completion, FinishReason, Request, Sampling
from scalediff.engines import chat
from scalediff.text.thoughts import tokens

_LOOK_EVERY = 16
"""Tokens between two looks at ``stop_when``."""


class Endings:
    """What of a model and its tokenizer ends a response, and how its tokens become text.

    Args:
        model: For the tokens that end a response by its configurations.
        tokenizer: The model's.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.stop_ids = frozenset(_stop_ids(model, tokenizer))
        special = {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
        special.update(tokenizer.all_special_ids)
        # some tokenizers count the tags of a thought as special: they have to be seen
        self._hidden = special - {ids[0] for tag in tokens() if len(ids := self.encode(tag)) == 1}
        self._single: dict[str, int | None] = {}
        self._samplings: dict[Sampling, Sampling] = {}

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, nothing added."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def text(self, tokens: Iterable[int]) -> str:
        """Tokens as text, without special ones."""
        shown = [token for token in tokens if token not in self._hidden]
        return str(self.tokenizer.decode(shown, clean_up_tokenization_spaces=False))

    def raw_text(self, tokens: list[int]) -> str:
        """Tokens as text, special ones included."""
        return str(self.tokenizer.decode(tokens, clean_up_tokenization_spaces=False))

    def single(self, stop: str) -> int | None:
        """The special token that a stop string is, if it is one: then no text has to be read."""
        if stop not in self._single:
            ids = self.encode(stop)
            self._single[stop] = ids[0] if len(ids) == 1 and ids[0] in self._hidden else None
        return self._single[stop]

    def sampling(self, asked: Sampling) -> Sampling:
        """How tokens are drawn: the very same object for all that can be drawn in one go."""
        drawn = Sampling(asked.temperature, asked.top_p, asked.top_k, asked.min_p, 1)
        return self._samplings.setdefault(drawn, drawn)


@dataclass(eq=False)
class Response:
    """A request that is being answered.

    Attributes:
        request: What was asked.
        prompt: The rendered prompt.
        ids: Its tokens, the request's prefix included.
        num_prefix: Of these, the prefix's: the response's first token has this index, so that a
            response that goes on from its own text draws the numbers that it would have drawn.
        cap: Tokens that the response may have.
        deliver: Called once from the engine's thread with the completion or an error.
        endings: What ends it.
        tokens: The response so far.
        logprobs: Log-probability of each where the request asks for them.
        abandoned: Set when nobody waits any more.
    """

    request: Request
    prompt: str
    ids: list[int]
    cap: int
    deliver: Callable[[Completion | Exception], None]
    endings: Endings
    num_prefix: int = 0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    abandoned: bool = False

    @cached_property
    def sampling(self) -> Sampling:
        """How its tokens are drawn."""
        return self.endings.sampling(self.request.sampling)

    @property
    def index(self) -> int:
        """Index of its next token, those of the prefix counted."""
        return self.num_prefix + len(self.tokens)

    @property
    def position(self) -> int:
        """Where its newest token stands."""
        return len(self.ids) + len(self.tokens) - 1

    @cached_property
    def _stop_ids(self) -> frozenset[int]:
        singles = (self.endings.single(stop) for stop in self.request.sampling.stop)
        return self.endings.stop_ids | {token for token in singles if token is not None}

    @cached_property
    def _stop_texts(self) -> tuple[str, ...]:
        stops = self.request.sampling.stop
        return tuple(stop for stop in stops if stop and self.endings.single(stop) is None)

    @cached_property
    def _tail(self) -> int:
        # a token holds at least a byte; some more, for the first may begin within a character
        return max(len(stop.encode()) for stop in self._stop_texts) + 4

    def append(self, token: int) -> FinishReason | None:
        """Take the next token; why that ends the response, or None."""
        self.tokens.append(token)
        if token in self._stop_ids:
            return "stop"
        if self._stop_texts:
            tail = self.endings.raw_text(self.tokens[-self._tail :])
            if any(stop in tail for stop in self._stop_texts):
                return "stop"
        look = self.request.stop_when
        if look is not None and len(self.tokens) % _LOOK_EVERY == 0:
            text = self.request.prefix + self.endings.text(self.tokens)
            if look(text):
                return "stopped"
        return "length" if len(self.tokens) >= self.cap else None

    def completion(self, reason: FinishReason) -> Completion:
        """What comes of it; the token or string that stopped it is no part of the text."""
        tokens = self.tokens
        if reason == "stop" and tokens[-1] in self._stop_ids:
            tokens = tokens[:-1]
        text = self.endings.text(tokens)
        if self._stop_texts:
            text = self._before_stop(text, tokens)
        text = self.request.prefix + text
        tags = self.request.tags
        if self.request.raw is not None and not chat.opens_think(self.prompt, tags):
            reasoning, content = None, text
        else:
            reasoning, content = chat.split(self.prompt, text, reason, tags)
        return Completion(
            reasoning,
            content,
            reason,
            len(self.tokens),
            len(self.ids),
            tuple(self.tokens),
            # a character cut in two would be read as another one
            text.rstrip("\ufffd") if reason != "stop" else text,
            tuple(self.logprobs) if self.request.logprobs else None,
        )

    def _before_stop(self, text: str, tokens: list[int]) -> str:
        if not any(stop in text for stop in self._stop_texts):
            text = self.endings.raw_text(tokens)  # the stop string holds a special token
        for stop in self._stop_texts:
            text = text.partition(stop)[0]
        return text


def _stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """Every token that ends a response: the tokenizer's and the configurations'."""
    found = {tokenizer.eos_token_id}
    for holder in (getattr(model, "generation_config", None), model.config):
        configured = getattr(holder, "eos_token_id", None)
        found.update(configured if isinstance(configured, list) else [configured])
    return {int(token) for token in found if token is not None}
