"""How many requests are in flight at a server, and how long an answer may take.

A limit is fixed for servers of one's own, where a long queue is wanted. For servers of others it
grows by one a round trip and shrinks by a third where the server says that it is busy (additive
increase, multiplicative decrease). Deadlines follow from the token cap and the speed that responses
were seen to have, so that a long answer is never taken for a dead connection.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

_DECREASE = 0.7
_START = 16
_SLOWER, _MUCH_SLOWER = 2.0, 4.0
"""Times the best time a token at which a limit no longer grows, and at which it shrinks."""
_SMOOTHING = 0.05
_FORGET = 1.0005
"""The best time a token is forgotten slowly: a server that became slower for good is no jam."""

_MEASURES = 256
_FEWEST_MEASURES = 8
_SLACK = 2.0
"""Times the time that the cap takes at the slow end of the speeds seen."""


class Limit(Protocol):
    """Requests in flight at most, now."""

    most: int
    """What it can become."""

    @property
    def value(self) -> int:
        """The limit."""
        ...

    def succeeded(self, seconds: float, num_tokens: int, *, full: bool) -> None:
        """An answer came; ``full`` where as many were in flight as may be.

        Args:
            seconds: From sending to the answer.
            num_tokens: Sampled tokens; 0 where none were (a score), whose time says nothing.
            full: Whether the limit held others back.
        """
        ...

    def congested(self, sent: float, now: float) -> None:
        """The server said that it is busy, of a request sent at this time."""
        ...


class FixedLimit:
    """As many as are asked for, whatever happens."""

    def __init__(self, value: int) -> None:
        self.value = self.most = value

    def succeeded(self, seconds: float, num_tokens: int, *, full: bool) -> None:
        """Nothing changes."""

    def congested(self, sent: float, now: float) -> None:
        """Nothing changes; the server's pause is kept elsewhere."""


class AdaptiveLimit:
    """Additive increase, multiplicative decrease, between a floor and a ceiling.

    Until the first sign of congestion it grows by one for each answer (twice as many each round
    trip), afterwards by one each round trip. It does not grow while a token takes twice as long as
    in the best of times, and shrinks where it takes four times as long.
    """

    def __init__(self, floor: int, ceiling: int) -> None:
        self._floor, self._ceiling = floor, max(floor, ceiling)
        self.most = self._ceiling
        self._limit = float(min(max(_START, floor), self._ceiling))
        self._is_new = True
        self._shrunk_at = float("-inf")
        self._token_s = self._best_s = 0.0

    @property
    def value(self) -> int:
        """The limit now."""
        return int(self._limit)

    def succeeded(self, seconds: float, num_tokens: int, *, full: bool) -> None:
        """Grow where the limit was what held requests back."""
        slower = self._slower(seconds / num_tokens) if num_tokens else 1.0
        if slower > _MUCH_SLOWER:
            self._limit = max(self._floor, self._limit - 1)
            self._is_new = False
        elif full and slower < _SLOWER:
            more = 1.0 if self._is_new else 1.0 / self._limit
            self._limit = min(self._ceiling, self._limit + more)

    def _slower(self, token_s: float) -> float:
        """How many times the best time a token takes now."""
        self._token_s = self._token_s or token_s
        self._best_s = self._best_s or token_s
        self._token_s += _SMOOTHING * (token_s - self._token_s)
        self._best_s = min(self._best_s * _FORGET, self._token_s)
        return self._token_s / self._best_s if self._best_s else 1.0

    def congested(self, sent: float, now: float) -> None:
        """Shrink, once for all that was sent before the last shrinking."""
        self._is_new = False
        if sent >= self._shrunk_at:
            self._limit = max(self._floor, self._limit * _DECREASE)
            self._shrunk_at = now


class Speeds:
    """Tokens a second that single responses were seen to have, and deadlines from them.

    Args:
        least_s: What any answer may take.
        slowest: Tokens a second assumed until speeds are known.
    """

    def __init__(self, least_s: float, slowest: float) -> None:
        self._least_s, self._slowest = least_s, slowest
        self._seen: deque[float] = deque(maxlen=_MEASURES)
        self._slow: float | None = None

    def note(self, num_tokens: int, seconds: float) -> None:
        """An answer of so many tokens took so long, waiting at the server included."""
        if num_tokens and seconds > 0:
            self._seen.append(num_tokens / seconds)
            if len(self._seen) % _FEWEST_MEASURES == 0:
                self._slow = None

    def median(self) -> float | None:
        """The middle speed; None while few are known."""
        ranked = sorted(self._seen)
        return ranked[len(ranked) // 2] if len(ranked) >= _FEWEST_MEASURES else None

    def deadline_s(self, cap: int, times_late: int = 0) -> float:
        """Seconds that an answer of at most ``cap`` tokens may take; doubled each time it was late.

        A deadline that is too short makes a server work for nobody again and again, so one that
        came too late gets more time, not less.
        """
        if len(self._seen) < _FEWEST_MEASURES:
            wanted = cap / self._slowest
        else:
            if self._slow is None:
                ranked = sorted(self._seen)
                self._slow = ranked[len(ranked) // 20]
            wanted = _SLACK * cap / self._slow
        return max(self._least_s, wanted) * 2.0**times_late
