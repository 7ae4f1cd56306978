"""A command alone is a recipe of one step in ``OUT.run``, of which OUT is the export.

There is one way to run a stage: these functions write the small recipe that a command means and
hand it to the same pipeline that ``scalediff run`` uses, so ledger, resume and accounting are the
same.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalediff.core.errors import InputError, RunStateError
from scalediff.core.records import Row
from scalediff.io.exports import write_jsonl
from scalediff.io.files import read_jsonl_plain
from scalediff.io.run import Run, read_json
from scalediff.pipeline import Pipeline
from scalediff.recipe import Recipe, build
from scalediff.report.lines import lines_of
from scalediff.watch import Console

Confirm = Callable[[str], bool]


@dataclass(frozen=True)
class Command:
    """What a command means.

    Attributes:
        name: The command, which is also the name of its step.
        stage: The stage or plan of that step.
        inputs: Files it reads; empty for ``generate`` and for benchmarks by name.
        out: The export: a ``.jsonl`` file, or a folder.
        model: Model of the step.
        settings: Settings of the step.
        sources: Settings of the step that reads the files.
        against: Further files the step compares with (``screen``).
        domain: Domain.
        seed: Sampling seed.
        models: Further models by role.
        overrides: ``--set`` values, given to the step.
        engine: Engine settings.
    """

    name: str
    stage: str
    inputs: Sequence[str]
    out: Path
    model: str | None = None
    settings: Mapping[str, Any] | None = None
    sources: Mapping[str, Any] | None = None
    against: Sequence[str] = ()
    domain: str = "math"
    seed: int = 1
    models: Mapping[str, str] | None = None
    overrides: Sequence[str] = ()
    engine: Mapping[str, Any] | None = None

    def recipe(self) -> Recipe:
        """The recipe of one step (and of reading its files)."""
        steps: dict[str, Any] = {}
        inputs = []
        if self.inputs:
            settings = {"paths": [str(i) for i in self.inputs], **(self.sources or {})}
            steps["sources"] = {"stage": "sources", "settings": settings}
            inputs.append("sources")
        if self.against:
            settings = {"paths": [str(i) for i in self.against]}
            steps["against"] = {"stage": "sources", "settings": settings}
            inputs.append("against")
        settings = {k: v for k, v in (self.settings or {}).items() if v is not None}
        name = self.name.replace(" ", "_")
        steps[name] = {"stage": self.stage, "inputs": inputs, "settings": settings}
        if self.model is not None:
            steps[name]["model"] = self.model
        values = {
            "name": self.name,
            "domain": self.domain,
            "seed": self.seed,
            "models": dict(self.models or {}),
            "engine": dict(self.engine or {}),
            "steps": steps,
        }
        overrides = [f"steps.{name}.settings.{text}" for text in self.overrides]
        return build(values, f"scalediff {self.name}", overrides)

    @property
    def step(self) -> str:
        """The step whose rows are exported."""
        return self.name.replace(" ", "_")


def run_command(
    command: Command, confirm: Confirm, shape: Callable[[Row], Row] = lambda row: row
) -> Run:
    """Run a command in ``OUT.run`` and export; ``shape`` is given each row on its way out.

    Raises:
        RunStateError: OUT exists and is not this command's.
    """
    recipe = command.recipe()
    run = _open(command)
    run.update_manifest(order=[*recipe.nodes])
    parts: dict[str, list[str]] = {}
    for name in recipe.nodes:
        parts.setdefault(name.split(".")[0], []).append(name)
    watcher = Console([*parts.items()], lines_of(run))
    pipeline = Pipeline(recipe, run, watcher, workers=os.cpu_count() or 1)
    with run.locked():
        worked = pipeline.execute(confirm)
        watcher.flush()
        last = recipe.find(command.step)
        if command.out.suffix == ".jsonl":
            _export_rows(run, recipe, last, command.out, shape)
        else:
            _export_folder(run, last, command.out)
    if not worked:
        watcher.say(f"nothing to do: {command.out} is as {command.out}.run has it")
    return run


def _open(command: Command) -> Run:
    folder = command.out.with_name(command.out.name + ".run")
    if command.out.exists() and not (folder / "manifest.json").exists():
        raise RunStateError(
            f"{command.out} exists and was not made by this command; remove it or give another -o"
        )
    manifest = read_json(folder / "manifest.json") or {}
    other = manifest.get("command", command.name)
    if other != command.name:
        raise RunStateError(
            f"{folder} belongs to `scalediff {other}`; give another -o or remove it"
        )
    command.out.parent.mkdir(parents=True, exist_ok=True)
    run = Run(folder)
    run.update_manifest(command=command.name)
    return run


def _export_rows(
    run: Run, recipe: Recipe, last: str, out: Path, shape: Callable[[Row], Row]
) -> None:
    """OUT, ``OUT.dropped.jsonl`` and ``OUT.rejected.jsonl``, always all three."""
    table = run.table(last, texts=True)
    assert table is not None
    count = write_jsonl(out, map(shape, table.rows()), overwrite=True)
    write_jsonl(out.with_suffix(".dropped.jsonl"), dropped_rows(run, recipe), overwrite=True)
    rejected = write_jsonl(out.with_suffix(".rejected.jsonl"), _rejected(run), overwrite=True)
    if rejected:
        shown = out.with_suffix(".rejected.jsonl")
        Console().say(f"  {rejected:,} rows could not be read and are in {shown}")
    if count == 0:
        reasons = out.with_suffix(".dropped.jsonl")
        Console().say(f"  no row is left; {reasons} says why each one left")


def dropped_rows(run: Run, recipe: Recipe) -> Iterator[Row]:
    """Every dropped row with ``step``, ``reason`` and ``evidence``, in the order of the steps."""
    for node in recipe.nodes.values():
        table = run.table(node.name, texts=True)
        if table is not None:
            for row in table.drops():
                yield {**row, "step": node.name}


def _rejected(run: Run) -> Iterator[Row]:
    table = run.table("sources")
    path = table.artefact("rejected.jsonl") if table is not None else None
    if path is not None and path.exists():
        yield from read_jsonl_plain(path)


def _export_folder(run: Run, last: str, out: Path) -> None:
    """Copy what the step left (a model, a dataset, scores) to OUT, whole or not at all."""
    table = run.table(last)
    assert table is not None
    for name in ("model", "dataset", "scores.json"):
        made = table.artefact(name)
        if made.is_dir():
            temporary = out.with_name(out.name + ".tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.copytree(made, temporary)
            shutil.rmtree(out, ignore_errors=True)
            os.replace(temporary, out)
            return
        if made.exists():
            out.mkdir(parents=True, exist_ok=True)
            shutil.copy2(made, out / name)
            return
    raise InputError(f"step {last} left nothing to export to {out}")
