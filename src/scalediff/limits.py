"""What ends a run early and in good order: a budget, a deadline, a guard.

A budget is of the whole run, all goes at it together: the same command again does not spend it once
more. All of them are brakes (``core.stage.Brake``): nothing new is begun, what is under way is let
finish, and the command ends with exit status 75.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scalediff.core.errors import RecipeError, Stopped
from scalediff.core.records import Drop, Row

_TOKENS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
_HOURS = {"h": 1.0, "m": 1 / 60, "min": 1 / 60, "d": 24.0}
_AMOUNT = re.compile(r"([$€£¥]?)\s*((?:\d{1,3}(?:,\d{3})+|[\d_]*)(?:\.\d+)?)\s*([A-Za-z]*)")
_CURRENCIES = ("USD", "EUR", "GBP", "JPY")
_GUARD = re.compile(r"\s*(\w+)\s*>\s*(\d*\.?\d+)\s*(%?)\s+after\s+([\d_,]+)\s*")

QUANTITIES = {
    "truncated": "responses that the token cap cut",
    "looping": "responses that were ended as loops",
    "no_answer": "responses without an answer",
    "failed": "rows that failed by themselves",
    "simple": "problems that the identifier answers at once",
}
"""What a guard may watch: shares of what a step has finished."""

DEFAULT_GUARDS = {
    "generate": ("truncated > 0.95 after 500", "failed > 0.5 after 500"),
    "solve": ("truncated > 0.95 after 500", "failed > 0.5 after 500"),
}
"""Guards of stages unless a recipe says otherwise. Ours: a run beyond them pays for nothing."""


@dataclass(frozen=True)
class Budget:
    """What a run may spend; None is no limit.

    Attributes:
        tokens: Prompt and sampled tokens that are paid for.
        hours: Hours of paying steps and trainings.
        cost: Money, by the recipe's prices.
    """

    tokens: int | None = None
    hours: float | None = None
    cost: float | None = None


def read_budget(texts: Sequence[str]) -> Budget:
    """A budget as people write it: ``2M`` (tokens), ``3h``, ``90min``, ``$20``.

    Raises:
        RecipeError: A text is none.

    Example:
        >>> read_budget(["2M", "1.5h"])
        Budget(tokens=2000000, hours=1.5, cost=None)
    """
    found: dict[str, Any] = {}
    for text in texts:
        match = _AMOUNT.fullmatch(str(text).strip())
        if match is None or not match[2].strip("_"):
            raise RecipeError(_no_budget(text))
        sign, number, unit = match.groups()
        amount = float(number.replace("_", "").replace(",", ""))
        unit = unit.lower()
        if sign or unit.upper() in _CURRENCIES:
            found["cost"] = amount
        elif unit == "min":
            found["hours"] = amount * _HOURS[unit]
        elif unit in _TOKENS or unit in ("tokens", "token"):
            tokens = amount * _TOKENS.get(unit, 1)
            if tokens != round(tokens):
                raise RecipeError(_no_budget(text))
            found["tokens"] = round(tokens)
        elif unit in _HOURS:
            found["hours"] = amount * _HOURS[unit]
        else:
            raise RecipeError(_no_budget(text))
    return Budget(**found)


def _no_budget(text: object) -> str:
    return f"--budget {text!r}: write tokens (2M), time (3h, 90min, 2d) or money ($20)"


def read_deadline(text: str, now: datetime | None = None) -> float:
    """Seconds since the epoch of a deadline: ``+2h``, ``18:00`` or ``2026-12-01 18:00``.

    Raises:
        RecipeError: It is none, or has passed.
    """
    now = now or datetime.now()
    match = re.fullmatch(r"\+\s*(\d*\.?\d+)\s*(min|[mhd])", text.strip())
    if match:
        try:
            return (now + timedelta(hours=float(match[1]) * _HOURS[match[2]])).timestamp()
        except OverflowError:
            raise RecipeError(f"--deadline {text!r} is further away than any date") from None
    try:
        hour = datetime.strptime(text.strip(), "%H:%M")
    except ValueError:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            raise RecipeError(
                f"--deadline {text!r}: write +2h, 18:00 or 2026-12-01 18:00"
            ) from None
        try:
            seconds = at.timestamp()
        except (OverflowError, ValueError):  # before the first date that the system knows
            seconds = 0.0
        if seconds <= now.timestamp():
            raise RecipeError(f"--deadline {text} has passed; give a later one") from None
        return seconds
    at = now.replace(hour=hour.hour, minute=hour.minute, second=0, microsecond=0)
    return (at if at > now else at + timedelta(days=1)).timestamp()


_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def read_grace(text: str) -> float:
    """Seconds of a grace time as people write it: ``120``, ``120s``, ``2m``.

    Raises:
        RecipeError: It is none.

    Example:
        >>> read_grace("2m")
        120.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)", str(text).strip().lower())
    if match is None or match[2] not in _SECONDS or float(match[1]) > 1e6:
        raise RecipeError(f"--grace {text!r}: write seconds (120 or 120s), minutes (2m) or 0")
    return float(match[1]) * _SECONDS[match[2]]


@dataclass(frozen=True)
class Guard:
    """``QUANTITY > SHARE after N``: a step of which too much is in vain."""

    text: str
    quantity: str
    share: float
    after: int


def read_guard(text: str) -> Guard:
    """A guard as a recipe writes it.

    Raises:
        RecipeError: It is none; the message says what would be.

    Example:
        >>> read_guard("truncated > 0.4 after 500").after
        500
    """
    match = _GUARD.fullmatch(str(text))
    if match is None or match[1] not in QUANTITIES:
        known = ", ".join(QUANTITIES)
        raise RecipeError(
            f"stop_if {text!r}: write `truncated > 0.4 after 500`, where the quantity is one of "
            f"{known}"
        )
    share = float(match[2]) / (100 if match[3] else 1)
    after = int(match[4].replace("_", "").replace(",", ""))
    if not 0 <= share < 1 or after < 1:
        raise RecipeError(f"stop_if {text!r}: the share lies from 0 to 1, and 1 row is the least")
    return Guard(str(text).strip(), match[1], share, after)


def quantities_of(outcome: Row | Drop) -> set[str]:
    """The quantities that a finished unit counts for."""
    if isinstance(outcome, Drop):
        return {"failed"}
    attempts = outcome.get("attempts") or ()
    reasons = {made.get("finish_reason") for made in attempts or (outcome,)}
    found = {"length": "truncated", "stopped": "looping"}
    counted = {name for reason, name in found.items() if reason in reasons}
    if any(attempt.get("answer") is None for attempt in attempts):
        counted.add("no_answer")
    if outcome.get("is_greedy"):
        counted.add("simple")
    return counted


@dataclass
class Limits:
    """What a run may cost, and until when.

    Attributes:
        budget: The budget.
        deadline: Seconds since the epoch; None is no deadline.
        spent: What the run has cost so far: ``tokens``, ``hours`` and ``cost``, live; and
            ``answered``, the requests that were paid for, where that is known.
    """

    budget: Budget = field(default_factory=Budget)
    deadline: float | None = None
    spent: Callable[[], Mapping[str, float]] = dict

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return self.deadline is not None or self.budget != Budget()

    def left(self) -> dict[str, float]:
        """What is left of the budget in tokens and money, where it speaks of them."""
        most = {name: getattr(self.budget, name) for name in ("tokens", "cost")}
        if not any(most.values()):
            return {}
        spent = self.spent()
        return {name: m - spent.get(name, 0) for name, m in most.items() if m is not None}

    def share(self) -> float | None:
        """How much of the budget is spent, by what is nearest to its end; None without one."""
        spent = self.spent()
        shares = [
            spent.get(name, 0) / most
            for name in ("tokens", "hours", "cost")
            if (most := getattr(self.budget, name))
        ]
        return max(shares, default=None)

    def reached(self) -> str | None:
        """Which limit is reached, in words; None where none is."""
        if self.deadline is not None and time.time() >= self.deadline:
            return f"the deadline {datetime.fromtimestamp(self.deadline):%Y-%m-%d %H:%M} has come"
        if self.budget == Budget():
            return None
        spent = self.spent()
        for name in ("tokens", "hours", "cost"):
            most = getattr(self.budget, name)
            if most is not None and spent.get(name, 0) >= most:
                unit = {"tokens": " tokens", "hours": " hours", "cost": ""}[name]
                digits = ",.0f" if name == "tokens" else ",.2f"
                return (
                    f"the budget of {most:{digits}}{unit} is spent ({spent[name]:{digits}}{unit})"
                )
        return None


class StepBrake:
    """Ends one step: by the run's limits or by the step's own guards.

    Args:
        step: The step's name, for the message.
        limits: Of the run.
        guards: Of the step.
        most: ``tokens`` and ``cost`` that one unit may take; what is reckoned with until one has
            finished.
    """

    def __init__(
        self,
        step: str,
        limits: Limits,
        guards: Sequence[Guard],
        most: Mapping[str, float] | None = None,
    ) -> None:
        self._step = step
        self._limits = limits
        self._guards = guards
        self._most = most or {}
        self._left_at_first = limits.left()
        self._answered_at_first = limits.spent().get("answered", 0)
        self._num = 0
        self._counts: Counter[str] = Counter()

    def note(self, outcome: Row | Drop) -> None:
        """Count a finished unit."""
        if self._guards:
            self._counts.update(quantities_of(outcome))
            self._num += 1

    def is_full(self, num_under_way: int, num_done: int, width: int) -> bool:
        """Whether what is under way fills the engine, or will use up what is left of the budget.

        What one unit will cost is the mean of those finished, and its standard error more (costs
        spread about as far as their mean): few of them say little.
        """
        if not num_under_way or not self._limits.is_set:
            return False
        if width and num_under_way >= width:
            return True  # what waits in the engine's queue would be worked on past a deadline
        # what the store had cost nothing, and says nothing of what the rest will cost
        num_paid = num_done
        if (answered := self._limits.spent().get("answered")) is not None:
            num_paid = int(answered - self._answered_at_first)
        for name, left in self._limits.left().items():
            if num_paid > 0:
                mean = (self._left_at_first[name] - left) / num_paid
                expected = mean * (1 + 1 / math.sqrt(num_paid))
            else:
                expected = self._most.get(name, 0)
            if (num_under_way + 1) * expected > left:
                return True
        return False

    def reason(self) -> Stopped | None:
        """Why nothing new is to be begun."""
        for guard in self._guards:
            count = self._counts[guard.quantity]
            if self._num >= guard.after and count > guard.share * self._num:
                return Stopped(
                    f"step {self._step}: {count:,} of {self._num:,} are "
                    f"{QUANTITIES[guard.quantity]} (stop_if: {guard.text}); mend the model or the "
                    f"settings, or go on all the same with --set stop_if.{self._step}=[]"
                )
        reached = self._limits.reached()
        return None if reached is None else Stopped(f"step {self._step}: {reached}; {GO_ON}")


def limits_of(budget: Sequence[str], deadline: str | None, *, has_prices: bool) -> Limits:
    """The limits of a run as people write them.

    Raises:
        RecipeError: One is none, or money is to be counted and no prices are known.
    """
    until = read_deadline(deadline) if deadline else None
    most = read_budget(budget)
    if most.cost is not None and not has_prices:
        raise RecipeError(
            "a budget in money needs `prices:` in a recipe (scalediff run); give tokens or hours"
        )
    return Limits(most, until)


GO_ON = (
    "what is finished is kept: the same command with more goes on, `scalediff finish` makes a "
    "dataset of what is there"
)
