"""Progress on standard error: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from scalediff.pipeline import Plan

_PLAIN_SECONDS = 10.0
_LIVE_SECONDS = 0.2


class Console:
    """Tells a person what happens (``pipeline.Watcher``).

    Args:
        stream: Where to write; a live line is used only where that is a terminal.
        total_steps: How many steps there are, for the numbering.
    """

    def __init__(self, total_steps: int, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._total = total_steps
        self._number = 0
        self._started = self._told = 0.0
        self._first_done: int | None = None
        self._reused: list[str] = []

    def begin(self, plan: Plan) -> None:
        """Name the step and why it runs; reused ones are told together."""
        self._number += 1
        self._started = self._told = time.monotonic()
        self._first_done = None
        if plan.state == "done":
            self._reused.append(plan.node.name)
            return
        self.flush()
        if plan.why:
            self.say(f"{self._head(plan.node.name)}again: {plan.why}")
        elif plan.state == "resume":
            self.say(f"{self._head(plan.node.name)}goes on where it stopped")

    def flush(self) -> None:
        """Tell the reused steps, if any."""
        if self._reused:
            names = ", ".join(self._reused)
            self.say(f"  reused: {names}")
            self._reused = []

    def progress(self, step: str, done: int, total: int | None) -> None:
        """Step, rows, rate and time left, at most a few times a second."""
        now = time.monotonic()
        if self._first_done is None:
            self._first_done = done
        if now - self._told < (_LIVE_SECONDS if self._live else _PLAIN_SECONDS):
            return
        self._told = now
        rate = (done - self._first_done) / max(now - self._started, 1e-9)
        of = f" of {total:,}" if total else ""
        left = ""
        if total and rate > 0 and total >= done:
            left = f", {_clock((total - done) / rate)} left"
        text = f"{self._head(step)}{done:,}{of}, {rate:,.0f}/s{left}"
        if self._live:
            self._stream.write(f"\r\x1b[2K{text}")
            self._stream.flush()
        else:
            self.say(text)

    def end(self, plan: Plan, seal: Mapping[str, Any]) -> None:
        """What came of the step."""
        counts = seal["counts"]
        if self._live:
            self._stream.write("\r\x1b[2K")
        parts = []
        if plan.node.inputs and (counts["in"] or counts["out"]):
            parts.append(f"{counts['in']:,} -> {counts['out']:,}")
        elif counts["out"]:
            parts.append(f"{counts['out']:,} rows")
        if counts["review"]:
            parts.append(f"in review {counts['review']:,}")
        parts += [f"{reason.replace('_', ' ')} {n:,}" for reason, n in counts["dropped"].items()]
        if seal["tokens"].get("new"):
            parts.append(f"{seal['tokens']['new']:,} tokens")
        seconds = time.monotonic() - self._started
        self.say(f"{self._head(plan.node.name)}{' · '.join(parts)}  {_clock(seconds)}")

    def _head(self, name: str) -> str:
        return f"{self._number:3d}/{self._total} {name:<24} "

    def say(self, text: str) -> None:
        """Write a line."""
        self._stream.write(text.rstrip() + "\n")
        self._stream.flush()


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
