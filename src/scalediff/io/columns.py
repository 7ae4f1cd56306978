"""Values deep in a row by the dotted names that people give: ``reward_model.ground_truth``.

A part of a name is a key of an object, the place of a list's element (``conversations.0.info``, or
``conversations[0].info``), or skipped at a list, whose elements are then all asked. JSON text is
read as what it holds. A column whose own name has dots in it goes before. What is no column of the
row is looked for in its turns, so that ``info.category`` finds what every turn of
AM-Qwen3-Distilled has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import orjson

from scalediff.core.records import Row

TURNS = ("conversations", "messages", "prompt")
"""Columns that hold turns, where they are lists."""

_INDEX = re.compile(r"\[(-?\d+)\]")
_DEPTH = 5
_MOST_NAMES = 200
_MOST_ELEMENTS = 3


def lookup(row: Row, name: str) -> list[tuple[str, Any]]:
    """Every place that a name means, with its value; null where that is the value.

    Example:
        >>> lookup({"reward_model": '{"ground_truth": "4"}'}, "reward_model.ground_truth")
        [('reward_model.ground_truth', '4')]
        >>> lookup({"messages": [{"info": {"category": "math"}}]}, "info.category")
        [('messages[0].info.category', 'math')]
        >>> lookup({"a": 1}, "b")
        []
    """
    if name in row:
        return [(name, row[name])]
    parts = _INDEX.sub(r".\1", name).split(".")
    found = list(_walk(row, parts, ""))
    for column in () if found else TURNS:
        if isinstance(row.get(column), list):
            found += _walk(row[column], parts, column)
    return found


def _walk(value: Any, parts: Sequence[str], place: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield place, value
        return
    value = opened(value)
    if isinstance(value, dict):
        for size in range(len(parts), 0, -1):
            key = ".".join(parts[:size])
            if key in value:
                yield from _walk(value[key], parts[size:], f"{place}.{key}" if place else key)
                return
    elif isinstance(value, list):
        if re.fullmatch(r"-?\d{1,6}", parts[0]):
            at = int(parts[0])
            if -len(value) <= at < len(value):
                yield from _walk(value[at], parts[1:], f"{place}[{at}]")
            return
        for at, element in enumerate(value):
            if not isinstance(element, list):  # a list in a list has to be named by its place
                yield from _walk(element, parts, f"{place}[{at}]")


def opened(value: Any) -> Any:
    """The object or list that a JSON text holds; anything else as it is."""
    if isinstance(value, str) and value[:64].lstrip()[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def names_in(row: Row) -> list[str]:
    """The names of what a row holds, its own columns first; at most 200."""
    found: list[str] = []
    level: list[tuple[str, Any]] = [("", row)]
    for _ in range(_DEPTH):
        inner: list[tuple[str, Any]] = []
        for place, value in level:
            value = opened(value)
            if isinstance(value, dict):
                inner += [(f"{place}.{key}" if place else str(key), v) for key, v in value.items()]
            elif isinstance(value, list):
                inner += [(f"{place}.{at}", v) for at, v in enumerate(value[:_MOST_ELEMENTS])]
        found += [place for place, value in inner if not isinstance(opened(value), list | dict)]
        level = inner[:_MOST_NAMES]
    return found[:_MOST_NAMES]


def near(name: str, rows: Iterable[Row]) -> str:
    """The names in some rows that are near to one, or else some of those that there are."""
    names = list(dict.fromkeys(n for row in rows for n in names_in(row)))
    plain = {n: n.lower() for n in names}
    last = name.lower().rpartition(".")[2]
    close = get_close_matches(name.lower(), [*plain.values()], n=3, cutoff=0.6)
    ends = get_close_matches(last, [p.rpartition(".")[2] for p in plain.values()], cutoff=0.75)
    found = [n for n in names if plain[n] in close]
    found += [n for n in names if n not in found and plain[n].rpartition(".")[2] in ends]
    if found:
        return f"near it is {', '.join(found[:5])}"
    return f"there are {', '.join(names[:20])}" if names else "there are none"
