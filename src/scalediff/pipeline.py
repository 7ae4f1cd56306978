"""The line: skip what is done, open engines, run the rest; ``planning.py`` says what is owed.

Steps run one after another, in the recipe's order, except that trainings may go on beside the
others (``side_by_side``): their work is done in processes of their own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from scalediff.beside import Beside
from scalediff.core.domain import Domain
from scalediff.core.engine import Engine
from scalediff.core.errors import INTERRUPTED, DamagedError, RunStateError, ScalediffError, Stopped
from scalediff.core.keys import digest
from scalediff.core.records import Row
from scalediff.core.stage import EXTENT, AsyncStage, Context, RowStage, SetStage
from scalediff.core.stopping import STOPPING
from scalediff.domains import open_domain
from scalediff.engines import EngineConfig
from scalediff.engines.recording import RecordingEngine
from scalediff.io.ledger import Ledger
from scalediff.io.run import Run, StepFolder, StepTable
from scalediff.keeper import Keeper
from scalediff.limits import GO_ON, Limits, StepBrake
from scalediff.notices import Notices
from scalediff.paid_for import num_paid_for
from scalediff.planning import Plan, Planner
from scalediff.preflight import preflight
from scalediff.recipe import Node, Recipe
from scalediff.runner import Result, run_async_stage, run_row_stage, run_set_stage, timed
from scalediff.spending import Spending
from scalediff.spread import spread_over
from scalediff.training.job import Children

PAID_HOURS_ASK = 1.0
"""Paid work, in hours, that is not left behind without asking."""

Seal = dict[str, Any]
T = TypeVar("T")


class Watcher(Protocol):
    """Who is told what happens (the terminal, a test)."""

    def begin(self, plan: Plan) -> None:
        """A step starts, or is reused (``plan.state == "done"``)."""

    def progress(
        self, step: str, done: int, total: int | None, spent: Mapping[str, Any] | None = None
    ) -> None:
        """Rows done so far, and of a paying step what this go has cost (``Spending.live``)."""

    def end(self, plan: Plan, seal: Mapping[str, Any]) -> None:
        """A step is sealed."""

    def say(self, text: str) -> None:
        """Something that a person has to know at once."""


class Pipeline:
    """One recipe in one run directory.

    Args:
        recipe: What to do.
        run: Where.
        watcher: Who is told.
        workers: Processes for pure stages over many rows.
        limits: What the run may cost and until when.
        finish: Seal begun steps with what is there, and go on with that.
    """

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        watcher: Watcher,
        workers: int = 2,
        *,
        limits: Limits | None = None,
        finish: bool = False,
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.watcher = watcher
        self._workers = workers
        self.domain: Domain = open_domain(recipe.file.domain)
        self.planner = Planner(recipe, run, self.domain, finishing=finish)
        self._finish_early = finish
        self._spending = Spending(run, recipe)
        self._notices = Notices(run, self._say)
        self._limits = limits or recipe.limits()
        self._limits.spent = self._spending.totals
        self._children = Children()
        self._has_paid = self._paid_before()
        self._keeper = Keeper(EngineConfig(**recipe.file.engine), run.path / "servers")

    def plan(self) -> list[Plan]:
        """What each step would do now; raises what stands in the way of a model."""
        problems = self.planner.model_problems()
        if problems:
            raise problems[0]
        return self.planner.plan()

    def execute(self, plans: Sequence[Plan], confirm: Callable[[str], bool]) -> bool:
        """Run what is not done; False where nothing had to be done.

        Args:
            plans: What ``plan`` gave.
            confirm: Asked before more than an hour of paid work would be left behind.

        Raises:
            Stopped: The user interrupted; the same command goes on.
        """
        # what was begun is sealed by `finish` as it is, and its model is not asked
        settled = ("done", "resume", "grow") if self._finish_early else ("done",)
        left = [plan.node for plan in plans if plan.state not in settled]
        for note in preflight(left, self.recipe, self.domain, self.planner.spec):
            self._say(note)
        behind = sum(plan.behind_s for plan in plans) / 3600
        if behind > PAID_HOURS_ASK:
            steps = ", ".join(p.node.name for p in plans if p.behind_s)
            question = f"{behind:.1f} hours of paid work ({steps}) would be left behind"
            if not confirm(question):
                raise RunStateError(f"{question}; run again with --yes if that is meant")
        self.run.event("go", pid=os.getpid(), host=socket.gethostname())
        try:
            with Beside[Plan, Seal](self.recipe.file.side_by_side, self._children.stop) as beside:
                return self._run_all(beside)
        except KeyboardInterrupt:  # of a caller that did not have the signals taken over
            raise Stopped(INTERRUPTED) from None
        except ScalediffError as error:
            detail = getattr(error, "detail", "")
            if detail:
                self._say(detail)
            self.run.event("error", error=type(error).__name__, message=detail or str(error))
            raise
        finally:
            self.run.event("stop")
            try:
                self._keeper.run(self.domain.close())
            finally:
                self._keeper.close()

    def _run_all(self, beside: Beside[Plan, Seal]) -> bool:
        """Run each step once what it needs is done; at a limit let the trainings beside finish."""
        try:
            return self._run_each(beside)
        except Stopped:
            while beside.num_running:
                self._finish(*beside.wait())
            raise

    def _run_each(self, beside: Beside[Plan, Seal]) -> bool:
        waiting = dict(self.recipe.nodes)
        done: set[str] = set()
        worked = False
        while waiting or beside.num_running:
            STOPPING.check()
            node = next((n for n in waiting.values() if done.issuperset(n.needs)), None)
            if node is None or not beside.has_room:
                plan, seal = beside.wait()
                self._finish(plan, seal)
                done.add(plan.node.name)
                continue
            del waiting[node.name]
            plan = self.planner.plan_of(node)
            if plan.state == "done":
                self.planner.folder(node.name).restore(self.run.damage)
                self._note(plan)
                self.watcher.begin(plan)
                done.add(node.name)
                continue
            self._may_begin(node)
            if node.stage.pays and self._has_paid and (paid := self.num_paid_for(plan)):
                paid_for = f"{paid:,} units are done or paid for already"
                plan = replace(plan, why="; ".join(filter(None, (plan.why, paid_for))))
            self.watcher.begin(plan)
            worked = True
            self._keeper.keep_for(_next_model([node, *waiting.values()]))
            work = self._start(plan)
            if node.stage.apart and beside.most > 1:
                beside.start(plan, work)
            else:
                self._finish(plan, work())
                done.add(node.name)
        return worked

    def _paid_before(self) -> bool:
        return (self.run.store_folder / "attempts.log").exists()

    def num_paid_for(self, plan: Plan) -> int:
        """Units of a paying step that are finished already, or that the attempt store has."""
        node, stage = plan.node, plan.node.stage
        if plan.key is None or not isinstance(stage, AsyncStage):
            return 0
        folder = self.run.step(node.name, plan.key)
        with Ledger(folder.path / "ledger", read_only=True) as ledger:
            if not len(ledger) and not self._paid_before():
                return 0
            if self.planner.input_digest(node) is None:  # its rows are not known yet
                return len(ledger)
            tables = [self._table(name, texts=stage.reads_texts) for name in node.inputs]
            ctx = Context(self.domain, node.name, self.recipe.file.seed, node.name, folder.path)
            rows, _ = _source(node, stage, tables)
            model = self.planner.model_of(node)
            return num_paid_for(stage, rows, ctx, model, ledger, self.run.attempts)

    def _may_begin(self, node: Node) -> None:
        """Raise what stands in the way of spending more; free steps go on."""
        if node.stage.pays or node.stage.apart:
            reached = self._limits.reached()
            if reached is not None:
                raise Stopped(f"before step {node.name}: {reached}; {GO_ON}")

    def _finish(self, plan: Plan, seal: Seal) -> None:
        self.run.event("end", step=plan.node.name, **seal["counts"], seconds=seal["seconds"])
        self._note(plan)
        self.watcher.end(plan, seal)

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

    def _start(self, plan: Plan) -> Callable[[], Seal]:
        """Open the step's folder; what is returned does the work and seals it."""
        node, stage = plan.node, plan.node.stage
        assert plan.key is not None, f"{node.name} has no key though all it needs is done"
        folder = self.run.step(node.name, plan.key)
        if folder.damage:
            self.run.damage(f"{folder.path}: {folder.damage}; the step is made again")
        inputs = self.planner.input_digest(node)
        tables = [self._table(name, texts=stage.reads_texts) for name in node.inputs]
        if not stage.pays and folder.about.get("input") != inputs:
            folder.forget_ledger()  # free work on other rows is not worth keeping
        about = self.planner.about(node) | {
            "key": plan.key,
            "input": inputs,
            "inputs": [self.planner.folder(name).path.name for name in node.inputs],
            "births": stage.births,
            "pays": stage.pays,
        }
        folder.begin(about)
        self.run.event("begin", step=node.name, key=plan.key, why=plan.why)

        def work() -> Seal:
            clock = timed()
            recorders: list[RecordingEngine] = []
            if stage.pays:
                self._spending.begin(node, recorders)
            try:
                result = self._work(node, folder, tables, recorders)
            finally:
                spent = {"seconds": clock(), **self._spending.of(node, recorders)}
                total = folder.spend(spent)
                self._spending.end(node, spent)
            if stage.pays:  # a seal outlives a power cut, and so has to what it vouches for
                self.run.attempts.sync()
            seal = {
                "digest": self._digest(plan, result),
                "num_rows": result.num_rows,
                "input": inputs,
                "extent": stage.config.of_kind(EXTENT),
                "counts": result.counts(),
                "seconds": total.pop("seconds"),
                "tokens": total,
            } | ({"unfinished": result.num_unfinished} if result.num_unfinished else {})
            folder.finish(seal)
            if not stage.pays:
                folder.forget_ledger()
            return seal

        return work

    def _digest(self, plan: Plan, result: Result) -> str:
        """What the step's rows are, with all columns they gained: its own and its first input's.

        A step without rows (a training) is told apart by its key alone.
        """
        assert plan.key is not None
        if not result.num_in:
            return plan.key
        if plan.node.stage.births or not plan.node.inputs:
            return result.digest
        seal = self.planner.folder(plan.node.inputs[0]).seal
        assert seal is not None
        return digest(result.digest, seal["digest"])

    def _work(
        self,
        node: Node,
        folder: StepFolder,
        tables: list[StepTable],
        recorders: list[RecordingEngine],
    ) -> Result:
        """Give the step to the runner in the shape its stage has."""
        stage = node.stage
        # what is under way in an asynchronous stage or another process may finish
        progress = self._tell
        if not isinstance(stage, AsyncStage) and not stage.apart:
            progress = self._tell_or_stop
        ctx = Context(
            domain=self.domain,
            role=node.name,
            seed=self.recipe.file.seed,
            step=node.name,
            folder=folder.path,
            progress=partial(progress, node),
            spread=spread_over(self.domain, self._workers),
        )
        if isinstance(stage, SetStage):
            ctx.train = self._trainer(node, ctx)
            return run_set_stage(stage, folder, tables, ctx)
        if isinstance(stage, RowStage):
            return run_row_stage(stage, folder, tables[0], ctx)
        assert isinstance(stage, AsyncStage)
        source, num_rows = _source(node, stage, tables)
        paying = node.stage.pays
        brake = self._brake(node) if paying else None
        return run_async_stage(
            stage,
            folder,
            source,
            num_rows,
            ctx,
            self.run.attempts,
            self._opener(node, recorders),
            self._keeper.run,
            brake,
            finish=self._finish_early and paying,
        )

    def _brake(self, node: Node) -> StepBrake:
        tokens = getattr(node.stage.config, "max_new_tokens", 0)
        price = self.recipe.price(node)
        most = {"tokens": tokens, "cost": price.of(0, tokens) if price else 0}
        return StepBrake(node.name, self._limits, self.recipe.guards(node), most)

    def _say(self, text: str) -> None:
        say = getattr(self.watcher, "say", None)  # who only counts need not listen
        if say is not None:
            say(text)

    def _tell(self, node: Node, done: int, total: int | None) -> None:
        live = self._spending.live(node, done, total)
        if node.stage.pays:
            held = self._notices.look(node.name, self._spending.usage())
            if held and live is not None:
                live["held"] = held
        share = self._limits.share() if live else None
        if live and share is not None:
            live["of_budget"] = share
        self.watcher.progress(node.name, done, total, live)

    def _tell_or_stop(self, node: Node, done: int, total: int | None) -> None:
        self._tell(node, done, total)
        STOPPING.check()

    def _opener(self, node: Node, recorders: list[RecordingEngine]) -> Callable[[], Any]:
        async def open_for_step() -> Engine | None:
            if node.model is None:
                return None
            engine = await self._keeper.engine(self.planner.model_of(node))
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

    def _trainer(self, node: Node, ctx: Context) -> Callable[[Mapping[str, Any]], Path]:
        def train(job: Mapping[str, Any]) -> Path:
            from scalediff.training import run_job

            base = self.planner.model_of(node)
            return run_job(
                {**job, "base_model": base.location, "base_kind": base.kind},
                Path(job["folder"]),
                in_process=bool(job.get("in_process", False)),
                progress=ctx.progress,
                children=self._children,
            )

        return train

    def _table(self, name: str, *, texts: bool) -> StepTable:
        return StepTable(self.run, self.planner.folder(name), texts=texts)


def _source(
    node: Node, stage: AsyncStage, tables: Sequence[StepTable]
) -> tuple[Callable[[], Iterator[Row]], int]:
    """What gives the rows of a step, and how many there are."""
    if not stage.births:
        return tables[0].rows, tables[0].num_rows

    def newborn() -> Iterator[Row]:
        for row in stage.newborn():
            yield {**row, "key": f"{node.name}/{row['key']}"}

    return newborn, sum(1 for _ in stage.newborn())


def healed(run: Run, work: Callable[[], T]) -> T:
    """What work comes to; a step that is found damaged on the way is made again, each once.

    Raises:
        DamagedError: What is damaged is in no step, or is found so again.
    """
    met: set[str] = set()
    while True:
        try:
            return work()
        except DamagedError as error:
            if error.what in met or not run.unseal(error):
                raise
            met.add(error.what)


def _next_model(nodes: Sequence[Node]) -> str | None:
    """The model that is asked next; None where none is, or a training wants the memory first."""
    node = next((n for n in nodes if n.model is not None), None)
    return node.model if node is not None and node.stage.name != "train" else None
