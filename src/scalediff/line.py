"""``scalediff run``: a recipe in a run directory, told to a person and reported."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import yaml

from scalediff import __version__
from scalediff.commands import export
from scalediff.core.errors import RunStateError, ScalediffError
from scalediff.core.secrets import HIDDEN, mask
from scalediff.dry_run import explained
from scalediff.forecast import ask_if_absurd, forecast, pilot_overrides
from scalediff.io.atomic import replacing
from scalediff.io.places import check_written
from scalediff.io.run import Run, write_json
from scalediff.limits import Limits
from scalediff.outlook import announce_of, deadline_text
from scalediff.pipeline import Pipeline, healed
from scalediff.planning import Plan
from scalediff.recipe import Recipe, find_recipe, load, load_resolved
from scalediff.report.lines import lines_of, notes_of
from scalediff.status import status_of
from scalediff.watch import Console

LABORATORY = (
    "LABORATORY: a small world of arithmetic and models of under a million parameters; an oracle "
    "knows every answer and only audits"
)


def run_recipe(
    name: str,
    out: Path | None,
    overrides: Sequence[str],
    *,
    until: str | None,
    dry_run: bool,
    as_json: bool = False,
    cache: Path | None,
    confirm: Callable[[str], bool],
    budget: Sequence[str] = (),
    deadline: str | None = None,
    pilot: int | None = None,
) -> None:
    """Run a recipe (or say what would be done), then write its summary and report."""
    path = find_recipe(name)
    full = load(path, overrides)
    recipe = full.until(until)
    if pilot is not None:
        recipe = load(path, [*overrides, *pilot_overrides(full, pilot)]).until(_dataset_step(full))
    folder = out if out is not None else Path("runs") / recipe.file.name
    check_written(folder, "--out")
    if cache is not None:
        check_written(cache, "--cache")
    limits = recipe.limits(budget, deadline)
    if dry_run:
        print(explained(recipe, folder, limits, as_json=as_json))
        return
    run = Run(folder, cache=cache)
    with run.locked():
        _claim(run, recipe)
        if recipe.file.domain == "nano":
            _say(LABORATORY)
        arguments = [name, *(f"--set {text}" for text in overrides)]

        def work() -> tuple[bool, str]:
            worked = _execute(recipe, run, arguments, confirm, limits)
            _links(run)
            return worked, write_report(folder, run)

        try:
            worked, headline = healed(run, work)
        except BaseException:  # the report also of a run that was stopped
            with suppress(Exception):
                write_report(folder, run)
            raise
        if pilot is not None:
            print(forecast(run, recipe, full).text(full.file.currency, str(folder)))
    run.close()
    if worked and pilot is None:
        print(headline)
    elif pilot is None:
        _say(f"nothing to do: every step is done; the report is {folder / 'report.html'}")


def finish_run(
    folder: Path,
    confirm: Callable[[str], bool],
    *,
    until: str | None = None,
    budget: Sequence[str] = (),
    deadline: str | None = None,
) -> None:
    """Seal what is there of the steps that were begun, and go on down the line to a dataset."""
    run = Run(folder, create=False)
    with run.locked():
        full = load_resolved(run.sound_recipe(), run.manifest.get("aliases", {}))
        full = _with_credentials(full, run)
        recipe = full.until(until or _dataset_step(full))
        command = run.manifest.get("command")
        out = folder.with_name(folder.name.removesuffix(".run"))
        limits = recipe.limits(budget, deadline)

        def work() -> str:
            groups = [(name, [name]) for name in recipe.nodes]
            console = Console(groups, lines_of(run), notes=notes_of(run))
            pipeline = Pipeline(
                recipe, run, console, workers=os.cpu_count() or 1, limits=limits, finish=True
            )
            try:
                if at := deadline_text(limits):
                    _say(at)
                pipeline.execute(pipeline.plan(), confirm)
            finally:
                console.flush()
            _links(run)
            if command is None:
                return write_report(folder, run)
            export(run, recipe, out)
            return ""

        headline = healed(run, work)
        if command is not None:
            _say(f"finished: {out}")
        else:
            print(headline)
            _say("the same command as before goes on with what was left unfinished")
    run.close()


def _with_credentials(recipe: Recipe, run: Run) -> Recipe:
    """A run's recipe with the credentials of URLs, which are kept in the recipe as given alone."""
    given = [str(text) for text in run.manifest.get("arguments", ())]
    hidden = {node.model for node in recipe.nodes.values() if node.model and HIDDEN in node.model}
    if not hidden or not given:
        return recipe
    known: dict[str, str] = {}
    with suppress(ScalediffError):
        overrides = [text.removeprefix("--set ") for text in given[1:] if HIDDEN not in text]
        for node in load(find_recipe(given[0]), overrides).nodes.values():
            known[mask(node.model or "")] = node.model or ""
    nodes = {
        name: replace(node, model=known.get(node.model or "", node.model))
        for name, node in recipe.nodes.items()
    }
    models = {role: known.get(model, model) for role, model in recipe.file.models.items()}
    return replace(recipe, nodes=nodes, file=recipe.file.model_copy(update={"models": models}))


def _dataset_step(recipe: Recipe) -> str | None:
    """The step that makes the dataset, where there is one."""
    made = [n for n, node in recipe.nodes.items() if node.stage.name == "assemble"]
    return made[0] if made else None


def _execute(
    recipe: Recipe,
    run: Run,
    arguments: list[str],
    confirm: Callable[[str], bool],
    limits: Limits,
) -> bool:
    """Run what is not done, told on the terminal; False where nothing had to be done."""
    from scalediff.report.facts import groups_of

    console = Console(groups_of(recipe), lines_of(run), notes=notes_of(run))
    pipeline = Pipeline(recipe, run, console, workers=os.cpu_count() or 1, limits=limits)
    plans = pipeline.plan()
    if not all(plan.state == "done" for plan in plans):
        ask_if_absurd(recipe, confirm)
    _keep_recipe(run, recipe, arguments)
    _say_plan(plans)
    try:
        announce_of(pipeline, plans, limits, confirm)
        return pipeline.execute(plans, confirm)
    finally:
        console.flush()


def report_now(folder: Path) -> str:
    """The report of a run as it is; where it is at work, that is said."""
    now = status_of(folder)
    if now.alive is False:
        return write_report(folder)
    working = ", ".join(step.name for step in now.steps if step.state == "working")
    told = f"{folder} is at work ({working or 'between steps'}): what is done so far follows"
    try:
        return f"{told}\n{write_report(folder)}"
    except RunStateError as error:
        return f"{told}; there is no report yet ({error}), see `scalediff status {folder}`"


def write_report(folder: Path, run: Run | None = None) -> str:
    """Write ``summary.json`` and ``report.html``; the headline for the terminal."""
    from scalediff.report.page import render
    from scalediff.report.samples import samples_of
    from scalediff.report.summary import summary_of
    from scalediff.report.terminal import headline

    run = run if run is not None else Run(folder, create=False)
    summary = summary_of(run)
    write_json(folder / "summary.json", summary)
    page = render(summary, samples_of(run))
    with replacing(folder / "report.html") as file:
        file.write(page.encode())
    return headline(summary, str(folder / "report.html"))


def _claim(run: Run, recipe: Recipe) -> None:
    """A run directory belongs to one recipe; another recipe gets a directory of its own."""
    owner = run.manifest.get("recipe", recipe.file.name)
    if "command" in run.manifest or owner != recipe.file.name:
        name = run.manifest.get("command", owner)
        raise RunStateError(
            f"{run.path} belongs to {name!r}, not to the recipe {recipe.file.name!r}; "
            "give another --out"
        )


def _keep_recipe(run: Run, recipe: Recipe, command: list[str]) -> None:
    """``recipe.yaml``, resolved in full with origins, and what ran it."""
    run.write_recipe(yaml.safe_dump(recipe.resolved(), sort_keys=False, allow_unicode=True))
    run.update_manifest(
        recipe=recipe.file.name,
        domain=recipe.file.domain,
        order=[*recipe.nodes],
        aliases=recipe.aliases,
        compare=recipe.file.report,
        currency=recipe.file.currency,
        arguments=command,
        versions=versions(),
        started=run.manifest["created"],
    )


def versions() -> dict[str, str]:
    """Versions of what a result depends on, as far as installed."""
    found = {"scalediff": __version__, "python": sys.version.split()[0]}
    for package in ("torch", "transformers", "trl", "math-verify", "pyarrow", "rensa"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _links(run: Run) -> None:
    """``dataset`` and ``models/NAME`` point at what the steps left."""
    for name, entry in run.manifest.get("steps", {}).items():
        folder = run.path / "steps" / entry["folder"]
        if entry["stage"] == "assemble" and (folder / "dataset").exists():
            run.link("dataset", folder / "dataset")
        if entry["stage"] == "train" and (folder / "model").exists():
            run.link(f"models/{name}", folder / "model")


def _say_plan(plans: list[Plan]) -> None:
    """Before it starts: what is reused, and why the rest runs."""
    done = sum(plan.state == "done" for plan in plans)
    if not done:
        return
    first = next((plan for plan in plans if plan.state != "done"), None)
    if first is None:
        return
    why = f" ({first.why})" if first.why else ""
    _say(f"{done} of {len(plans)} steps are done; going on from {first.node.name}{why}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
