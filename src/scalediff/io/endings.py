"""Why the responses in a row ended, by whatever name and column it is said.

A column holds one value or a list of one for each response: a finish reason (``finish_reason``,
``stop_reason``, ``done_reason``, in any spelling), or whether the response is whole
(``is_reasoning_complete``) or was cut (``truncated``). It may also stand in an object beside the
response (``meta_info``, ``metadata``, ``usage``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scalediff.core.records import Row
from scalediff.io.columns import opened
from scalediff.text.marks import ending

_OF = (
    r"(?:generation|generated|response|completion|output|model|teacher|llm|raw|api|sample|native)*"
)
_REASON = re.compile(
    rf"{_OF}(?:(?:finish|finished|finishing|stop|stopped|stopping|done|termination|terminated|"
    r"completion|end|ending|exit|truncation)(?:reason|cause|type)s?|finish|finishdetails|"
    r"incompletedetails)"
)
_WHOLE = re.compile(
    rf"{_OF}(?:is|was|has)?(?:reasoning|generation|response)?(?:complete|completed|finished|done)"
)
_CUT = re.compile(
    rf"{_OF}(?:is|was|has|been)*{_OF}(?:truncated|cutoff|clipped|overlong|incomplete|unfinished|"
    r"notfinished|lengthcapped|(?:hit|reached|exceeded)(?:the)?(?:max|limit|length)"
    r"(?:new|output)?(?:tokens|length|limit)?|(?:max(?:new|output)?(?:tokens|length)|limit|length|"
    r"tokenlimit)(?:hit|reached|exceeded)|stoppedlimit|outoftokens)"
)
_INSIDE = frozenset({"metadata", "meta", "info", "usage", "metainfo", "responsemetadata",
                     "generationinfo", "generationmetadata", "details", "message"})  # fmt: skip
"""Objects beside a response in which it is said."""

_NOT_SAID = "not said"
_FLAGS = {"true": True, "yes": True, "1": True, "1.0": True,
          "false": False, "no": False, "0": False, "0.0": False}  # fmt: skip
_LONGEST = 60


def reason_of(row: Row, place: int = 0, more: Mapping[str, str] | None = None) -> str:
    """Why the response with this place in its row ended.

    ``stop``, ``length`` or ``stopped``; the name as it was given where it means something else or
    nobody knows what it means. The worst that is said counts.

    Args:
        row: As it came.
        place: Number of the response in its column.
        more: Finish reasons besides the known ones.

    Example:
        >>> reason_of({"stop_reason": "max_tokens"}), reason_of({"truncated": [False, True]}, 1)
        ('length', 'length')
        >>> reason_of({}), reason_of({"finish_reason": "tired"})
        ('stop', 'tired')
    """
    said = "stop"
    for found in _all_said(row, place, more):
        said = found if said == "stop" else said
    return said


def _all_said(
    row: Mapping[str, Any], place: int, more: Mapping[str, str] | None, depth: int = 0
) -> Iterator[str]:
    for name, value in row.items():
        column = "".join(filter(str.isalnum, str(name).casefold()))
        if column in _INSIDE or (column == "choices" and isinstance(value, list) and value):
            inner = opened(value[0] if column == "choices" else at_place(value, place))
            if isinstance(inner, dict) and depth < 2:
                yield from _all_said(inner, place, more, depth + 1)
            continue
        is_cut, is_whole = bool(_CUT.fullmatch(column)), bool(_WHOLE.fullmatch(column))
        is_reason = bool(_REASON.fullmatch(column))
        if column == "status" and str(value).casefold() in ("incomplete", "truncated"):
            yield "length"
        if not (is_cut or is_whole or is_reason):
            continue
        if isinstance(value, list | tuple) and value and place >= len(value):
            yield _NOT_SAID
            continue
        given = at_place(value, place)
        flag = _FLAGS.get(str(given).strip().casefold())
        if is_cut or is_whole or (isinstance(given, bool) and column.endswith("finish")):
            yield "length" if flag is not None and flag == is_cut else "stop"
        else:
            meaning = ending(given, more)
            known = meaning in ("stop", "length", "stopped")
            yield meaning if known else str(given)[:_LONGEST]


def at_place(value: Any, place: int) -> Any:
    """What a column says of one response: its own entry of a list, or the value for all."""
    if isinstance(value, list | tuple):
        return value[place] if place < len(value) else None
    return value
