"""What each step would do now, and why: a comparison of its key and its seal with what is asked.

A step's key holds what its output means: stage and domain versions, settings that carry meaning,
the model, and its inputs (their keys; for a set-wise step the digests of their sealed rows). Its
seal holds what it was made from. Nothing is opened or written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from scalediff.core.domain import Domain
from scalediff.core.engine import ModelSpec
from scalediff.core.errors import RecipeError, ScalediffError
from scalediff.core.keys import digest
from scalediff.core.stage import EXTENT, Kind, SetStage
from scalediff.io.parquet import count_rows
from scalediff.io.run import Run, StepFolder
from scalediff.model_names import resolve
from scalediff.recipe import Node, Recipe

State = Literal["done", "run", "resume", "grow", "again", "wait"]


@dataclass(frozen=True)
class Plan:
    """What will happen to a step, and why.

    Attributes:
        node: The step.
        key: Its key; None while it depends on a step that has not run.
        state: ``done`` (reused), ``run`` (new), ``resume`` (begun before), ``grow`` (only the
            difference is owed), ``again`` (something it depends on changed), ``wait`` (known
            once an earlier step has run).
        why: One phrase.
        behind_s: Seconds of paid work of the old result that would be left behind.
    """

    node: Node
    key: str | None
    state: State
    why: str = ""
    behind_s: float = 0.0


class Planner:
    """The plan of one recipe in one run directory.

    Args:
        recipe: What is asked for.
        run: What is there.
        domain: The recipe's domain.
        finishing: Whether a step that was sealed before all its rows were done counts as done.
    """

    def __init__(
        self, recipe: Recipe, run: Run, domain: Domain, *, finishing: bool = False
    ) -> None:
        self.recipe = recipe
        self._run = run
        self._domain = domain
        self._finishing = finishing
        self._specs: dict[str, ModelSpec] = {}
        self._keys: dict[str, str | None] = {}

    def plan(self) -> list[Plan]:
        """What each step would do now; reads only the run directory and the models' files."""
        self._keys = {}
        plans = []
        rewritten: set[str] = set()
        for node in self.recipe.nodes.values():
            plan = self.plan_of(node)
            if self._rewrites(plan, rewritten):
                rewritten.add(node.name)
                old = self._run.manifest.get("steps", {}).get(node.name)
                if old is not None and plan.state != "done":
                    folder = StepFolder(self._run.path / "steps" / old["folder"])
                    plan = replace(plan, behind_s=_paid_seconds(folder))
            plans.append(plan)
        return plans

    def _rewrites(self, plan: Plan, rewritten: set[str]) -> bool:
        """Whether the step's problems or model will be others, so that nothing paid serves again.

        Only a training or problems that are generated otherwise do that; a change that keeps or
        drops other rows leaves the attempts on the rest in the store.
        """
        node = plan.node
        makes = (node.stage.pays and node.stage.births) or node.stage.name == "train"
        changed = makes and plan.state in ("again", "wait") and bool(plan.why)
        trained = {node.model[1:]} if node.model and node.model.startswith("@") else set()
        return changed or not rewritten.isdisjoint({*node.inputs[:1], *trained})

    def plan_of(self, node: Node) -> Plan:
        """What this step would do now; the steps it needs have been asked about before."""
        about = self.about(node)
        key = self._keys[node.name] = self._key(node, about)
        old = self._run.manifest.get("steps", {}).get(node.name)
        why, behind = self._difference(about, old, key)
        if key is None:
            waits_for = next(n for n in node.needs if not self._sealed(n))
            return Plan(node, None, "wait", f"after {waits_for}", behind)
        folder = self._run.step(node.name, key)
        seal = folder.seal
        if seal is None and folder.damage:
            # what was paid for lies in the ledger and the store
            return Plan(node, key, "resume" if node.stage.pays else "again", folder.damage)
        if seal is None:
            begun = (folder.path / "ledger.log").exists()
            state: State = "resume" if begun else "again" if old else "run"
            return Plan(node, key, state, "" if begun else why, behind)
        inputs = self.input_digest(node)
        if inputs is None:
            waits_for = next(n for n in node.inputs if not self._sealed(n))
            return Plan(node, key, "wait", f"after {waits_for}")
        if seal["input"] != inputs:
            return Plan(node, key, "grow" if node.stage.pays else "again", "its input changed")
        unfinished = seal.get("unfinished")
        if unfinished and not self._finishing:
            return Plan(node, key, "resume", f"{unfinished:,} were left unfinished")
        extent = node.stage.config.of_kind(EXTENT)
        if seal["extent"] != extent:
            changes = _changes(seal["extent"], extent)
            return Plan(node, key, "grow", changes)
        if node.stage.pays and (lost := self._run.lost_attempts(folder)):
            share = lost / count_rows(folder.path / "attempts.parquet")
            why = f"{lost:,} of its attempts are lost from the store"
            return Plan(node, key, "resume", why, share * _paid_seconds(folder))
        return Plan(node, key, "done")

    def about(self, node: Node) -> dict[str, Any]:
        """All that a step's key is made of, readable; kept in ``step.json``."""
        stage = node.stage
        return {
            "name": node.name,
            "stage": stage.name,
            "version": stage.version,
            "domain": f"{self._domain.name} {self._domain.version}",
            "settings": stage.config.of_kind(Kind.MEANING),
            "sampling_seed": self.recipe.file.seed if stage.pays else None,
            "files": stage.fingerprint(self._domain),
            "model": self._model_identity(node),
        }

    def _model_identity(self, node: Node) -> str | None:
        if node.model is None:
            return None
        if node.model.startswith("@"):
            return self._keys.get(node.model[1:])
        spec = self.spec(node.model)
        return spec.fingerprint or spec.name

    def spec(self, name: str) -> ModelSpec:
        """The model of a name; resolved once."""
        if name not in self._specs:
            self._specs[name] = resolve(name)
        return self._specs[name]

    def _key(self, node: Node, about: Mapping[str, Any]) -> str | None:
        """The step's key, or None while it cannot be known."""
        if node.model is not None and about["model"] is None:
            return None
        if isinstance(node.stage, SetStage):
            inputs = self.input_digest(node)
            return None if inputs is None else digest("set", about, inputs)
        keys = [self._keys.get(name) for name in node.inputs]
        return None if None in keys else digest("row", about, keys)

    def _sealed(self, name: str) -> StepFolder | None:
        """The folder of a step that is done and up to date, else None."""
        key = self._keys.get(name)
        if key is None:
            return None
        folder = self._run.step(name, key)
        seal = folder.seal
        if seal is None:
            return None
        node = self.recipe.nodes[name]
        fresh = seal["extent"] == node.stage.config.of_kind(EXTENT)
        fresh &= self._finishing or not seal.get("unfinished")
        return folder if fresh and seal["input"] == self.input_digest(node) else None

    def input_digest(self, node: Node) -> str | None:
        """Digest of the sealed inputs' rows; None while one of them is not done."""
        digests = []
        for name in node.inputs:
            folder = self._sealed(name)
            if folder is None:
                return None
            seal = folder.seal
            assert seal is not None
            digests.append(seal["digest"])
        return digest(digests)

    def _difference(
        self, about: Mapping[str, Any], old: Mapping[str, Any] | None, key: str | None
    ) -> tuple[str, float]:
        """Why a step's key is not what it was, and the paid seconds left behind by that."""
        if old is None or old["key"] == key:
            return "", 0.0
        before = StepFolder(self._run.path / "steps" / old["folder"])
        was = before.about
        reasons = []
        if was.get("settings") != about["settings"]:
            reasons.append(_changes(was.get("settings", {}), about["settings"]))
        for field in ("version", "domain", "sampling_seed", "files", "model"):
            if was.get(field) != about[field]:
                short = field not in ("files", "model")
                change = f" {was.get(field)} -> {about[field]}" if short else " changed"
                reasons.append(field.replace("_", " ") + change)
        # where only what it reads changed, the store still serves the attempts on the same rows
        behind = _paid_seconds(before) if reasons and key is not None else 0.0
        return "; ".join(reasons) or "what it reads changed", behind

    def model_of(self, node: Node) -> ModelSpec:
        """The model of a step: a name, or the folder that an earlier step left."""
        assert node.model is not None
        if not node.model.startswith("@"):
            return self.spec(node.model)
        folder = self.folder(node.model[1:]).path / "model"
        return replace(resolve(str(folder)), name=node.model)

    def folder(self, name: str) -> StepFolder:
        """The folder of a step whose key is known."""
        key = self._keys[name]
        assert key is not None
        return self._run.step(name, key)

    def model_problems(self) -> list[ScalediffError]:
        """What stands in the way of each step's model: nothing is opened, only looked for."""
        problems: list[ScalediffError] = []
        for node in self.recipe.nodes.values():
            if node.model is not None and not node.model.startswith("@"):
                try:
                    spec = self.spec(node.model)
                    if node.stage.name == "train" and spec.kind in ("fake", "url"):
                        raise RecipeError(
                            f"step {node.name} cannot train {node.model}; name a folder, a GGUF "
                            "file or a Hugging Face id"
                        )
                except ScalediffError as error:
                    problems.append(error)
        return problems


def _paid_seconds(folder: StepFolder) -> float:
    """Seconds of work in a sealed step that would have to be paid for again: models at work."""
    about = folder.about
    costs = about.get("pays") or about.get("stage") == "train"
    return float((folder.seal or folder.spent).get("seconds", 0.0)) if costs else 0.0


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """``k 1 -> 2, temperature 0.6 -> 1.0``."""
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return ", ".join(f"{n} {_short(before.get(n))} -> {_short(after.get(n))}" for n in names)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
