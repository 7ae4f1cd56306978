"""``scalediff run --dry-run``: what would be done, for people or for programs; nothing is paid."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from scalediff.core.errors import ScalediffError
from scalediff.core.secrets import mask
from scalediff.domains import open_domain
from scalediff.io.run import Run, is_run
from scalediff.limits import Limits
from scalediff.model_names import resolve
from scalediff.outlook import Outlook, StepOutlook, deadline_text, free_bytes
from scalediff.pipeline import Pipeline
from scalediff.planning import Plan
from scalediff.preflight import preflight
from scalediff.recipe import Recipe
from scalediff.watch import Console


def explained(recipe: Recipe, folder: Path, limits: Limits, *, as_json: bool = False) -> str:
    """Every step with its units and settings, models, files, disk and deadline, as text.

    Models that answer over HTTP are asked for one token; the hub is not asked.
    """
    plans, steps = _plans(recipe, folder)
    told: dict[str, Any] = {
        "recipe": recipe.file.name,
        "description": recipe.file.description,
        "run_directory": str(folder),
        "exists": is_run(folder),
        "steps": [_step(recipe, step) for step in steps],
        "models": _models(recipe),
        "problems": _problems(recipe, plans),
        "free_bytes": free_bytes(folder),
        "disk_bytes": sum(step.disk_bytes for step in steps if step.remaining),
        "deadline": limits.deadline and datetime.fromtimestamp(limits.deadline).isoformat(),
    }
    if as_json:
        return mask(json.dumps(told, indent=2, ensure_ascii=False))
    return mask("\n".join(_lines(told, steps, deadline_text(limits))))


def _plans(recipe: Recipe, folder: Path) -> tuple[list[Plan], list[StepOutlook]]:
    fresh = [Plan(node, None, "run") for node in recipe.nodes.values()]
    if not is_run(folder):
        return fresh, Outlook(None).steps(fresh)
    run = Run(folder, create=False)
    try:
        pipeline = Pipeline(recipe, run, Console())
        plans = pipeline.plan()
        return plans, Outlook(pipeline).steps(plans)
    except ScalediffError:  # a model is missing, which is said below; or a step is damaged
        return fresh, Outlook(None).steps(fresh)
    finally:
        run.close()


def _step(recipe: Recipe, step: StepOutlook) -> dict[str, Any]:
    resolved = recipe.resolved()["steps"][step.name]
    return {**asdict(step), **resolved}


def _models(recipe: Recipe) -> dict[str, str]:
    """Each model and whether it is here; a dry run names what is missing and does not fail."""
    names = {n.model for n in recipe.nodes.values() if n.model and not n.model.startswith("@")}
    found: dict[str, str] = {}
    for name in sorted(names):
        try:
            spec = resolve(name)
            found[name] = "to be fetched from the hub" if spec.kind == "hub" else spec.kind
        except ScalediffError as error:
            found[name] = f"not usable here: {error}"
    return found


def _problems(recipe: Recipe, plans: list[Plan]) -> list[str]:
    """What stands in the way of the run, one sentence each."""
    domain = open_domain(recipe.file.domain)
    found: list[str] = []
    for plan in plans:
        if plan.state != "done":
            try:
                found += preflight([plan.node], recipe, domain, resolve, hub=False)
            except ScalediffError as error:
                found.append(str(error))
    return list(dict.fromkeys(found))


def _lines(told: dict[str, Any], steps: list[StepOutlook], until: str) -> list[str]:
    lines = [f"recipe {told['recipe']}: {told['description']}".rstrip(": ")]
    for outlook, step in zip(steps, told["steps"], strict=True):
        state = f"  [{outlook.state}{': ' + outlook.why if outlook.why else ''}]"
        state = state if told["exists"] else ""
        reads = f" <- {', '.join(step['inputs'])}" if step["inputs"] else ""
        model = f"  model {step['model']}" if step["model"] else ""
        lines.append(f"{step['name']}: {step['stage']}{reads}{model}{state}")
        lines.append(f"    {outlook.text().partition(': ')[2]}")
        for setting, value in step["settings"].items():
            lines.append(f"    {setting} = {_value(value['value'])}  ({value['from']})")
    lines += ["models:", *(f"    {name}: {what}" for name, what in told["models"].items())]
    if told["problems"]:
        lines += ["in the way:", *(f"    {problem}" for problem in told["problems"])]
    new = "" if told["exists"] else " (new)"
    free, wanted = told["free_bytes"] / 1e9, told["disk_bytes"] / 1e9
    room = f"{free:,.0f} GB free, about {wanted:,.1f} GB of attempts to come"
    lines.append(f"run directory: {told['run_directory']}{new}, {room}")
    if wanted > free:
        lines.append(f"THE DISK IS TOO SMALL: {wanted:,.1f} GB of attempts, {free:,.1f} GB free")
    return [*lines, until] if until else lines


def _value(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
