"""What an engine has to say: what holds it up, when that begins and is over; and notes, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from scalediff.core.engine import Condition, Usage
from scalediff.io.run import Run

_LONGEST = 160


def sentence(condition: Condition) -> str:
    """A condition for people.

    Example:
        >>> sentence(Condition("down", "http://a:1/v1", "connection refused"))
        'http://a:1/v1 cannot be reached: connection refused'
    """
    verb = {"waiting": "waiting for", "down": "", "slow": ""}[condition.kind]
    says = {"waiting": "", "down": " cannot be reached", "slow": " is slow"}[condition.kind]
    why = " ".join(condition.why.split())
    why = why if len(why) <= _LONGEST else why[:_LONGEST] + "…"
    until = f" (asked again at {clock(condition.until)})" if condition.until else ""
    return f"{verb} {condition.who}{says}: {why}{until}".strip()


def clock(seconds: float) -> str:
    """A time of day; with the date where it is not today's.

    Example:
        >>> clock(0.0)[4:5]
        '-'
    """
    at = datetime.fromtimestamp(seconds)
    return f"{at:%H:%M:%S}" if at.date() == datetime.now().date() else f"{at:%Y-%m-%d %H:%M:%S}"


class Notices:
    """Keeps what holds the work up now, and which notes were said.

    Args:
        run: Where events are kept.
        tell: Told a sentence when something begins or is over, and each note.
    """

    def __init__(self, run: Run, tell: Callable[[str], None]) -> None:
        self._run = run
        self._tell = tell
        self._now: dict[tuple[str, str], tuple[Condition, float]] = {}
        self._said: set[str] = set()

    def look(self, step: str, usage: Usage) -> list[str]:
        """Say what is new of a step's engine; the sentences of what holds it up now."""
        for text in usage.notes:
            if text not in self._said:
                self._said.add(text)
                self._run.event("note", step=step, message=text)
                self._tell(f"   {step}: {text}")
        found: dict[tuple[str, str], Condition] = {(c.kind, c.who): c for c in usage.conditions()}
        for name, condition in found.items():
            since = self._now.get(name, (None, time.time()))[1]
            if name not in self._now:
                self._event("held", step, condition)
                self._tell(f"   {step}: {sentence(condition)}")
            self._now[name] = condition, since
        for name in self._now.keys() - found.keys():
            condition, since = self._now.pop(name)
            seconds = time.time() - since
            self._event("free", step, condition, seconds=round(seconds, 1))
            self._tell(f"   {step}: {condition.who} goes on, after {seconds:.0f} s")
        return [sentence(condition) for condition in found.values()]

    def _event(self, kind: str, step: str, condition: Condition, **more: float) -> None:
        told = {"held": condition.kind, "who": condition.who, "why": condition.why}
        until = {"until": condition.until} if condition.until else {}
        self._run.event(kind, step=step, **told, **until, **more)
