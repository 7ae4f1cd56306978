"""A recipe: load, override, expand the line and the plans, validate, explain.

A recipe is YAML. ``line:`` gives settings to the steps of the straight line, ``steps:`` adds
others (``{stage, inputs, model, settings}``), ``base:`` names a recipe to start from. Precedence:
defaults, then the base, then the recipe, then ``--set a.b=value`` in order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scalediff.core.errors import RecipeError
from scalediff.core.stage import Config, Stage
from scalediff.engines import EngineConfig
from scalediff.engines.urls import join_urls
from scalediff.io.plain_yaml import MAX_BYTES, BadYamlError, load_yaml
from scalediff.limits import DEFAULT_GUARDS, Guard, Limits, limits_of, read_guard
from scalediff.presets import LINE, PLANS, Step, Steps, keep_out_evaluated, straight_line
from scalediff.stages import STAGES, stage_class
from scalediff.text.marks import Thoughts

_LONGEST_NAME = 100
"""Bytes of a name that becomes part of a folder's."""

_ROLES = ("identifier", "generator", "teacher", "student", "judge")


class StepSpec(BaseModel):
    """A step as written under ``steps:``."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    stage: str
    """Stage or plan."""
    inputs: list[str] = []
    """Steps it reads; the first gives the rows."""
    model: str | None = None
    """A role of ``models``, ``@STEP`` for a model trained here, or a model name."""
    settings: dict[str, Any] = {}
    """The stage's settings."""


class Price(BaseModel):
    """What a model's tokens cost."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    prompt: float = Field(default=0.0, ge=0)
    """A million tokens of prompts."""
    sampled: float = Field(default=0.0, ge=0)
    """A million sampled tokens."""

    def of(self, num_prompt_tokens: float, num_tokens: float) -> float:
        """The cost of so many tokens."""
        return (self.prompt * num_prompt_tokens + self.sampled * num_tokens) / 1e6


class RecipeFile(BaseModel):
    """A recipe as written."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    name: str = "run"
    """What the run is called; its directory is ``runs/NAME``."""
    description: str = ""
    """What it shows and what to expect, for people."""
    domain: str = "math"
    """What problems and right answers are: ``math`` or ``nano`` (the laboratory)."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    """Sampling seed: every sample's own seed is hashed from it, the role, the row and the index."""
    models: dict[str, str] = {}
    """Role → model: ``identifier``, ``generator``, ``teacher``, ``student``; a list of URLs is one
    model that several servers serve; ``{model: NAME, probe: false}`` is one that is not looked at
    before the run starts."""
    probe: dict[str, bool] = {}
    """Role → whether its model is looked at before the run starts (it is): false for a server that
    is started later. ``models.ROLE.probe`` says the same."""
    thoughts: Thoughts = Thoughts()
    """Tags of thoughts (``tags``) and finish reasons (``finish_reasons``) that models, servers and
    files use besides the known ones (``docs/formats.md``): for every step that reads responses."""
    engine: dict[str, Any] = {}
    """Engine settings (slots, threads, precision); they never change what is asked."""
    side_by_side: int = Field(default=1, ge=1)
    """Steps at work at once, at most: trainings, each in a process of its own, and beside them one
    other step. 1, the default, gives each step the whole machine; more need the room for it."""
    line: dict[str, dict[str, Any] | None] | None = None
    """Settings of the straight line's steps; absent: no line, only ``steps``."""
    steps: dict[str, StepSpec] = {}
    """Further steps: arms, controls, or a whole graph of one's own."""

    @field_validator("name")
    @classmethod
    def _below_runs(cls, name: str) -> str:
        """The name, which is that of a folder below ``runs``."""
        parts = name.split("/")
        if not name.isprintable() or any(part.strip() in ("", ".", "..") for part in parts):
            raise ValueError(
                "a run's name is that of a folder below runs/: write letters and digits, and give "
                "--out for another place"
            )
        if any(len(part.encode()) > _LONGEST_NAME for part in parts):
            raise ValueError(f"a name has {_LONGEST_NAME} bytes at most; shorten it")
        return name

    @field_validator("budget", mode="before")
    @classmethod
    def _listed(cls, budget: Any) -> Any:
        """One budget as a list of one."""
        return [str(b) for b in budget] if isinstance(budget, list) else [str(budget)]

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, values: Any) -> Any:
        """``models.ROLE.probe`` beside the models' names."""
        models = values.get("models") if isinstance(values, dict) else None
        if not isinstance(models, dict):
            return values
        entries = {role: entry for role, entry in models.items() if isinstance(entry, dict)}
        probe = dict(values.get("probe") or {})
        for role, entry in entries.items():
            unknown = sorted(map(str, entry.keys() - {"model", "probe"}))
            if unknown or "model" not in entry:
                what = f"unknown setting {unknown[0]!r}" if unknown else "it names no model"
                raise ValueError(f"models.{role}: {what}; write {{model: NAME, probe: false}}")
            probe |= {role: entry["probe"]} if "probe" in entry else {}
        named = {role: entry["model"] for role, entry in entries.items()}
        return {**values, "models": {**models, **named}, "probe": probe}

    @field_validator("models", mode="before")
    @classmethod
    def _joined(cls, models: Any) -> Any:
        """Several URLs of one model as one name."""
        if not isinstance(models, dict):
            return models
        return {r: join_urls(m) if isinstance(m, list) else m for r, m in models.items()}

    prices: dict[str, Price] = {}
    """Role or model name → what a million tokens cost; the report then speaks of money."""
    currency: str = "$"
    """Unit of the prices."""
    budget: list[str] = []
    """What the run may spend in all: tokens (``2M``), time (``3h``), money (``$20``)."""
    stop_if: dict[str, list[str]] = {}
    """Step (or plan) → guards such as ``truncated > 0.4 after 500``, which end a run that pays for
    nothing; an empty list switches the shipped ones off."""
    report: dict[Literal["scaled", "baseline", "control"], str] = {}
    """Evaluations that the report compares, by what they are of: ``scaled`` (the student of sources
    and kept rows), ``baseline`` (of the sources alone), ``control`` (of as many steps)."""


@dataclass(frozen=True)
class Node:
    """A step ready to run: its stage is built, its model is a name.

    Attributes:
        name: Its name in the recipe (``plan.part`` for a part of a plan).
        stage: The stage with its settings.
        inputs: Names of the steps it reads.
        model: A model name, ``@STEP``, or None.
        origins: Setting → where its value came from.
    """

    name: str
    stage: Stage
    inputs: tuple[str, ...]
    model: str | None
    origins: dict[str, str]

    @property
    def needs(self) -> tuple[str, ...]:
        """Steps that have to be done before: the inputs, and the one that trains its model."""
        trained = (self.model[1:],) if self.model and self.model.startswith("@") else ()
        return tuple(dict.fromkeys((*self.inputs, *trained)))


@dataclass(frozen=True)
class Recipe:
    """A recipe expanded into its graph, in an order in which it can run."""

    file: RecipeFile
    nodes: dict[str, Node]
    aliases: dict[str, str]

    def find(self, name: str) -> str:
        """The step that a name means (a plan means its last part).

        Raises:
            RecipeError: There is no such step; the message names the nearest.
        """
        name = self.aliases.get(name, name)
        if name not in self.nodes:
            raise RecipeError(f"there is no step {name!r}{_nearest(name, [*self.nodes])}")
        return name

    def until(self, name: str | None) -> Recipe:
        """The part of the graph that a step needs; all of it for None."""
        if name is None:
            return self
        wanted = {self.find(name)}
        for node in reversed(self.nodes.values()):
            if node.name in wanted:
                wanted.update(node.needs)
        return replace(self, nodes={n: s for n, s in self.nodes.items() if n in wanted})

    def price(self, node: Node) -> Price | None:
        """What the tokens of a step's model cost, where the recipe says."""
        roles = [role for role, model in self.file.models.items() if model == node.model]
        names = [*roles, str(node.model)]
        return next((self.file.prices[n] for n in names if n in self.file.prices), None)

    def limits(self, budget: Sequence[str] = (), deadline: str | None = None) -> Limits:
        """What a run may cost; a budget given here stands for the recipe's.

        Raises:
            RecipeError: One is none, or money is to be counted and no prices are known.
        """
        prices = bool(self.file.prices)
        return limits_of(budget or self.file.budget, deadline, has_prices=prices)

    def guards(self, node: Node) -> list[Guard]:
        """What ends a step that pays for nothing."""
        plan = node.name.partition(".")[0]
        texts = self.file.stop_if.get(node.name, self.file.stop_if.get(plan))
        if texts is None:
            texts = list(DEFAULT_GUARDS.get(node.stage.name, ()))
        return [read_guard(text) for text in texts]

    def resolved(self) -> dict[str, Any]:
        """The whole recipe as it runs: every step with every setting and its origin."""
        steps = {}
        for node in self.nodes.values():
            values = node.stage.config.model_dump(mode="json")
            settings = {
                k: {"value": v, "from": node.origins.get(k, "default")} for k, v in values.items()
            }
            steps[node.name] = {
                "stage": node.stage.name,
                "inputs": list(node.inputs),
                "model": node.model,
                "settings": settings,
            }
        head = self.file.model_dump(mode="json", exclude={"line", "steps"})
        return {**head, "steps": steps}


def find_recipe(name: str) -> Path:
    """The file of a recipe: a path, or the name of a shipped one (``nano``).

    Raises:
        RecipeError: There is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = _shipped()
    bare = path.name.removesuffix(".yaml")
    if bare in shipped and (path.name == name or not path.exists()):
        return shipped[bare]
    raise RecipeError(
        f"there is no recipe {name}{_nearest(bare, [*shipped])}; give a YAML file or one of "
        f"{', '.join(sorted(shipped))}"
    )


def _shipped() -> dict[str, Path]:
    """The recipes that come with the package (installed) or the repository (editable)."""
    package = Path(str(resources.files("scalediff")))
    for folder in (package / "recipes", package.parents[1] / "recipes"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, apply ``a.b=value`` overrides and expand it.

    Raises:
        RecipeError: What is wrong and what would be right.
    """
    return build(_read(path), path.name, overrides)


def load_resolved(path: Path, aliases: dict[str, str]) -> Recipe:
    """The recipe of a run, from the ``recipe.yaml`` that it keeps.

    Args:
        path: The file.
        aliases: Plan → its last step, as the run's manifest has it.
    """
    values = _read(path)
    for step in values.get("steps", {}).values():
        step["settings"] = {k: told["value"] for k, told in step["settings"].items()}
    return replace(build(values, path.name, dotted=True), aliases=aliases)


def build(
    values: dict[str, Any], origin: str, overrides: Sequence[str] = (), *, dotted: bool = False
) -> Recipe:
    """Expand recipe values (as read from YAML) into a recipe.

    Args:
        values: As read from YAML; changed by the overrides.
        origin: Where they come from, for messages.
        overrides: ``a.b=value``.
        dotted: Whether steps may be named as a plan's parts are: plans are expanded already.
    """
    marked: dict[tuple[str, str], str] = {}
    for override in overrides:
        _override(values, override, marked)
    try:
        file = RecipeFile.model_validate(values)
    except ValidationError as error:
        raise RecipeError(_explain(error, origin, RecipeFile)) from None
    try:
        EngineConfig(**file.engine)
    except ValidationError as error:
        raise RecipeError(_explain(error, "engine", EngineConfig)) from None
    steps: Steps = straight_line(file.line, origin) if file.line is not None else {}
    for name, spec in file.steps.items():
        if not _is_step_name(name, dotted=dotted):
            raise RecipeError(
                f"steps.{name[:40] or '(no name)'}: a step's name is not empty and holds no dot, "
                f"no slash, no control character and {_LONGEST_NAME} bytes at most; rename it"
            )
        origins = dict.fromkeys(spec.settings, origin)
        steps[name] = Step(spec.stage, tuple(spec.inputs), spec.model, spec.settings, origins)
    _check_settings(steps)
    keep_out_evaluated(steps)
    if not steps:
        raise RecipeError(f"{origin} has no steps: give it `line:` or `steps:`")
    for (name, setting), source in marked.items():
        if name in steps:
            steps[name].origins[setting] = source
    return _expand(file, steps)


def _is_step_name(name: str, *, dotted: bool) -> bool:
    parts = name.split(".") if dotted else [name]
    is_fit = name.isprintable() and len(name.encode()) <= _LONGEST_NAME
    return is_fit and all(p.strip() and "/" not in p and "." not in p for p in parts)


def _check_settings(steps: Steps) -> None:
    """Whether each step's settings are what its stage or plan takes: plans reckon with them."""
    for name, step in steps.items():
        if step.stage in PLANS:
            _validate(PLANS[step.stage][0], step, name)
        elif step.stage in STAGES:
            _validate(stage_class(step.stage).Config, step, name)


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    if path.resolve() in above:
        raise RecipeError(f"{path} is its own base, directly or by way of others; break the circle")
    if path.exists() and not path.is_file():  # a device has no end
        raise RecipeError(f"{path} is no regular file; give a YAML file")
    try:
        with open(path, "rb") as file:
            values = load_yaml(file.read(MAX_BYTES + 1).decode())
    except UnicodeDecodeError:
        raise RecipeError(
            f"{path} is not valid YAML: it is no UTF-8 text; save it as such"
        ) from None
    except BadYamlError as error:
        raise RecipeError(f"{path} cannot be read as YAML: {error}; correct it") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None
    if not isinstance(values, dict):
        raise RecipeError(f"{path} is no recipe: it has to be a mapping with `line:` or `steps:`")
    base = values.pop("base", None)
    if base is None:
        return values
    below: dict[str, Any] = _overlay(
        _read(path.parent / str(base), (*above, path.resolve())), values
    )
    return below


def _overlay(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {k: _overlay(below.get(k), v) for k, v in above.items()}
    return above


def _override(values: dict[str, Any], text: str, marked: dict[tuple[str, str], str]) -> None:
    """Apply one ``a.b=value``; a step's name may stand for ``line.NAME`` or its settings."""
    path, equals, raw = text.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise RecipeError(f"--set {text!r}: write it as name.setting=value")
    try:
        value = load_yaml(raw)
    except BadYamlError:
        value = raw
    if names[0] not in RecipeFile.model_fields:
        if names[0] in (values.get("steps") or {}):
            names = ["steps", names[0], "settings", *names[1:]]
        elif values.get("line") is not None and names[0] in LINE:
            names = ["line", *names]
        else:
            known = [*RecipeFile.model_fields, *(values.get("steps") or {}), *LINE]
            hint = _nearest(names[0], known) or f"; it begins with one of {', '.join(known)}"
            raise RecipeError(f"--set {text!r}: unknown name{hint}")
    if names[0] == "line" and len(names) > 2:
        marked[names[1], names[2]] = "--set"
    elif names[0] == "steps" and len(names) > 3:
        marked[names[1], names[3]] = "--set"
    target = values
    for name in names[:-1]:
        if not isinstance(target.get(name), dict):
            is_model = target is values.get("models") and target.get(name) is not None
            target[name] = {"model": target[name]} if is_model else {}
        target = target[name]
    target[names[-1]] = value


def _expand(file: RecipeFile, steps: Steps) -> Recipe:
    """Plans become steps, roles become model names, settings become stages; then order them."""
    flat: Steps = {}
    aliases: dict[str, str] = {}
    for name, step in steps.items():
        inputs = tuple(aliases.get(i, i) for i in step.inputs)
        step = replace(step, inputs=inputs)
        if step.stage in PLANS:
            try:
                made, aliases[name] = PLANS[step.stage][1](name, step, flat)
            except ValidationError as error:  # of a plan within it
                raise RecipeError(_explain(error, name, PLANS["filter"][0])) from None
            flat.update(made)
        elif step.stage in STAGES:
            flat[name] = step
        else:
            known = [*STAGES, *PLANS]
            raise RecipeError(
                f"steps.{name}.stage: unknown stage {step.stage!r}{_nearest(step.stage, known)}"
            )
    roles = [*_ROLES, *(str(step.model) for step in flat.values())]
    for role in file.models:
        if role not in roles:
            raise RecipeError(f"models.{role}: no step asks for this role{_nearest(role, roles)}")
    for role in file.probe:
        if role not in file.models:
            known = [*file.models]
            raise RecipeError(f"probe.{role}: `models` has no such role{_nearest(role, known)}")
    nodes = {name: _node(name, step, file, flat, aliases) for name, step in flat.items()}
    recipe = Recipe(file, _ordered(nodes), aliases)
    _check_money(recipe)
    return recipe


def _check_money(recipe: Recipe) -> None:
    """Whether guards, budget and prices can be read and speak of what there is."""
    file = recipe.file
    steps = {*recipe.nodes, *recipe.aliases, *(n.partition(".")[0] for n in recipe.nodes)}
    for step in file.stop_if:
        if step not in steps:
            raise RecipeError(f"stop_if.{step}: there is no such step{_nearest(step, [*steps])}")
    for node in recipe.nodes.values():
        recipe.guards(node)
    models = {*file.models, *(str(node.model) for node in recipe.nodes.values())}
    for name in file.prices:
        if name not in models:
            raise RecipeError(
                f"prices.{name}: no step asks a model or role of this name"
                f"{_nearest(name, [*models])}"
            )
    recipe.limits()


def _node(name: str, step: Step, file: RecipeFile, flat: Steps, aliases: dict[str, str]) -> Node:
    inputs = tuple(aliases.get(i, i) for i in step.inputs)
    for given in inputs:
        if given not in flat:
            raise RecipeError(
                f"step {name} reads {given!r}, which is no step{_nearest(given, [*flat])}"
            )
    cls = stage_class(step.stage)
    model = step.model
    if model is not None and model.startswith("@"):
        if model[1:] not in flat:
            raise RecipeError(f"step {name}: there is no step {model[1:]!r} to take a model from")
    elif model is not None:
        model = file.models.get(model, model)
        if model in _ROLES:
            raise RecipeError(
                f"step {name} needs the model of the role {model!r}; add `models.{model}` to the "
                f"recipe, or --set models.{model}=MODEL"
            )
    elif cls.pays:
        raise RecipeError(f"step {name} calls a model and has none; give it `model:`")
    if not inputs and not cls.births:
        raise RecipeError(f"step {name} (stage {step.stage}) reads no step; give it `inputs:`")
    if "thoughts" in cls.Config.model_fields and file.thoughts != Thoughts():
        settings = {"thoughts": file.thoughts.model_dump(), **step.settings}
        step = replace(step, settings=settings, origins={"thoughts": "thoughts", **step.origins})
    config = _validate(cls.Config, step, name)
    return Node(name, cls(config), inputs, model, step.origins)


def _validate(config: type[Config], step: Step, name: str) -> Config:
    try:
        return config(**step.settings)
    except ValidationError as error:
        raise RecipeError(_explain(error, name, config)) from None


def _ordered(nodes: dict[str, Node]) -> dict[str, Node]:
    """The nodes so that each comes after what it needs, otherwise as written."""
    done: dict[str, Node] = {}
    waiting = dict(nodes)
    while waiting:
        ready = [n for n, node in waiting.items() if all(need in done for need in node.needs)]
        if not ready:
            raise RecipeError(f"steps {', '.join(waiting)} wait for one another; break the circle")
        done[ready[0]] = waiting.pop(ready[0])
    return done


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f", did you mean {near[0]}?" if near else ""


_TAKES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list, such as [a, b]",
    "dict": "a valid dictionary, such as {name: value}",
    "model": "a valid dictionary, such as {name: value}",
}
"""How pydantic's words for what a field takes begin → ours."""


def _explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """The first fault of a validation as one sentence: the setting, and what it takes."""
    fault = error.errors()[0]
    loc = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        known = [*model.model_fields, *StepSpec.model_fields]
        hint = _nearest(loc[-1], known) or f"; it has {', '.join(model.model_fields)}"
        return f"{where}: unknown setting {'.'.join(loc)!r}{hint}"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not loc:
        return f"{where}: {message}"
    shown = str(fault.get("input"))
    given = repr(fault.get("input")) if len(shown) <= 80 else repr(shown[:77] + "...")
    name = f"{where}: {'.'.join(loc)} = {given}"
    kind = fault["type"].partition("_")[0]
    if fault["type"] == "literal_error":
        options = [o.strip(" '") for o in re.split(r",| or ", fault["ctx"]["expected"])]
        return f"{name} has to be {' or '.join(options)}{_nearest(shown, options)}"
    if fault["type"] in ("value_error", "assertion_error"):
        return f"{name}: {message}"
    if kind in _TAKES and fault["type"].rpartition("_")[2] in ("type", "parsing", "float", "size"):
        return f"{name} has to be {_TAKES[kind]}"
    return f"{name} {message.replace('input should', 'has to').replace('should', 'has to')}"
