"""Careful reading of a summary and its samples.

A run directory may come from elsewhere, stopped half-way or damaged, so nothing about the shape of
what is read is taken for granted: a part that is absent or of another type reads as "unknown"
(None, or an empty mapping or list), never as zero and never as a traceback.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 6_000
"""Characters of one text that the page shows; a problem may be 10 MB long."""

Json = Mapping[str, Any]


def mapping(value: Any) -> dict[str, Any]:
    """The mapping with its keys as text; empty where ``value`` is none."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def part(value: Any, *path: str) -> Any:
    """What lies at a path of keys, or None.

    Example:
        >>> part({"oracle": {"well_posed_share": 0.9}}, "oracle", "well_posed_share")
        0.9
    """
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def records(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list, in order; empty where ``value`` is no list."""
    if not isinstance(value, list | tuple):
        return []
    return [mapping(item) for item in value if isinstance(item, Mapping)]


def number(value: Any) -> float | None:
    """A finite number, or None; True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def count(value: Any) -> int | None:
    """A whole number of things, or None where it is unknown or negative."""
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def counts(value: Any) -> dict[str, int]:
    """Numbers by name, the largest first; what is unknown or zero is left out."""
    found = {key: count(item) for key, item in mapping(value).items()}
    known = [(key, item) for key, item in found.items() if item]
    return dict(sorted(known, key=lambda pair: -pair[1]))


def text(value: Any, limit: int = MAX_TEXT) -> str:
    """Text that can be written as UTF-8 and shown, cut to ``limit`` characters; None is empty.

    Control characters and lone surrogates become the replacement character, so that a problem
    can neither break the file nor send codes to a terminal; line breaks and tabs stay.
    """
    if value is None:
        return ""
    whole = value if isinstance(value, str) else str(value)
    clean = "".join(_shown(character) for character in whole[:limit])
    left = len(whole) - limit
    return clean if left <= 0 else f"{clean} … ({left:,} more characters)"


def _shown(character: str) -> str:
    if character in "\n\t":
        return character
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") else character


_TURNS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def line(value: Any, limit: int = 200) -> str:
    """Text on one line, for the terminal and for titles: no line breaks, no turned direction."""
    return " ".join(text(value, limit).translate(_TURNS).split())
