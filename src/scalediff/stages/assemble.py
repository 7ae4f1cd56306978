r"""The dataset: originals and kept rows with one solution each, exported (artefact ``dataset``).

In: any number of tables; rows with a ``slot`` are generated, others original. Out: new rows with
``split``, ``problem``, ``solution``, ``answer`` first. A generated row's solution is the teacher's
attempt that agrees with the label; an original's is a teacher's attempt that was graded right
where there is one, else its own text, flagged. An attempt as a solution always holds
``<think>`` … ``</think>`` and the answer, also where the template had opened the tag. A source's
own ``solution`` and ``answer`` move to ``source_*`` where ours take their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.dataset import write_dataset
from scalediff.io.exports import write_jsonl

_WORKING = {"attempts", "finish_reason", "num_tokens", "is_greedy", "difficult", "solution_index",
            "num_agree", "num_counted", "review", "pass_rate", "slot"}  # fmt: skip
"""Columns of the line that are not part of a dataset."""


class AssembleConfig(Config):
    """Settings of the assemble stage."""

    formats: list[Literal["messages", "prompt-completion", "sharegpt"]] = []
    """Further exports of the same rows, as JSON Lines beside the Parquet shards."""
    max_chars: int = Field(default=400_000, ge=1)
    """Rows with longer problem and solution are set aside. Ours: about 100k tokens."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    """Rows of one Parquet shard. Ours."""


class Assemble(SetStage):
    """One row a problem; rows in review are left out and kept in ``review.jsonl``."""

    name = "assemble"
    births = True
    reads_texts = True
    adds = ("split", "problem", "solution", "answer", "problem_id", "solution_from", "flagged",
            "source_solution", "source_answer", "confidence", "p_think", "label")  # fmt: skip
    Config = AssembleConfig
    config: AssembleConfig

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """The dataset's rows; the export is whole when the last is out."""
        made: list[Row] = []
        review: list[Row] = []
        for table in inputs:
            for row in table.rows():
                if row.get("review"):
                    review.append(row)
                    continue
                outcome = self._assembled(row)
                yield row["key"], outcome
                if not isinstance(outcome, Drop):
                    made.append(outcome)
        write_jsonl(ctx.folder / "review.jsonl", review, overwrite=True)
        write_dataset(
            ctx.folder / "dataset",
            made,
            formats=self.config.formats,
            rows_per_shard=self.config.rows_per_shard,
            prompt=lambda problem: ctx.domain.prompt(problem, "student"),
            about={
                "step": ctx.step,
                "domain": ctx.domain.name,
                "laboratory": ctx.domain.name == "nano",
            },
        )

    def _assembled(self, row: Row) -> Row | Drop:
        generated = row.get("slot") is not None
        attempt = _chosen(row) if generated else _right(row)
        source = row.get("solution")
        if attempt is None and not (isinstance(source, str) and source.strip()):
            return Drop("no_solution", "neither an attempt to take nor a solution of its own")
        made: Row = {
            "key": row["key"],
            "split": "generated" if generated else "original",
            "problem": row["problem"],
            "solution": solution_of(attempt) if attempt is not None else source,
            "answer": row.get("label") if generated else row.get("answer"),
        }
        for name, value in row.items():
            if name not in _WORKING and name not in made:
                made[name] = value
        if attempt is not None and isinstance(source, str):
            made["source_solution"] = source
        made["solution_from"] = "teacher" if attempt is not None else "source"
        made["flagged"] = attempt is None
        if made["answer"] is None and attempt is not None:
            made["answer"] = attempt.get("answer")
        size = len(made["problem"]) + len(made["solution"])
        if size > self.config.max_chars:
            return Drop("over_length", f"{size:,} characters, over {self.config.max_chars:,}")
        return made


def _chosen(row: Row) -> dict[str, Any] | None:
    """The attempt that agrees with a generated row's label."""
    usable = attempts_of(row, "teacher", usable=True)
    wanted = row.get("solution_index")
    agreeing = [a for a in usable if a["sample_index"] == wanted]
    return next(iter(agreeing or usable), None)


def _right(row: Row) -> dict[str, Any] | None:
    """The first attempt at an original that is right, where attempts were graded."""
    usable = attempts_of(row, "teacher", usable=True)
    graded = [a for a in usable if a.get("verdict") is not None]
    if graded:
        return next((a for a in graded if a["verdict"] == "right"), None)
    return usable[0] if usable and row.get("answer") is None else None


def solution_of(attempt: dict[str, Any]) -> str:
    r"""An attempt as text, its thought between tags (empty where there was none).

    Example:
        >>> solution_of({"reasoning": "2+2=4", "content": "It is 4."})
        '<think>\n2+2=4\n</think>\n\nIt is 4.'
    """
    reasoning = (attempt.get("reasoning") or "").strip("\n")
    return f"<think>\n{reasoning}\n</think>\n\n{attempt.get('content') or ''}"
