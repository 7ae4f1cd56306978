r"""Where an attempt is kept, and how its text is kept once.

An attempt's key is ``digest(fingerprint, request.identity(), seed)``. What was cut by its cap or
ended by ``stop_when`` has a place of its own that follows from the key.
"""

from __future__ import annotations

import json
from typing import Any

from scalediff.core.engine import Request, Sampling
from scalediff.core.keys import digest_of_json, to_json

_quote = json.encoder.encode_basestring
_WORDS = {None: "null", True: "true", False: "false"}


class AttemptKeys:
    """Keys of one model's attempts, put together from known parts: thousands a second are made.

    Args:
        fingerprint: The model's.
    """

    def __init__(self, fingerprint: str) -> None:
        self._model = to_json(fingerprint)
        self._samplings: dict[Sampling, str] = {}

    def of(self, request: Request) -> str:
        """``digest(fingerprint, request.identity(), seed)``, put together from known parts."""
        sampling = self._samplings.get(request.sampling)
        if sampling is None:
            sampling = to_json(request.sampling.identity())
            self._samplings[request.sampling] = sampling
        raw = "null" if request.raw is None else _quote(request.raw)
        return digest_of_json(
            f'[{self._model},{{"messages":{_messages(request)},"prefix":{_quote(request.prefix)},'
            f'"raw":{raw},"sampling":{sampling},"thinking":{_WORDS[request.thinking]}}},'
            f"{request.seed}]"
        )


def _messages(request: Request) -> str:
    """JSON of the messages; those of the usual form are put together by hand."""
    if request.messages is None:
        return "null"
    if any(m.keys() != _USUAL for m in request.messages):
        return to_json(list(request.messages))
    parts = (
        f'{{"content":{_quote(m["content"])},"role":{_quote(m["role"])}}}' for m in request.messages
    )
    return f"[{','.join(parts)}]"


_USUAL = {"role", "content"}


def capped(key: str, cap: int) -> str:
    """The place of what this cap cut."""
    return digest_of_json(f'["{key}","cap",{cap}]')


def stopped(key: str) -> str:
    """The place of what ``stop_when`` ended."""
    return digest_of_json(f'["{key}","stopped"]')


def cut_pointer(key: str) -> str:
    """Where it says which is the longest of those that were cut."""
    return digest_of_json(f'["{key}","cut"]')


def text_in_parts(text: str, record: dict[str, Any]) -> str | list[str]:
    r"""A response's text without what the record holds already.

    The texts between are kept, and the names of what stands there: ``["<think>\n", "reasoning",
    ""]``; the text itself where reasoning and content are not in it as they are.
    """
    parts, rest = [], text
    for name in ("reasoning", "content"):
        if record[name]:
            before, found, rest = rest.partition(record[name])
            if not found:
                return text
            parts += [before, name]
    return [*parts, rest]


def text_of(record: dict[str, Any]) -> str | None:
    """The response's text as the model wrote it; None where the engine could not tell."""
    parts = record.get("text")
    if not isinstance(parts, list):
        return parts
    return "".join(record[part] if n % 2 else part for n, part in enumerate(parts))
