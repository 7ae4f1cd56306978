"""What a run has cost so far: of steps that are done, and of the one at work, live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

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
        self._before = {"tokens": 0.0, "hours": 0.0, "cost": 0.0}
        for path in sorted((run.path / "steps").glob("*")):
            folder = StepFolder(path)
            self._add(self._before, folder.spent, folder.about)
        self._node: Node | None = None
        self._recorders: list[RecordingEngine] = []
        self._began = self._told = 0.0
        self._said: set[str] = set()

    @staticmethod
    def _add(total: dict[str, float], spent: Mapping[str, float], about: Mapping[str, Any]) -> None:
        if about.get("pays") or about.get("stage") == "train":
            total["tokens"] += spent.get("new", 0) + spent.get("prompt", 0)
            total["hours"] += spent.get("seconds", 0) / 3600
            total["cost"] += spent.get("cost", 0)

    def begin(self, node: Node, recorders: list[RecordingEngine]) -> None:
        """A paying step starts in this thread; its engine is recorded here once it is open."""
        self._node, self._recorders = node, recorders
        self._began = self._told = time.monotonic()

    def end(self, node: Node, spent: Mapping[str, float]) -> None:
        """A step has ended (also one beside), and cost this in this go."""
        if node is self._node:
            self._node, self._recorders = None, []
        if node.stage.pays or node.stage.apart:
            self._before["tokens"] += spent.get("new", 0) + spent.get("prompt", 0)
            self._before["hours"] += spent.get("seconds", 0) / 3600
            self._before["cost"] += spent.get("cost", 0)

    def totals(self) -> Mapping[str, float]:
        """Tokens, hours and cost of the run until now."""
        if self._node is None:
            return self._before
        live = self.of(self._node, self._recorders)
        return {
            "tokens": self._before["tokens"] + live.get("new", 0) + live.get("prompt", 0),
            "hours": self._before["hours"] + (time.monotonic() - self._began) / 3600,
            "cost": self._before["cost"] + live.get("cost", 0),
        }

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

    def live(self, done: int, total: int | None) -> dict[str, float]:
        """The numbers of the step at work, with what is in flight; an event at times and last."""
        if self._node is None or not self._recorders:
            return {}
        found = self.of(self._node, self._recorders)
        usage = self._recorders[-1].usage
        found |= {"in_flight": usage.in_flight, "waiting": usage.waiting, "limit": usage.limit}
        now = time.monotonic()
        if now - self._told >= EVENT_SECONDS or done == total:
            self._told = now
            seconds = now - self._began
            self._run.event("progress", step=self._node.name, done=done, total=total,
                            seconds=seconds, **found)  # fmt: skip
        return found

    def notes(self) -> list[str]:
        """What the engine at work has to say to people and was not said yet; each is an event."""
        given = self._recorders[-1].usage.notes if self._recorders else []
        new = [text for text in given if text not in self._said]
        for text in new:
            self._said.add(text)
            self._run.event("note", step=self._node.name if self._node else "", text=text)
        return new
