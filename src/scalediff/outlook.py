"""What a run is about to do: units of each step, how many are paid for, tokens and disk to expect.

Counts are exact where a step's rows are known, and at most so many where they come of steps that
are still to run. Tokens come from what the step, or another of the same model and stage, has taken
so far; where nothing has, disk is reckoned roughly from the token cap.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from scalediff.core.errors import RunStateError
from scalediff.forecast import PROMPT_TOKENS, SHARE_OF_CAP, rows_known
from scalediff.io.run import StepFolder
from scalediff.limits import Limits
from scalediff.pipeline import Pipeline
from scalediff.planning import Plan
from scalediff.recipe import Node
from scalediff.report.words import amount

BYTES_A_TOKEN = 4.3
"""Of an attempt in the store: 42 kB for the paper's 9,800 tokens."""


@dataclass(frozen=True)
class StepOutlook:
    """What is to come of a step.

    Attributes:
        name: Its name.
        state: As in its plan.
        why: One phrase of its plan.
        pays: Whether a model is asked.
        units: Rows, or samples of rows where a model is asked; None where nothing is known yet.
        done: Of these, finished or paid for already.
        remaining: Those that are left; None where nothing is known yet.
        at_most: True where its rows are not known before other steps have run.
        tokens: Prompt and sampled tokens to expect of what remains; None where no rate is known.
        disk_bytes: Bytes of attempts to expect, roughly where no rate is known.
    """

    name: str
    state: str
    why: str
    pays: bool
    units: int | None
    done: int
    remaining: int | None
    at_most: bool
    tokens: int | None
    disk_bytes: int

    def text(self) -> str:
        """A line for people."""
        most = "at most " if self.at_most else ""
        if self.units is None or self.remaining is None:
            parts = [f"{self.name}: how many units is known once its rows are read"]
        else:
            counts = f"{self.done:,} done, {most}{self.remaining:,} remaining"
            parts = [f"{self.name}: {most}{self.units:,} units, {counts}"]
        if self.tokens is not None:
            parts.append(f"about {amount(self.tokens)} tokens")
        if self.disk_bytes >= 1e8:
            parts.append(f"{self.disk_bytes / 1e9:,.1f} GB of attempts")
        return " · ".join(parts)


class Outlook:
    """The outlook of a recipe.

    Args:
        pipeline: What would run it, in its run directory; None where there is nothing yet.
    """

    def __init__(self, pipeline: Pipeline | None) -> None:
        self._pipeline = pipeline
        self._out: dict[str, tuple[int | None, bool]] = {}

    def steps(self, plans: Sequence[Plan]) -> list[StepOutlook]:
        """What is to come of each step, in order."""
        return [self._step(plan) for plan in plans]

    def _step(self, plan: Plan) -> StepOutlook:
        node = plan.node
        rows, at_most = self._rows(plan)
        units = rows * len(node.stage.sample_indices()) if rows and node.stage.pays else rows
        done = (units or 0) if plan.state == "done" else 0
        if node.stage.pays and plan.state not in ("done", "wait"):
            done = self._pipeline.num_paid_for(plan) if self._pipeline is not None else 0
            done = done if units is None else min(done, units)
        left = None if units is None else units - done
        tokens, disk = self._expected(node, left or 0) if node.stage.pays else (None, 0)
        return StepOutlook(
            node.name,
            plan.state,
            plan.why,
            node.stage.pays,
            units,
            done,
            left,
            at_most,
            tokens,
            disk,
        )

    def _expected(self, node: Node, units: int) -> tuple[int | None, int]:
        """Tokens in all of so many units, where a rate is known, and bytes of their attempts."""
        rate = self._rate(node)
        if rate is not None:
            tokens, sampled = rate
            return round(tokens * units), round(sampled * BYTES_A_TOKEN * units)
        cap = getattr(node.stage.config, "max_new_tokens", None)
        rough = SHARE_OF_CAP * cap + PROMPT_TOKENS if cap else 0
        return None, round(rough * BYTES_A_TOKEN * units)

    def _rows(self, plan: Plan) -> tuple[int | None, bool]:
        """Rows that a step is given, and whether there may be fewer."""
        node = plan.node
        seal = self._seal(node) if plan.state == "done" else None
        if seal is not None:
            self._out[node.name] = int(seal["num_rows"]), False
            return int(seal["counts"]["in"]), False
        found: tuple[int | None, bool]
        given = [self._out.get(name, (None, True)) for name in node.inputs]
        if node.stage.name == "generate":
            found = int(node.stage.config.n), False
        elif hasattr(node.stage.config, "paths"):
            found = rows_known(node), True
        elif node.stage.name == "assemble":
            known = [rows for rows, _ in given if rows is not None]
            whole = len(known) == len(given)
            found = sum(known) if whole else None, any(fewer for _, fewer in given)
        else:
            found = given[0] if given else (None, True)
        if node.stage.name == "sample":
            most = int(node.stage.config.n)
            found = most if found[0] is None else min(found[0], most), True
        self._out[node.name] = found[0], True
        return found

    def _seal(self, node: Node) -> Mapping[str, Any] | None:
        return self._pipeline.planner.folder(node.name).seal if self._pipeline is not None else None

    def _rate(self, node: Node) -> tuple[float, float] | None:
        """Tokens in all and sampled ones of a request, by what was paid so far; None if unknown."""
        if self._pipeline is None:
            return None
        mine = self._pipeline.planner.about(node)
        paid = prompt = sampled = 0.0
        for path in self._pipeline.run.path.glob("steps/*"):
            folder = StepFolder(path)
            about = folder.about
            alike = all(about.get(field) == mine[field] for field in ("stage", "model"))
            if about.get("name") != node.name and not alike:
                continue
            spent = folder.spent
            paid += spent.get("sampled", 0)
            prompt += spent.get("prompt", 0)
            sampled += spent.get("new", 0)
        return ((prompt + sampled) / paid, sampled / paid) if paid else None


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    at = folder.absolute()
    while not at.exists():
        at = at.parent
    return shutil.disk_usage(at).free


def deadline_text(limits: Limits, now: datetime | None = None) -> str:
    """When the run has to stop, with the date; empty without a deadline."""
    if limits.deadline is None:
        return ""
    at, now = datetime.fromtimestamp(limits.deadline), now or datetime.now()
    days = (at.date() - now.date()).days
    day = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    return f"stops at the deadline {at:%A %Y-%m-%d %H:%M} ({day})"


def announce(
    steps: Sequence[StepOutlook],
    limits: Limits,
    place: Path,
    say: Callable[[str], None],
    confirm: Callable[[str], bool],
) -> None:
    """Say what is to be paid for, until when, and ask where the disk is too small for it.

    Raises:
        RunStateError: It is, and that is not wanted.
    """
    left = [step for step in steps if step.pays and step.remaining]
    for step in left:
        say(f"   plan: {step.text()}")
    if until := deadline_text(limits):
        say(f"   plan: {until}")
    wanted, free = sum(step.disk_bytes for step in left), free_bytes(place)
    if wanted <= free:
        return
    question = (
        f"about {wanted / 1e9:,.1f} GB of attempts are to come and {free / 1e9:,.1f} GB are free "
        f"in {place}"
    )
    if not confirm(question):
        raise RunStateError(
            f"{question}; free some space or give another place, or --yes if that is meant"
        )


def announce_of(
    pipeline: Pipeline, plans: Sequence[Plan], limits: Limits, confirm: Callable[[str], bool]
) -> None:
    """``announce`` of what a pipeline is about to do, on standard error."""
    place = pipeline.run.store_folder
    announce(Outlook(pipeline).steps(plans), limits, place, pipeline.watcher.say, confirm)


def as_json(steps: Sequence[StepOutlook]) -> list[dict[str, Any]]:
    """The same for programs."""
    return [asdict(step) for step in steps]
