"""The line: plan the steps, skip what is done, open engines, run the rest.

A step's key holds what its output means: stage and domain versions, settings that carry meaning,
the model, and its inputs (their keys; for a set-wise step the digests of their sealed rows). Its
seal holds what it was made from. So the plan is a comparison of the two, and says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from scalediff.core.domain import Domain
from scalediff.core.engine import Engine, ModelSpec
from scalediff.core.errors import RunStateError, ScalediffError, Stopped
from scalediff.core.keys import digest
from scalediff.core.records import Drop, Row
from scalediff.core.stage import EXTENT, AsyncStage, Context, Kind, RowStage, SetStage
from scalediff.domains import open_domain
from scalediff.engines import EngineConfig, open_engine
from scalediff.engines.recording import RecordingEngine
from scalediff.io.run import Run, StepFolder, StepTable
from scalediff.model_names import resolve
from scalediff.recipe import Node, Recipe
from scalediff.runner import Result, run_async_stage, run_row_stage, run_set_stage, timed

PAID_HOURS_ASK = 1.0
"""Paid work, in hours, that is not left behind without asking."""

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


class Watcher(Protocol):
    """Who is told what happens (the terminal, a test)."""

    def begin(self, plan: Plan) -> None:
        """A step starts, or is reused (``plan.state == "done"``)."""

    def progress(self, step: str, done: int, total: int | None) -> None:
        """Rows done so far."""

    def end(self, plan: Plan, seal: Mapping[str, Any]) -> None:
        """A step is sealed."""


class Pipeline:
    """One recipe in one run directory.

    Args:
        recipe: What to do.
        run: Where.
        watcher: Who is told.
        workers: Processes for pure stages over many rows.
    """

    def __init__(self, recipe: Recipe, run: Run, watcher: Watcher, workers: int = 2) -> None:
        self.recipe = recipe
        self.run = run
        self._watcher = watcher
        self._workers = workers
        self._domain: Domain = open_domain(recipe.file.domain)
        self._specs: dict[str, ModelSpec] = {}
        self._keys: dict[str, str | None] = {}

    # -- planning ---------------------------------------------------------------------------

    def plan(self) -> list[Plan]:
        """What each step would do now; reads only the run directory and the models' files."""
        self._keys = {}
        return [self._plan(node) for node in self.recipe.nodes.values()]

    def _plan(self, node: Node) -> Plan:
        about = self._about(node)
        key = self._keys[node.name] = self._key(node, about)
        old = self.run.manifest.get("steps", {}).get(node.name)
        why, behind = self._difference(about, old, key)
        if key is None:
            waits_for = next(n for n in node.needs if not self._sealed(n))
            return Plan(node, None, "wait", f"after {waits_for}", behind)
        folder = self.run.step(node.name, key)
        seal = folder.seal
        if seal is None:
            begun = (folder.path / "ledger.idx").exists()
            state: State = "resume" if begun else "again" if old else "run"
            return Plan(node, key, state, "" if begun else why, behind)
        inputs = self._input_digest(node)
        if inputs is None:
            waits_for = next(n for n in node.inputs if not self._sealed(n))
            return Plan(node, key, "wait", f"after {waits_for}")
        if seal["input"] != inputs:
            return Plan(node, key, "grow" if node.stage.pays else "again", "its input changed")
        extent = node.stage.config.of_kind(EXTENT)
        if seal["extent"] != extent:
            changes = _changes(seal["extent"], extent)
            return Plan(node, key, "grow", changes)
        return Plan(node, key, "done")

    def _about(self, node: Node) -> dict[str, Any]:
        """All that a step's key is made of, readable; kept in ``step.json``."""
        stage = node.stage
        fingerprint = getattr(stage, "fingerprint", None)
        return {
            "name": node.name,
            "stage": stage.name,
            "version": stage.version,
            "domain": f"{self._domain.name} {self._domain.version}",
            "settings": stage.config.of_kind(Kind.MEANING),
            "sampling_seed": self.recipe.file.seed if stage.pays else None,
            "files": fingerprint() if fingerprint is not None else None,
            "model": self._model_identity(node),
        }

    def _model_identity(self, node: Node) -> str | None:
        if node.model is None:
            return None
        if node.model.startswith("@"):
            return self._keys.get(node.model[1:])
        spec = self._spec(node.model)
        return spec.fingerprint or spec.name

    def _spec(self, name: str) -> ModelSpec:
        if name not in self._specs:
            self._specs[name] = resolve(name)
        return self._specs[name]

    def _key(self, node: Node, about: Mapping[str, Any]) -> str | None:
        """The step's key, or None while it cannot be known."""
        if node.model is not None and about["model"] is None:
            return None
        if isinstance(node.stage, SetStage):
            inputs = self._input_digest(node)
            return None if inputs is None else digest("set", about, inputs)
        keys = [self._keys.get(name) for name in node.inputs]
        return None if None in keys else digest("row", about, keys)

    def _sealed(self, name: str) -> StepFolder | None:
        """The folder of a step that is done and up to date, else None."""
        key = self._keys.get(name)
        if key is None:
            return None
        folder = self.run.step(name, key)
        seal = folder.seal
        if seal is None:
            return None
        node = self.recipe.nodes[name]
        fresh = seal["extent"] == node.stage.config.of_kind(EXTENT)
        return folder if fresh and seal["input"] == self._input_digest(node) else None

    def _input_digest(self, node: Node) -> str | None:
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
        before = StepFolder(self.run.path / "steps" / old["folder"])
        was = before.about
        seal = before.seal or {}
        behind = seal.get("seconds", 0.0) if was.get("pays") and key is not None else 0.0
        reasons = []
        if was.get("settings") != about["settings"]:
            reasons.append(_changes(was.get("settings", {}), about["settings"]))
        for field in ("version", "domain", "sampling_seed", "files", "model"):
            if was.get(field) != about[field]:
                short = field not in ("files", "model")
                change = f" {was.get(field)} -> {about[field]}" if short else " changed"
                reasons.append(field.replace("_", " ") + change)
        return "; ".join(reasons) or "what it reads changed", behind

    # -- running ----------------------------------------------------------------------------

    def execute(self, confirm: Callable[[str], bool]) -> bool:
        """Run what is not done, step by step; False where nothing had to be done.

        Args:
            confirm: Asked before more than an hour of paid work would be left behind.

        Raises:
            Stopped: The user interrupted; the same command goes on.
        """
        plans = self.plan()
        behind = sum(plan.behind_s for plan in plans) / 3600
        if behind > PAID_HOURS_ASK:
            steps = ", ".join(p.node.name for p in plans if p.behind_s)
            question = f"{behind:.1f} hours of paid work ({steps}) would be left behind"
            if not confirm(question):
                raise RunStateError(f"{question}; run again with --yes if that is meant")
        worked = False
        try:
            for node in self.recipe.nodes.values():
                plan = self._plan(node)
                self._watcher.begin(plan)
                if plan.state != "done":
                    self._run_step(plan)
                    worked = True
                self._note(plan)
        except KeyboardInterrupt:
            raise Stopped("stopped in good order; run the same command again to go on") from None
        finally:
            asyncio.run(self._domain.close())
        return worked

    def _note(self, plan: Plan) -> None:
        """Enter the step into the manifest, so that it is found by name."""
        assert plan.key is not None
        entry = {
            "folder": self.run.step(plan.node.name, plan.key).path.name,
            "key": plan.key,
            "stage": plan.node.stage.name,
            "model": plan.node.model,
            "pays": plan.node.stage.pays,
            "inputs": list(plan.node.inputs),
        }
        steps = self.run.manifest.get("steps", {})
        if steps.get(plan.node.name) != entry:
            self.run.update_manifest(steps={**steps, plan.node.name: entry})

    def _run_step(self, plan: Plan) -> None:
        node, stage = plan.node, plan.node.stage
        assert plan.key is not None, f"{node.name} has no key though all it needs is done"
        folder = self.run.step(node.name, plan.key)
        inputs = self._input_digest(node)
        tables = [self._table(name, texts=stage.reads_texts) for name in node.inputs]
        if not stage.pays and folder.about.get("input") != inputs:
            folder.forget_ledger()  # free work on other rows is not worth keeping
        about = self._about(node) | {
            "key": plan.key,
            "input": inputs,
            "inputs": [self._folder(name).path.name for name in node.inputs],
            "births": stage.births,
            "pays": stage.pays,
        }
        folder.begin(about)
        self.run.event("begin", step=node.name, key=plan.key, why=plan.why)
        clock = timed()
        recorders: list[RecordingEngine] = []
        try:
            result = self._work(node, folder, tables, recorders)
        finally:
            total = folder.spend({"seconds": clock(), **_spent(recorders)})
        seal = {
            # a step without rows (a training) is told apart by its key alone
            "digest": result.digest if result.num_in else plan.key,
            "num_rows": result.num_rows,
            "input": inputs,
            "extent": stage.config.of_kind(EXTENT),
            "counts": result.counts(),
            "seconds": total.pop("seconds"),
            "tokens": total,
        }
        folder.finish(seal)
        if not stage.pays:
            folder.forget_ledger()
        self.run.event("end", step=node.name, **seal["counts"], seconds=seal["seconds"])
        self._watcher.end(plan, seal)

    def _work(
        self,
        node: Node,
        folder: StepFolder,
        tables: list[StepTable],
        recorders: list[RecordingEngine],
    ) -> Result:
        """Give the step to the runner in the shape its stage has."""
        stage = node.stage
        ctx = Context(
            domain=self._domain,
            role=node.name,
            seed=self.recipe.file.seed,
            step=node.name,
            folder=folder.path,
            progress=partial(self._watcher.progress, node.name),
        )
        if isinstance(stage, SetStage):
            ctx.train = self._trainer(node, ctx)
            return run_set_stage(stage, folder, tables, ctx)
        if isinstance(stage, RowStage):
            return run_row_stage(stage, folder, tables[0], ctx, self._workers)
        assert isinstance(stage, AsyncStage)
        source, num_rows = self._source(node, stage, tables)
        return run_async_stage(
            stage, folder, source, num_rows, ctx, self._is_whole, self._opener(node, recorders)
        )

    @staticmethod
    def _source(
        node: Node, stage: AsyncStage, tables: list[StepTable]
    ) -> tuple[Callable[[], Iterator[Row]], int]:
        if not stage.births:
            return tables[0].rows, tables[0].num_rows

        def newborn() -> Iterator[Row]:
            for row in stage.newborn():
                yield {**row, "key": f"{node.name}/{row['key']}"}

        return newborn, sum(1 for _ in stage.newborn())

    def _is_whole(self, outcome: Row | Drop) -> bool:
        """Whether the attempts a ledger speaks of are in the store (a power cut may part them)."""
        if isinstance(outcome, Drop):
            return True
        ids = [a.get("attempt_id") for a in outcome.get("attempts", ())]
        return all(i is None or i in self.run.attempts for i in ids)

    def _opener(self, node: Node, recorders: list[RecordingEngine]) -> Callable[[], Any]:
        async def open_for_step() -> Engine | None:
            if node.model is None:
                return None
            engine = await open_engine(
                self._model_of(node), EngineConfig(**self.recipe.file.engine)
            )
            self._note_prompt(node, engine)
            recorders.append(RecordingEngine(engine, self.run.attempts))
            return recorders[-1]

        return open_for_step

    def _note_prompt(self, node: Node, engine: Engine) -> None:
        """Keep the prompt once, as the model's own template renders it."""
        prompts = self.run.manifest.get("prompts", {})
        entry = {"model": node.model, "rendered": engine.info.example_prompt}
        if prompts.get(node.name) != entry:
            self.run.update_manifest(prompts={**prompts, node.name: entry})

    def _model_of(self, node: Node) -> ModelSpec:
        assert node.model is not None
        if not node.model.startswith("@"):
            return self._spec(node.model)
        folder = self._folder(node.model[1:]).path / "model"
        return replace(resolve(str(folder)), name=node.model)

    def _trainer(self, node: Node, ctx: Context) -> Callable[[Mapping[str, Any]], Path]:
        def train(job: Mapping[str, Any]) -> Path:
            from scalediff.training import run_job

            base = self._model_of(node)
            return run_job(
                {**job, "base_model": base.location, "base_kind": base.kind},
                Path(job["folder"]),
                in_process=bool(job.get("in_process", False)),
                progress=ctx.progress,
            )

        return train

    def _folder(self, name: str) -> StepFolder:
        key = self._keys[name]
        assert key is not None
        return self.run.step(name, key)

    def _table(self, name: str, *, texts: bool) -> StepTable:
        return StepTable(self.run, self._folder(name), texts=texts)


def _spent(recorders: list[RecordingEngine]) -> dict[str, float]:
    """What was paid in one go at a step: requests sampled, served from the store, new tokens."""
    return {
        "sampled": sum(r.num_sampled for r in recorders),
        "served": sum(r.num_served for r in recorders),
        "new": sum(r.num_tokens for r in recorders),
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """``k 1 -> 2, temperature 0.6 -> 1.0``."""
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    return ", ".join(f"{n} {_short(before.get(n))} -> {_short(after.get(n))}" for n in names)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def check_models(pipeline: Pipeline) -> list[ScalediffError]:
    """What stands in the way of each step's model: nothing is opened, only looked for."""
    problems: list[ScalediffError] = []
    for node in pipeline.recipe.nodes.values():
        if node.model is not None and not node.model.startswith("@"):
            try:
                pipeline._spec(node.model)
            except ScalediffError as error:
                problems.append(error)
    return problems
