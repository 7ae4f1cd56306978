"""Progress on standard error: a live line on a terminal, plain lines elsewhere.

Steps are told in groups, one numbered line for each when its last step is done; what the line says
comes from whoever makes the console (``report.lines``).
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from scalediff.planning import Plan

_PLAIN_SECONDS = 10.0
_LIVE_SECONDS = 0.2

Describe = Callable[[int, str, Sequence[str], float], Sequence[str]]
"""Number, title, steps and seconds of a finished group → its lines."""

Notes = Callable[[str], Iterable[str]]
"""A finished step → what is to be known before the next begins."""


@dataclass
class _Group:
    """Steps told as one; ``left`` are those not done yet."""

    number: int
    title: str
    steps: tuple[str, ...]
    left: set[str] = field(default_factory=set)
    began: float | None = None


@dataclass
class _Work:
    """A step at work: since when, rows done at first and now, rows in all, what they cost."""

    began: float
    first: int = 0
    done: int = 0
    total: int | None = None
    spent: Mapping[str, Any] = field(default_factory=dict)


class Console:
    """Tells a person what happens (``pipeline.Watcher``); steps may report from several threads.

    Args:
        groups: Title and steps of each group, in order.
        describe: Makes the lines of a finished group.
        stream: Where to write; a live line is used only where that is a terminal.
        notes: Makes the lines of a step that are said as soon as it is done.
    """

    def __init__(
        self,
        groups: Sequence[tuple[str, Sequence[str]]] = (),
        describe: Describe = lambda *_: (),
        stream: TextIO | None = None,
        *,
        notes: Notes = lambda _: (),
    ) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._describe = describe
        self._notes = notes
        self._lock = threading.RLock()
        self._of: dict[str, _Group] = {}
        for number, (title, steps) in enumerate(groups, start=1):
            group = _Group(number, title, tuple(steps), set(steps))
            self._of |= dict.fromkeys(steps, group)
        self._working: dict[str, _Work] = {}
        self._told = time.monotonic()
        self._reused: list[str] = []

    def begin(self, plan: Plan) -> None:
        """Say why a step runs again; reused groups are told together."""
        name = plan.node.name
        with self._lock:
            if plan.state == "done":
                self._settle(name)
                return
            self.flush()
            group = self._of[name]
            now = time.monotonic()
            group.began = group.began or now
            self._working[name] = _Work(now)
            self._told = now
            if plan.why:
                how = {"run": "", "resume": "goes on, "}.get(plan.state, "again, ")
                self.say(f"   {name}: {how}{plan.why}")
            elif plan.state == "resume":
                self.say(f"   {name}: goes on where it stopped")

    def progress(
        self, step: str, done: int, total: int | None, spent: Mapping[str, Any] | None = None
    ) -> None:
        """Rows done so far and what they cost; shown at most a few times a second."""
        with self._lock:
            work = self._working.get(step)
            if work is None:
                return
            if not work.done:
                work.first = done
            work.done, work.total = done, total
            work.spent = spent or work.spent
            now = time.monotonic()
            if now - self._told >= (_LIVE_SECONDS if self._live else _PLAIN_SECONDS):
                self._told = now
                self._draw(now)

    def end(self, plan: Plan, seal: Mapping[str, Any]) -> None:
        """A step is done; the line of its group follows when it was the last."""
        with self._lock:
            self._working.pop(plan.node.name, None)
            for text in self._notes(plan.node.name):
                self.say(f"   {text}")
            self._settle(plan.node.name)

    def flush(self) -> None:
        """Tell the reused groups, if any."""
        with self._lock:
            if self._reused:
                self.say(f"   reused: {' · '.join(self._reused)}")
                self._reused = []

    def say(self, text: str) -> None:
        """Write a line."""
        with self._lock:
            clear = "\r\x1b[2K" if self._live else ""
            self._stream.write(f"{clear}{text.rstrip()}\n")
            self._stream.flush()

    def _settle(self, step: str) -> None:
        group = self._of[step]
        group.left.discard(step)
        if group.left:
            return
        if group.began is None:
            self._reused.append(group.title)
            return
        seconds = time.monotonic() - group.began
        for text in self._describe(group.number, group.title, group.steps, seconds):
            self.say(text)

    def _draw(self, now: float) -> None:
        """The steps at work: rows, rate and time left."""
        groups = {self._of[name].number: self._of[name] for name in self._working}
        parts = [
            f"{group.number:>2} {group.title}: "
            + " · ".join(
                _state(name, group, work, now)
                for name, work in self._working.items()
                if self._of[name] is group
            )
            for group in groups.values()
        ]
        text = " | ".join(parts)
        if not self._live:
            self.say(text)
            return
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[2K{text[:width]}")
        self._stream.flush()


def _state(name: str, group: _Group, work: _Work, now: float) -> str:
    """``score 1,200 of 3,000, 50/s, 36 s left``; the group's own name is not said twice."""
    short = name.rpartition(".")[2] if name != group.title else ""
    rate = (work.done - work.first) / max(now - work.began, 1e-9)
    of = f" of {work.total:,}" if work.total else ""
    pace = f", {rate:,.0f}/s" if rate >= 1 else f", {60 * rate:,.0f}/min" if rate > 0 else ""
    left = ""
    if work.total and rate > 0 and work.total >= work.done:
        left = f", {_clock((work.total - work.done) / rate)} left"
    return f"{short} {work.done:,}{of}{pace}{left}{_cost(work, now)}".strip()


def _cost(work: _Work, now: float) -> str:
    """`` · 1.2M tokens, 3,400 tok/s, 256 in flight, 90 waiting, 3 retries, 1.20``."""
    spent = work.spent
    tokens = spent.get("new", 0)
    parts = []
    if tokens or spent.get("prompt"):
        parts.append(f"{_many(tokens or spent['prompt'])} tokens")
        parts.append(f"{(tokens or spent['prompt']) / max(now - work.began, 1e-9):,.0f} tok/s")
    parts += [f"{spent[n]:,.0f} {n.replace('_', ' ')}" for n in ("in_flight", "waiting", "retries")
              if spent.get(n)]  # fmt: skip
    if spent.get("cost"):
        parts.append(f"cost {spent['cost']:,.2f}")
    if spent.get("causes"):
        parts.append("retried: " + " ".join(f"{why} {n:,}" for why, n in spent["causes"].items()))
    if "of_budget" in spent:
        parts.append(f"{100 * spent['of_budget']:.0f} % of the budget")
    told = f" · {', '.join(parts)}" if parts else ""
    return told + "".join(f" · {held}" for held in spent.get("held") or ())


def _many(n: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= size:
            return f"{n / size:.1f}{unit}"
    return f"{n:.0f}"


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
