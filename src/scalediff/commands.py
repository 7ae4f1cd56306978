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

import yaml

from scalediff.core.errors import InputError, RecipeError, RunStateError
from scalediff.core.records import Row
from scalediff.core.stopping import STOPPING
from scalediff.forecast import ask_if_absurd, forecast, pilot_overrides
from scalediff.io.atomic import temporary_folder
from scalediff.io.exports import write_jsonl
from scalediff.io.files import read_jsonl_plain
from scalediff.io.places import check_written
from scalediff.io.run import Run, is_run
from scalediff.outlook import announce_of
from scalediff.pipeline import Pipeline, healed
from scalediff.recipe import Recipe, build
from scalediff.report.lines import lines_of, notes_of
from scalediff.watch import Console

_MAKES_FOLDERS = ("train", "assemble", "evaluate")

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
        budget: What it may spend (``2M``, ``3h``).
        deadline: When it has to stop.
        pilot: Rows of a pilot; None runs the whole.
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
    budget: Sequence[str] = ()
    deadline: str | None = None
    pilot: int | None = None

    def recipe(self, more: Sequence[str] = ()) -> Recipe:
        """The recipe of one step (and of reading its files), with further overrides."""
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
        name = self.name.replace(" ", "_")
        steps[name] = {"stage": self.stage, "inputs": inputs, "settings": dict(self.settings or {})}
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
        for text in self.overrides:
            if "=" not in text:
                raise RecipeError(f"--set {text!r}: write it as name=value")
        overrides = [*(f"steps.{name}.settings.{text}" for text in self.overrides), *more]
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
    full = recipe = command.recipe()
    if command.pilot is not None:
        recipe = command.recipe(pilot_overrides(full, command.pilot))
    limits = recipe.limits(command.budget, command.deadline)
    ask_if_absurd(recipe, confirm)
    run = _open(command)
    parts: dict[str, list[str]] = {}
    for name in recipe.nodes:
        parts.setdefault(name.split(".")[0], []).append(name)

    def work() -> bool:
        watcher = Console([*parts.items()], lines_of(run), notes=notes_of(run))
        pipeline = Pipeline(recipe, run, watcher, workers=os.cpu_count() or 1, limits=limits)
        try:
            plans = pipeline.plan()
            announce_of(pipeline, plans, limits, confirm)
            worked = pipeline.execute(plans, confirm)
        finally:
            watcher.flush()
        export(run, recipe, command.out, shape)
        return worked

    with run.locked():
        run.update_manifest(command=command.name, order=[*recipe.nodes], aliases=recipe.aliases)
        run.write_recipe(yaml.safe_dump(recipe.resolved(), sort_keys=False, allow_unicode=True))
        worked = healed(run, work)
    if command.pilot is not None:
        print(forecast(run, recipe, full).text(recipe.file.currency, str(command.out)))
    elif not worked:
        Console().say(f"nothing to do: {command.out} is as {command.out}.run has it")
    return run


def export(
    run: Run, recipe: Recipe, out: Path, shape: Callable[[Row], Row] = lambda row: row
) -> None:
    """Write what a command's run made to OUT, and its companions beside it."""
    name = str(run.manifest["command"]).replace(" ", "_")
    last = recipe.find(name)
    _export_companions(run, recipe, out)
    if out.suffix == ".jsonl":
        _export_rows(run, last, out, shape)
    else:
        _export_folder(run, last, out)


def _open(command: Command) -> Run:
    _check_name(command)
    folder = command.out.with_name(command.out.name + ".run")
    outputs = [command.out, *companions(command.out)]
    inputs = [Path(path) for path in (*command.inputs, *command.against)]
    for output in outputs:
        if any(output.exists() and path.exists() and output.samefile(path) for path in inputs):
            raise RunStateError(f"{output} would be written over an input; give another -o")
        if output.exists() and not is_run(folder):
            raise RunStateError(
                f"{output} exists and was not made by this command; remove it or give another -o"
            )
    try:
        command.out.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{command.out.parent} is no folder; give another -o") from None
    run = Run(folder)
    other = run.manifest.get("command", command.name)
    if other != command.name:
        run.close()
        raise RunStateError(
            f"{folder} belongs to `scalediff {other}`; give another -o or remove it"
        )
    return run


def _check_name(command: Command) -> None:
    """Whether OUT has the form of what the command makes, before anything is paid."""
    out = command.out
    check_written(out, "-o")
    if not out.name:
        raise InputError(f"-o {out} names no file; give the path of what is to be written")
    rows = command.stage not in _MAKES_FOLDERS
    if rows and out.suffix != ".jsonl":
        raise InputError(f"{command.name} writes JSON Lines; give -o {out.stem}.jsonl")
    if not rows and out.suffix == ".jsonl":
        raise InputError(f"{command.name} writes a folder; give -o {out.stem}")


def companions(out: Path) -> tuple[Path, Path]:
    """Where dropped and rejected rows go."""
    stem = out.name.removesuffix(".jsonl")
    return out.with_name(f"{stem}.dropped.jsonl"), out.with_name(f"{stem}.rejected.jsonl")


def _export_rows(run: Run, last: str, out: Path, shape: Callable[[Row], Row]) -> None:
    """The rows of the last step."""
    table = run.table(last, texts=True)
    assert table is not None
    in_review = 0

    def written() -> Iterator[Row]:
        nonlocal in_review
        for row in STOPPING.checked(table.rows()):
            in_review += row.get("review") is True
            yield shape(row)

    count = write_jsonl(out, written(), overwrite=True)
    if in_review:
        Console().say(
            f'  {in_review:,} of the {count:,} rows in {out} are in review ("review": true); '
            "assemble leaves them out, any other program has to do so itself"
        )
    if count == 0:
        Console().say(f"  no row is left; {companions(out)[0]} says why each one left")


def _export_companions(run: Run, recipe: Recipe, out: Path) -> None:
    """``OUT.dropped.jsonl`` and ``OUT.rejected.jsonl``, always both."""
    dropped, rejected = companions(out)
    write_jsonl(dropped, STOPPING.checked(dropped_rows(run, recipe)), overwrite=True)
    num_rejected = write_jsonl(rejected, _rejected(run, recipe), overwrite=True)
    if num_rejected:
        Console().say(f"  {num_rejected:,} rows could not be read and are in {rejected}")


def dropped_rows(run: Run, recipe: Recipe) -> Iterator[Row]:
    """Every dropped row with ``step``, ``reason`` and ``evidence``, in the order of the steps."""
    for node in recipe.nodes.values():
        table = run.table(node.name, texts=True)
        if table is not None:
            for row in table.drops():
                yield {**row, "step": node.name}


def _rejected(run: Run, recipe: Recipe) -> Iterator[Row]:
    for node in recipe.nodes.values():
        table = run.table(node.name)
        path = table.artefact("rejected.jsonl") if table is not None else None
        if path is not None and path.exists():
            yield from read_jsonl_plain(path)


def _export_folder(run: Run, last: str, out: Path) -> None:
    """Copy what the step left (a model, a dataset, scores) to OUT, whole or not at all.

    Raises:
        InputError: The step left nothing, or a dataset without a row.
        RunStateError: OUT holds files that are not ours.
    """
    table = run.table(last)
    assert table is not None
    if table.artefact("dataset").is_dir() and not table.num_rows:
        raise InputError(f"no row is left for {out}; {companions(out)[0]} says why each one left")
    known = run.manifest.get("exported", [])
    foreign = sorted(path.name for path in out.glob("*") if path.name not in known)
    if foreign:
        raise RunStateError(f"{out} holds {foreign[0]}, which is not ours; move it away")
    for name in ("model", "dataset", "scores.json"):
        made = table.sound(name)
        if made.is_dir():
            temporary = temporary_folder(run.path / "export")
            shutil.copytree(made, temporary, dirs_exist_ok=True)
            names = {path.name for path in temporary.iterdir()}
            run.update_manifest(exported=sorted(names.union(known)))
            shutil.rmtree(out, ignore_errors=True)
            os.replace(temporary, out)
            return
        if made.exists():
            out.mkdir(parents=True, exist_ok=True)
            run.update_manifest(exported=[name])
            shutil.copy2(made, out / name)
            return
    raise InputError(f"step {last} left nothing to export to {out}")
