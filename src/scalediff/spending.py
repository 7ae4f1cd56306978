"""What a run has cost so far: of steps that are done, and of the one at work, live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from scalediff.core.engine import Usage
from scalediff.engines.recording import RecordingEngine
from scalediff.io.run import Run, StepFolder
from scalediff.recipe import Node, Recipe

EVENT_SECONDS = 10.0
"""Seconds between two ``progress`` events of a step."""


class Spending:
    """Adds up tokens, hours and money over all goes at a run.

    Args:
        run: The run.
        recipe: Its recipe, for the prices.
    """

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self._run = run
        self._recipe = recipe
        self._before = {"tokens": 0.0, "hours": 0.0, "cost": 0.0, "answered": 0.0}
        for path in sorted((run.path / "steps").glob("*")):
            folder = StepFolder(path)
            if folder.about.get("pays") or folder.about.get("stage") == "train":
                _add(self._before, folder.spent)
        self._node: Node | None = None
        self._recorders: list[RecordingEngine] = []
        self._began = 0.0
        self._told: dict[str, tuple[float, float]] = {}

    def begin(self, node: Node, recorders: list[RecordingEngine]) -> None:
        """A paying step starts in this thread; its engine is recorded here once it is open."""
        self._node, self._recorders = node, recorders
        self._began = time.monotonic()
        self._told.pop(node.name, None)

    def end(self, node: Node, spent: Mapping[str, float]) -> None:
        """A step has ended (also one beside), and cost this in this go."""
        if node is self._node:
            self._node, self._recorders = None, []
        if node.stage.pays or node.stage.apart:
            _add(self._before, spent)

    def totals(self) -> Mapping[str, float]:
        """Tokens, hours and cost of the run until now, and requests that were paid for."""
        total = dict(self._before)
        if self._node is not None:
            live = self.of(self._node, self._recorders)
            _add(total, {**live, "seconds": time.monotonic() - self._began})
        return total

    def of(self, node: Node, recorders: list[RecordingEngine]) -> dict[str, float]:
        """What a step has cost in this go: ``RecordingEngine.spent``, and money."""
        total: dict[str, float] = {}
        for recorder in recorders:
            for name, amount in recorder.spent().items():
                total[name] = total.get(name, 0) + amount
        price = self._recipe.price(node)
        if price is not None and total:
            total["cost"] = price.of(total["prompt"], total["new"])
        return total

    def live(self, node: Node, done: int, total: int | None) -> dict[str, Any]:
        """The numbers of a step at work; an event at times and last.

        Of a paying step they hold what it has cost in this invocation, what is in flight, and
        ``causes`` (what made tries necessary after the first).
        """
        is_mine = node is self._node and bool(self._recorders)
        found: dict[str, Any] = self.of(node, self._recorders) if is_mine else {}
        if is_mine:
            usage = self._recorders[-1].usage
            found |= {"in_flight": usage.in_flight, "waiting": usage.waiting, "limit": usage.limit}
            found |= {"causes": dict(usage.causes)} if usage.causes else {}
        now = time.monotonic()
        began = self._told.setdefault(node.name, (now, now))[0]
        is_last = node.stage.pays and done == total
        if now - self._told[node.name][1] >= EVENT_SECONDS or is_last:
            self._told[node.name] = began, now
            self._run.event("progress", step=node.name, done=done, total=total,
                            seconds=now - began, **found)  # fmt: skip
        return found

    def usage(self) -> Usage:
        """Of the engine of the paying step at work."""
        return self._recorders[-1].usage if self._recorders else Usage()


def _add(total: dict[str, float], spent: Mapping[str, Any]) -> None:
    """Add what one invocation of a step has cost."""
    total["tokens"] += spent.get("new", 0) + spent.get("prompt", 0)
    total["hours"] += spent.get("seconds", 0) / 3600
    total["cost"] += spent.get("cost", 0)
    total["answered"] += spent.get("sampled", 0)
