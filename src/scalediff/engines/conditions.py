"""What holds the servers of a model up now, by their names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from scalediff.core.engine import Condition
from scalediff.engines.endpoint import Endpoint
from scalediff.engines.trying import TryError

_SHOWN_AFTER_S = 2.0
"""Shorter pauses and failures pass by unsaid."""
_SLOWER = 2.5
"""Times that the others are faster, in tokens a second, before a server is called slow."""
_KINDS = {"busy": "busy", "down": "no connection", "broken": "broken answer", "late": "too late"}


def cause_of(error: TryError) -> str:
    """What made a try fail, as a word that can be counted.

    Example:
        >>> cause_of(TryError("busy", "slow down", status=429)), cause_of(TryError("late", "60 s"))
        ('status 429', 'too late')
    """
    return f"status {error.status}" if error.status else _KINDS.get(error.kind, error.kind)


def conditions_of(members: Sequence[Endpoint], now: float) -> list[Condition]:
    """What holds each server up, at this time of the loop's clock; empty where all is well."""
    found = []
    for member in members:
        if member.is_down:
            found.append(Condition("down", member.shown, member.why))
        elif _is_waited_for(member, now):
            left = member.paused_until - now
            until = time.time() + left if left > 0 else None
            found.append(Condition("waiting", member.shown, member.why, until))
        elif (factor := _slower(member, members)) is not None:
            why = f"the other servers are {factor:.1f} times as fast"
            found.append(Condition("slow", member.shown, why))
    return found


def _is_waited_for(member: Endpoint, now: float) -> bool:
    since = member.failing_since
    fails = since is not None and now - since >= _SHOWN_AFTER_S
    return fails or member.paused_until - now >= _SHOWN_AFTER_S


def _slower(member: Endpoint, members: Sequence[Endpoint]) -> float | None:
    """How many times as fast the others are, where that is worth saying."""
    speed = member.speeds.median()
    others = [s for m in members if m is not member and (s := m.speeds.median()) is not None]
    if speed is None or not others:
        return None
    factor = median(others) / speed
    return factor if factor >= _SLOWER else None
