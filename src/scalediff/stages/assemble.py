r"""The dataset: originals and kept rows with one solution each, exported (artefact ``dataset``).

In: any number of tables; rows with a ``slot`` are generated, others original. Out: new rows with
``split``, ``problem``, ``solution``, ``answer`` first. A generated row's solution is the teacher's
attempt that agrees with the label; an original's is a teacher's attempt that was graded right
where there is one, else its own text, flagged. An attempt as a solution always holds
``<think>`` … ``</think>`` and the answer, also where the template had opened the tag or the model
has other tags; so does a source's own with a whole thought in it. A source's own columns move to
``source_*`` where ours take their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.dataset import DatasetWriter
from scalediff.io.exports import line_of
from scalediff.io.run import write_json
from scalediff.text.messages import with_thought
from scalediff.text.thoughts import cleaned, split

_WORKING = {"attempts", "finish_reason", "num_tokens", "is_greedy", "score_method",
            "p_think_low", "p_think_high", "difficult", "solution_index",
            "num_agree", "num_counted", "num_undecided", "review", "pass_rate", "slot"}  # fmt: skip
"""Columns of the line that are not part of a dataset."""


class AssembleConfig(Config):
    """Settings of the assemble stage."""

    formats: list[Literal["messages", "prompt-completion", "sharegpt"]] = []
    """Further exports of the same rows, as JSON Lines beside the Parquet shards."""
    max_chars: int = Field(default=400_000, ge=1)
    """Rows with longer problem and solution are set aside. Ours: about 100k tokens."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Attempts of more tokens are set aside with their rows; null takes all. The trainer leaves out
    and counts what is over its own ``max_length``."""
    rows_per_shard: int = Field(default=50_000, ge=1)
    """Rows of one Parquet shard. Ours."""


class Assemble(SetStage):
    """One row a problem; rows in review are left out and kept in ``review.jsonl``.

    ``counts.json`` says what became of every row that came in.
    """

    name = "assemble"
    version = "3"
    births = True
    reads_texts = True
    adds = ("split", "problem", "solution", "answer", "problem_id", "solution_from", "flagged",
            "source_solution", "source_answer", "confidence", "p_think", "label")  # fmt: skip
    Config = AssembleConfig
    config: AssembleConfig

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """The dataset's rows; the export is whole when the last is out."""
        writer = DatasetWriter(
            ctx.folder / "dataset",
            formats=self.config.formats,
            rows_per_shard=self.config.rows_per_shard,
            prompt=lambda problem: ctx.domain.prompt(problem, "student"),
        )
        counts: Counter[str] = Counter()
        total = sum(table.num_rows for table in inputs)
        try:
            for number, (key, outcome) in enumerate(self._outcomes(inputs, ctx), start=1):
                if number % 1_000 == 0:
                    ctx.progress(number, total)
                if outcome is None:
                    counts["review"] += 1
                    continue
                if isinstance(outcome, Drop):
                    counts[outcome.reason] += 1
                else:
                    writer.write(outcome)
                    counts[outcome["split"]] += 1
                yield key, outcome
            writer.close(
                {
                    "step": ctx.step,
                    "domain": ctx.domain.name,
                    "laboratory": ctx.domain.name == "nano",
                    "inputs": [table.name for table in inputs],
                }
            )
        except BaseException:
            writer.discard()
            raise
        write_json(ctx.folder / "counts.json", {"in": counts.total(), **counts})

    def _outcomes(
        self, inputs: list[Table], ctx: Context
    ) -> Iterator[tuple[str, Row | Drop | None]]:
        """Each row that came in: what becomes of it; None where it is for review."""
        seen: set[str] = set()
        with open(ctx.folder / "review.jsonl", "wb") as review:
            for table in inputs:
                for row in table.rows():
                    key = row["key"]
                    if key in seen:
                        yield key, Drop("duplicate", f"row {key} came from an earlier input")
                    elif row.get("review") is True:
                        review.write(line_of(row))
                        yield key, None
                    else:
                        yield key, self._assembled(row)
                    seen.add(key)

    def _assembled(self, row: Row) -> Row | Drop:
        generated = row.get("slot") is not None
        attempt = _chosen(row) if generated else _right(row)
        solution = _own(row) if attempt is None else solution_of(attempt)
        if not isinstance(solution, str) or not solution.strip():
            unseen = "no attempt was found right by its answer; let filter look first"
            nothing = "neither an attempt to take nor a solution of its own"
            return Drop("no_solution", unseen if attempts_of(row, "teacher") else nothing)
        if too_long := self._too_long(row["problem"], solution, attempt):
            return Drop("over_length", too_long)
        return _dataset_row(row, attempt, solution, generated=generated)

    def _too_long(self, problem: str, solution: str, attempt: dict[str, Any] | None) -> str:
        size = len(problem) + len(solution)
        if size > self.config.max_chars:
            return f"{size:,} characters, over {self.config.max_chars:,}"
        tokens = (attempt or {}).get("num_tokens") or 0
        if self.config.max_tokens is not None and tokens > self.config.max_tokens:
            return f"{tokens:,} tokens, over {self.config.max_tokens:,}"
        return ""


def _dataset_row(
    row: Row, attempt: dict[str, Any] | None, solution: str, *, generated: bool
) -> Row:
    """Our columns first, then those of the row; what ours displace is kept as ``source_*``."""
    answer = row.get("label") if generated else row.get("answer")
    if answer is None and attempt is not None:
        answer = attempt.get("answer")
    ours: Row = {
        "key": row["key"],
        "split": "generated" if generated else "original",
        "problem": row["problem"],
        "solution": solution,
        "answer": answer,
    }
    last: Row = {
        "solution_from": "source" if attempt is None else "teacher",
        "flagged": attempt is None,
    }
    mine = ours | last
    displaced = {
        f"source_{name}": row[name]
        for name in mine
        if row.get(name) is not None and row[name] != mine[name]
    }
    rest = {name: row[name] for name in row if name not in _WORKING and name not in mine}
    return {**ours, **last, **rest, **displaced}


def _own(row: Row) -> Any:
    """A row's own solution, a whole thought in it between the tags of all solutions."""
    solution = row.get("solution")
    if not isinstance(solution, str) or solution.lstrip().startswith("<think>"):
        return solution
    reasoning, content = split(solution)
    return with_thought(reasoning, content) if reasoning is not None and content else solution


def _chosen(row: Row) -> dict[str, Any] | None:
    """The attempt that agrees with a row's label, where it has one; else the first."""
    usable = attempts_of(row, "teacher", usable=True)
    wanted = row.get("solution_index")
    agreeing = [a for a in usable if a["sample_index"] == wanted]
    return next(iter(agreeing or usable), None)


def _right(row: Row) -> dict[str, Any] | None:
    """The attempt at an original that is right: by its verdict, or by agreement with the gold.

    Where there is neither a grader's word nor a gold answer, the first; where there is gold and
    nobody looked, none.
    """
    usable = attempts_of(row, "teacher", usable=True)
    graded = [a for a in usable if a.get("verdict") is not None]
    if graded:
        return next((a for a in graded if a["verdict"] == "right"), None)
    if row.get("answer") is None:
        return _chosen(row)
    matches = [a for a in usable if a["sample_index"] == row.get("solution_index")]
    return matches[0] if matches and row.get("num_agree") else None


def solution_of(attempt: dict[str, Any]) -> str:
    r"""An attempt as text, its thought between tags (empty where there was none).

    Example:
        >>> solution_of({"reasoning": "2+2=4", "content": "It is 4."})
        '<think>\n2+2=4\n</think>\n\nIt is 4.'
        >>> solution_of({"reasoning": None, "content": "It is 4."})
        '<think>\n\n</think>\n\nIt is 4.'
    """
    reasoning = (attempt.get("reasoning") or "").strip("\n")
    return f"<think>\n{cleaned(reasoning)}\n</think>\n\n{attempt.get('content') or ''}"
