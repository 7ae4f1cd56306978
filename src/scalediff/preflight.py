"""Before the first token: every model and every file of what is to run is looked at.

A model of a later step that is dead or misnamed, a folder that is not whole and a benchmark that is
not there are found before an earlier step has paid. Nothing is started for it: a URL is asked for
one token, of folders and hub ids the configuration, the tokenizer and the chat template are read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scalediff.core.domain import Domain
from scalediff.core.engine import ModelSpec
from scalediff.core.errors import InputError, RecipeError, ScalediffError
from scalediff.engines import EngineConfig
from scalediff.engines.first_ask import ask_one_token
from scalediff.io.contents import is_embedded
from scalediff.io.files import Reader
from scalediff.io.hub import fetch_descriptions
from scalediff.io.places import HUB
from scalediff.recipe import Node, Recipe

_CHATS = ("solve", "score")
"""Stages that put a problem into the chat template of a model in this process."""


def preflight(
    nodes: Sequence[Node],
    recipe: Recipe,
    domain: Domain,
    spec_of: Callable[[str], ModelSpec],
    *,
    hub: bool = True,
) -> list[str]:
    """Look at all that the steps need.

    Args:
        nodes: The steps that are still to run.
        recipe: Theirs.
        domain: Knows where benchmarks are.
        spec_of: Resolves a model's name.
        hub: Whether to look at what is on the hub.

    Returns:
        What a person has to know, though the run may begin.

    Raises:
        ScalediffError: What stands in the way, with the step and the fix.
    """
    config = EngineConfig(**recipe.file.engine)
    _look_at_files(nodes, domain, hub=hub)
    asked: dict[tuple[str, bool], Node] = {}
    for node in nodes:
        if node.model is None or node.model.startswith("@"):
            continue
        spec = spec_of(node.model)
        role = next((r for r, model in recipe.file.models.items() if model == node.model), "")
        if not recipe.file.probe.get(role, True):
            continue
        if spec.kind == "url":
            asked.setdefault((node.model, node.stage.name == "generate"), node)
            continue
        try:
            _look_at_model(spec, chats=node.stage.name in _CHATS, hub=hub)
        except ScalediffError as error:
            raise type(error)(f"step {node.name}: {error}") from None
    return asyncio.run(_ask_all(asked, spec_of, config, recipe)) if asked else []


async def _ask_all(
    asked: dict[tuple[str, bool], Node],
    spec_of: Callable[[str], ModelSpec],
    config: EngineConfig,
    recipe: Recipe,
) -> list[str]:
    work = (ask_one_token(spec_of(model), config.http, raw=raw) for model, raw in asked)
    found = await asyncio.gather(*work, return_exceptions=True)
    notes: list[str] = []
    for node, outcome in zip(asked.values(), found, strict=True):
        if isinstance(outcome, ScalediffError):
            role = next((r for r, m in recipe.file.models.items() if m == node.model), "")
            later = f"; where it is started later, --set models.{role}.probe=false" if role else ""
            raise type(outcome)(f"step {node.name}: {outcome}{later}") from None
        if isinstance(outcome, BaseException):
            raise outcome
        notes += outcome
    return notes


def _look_at_files(nodes: Iterable[Node], domain: Domain, *, hub: bool) -> None:
    """Open every file and benchmark, and read its first row."""
    known = domain.benchmarks()
    paid = False
    for node in nodes:
        paid = paid or node.stage.pays or node.stage.apart
        config = node.stage.config
        paths = [*getattr(config, "paths", ()), *getattr(config, "benchmarks", ())]
        for path in dict.fromkeys(paths):
            location = known.get(path, path)
            if location.startswith("domain:") or is_embedded(location):
                continue
            # what is read first anyway need not be fetched twice
            if location.startswith(HUB) and not (hub and paid):
                continue
            try:
                reader = Reader(getattr(config, "problem_column", None), need_problem=False)
                next(iter(reader.scan([location])), None)
            except InputError as error:
                raise InputError(f"step {node.name}: {error}") from None


def _look_at_model(spec: ModelSpec, *, chats: bool, hub: bool) -> None:
    if spec.kind == "gguf":
        with open(spec.location, "rb") as file:
            if file.read(4) != b"GGUF":
                raise RecipeError(f"the model {spec.name} is no GGUF file; download it again")
    elif spec.kind == "folder":
        read_descriptions(Path(spec.location), spec.name, chats=chats)
    elif spec.kind == "hub" and hub:
        folder = fetch_descriptions(spec.location)
        if folder is not None:
            read_descriptions(folder, spec.name, chats=chats)


def read_descriptions(folder: Path, name: str, *, chats: bool) -> None:
    """Read a model's configuration, tokenizer and chat template.

    Args:
        folder: Where they are.
        name: The model's, for people.
        chats: Whether it needs a chat template.

    Raises:
        RecipeError: One cannot be read, or the template is not there.
    """
    config = _json(folder / "config.json", name)
    if not config.get("model_type") and not config.get("architectures"):
        raise RecipeError(
            f"the configuration of {name} names no kind of model ({folder / 'config.json'}); make "
            "or fetch the folder anew"
        )
    if (folder / "tokenizer.json").is_file():
        _json(folder / "tokenizer.json", name)
    template = _template(folder, name)
    if template is None and chats:
        raise RecipeError(
            f"the tokenizer of {name} has no chat template; name a model that has one, or add "
            "chat_template.jinja to its folder"
        )
    if template is not None:
        _parse(template, name)


def _template(folder: Path, name: str) -> str | None:
    place = folder / "chat_template.jinja"
    if place.is_file():
        return place.read_text(encoding="utf-8", errors="replace")
    for file in ("chat_template.json", "tokenizer_config.json"):
        if (folder / file).is_file():
            template = _json(folder / file, name).get("chat_template")
            if isinstance(template, list):  # several by name
                named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
                template = named.get("default") or next(iter(named.values()), None)
            if isinstance(template, str):
                return template
    return None


def _parse(template: str, name: str) -> None:
    import jinja2

    try:
        jinja2.Environment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except jinja2.TemplateSyntaxError as error:
        if "generation" in str(error):  # a tag of transformers' own
            return
        raise RecipeError(
            f"the chat template of {name} is broken ({error}); correct it or fetch the model anew"
        ) from None


def _json(path: Path, name: str) -> dict[str, object]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(
            f"{path} of the model {name} cannot be read ({error}); make or fetch the folder anew"
        ) from None
    if not isinstance(value, dict):
        raise RecipeError(f"{path} of the model {name} is no JSON object; fetch the folder anew")
    return value
