"""Fine-tuning as a step: rows in, a model folder out (artefact ``model``).

The generator learns to pose problems (loss on the problem alone, after the bare user turn); the
student learns problems' solutions. Settings left null take the paper's defaults for the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.records import Drop, Row
from scalediff.core.stage import OPERATION, Config, Context, SetStage, Table
from scalediff.io.exports import line_of
from scalediff.io.run import read_json

_DEFAULTS: dict[str, dict[str, Any]] = {
    # released script: train_diffgen.sh
    "generator": {"epochs": 1.0, "batch_size": 16, "max_length": 1024, "packing": False},
    # released script: train_scalediff.sh, 2 a device and 2 accumulated, in packed 32k sequences
    "student": {"epochs": 3.0, "batch_size": 4, "max_length": 32768, "packing": True},
}


class TrainConfig(Config):
    """Settings of the train stage."""

    task: Literal["generator", "student"] = "student"
    """What is learnt: posing problems, or solving them."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the rows. Released scripts: 1 for the generator, 3 for the student."""
    batch_size: int | None = Field(default=None, ge=1)
    """Rows a step, or sequences where rows are packed. Released scripts: 16 a device for the
    generator, 2 x 2 for the student."""
    learning_rate: float = Field(default=5e-5, gt=0, lt=1)
    """Peak learning rate. Released scripts: 5e-5."""
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "linear"
    """Decay. Released scripts: linear."""
    warmup_ratio: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises. Released scripts: 0.1."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Released scripts: 1e-4."""
    max_length: int | None = Field(default=None, ge=8)
    """Tokens of a row; longer rows are left out and counted. Released scripts: 1,024 for the
    generator, 32,768 for the student."""
    packing: bool | None = None
    """Put several short rows into one sequence, kept apart from one another, on a GPU; on a CPU it
    does nothing. Released scripts: yes for the student, no for the generator."""
    group_by_length: bool = False
    """Draw rows of like length into one batch, so that little of it is padding; without packing,
    that saves about a quarter of the work where rows differ. Released scripts: not used."""
    prompt: str = "<|im_start|>user\n"
    """The generator's prompt. Released script: the bare user turn."""
    train_seed: int = Field(default=42, ge=0, lt=2**32)
    """Seed of the training (order of rows); not the sampling seed. Released scripts: 42."""
    splits: list[str] | None = None
    """Rows of these splits alone (``original``, ``generated``); null takes all."""
    max_rows: int | None = Field(default=None, ge=1)
    """The first rows alone, counted after ``splits``; null takes all."""
    match_steps: bool = False
    """Take exactly as many steps as the training that is the second input (a control)."""
    in_process: Annotated[bool, OPERATION] = False
    """Train in this process rather than in a child."""
    threads: Annotated[int, OPERATION] = Field(default=0, ge=0)
    """Threads of the processor; 0 is all cores."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """Settings left null take the released scripts' values for the task."""
        if not isinstance(values, Mapping):
            return values
        defaults = _DEFAULTS.get(str(values.get("task", "student")), {})
        return {**values, **{k: v for k, v in defaults.items() if values.get(k) is None}}


class Train(SetStage):
    """Leaves a model; has no rows of its own."""

    name = "train"
    version = "2"
    Config = TrainConfig
    config: TrainConfig

    @property
    def apart(self) -> bool:
        """A training is, unless it is asked to be done here."""
        return not self.config.in_process

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Write the rows for the trainer and train.

        Raises:
            InputError: There is no row to train on.
            RecipeError: The step names no model, or no training to match.
        """
        if ctx.train is None:
            raise RecipeError(f"step {ctx.step} trains a model and names none; give it a `model`")
        job = self._job(inputs, ctx)
        rows = ctx.folder / "train.jsonl"
        if not self._write_rows(inputs[0], rows, ctx):
            raise InputError(
                f"step {ctx.step} has no row to train on; look at what the steps before it "
                "dropped, and at `splits` where it is set"
            )
        ctx.train(job | {"rows": str(rows), "folder": str(ctx.folder / "model")})
        rows.unlink()
        yield from ()

    def _write_rows(self, table: Table, path: Path, ctx: Context) -> int:
        """Write prompts and responses, and say how many."""
        pairs = (self._pair(row, ctx) for row in table.rows())
        count = 0
        with open(path, "wb") as file:
            for pair in islice(filter(None, pairs), self.config.max_rows):
                file.write(line_of(pair))
                count += 1
        return count

    def _pair(self, row: Row, ctx: Context) -> dict[str, str] | None:
        """Prompt and response; None where the row is of another split or has no solution.

        The student's user turn is the domain's for a student, the one that the filter asks it
        with. Released script: the bare problem.
        """
        if self.config.splits is not None and row.get("split") not in self.config.splits:
            return None
        if self.config.task == "generator":
            return {"prompt": self.config.prompt, "response": row["problem"]}
        solution = row.get("solution")
        if not isinstance(solution, str) or not solution.strip():
            return None
        return {"prompt": ctx.domain.prompt(row["problem"], "student"), "response": solution}

    def _job(self, inputs: list[Table], ctx: Context) -> dict[str, Any]:
        settings = self.config.model_dump(exclude={"splits", "max_rows", "match_steps", "prompt"})
        if self.config.match_steps:
            told = None
            if len(inputs) > 1:
                told = read_json(inputs[1].artefact("model") / "training.json")
            if told is None:
                raise RecipeError(
                    f"step {ctx.step}: match_steps needs a training as the step's second input"
                )
            settings["steps"] = told["steps"]
        return settings
