"""What a whole run will cost: from a pilot of a few rows, or roughly before anything is paid.

A pilot runs the line on N rows; what it took is multiplied by how many rows the whole has. Steps
that read the sources alone (and the training of the generator) are done in full by the pilot and
count once. Yields come with Wilson's intervals; tokens and seconds are in proportion, which says
nothing of duplicates: the more problems a generator poses, the more of them repeat.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import RecipeError, ScalediffError
from scalediff.core.stage import Kind
from scalediff.io.contents import is_embedded
from scalediff.io.ledger import Ledger
from scalediff.io.parquet import count_rows
from scalediff.io.places import HUB, expand
from scalediff.io.run import Run, StepFolder
from scalediff.model_names import resolve
from scalediff.recipe import Node, Recipe
from scalediff.report.words import duration, percent, whole
from scalediff.stages.sources import EMBEDDED_ROWS
from scalediff.stages.tally import wilson

ABSURD_HOURS = 24.0
"""Hours on this machine's processor from which a run asks before it starts."""

_CPU_PARAMETER_TOKENS = 4.0e10
"""Parameters times tokens a second that two cores decode: SmolLM2-135M at some 300 tokens a second
(``bench/engines/sample.py``). Rough: it tells minutes from weeks."""
_CPU_PARAMETER_PREFILL = 6.0e11
"""The same for reading prompts (``bench/engines/score.py``)."""
SHARE_OF_CAP = 0.3
"""Of its token cap, what a response takes where nothing is known: the paper's 9,800 of 32,768."""
PROMPT_TOKENS = 150
"""Tokens of a prompt where nothing is known."""
_UNKNOWN_ROWS = 10_000
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([BbMm])(?![a-zA-Z])")


@dataclass(frozen=True)
class Line:
    """One step of a forecast: what the whole will take.

    Attributes:
        step: Its name.
        rows: Rows that it will be given.
        tokens: Prompt and sampled tokens that it will have paid for in all.
        seconds: Its time in all.
        cost: Money in all.
        left: Share of its work that remains.
    """

    step: str
    rows: float
    tokens: float
    seconds: float
    cost: float
    left: float


@dataclass(frozen=True)
class Forecast:
    """What a run of the whole recipe will come to.

    Attributes:
        lines: By step.
        factor: Rows of the whole over rows of the pilot.
        kept: Kept rows, with the ends of their interval; None where the line has no filter.
    """

    lines: list[Line]
    factor: float
    kept: tuple[float, float, float] | None

    def text(self, currency: str, out: str) -> str:
        """The forecast as a table for people."""
        head = f"FORECAST of the whole: {self.factor:,.1f} times the pilot's rows"
        rows = [f"  {'step':<24}{'rows':>10}{'tokens':>12}{'time':>11}{'cost':>10}"]
        for line in self.lines:
            cost = f"{currency}{line.cost:,.2f}" if line.cost else ""
            tokens = whole(line.tokens) if line.tokens else ""
            note = "" if line.left else "  done"
            rows.append(
                f"  {line.step:<24}{line.rows:>10,.0f}{tokens:>12}{duration(line.seconds):>11}"
                f"{cost:>10}{note}"
            )
        left = sum(line.seconds * line.left for line in self.lines)
        ends = time.strftime("%Y-%m-%d %H:%M", time.localtime(time.time() + left))
        tail = [f"  {duration(left)} of work are left to the dataset: {ends} if it starts now"]
        if self.kept is not None:
            kept, low, high = self.kept
            tail.append(f"  kept rows: {kept:,.0f} ({low:,.0f} to {high:,.0f})")
        tail.append("  not included: training and evaluation of students; more duplicates")
        tail.append(f"  the pilot's rows count: run the same command without --pilot ({out})")
        return "\n".join([head, *rows, *tail])


def forecast(run: Run, pilot: Recipe, full: Recipe) -> Forecast:
    """What the whole recipe will take, from a pilot that is done."""
    factor, grown = _growth(run, pilot, full)
    lines = []
    for node in pilot.nodes.values():
        seal = _seal(run, node.name)
        if seal is None or not (node.stage.pays or node.stage.apart):
            continue
        times = factor if _descends(node, pilot, grown) else 1.0
        lines.append(_line(run, node, seal, times, _num_asked_before(node, pilot)))
    return Forecast(lines, factor, _kept(run, pilot, factor, grown))


def _line(run: Run, node: Node, seal: Mapping[str, Any], times: float, num_before: int) -> Line:
    """What a step will take when it is given so many times the rows.

    Its sums are of all that was ever done in it, which is more than the pilot's rows where a run
    was stopped before; so they are divided by what was answered, not by what was asked for now. Of
    each row ``num_before`` attempts are another step's, and cost this one nothing.
    """
    rows = seal["counts"]["in"] * times
    if not node.stage.pays:  # a training
        return Line(node.name, rows, 0.0, seal["seconds"] * times, 0.0, 1 - 1 / times)
    spent = seal["tokens"]
    if times == 1.0:  # no more rows will come: it takes what it took
        tokens = spent.get("new", 0) + spent.get("prompt", 0)
        return Line(node.name, rows, tokens, seal["seconds"], spent.get("cost", 0.0), 0.0)
    answered = spent.get("sampled", 0)
    units = rows * len(node.stage.sample_indices())
    finished = max(_num_finished(run, node.name), 1)
    # a response that is asked for in parts takes several requests
    paid = units - rows * num_before
    requests = paid * max(1.0, (answered + spent.get("served", 0)) / finished)
    if answered:
        tokens = (spent.get("new", 0) + spent.get("prompt", 0)) / answered * requests
    else:  # all of it was in the store: what was paid then will be paid for the rest
        tokens = _mean_tokens(run, node.name) * paid
    cost = spent.get("cost", 0.0) / max(answered, 1) * requests
    seconds = seal["seconds"] / finished * units
    return Line(node.name, rows, tokens, seconds, cost, max(0.0, 1 - finished / max(units, 1)))


def _num_asked_before(node: Node, recipe: Recipe) -> int:
    """Attempts of each row that a step before it asks for in the very same words."""
    stage, at, most = node.stage, node, 0
    while at.inputs:
        at = recipe.nodes[at.inputs[0]]
        is_same = at.stage.name == stage.name and at.model == node.model
        if is_same and at.stage.config.of_kind(Kind.MEANING) == stage.config.of_kind(Kind.MEANING):
            most = max(most, len(at.stage.sample_indices()))
    return min(most, len(stage.sample_indices()))


def _num_finished(run: Run, step: str) -> int:
    """Units of a paying step that are finished, whether or not they are rows of the pilot."""
    folder = run.path / "steps" / run.manifest["steps"][step]["folder"]
    with Ledger(folder / "ledger", read_only=True) as ledger:
        return len(ledger)


def _mean_tokens(run: Run, step: str) -> float:
    table = run.table(step)
    rows = table.added() if table is not None else iter(())
    counts = [attempt["num_tokens"] for row in rows for attempt in row.get("attempts") or ()]
    return sum(counts) / len(counts) if counts else 0.0


def _growth(run: Run, pilot: Recipe, full: Recipe) -> tuple[float, str]:
    """How many times as many rows the whole has, and the step they are born in."""
    for name, node in full.nodes.items():
        if node.stage.name == "generate":
            return node.stage.config.n / pilot.nodes[name].stage.config.n, name
    name = next(n for n, node in full.nodes.items() if node.stage.name == "sources")
    taken = (_seal(run, name) or {}).get("num_rows") or 1
    return max(1.0, num_rows(full.nodes[name]) / taken), name


def _seal(run: Run, step: str) -> dict[str, Any] | None:
    entry = run.manifest.get("steps", {}).get(step)
    return StepFolder(run.path / "steps" / entry["folder"]).seal if entry else None


def _descends(node: Node, recipe: Recipe, ancestor: str) -> bool:
    """Whether a step's rows come from another's."""
    if node.name == ancestor:
        return True
    return bool(node.inputs) and _descends(recipe.nodes[node.inputs[0]], recipe, ancestor)


def _kept(run: Run, pilot: Recipe, factor: float, grown: str) -> tuple[float, float, float] | None:
    last = pilot.aliases.get("filter")
    born, kept = _seal(run, grown), _seal(run, last) if last else None
    if born is None or kept is None or not born["num_rows"]:
        return None
    n = born["num_rows"]
    _, low, high = wilson(kept["counts"]["out"], n)
    return kept["counts"]["out"] * factor, low * n * factor, high * n * factor


def num_rows(node: Node) -> int:
    """Rows that a step of sources has at most, roughly where they cannot be counted unread."""
    counted = rows_known(node)
    return _UNKNOWN_ROWS if counted is None else counted or _UNKNOWN_ROWS


def rows_known(node: Node) -> int | None:
    """Rows that a step of sources has at most: lines are counted, not read; None for the hub."""
    config = node.stage.config
    limit = getattr(config, "n", None)
    total = 0
    for path in config.paths:
        found = _rows_of(path)
        if limit is not None:
            found = limit if found is None else min(found, limit)
        if found is None:
            return None
        total += found
    return total


def _rows_of(path: str) -> int | None:
    if is_embedded(path):
        return EMBEDDED_ROWS
    if path.startswith(HUB):
        return None
    try:
        counts = [_rows_in(file) for file in expand([path])]
    except (ScalediffError, OSError):
        return None
    return None if None in counts else sum(count for count in counts if count is not None)


def _rows_in(file: str) -> int | None:
    if file.endswith(".parquet"):
        return count_rows(Path(file))
    if not file.endswith(".jsonl"):
        return None
    with open(file, "rb") as lines:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: lines.read(1 << 20), b"")) or 1


def pilot_overrides(recipe: Recipe, n: int) -> list[str]:
    """What makes a pilot of n rows of a recipe: n new problems, else the first n sources."""
    found = []
    for name, node in recipe.nodes.items():
        if node.stage.name == "generate":
            return [f"{name}.n={min(n, node.stage.config.n)}"]
        if node.stage.name == "sources" and "." not in name:
            limit = node.stage.config.n
            found.append(f"{name}.n={min(n, limit) if limit is not None else n}")
    return found[:1]


def ask_if_absurd(recipe: Recipe, confirm: Callable[[str], bool]) -> None:
    """Ask before a run that would take days on this processor.

    Raises:
        RecipeError: It is not wanted, or nobody is there to be asked.
    """
    told = absurd(recipe, str(recipe.file.engine.get("kind", "transformers")))
    if told is not None and not confirm(told):
        raise RecipeError(f"{told}; or --yes if that is meant")


def absurd(recipe: Recipe, kind: str) -> str | None:
    """One sentence where the embedded engine would take days on this processor; else None.

    Args:
        recipe: What is to run.
        kind: The engine's kind; servers and GPUs are not judged.
    """
    if kind != "transformers" or _has_gpu():
        return None
    hours: dict[str, float] = {}
    for node in recipe.nodes.values():
        size = _parameters(node.model) if node.stage.pays else None
        if size is not None:
            hours[node.name] = _hours(node, recipe, size)
    total = sum(hours.values())
    if total < ABSURD_HOURS:
        return None
    worst = max(hours, key=lambda name: hours[name])
    took = f"{total / 24:,.0f} days" if total > 48 else f"{total:,.0f} hours"
    return (
        f"on this processor the run would take about {took}, most of it in step {worst} "
        f"({percent(hours[worst] / total, 0)}); give a server (URL#NAME) or a GPU, a smaller model "
        "or fewer rows, or see what a part takes with --pilot 50"
    )


def _hours(node: Node, recipe: Recipe, parameters: float) -> float:
    config: Mapping[str, Any] = node.stage.config.model_dump()
    cores = (os.cpu_count() or 1) / 2
    units = _rows(node, recipe) * (config.get("k") or 1)
    sampled = units * SHARE_OF_CAP * (config.get("max_new_tokens") or 0)
    read = units * PROMPT_TOKENS
    seconds = sampled * parameters / _CPU_PARAMETER_TOKENS
    seconds += read * parameters / _CPU_PARAMETER_PREFILL
    return seconds / cores / 3600


def _rows(node: Node, recipe: Recipe) -> int:
    """Rows that a step has at most."""
    while True:
        if node.stage.name == "generate":
            return int(node.stage.config.n)
        if not node.inputs:
            return num_rows(node) if hasattr(node.stage.config, "paths") else _UNKNOWN_ROWS
        if node.stage.name == "sample":
            return int(node.stage.config.n)
        node = recipe.nodes[node.inputs[0]]


def _parameters(model: str | None) -> float | None:
    """Parameters of a model that runs in this process: by its files, else by its name."""
    if model is None or model.startswith("@"):
        return None
    try:
        spec: ModelSpec = resolve(model)
    except ScalediffError:
        return None
    if spec.kind in ("url", "fake"):
        return None
    place = Path(spec.location)
    if spec.kind == "gguf":
        return place.stat().st_size / 1.0
    if place.is_dir():
        size = sum(file.stat().st_size for file in place.glob("*.safetensors"))
        return size / 2 if size > 1e8 else size / 4
    found = _SIZE.findall(model)
    return float(found[-1][0]) * (1e9 if found[-1][1] in "Bb" else 1e6) if found else None


def _has_gpu() -> bool:
    """Whether there is a GPU, without torch."""
    return os.path.exists("/dev/nvidia0") or os.path.exists("/dev/kfd")
