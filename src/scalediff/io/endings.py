"""Why the responses in a row ended, by whatever name and column it is said.

A column holds one value or a list of one for each response: a finish reason (``finish_reason``,
``stop_reason``, ``done_reason``, in any spelling), or whether the response is whole
(``is_reasoning_complete``) or was cut (``truncated``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scalediff.core.records import Row
from scalediff.text.marks import ending

_REASONS = ("finishreason", "finishreasons", "stopreason", "stopreasons", "donereason",
            "donereasons", "terminationreason", "finishedreason")  # fmt: skip
_WHOLE = ("iscomplete", "isreasoningcomplete", "reasoningcomplete", "isfinished", "finished",
          "completed")  # fmt: skip
_CUT = ("truncated", "istruncated", "wastruncated", "responsetruncated", "cutoff", "iscutoff",
        "clipped", "isclipped", "overlong", "hitlimit", "hitmaxtokens", "reachedmaxlength",
        "lengthexceeded", "exceededlength")  # fmt: skip
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
    for name, value in row.items():
        column = "".join(filter(str.isalnum, str(name).casefold()))
        if column in _REASONS:
            given = at_place(value, place)
            meaning = ending(given, more)
            found = meaning if meaning in ("stop", "length", "stopped") else str(given)[:_LONGEST]
        elif column in (*_WHOLE, *_CUT):
            flag = at_place(value, place)
            found = "length" if isinstance(flag, bool) and flag == (column in _CUT) else "stop"
        else:
            continue
        said = found if said == "stop" else said
    return said


def at_place(value: Any, place: int) -> Any:
    """What a column says of one response: its own entry of a list, or the value for all."""
    if isinstance(value, list | tuple):
        return value[place] if place < len(value) else None
    return value
