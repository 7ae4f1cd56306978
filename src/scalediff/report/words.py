"""The words of the terminal and the report: names for people, and how figures are written.

A share is written in percent with one decimal, an interval in square brackets, an unknown as
"unknown"; a share that is not zero is never written as zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from scalediff.core.records import REASONS
from scalediff.report.reading import count, line, mapping, number

UNKNOWN = "unknown"

REASON_NAMES: dict[str, str] = {
    "malformed": "malformed",
    "wrong_language": "another language",
    "answer_given": "gives its answer away",
    "proof": "asks for a proof",
    "multi_part": "several questions",
    "ill_posed": "ill-posed by its text",
    "duplicate": "duplicate",
    "copy_of_source": "copy of a source",
    "contaminated": "in a benchmark",
    "simple": "simple",
    "attempt_failed": "attempt failed",
    "truncated": "cut off by the token cap",
    "no_answer": "no answer",
    "not_read": "answer not read",
    "looping": "looping",
    "empty_thinking": "empty thought",
    "too_short": "too short",
    "too_long": "too long",
    "conflicting_answers": "conflicting answers",
    "too_easy": "student solves it",
    "disagreement": "teacher disagrees with itself",
    "wrong": "differs from gold",
    "over_length": "too long for the model",
    "no_solution": "no solution",
    "unfinished": "unfinished",
}
"""Reason code → its name for people; a code of a domain's own is shown as it is."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "screen": (
        "malformed",
        "wrong_language",
        "answer_given",
        "proof",
        "multi_part",
        "ill_posed",
        "duplicate",
        "copy_of_source",
        "contaminated",
    ),
    "identify": ("simple",),
    "rules": (
        "attempt_failed",
        "truncated",
        "no_answer",
        "not_read",
        "looping",
        "empty_thinking",
        "too_short",
        "too_long",
        "conflicting_answers",
    ),
    "student": ("too_easy",),
    "labels": ("disagreement", "wrong"),
}
"""What kind of step a reason belongs to: one colour of the report's bar each."""

MODEL_NAMES: dict[str, str] = {
    "student": "sources + kept",
    "student_kept": "sources + kept",
    "student_sources": "sources",
    "baseline": "sources",
    "control": "sources, as many steps",
    "student_control": "sources, as many steps",
    "nano:student": "before training",
}
"""Names of students of the shipped recipes for people; ``summary["model_names"]`` overrides."""


STUDENT_RANKS: dict[str, int] = {"sources": 1, "sources, as many steps": 2, "sources + kept": 3}
"""Name for people → its place in the story; every other model comes before."""


def bare_name(model: str) -> str:
    """A model's name without the mark of a step's."""
    return model.removeprefix("@") or model


def reason_name(reason: str) -> str:
    """A reason code for people: its name, or the code with its underscores opened."""
    return REASON_NAMES.get(reason) or line(reason, 60).replace("_", " ")


def reason_meaning(reason: str) -> str:
    """What a reason code means in a sentence; empty for a domain's own."""
    return REASONS.get(reason, "")


def reason_family(reason: str) -> str:
    """The family of a reason, ``other`` where it belongs to none."""
    return next((name for name, codes in FAMILIES.items() if reason in codes), "other")


def model_name(model: str, summary: Mapping[str, Any]) -> str:
    """A student's name for people."""
    bare = bare_name(model)
    given = mapping(summary.get("model_names"))
    return line(given.get(model) or given.get(bare) or MODEL_NAMES.get(bare) or model, 60)


def level_of(benchmark: str) -> int | None:
    """The level that a benchmark stands for (``level_3``, ``level 3``, ``3``), or None."""
    found = re.fullmatch(r"(?:level|l)?[ _:-]*(\d{1,4})", benchmark.strip().lower(), re.ASCII)
    return int(found.group(1)) if found else None


def whole(value: Any) -> str:
    """A count with thousands separated.

    Example:
        >>> whole(10000), whole(None)
        ('10,000', 'unknown')
    """
    known = count(value)
    return UNKNOWN if known is None else f"{known:,}"


def amount(value: Any) -> str:
    """A large number for people: ``1.2 M``, ``340 k``, ``912``."""
    known = number(value)
    if known is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(known) >= size:
            scaled = known / (1e3 if unit == "k" else size)
            return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"
    return f"{known:,.0f}"


def percent(value: Any, decimals: int = 1) -> str:
    """A share (0 to 1) in percent.

    Example:
        >>> percent(0.238), percent(0.00001), percent(0.99999), percent(None)
        ('23.8 %', '<0.1 %', '>99.9 %', 'unknown')
    """
    known = number(value)
    if known is None:
        return UNKNOWN
    least = 10.0**-decimals
    shown = f"{known * 100:.{decimals}f}"
    if known > 0 and float(shown) == 0:
        return f"<{least:.{decimals}f} %"
    if known < 1 and float(shown) == 100:
        return f">{100 - least:.{decimals}f} %"
    return f"{shown} %"


def interval(value: Any) -> str:
    """The bounds of an estimate ``{low, high}`` of a share, ``[21.2, 26.5]``; empty if unknown."""
    values = mapping(value)
    low, high = number(values.get("low")), number(values.get("high"))
    if low is None or high is None:
        return ""
    return f"[{low * 100:.1f}, {high * 100:.1f}]"


def estimate(value: Any, key: str = "mean") -> str:
    """A share with its interval: ``23.8 % [21.2, 26.5]``."""
    mean = mapping(value).get(key)
    if number(mean) is None:
        return UNKNOWN
    return f"{percent(mean)} {interval(value)}".strip()


def points(value: Any) -> str:
    """A difference of shares in points, with its sign: ``+37.0 points [33.1, 40.9]``."""
    mean = number(mapping(value).get("mean"))
    if mean is None:
        return UNKNOWN
    return f"{mean * 100:+.1f} points {interval(value)}".strip().replace("-", "\N{MINUS SIGN}")


def duration(value: Any) -> str:
    """Seconds for people.

    Example:
        >>> [duration(s) for s in (0.2, 34, 240, 7200, None)]
        ['0.2 s', '34 s', '4.0 min', '2.0 h', 'unknown']
    """
    known = number(value)
    if known is None:
        return UNKNOWN
    if known >= 3600:
        return f"{known / 3600:.1f} h"
    if known >= 120:
        return f"{known / 60:.1f} min"
    if 0 < known < 0.05:
        return "<0.1 s"
    return f"{known:.0f} s" if known >= 9.95 or known == 0 else f"{known:.1f} s"


def moment(value: Any) -> str:
    """A time as ``2025-09-25 14:03 UTC``: ISO text or seconds since 1970; empty if unknown."""
    seconds = number(value)
    try:
        if seconds is not None:
            when = datetime.fromtimestamp(seconds, UTC)
        elif isinstance(value, str):
            when = datetime.fromisoformat(value)
        else:
            return ""
    except (ValueError, OverflowError, OSError):
        return line(value, 40)
    if when.tzinfo is not None:
        return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{when:%Y-%m-%d %H:%M}"
