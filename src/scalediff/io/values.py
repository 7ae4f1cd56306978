"""One row as a JSON value, or why it is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

MAX_LINE = 64 << 20
"""Bytes of one row; a longer one is set aside unread. Ours: rows with 32 long attempts fit."""

_SHOWN = 200

Numbered = tuple[int, Any]
"""A row's number from 1 (line, array element, Parquet row) and its value."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is no JSON value: why, and how it begins."""

    reason: str
    text: str = ""


def parse(line: bytes) -> Any:
    """The value of one line, or ``Unreadable``.

    Whole numbers beyond 64 bits come out as text, since an answer must not be rounded; NaN, which
    Python writes and JSON lacks, as null.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _parse_again(line, error.msg)
    if isinstance(value, dict) and any(_is_rounded(v) for v in value.values()):
        return _parse_again(line, "")
    return value


def _is_rounded(value: Any) -> bool:
    return isinstance(value, float) and abs(value) >= 2**63


def _parse_again(line: bytes, reason: str) -> Any:
    try:
        return DECODER.decode(line.decode())
    except UnicodeDecodeError:
        return Unreadable("invalid UTF-8", shown(line))
    except (json.JSONDecodeError, RecursionError) as error:
        return Unreadable(f"broken JSON: {reason or error}", shown(line))


def _whole(digits: str) -> int | str:
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else digits


DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=lambda name: None)


MAX_DEPTH = 200
"""Levels of a row. What writes rows has ends of its own, the first at 254."""

_NESTING = (dict, list, tuple)


def is_deep(value: Any) -> bool:
    """Whether a value is nested deeper than rows may be."""
    level = [value] if isinstance(value, _NESTING) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, _NESTING)
        ]
        if not level:
            return False
    return True


def too_deep(value: Any) -> Unreadable:
    """What is said of a row that is nested too deep: how it begins, as far as it is flat."""
    items = value.items() if isinstance(value, dict) else ()
    flat = [f"{k}: {str(v)[:100]}" for k, v in items if not isinstance(v, _NESTING)]
    return Unreadable("it is nested too deep", shown(", ".join(flat[:5])))


def shown(text: bytes | str) -> str:
    """How a row begins, for people."""
    text = text[: _SHOWN * 4]
    read = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(read.encode("utf-8", "replace").decode().split())[:_SHOWN]
