"""Where rows come from: files, the hub, a benchmark the domain knows, or an embedded world.

Out: rows in our form (``key``, ``problem_id``, ``problem``, and ``solution``, ``answer`` and every
other column as they came). Rows that cannot be read are in the artefact ``rejected.jsonl``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import Field

from scalediff.core.domain import Domain
from scalediff.core.errors import InputError
from scalediff.core.keys import sample_seed
from scalediff.core.records import Drop, Row
from scalediff.core.stage import EXTENT, Config, Context, SetStage, Table
from scalediff.io.contents import fingerprint, is_embedded
from scalediff.io.exports import open_jsonl
from scalediff.io.files import MAX_PROBLEM_CHARS, Identity, Reader, Rejected
from scalediff.io.layouts import free_name
from scalediff.io.places import is_pattern
from scalediff.stages.grade import gold_of
from scalediff.text.marks import Thoughts, ending

EMBEDDED_ROWS = 1_000
"""Rows of an embedded set where no number is given."""

_REPORT_EVERY = 1_000


class SourcesConfig(Config):
    """Settings of the sources stage."""

    paths: list[str] = Field(default=[], min_length=1)
    """Files, folders, patterns, ``hf://ID``, names of benchmarks, or ``nano:sources``."""
    n: Annotated[int | None, EXTENT] = Field(default=None, ge=1)
    """Rows of each path, the first n; null takes all (an embedded world then gives 1,000)."""
    shuffle: bool = False
    """Choose the n rows at random instead of the first n. They stay in the order of the file, and
    a larger n chooses the same and more."""
    seed: int = Field(default=0, ge=0)
    """Seed of an embedded world, and of ``shuffle``."""
    problem_column: str | None = None
    """Column of the problem, where it is none of the known ones."""
    max_problem_chars: int = Field(default=MAX_PROBLEM_CHARS, ge=1)
    """Longer problems, in characters, are set aside. Ours."""
    strict: bool = False
    """A row that cannot be read is an error."""
    attempts: bool = False
    """Take attempts made elsewhere (``response``, ``generations``, a solution with a thought)."""
    response_column: str | None = None
    """With ``attempts``: the column of the response, where it is none of the known ones."""
    need_problem: bool = True
    """False where rows are only graded."""
    need_attempts: bool = False
    """Set rows without an attempt aside."""
    need_answer: bool = False
    """Set rows without an answer aside; a benchmark is graded against it."""
    thoughts: Thoughts = Thoughts()
    """With ``attempts``: tags and finish reasons of these files besides the known ones."""
    benchmark: str | None = None
    """Value of the column ``benchmark``; ``auto`` names it after the path where a row has none."""


class Sources(SetStage):
    """Reads everything once, in order."""

    name = "sources"
    version = "4"
    births = True
    adds = ("problem", "problem_id", "answer", "solution", "benchmark", "attempts")
    Config = SourcesConfig
    config: SourcesConfig

    def fingerprint(self, domain: Domain) -> str:
        """A hash of the files' contents."""
        known = domain.benchmarks()
        return fingerprint(known.get(path, path) for path in self.config.paths)

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """All rows of all paths.

        Raises:
            InputError: Nothing can be read, or (strict) one row cannot.
        """
        identity = Identity()
        done = 0
        lacking: list[str] = []
        with open_jsonl(ctx.folder / "rejected.jsonl", overwrite=True) as write:

            def reject(row: Row) -> None:
                lacking[:] = lacking or [f"{row['path']} line {row['line']}: {row['reason']}"]
                write(row)

            for path in self.config.paths:
                for row in self._chosen(self._rows(path, ctx, identity, reject)):
                    done += 1
                    if done % _REPORT_EVERY == 0:
                        ctx.progress(done, None)
                    yield row["key"], row
        if not done and lacking:
            raise InputError(f"no row is usable; the first that is not: {lacking[0]}")
        ctx.progress(done, done)

    def _chosen(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The n rows that are wanted."""
        config = self.config
        if config.n is None or not config.shuffle:
            return islice(rows, config.n)
        drawn = (
            (sample_seed(config.seed, "sources", row["key"], 0), place, row)
            for place, row in enumerate(rows)
        )
        best = heapq.nsmallest(config.n, drawn, key=lambda one: one[:2])
        return (row for _, _, row in sorted(best, key=lambda one: one[1]))

    def _rows(
        self, path: str, ctx: Context, identity: Identity, reject: Callable[[Row], None]
    ) -> Iterator[Row]:
        """The usable rows of one path, labelled; the others go to ``reject``."""
        location = ctx.domain.benchmarks().get(path, path)
        if location.startswith("domain:"):
            location = f"{ctx.domain.name}:{location.removeprefix('domain:') or path}"
        if is_embedded(location):
            wanted = self.config.n or EMBEDDED_ROWS
            for row in ctx.domain.sources(location, wanted, self.config.seed):
                yield self._labelled(identity.settle(row), path)
            return
        for found in self._reader().scan([location], identity):
            if isinstance(found, Rejected):
                self._set_aside(found, reject)
                continue
            row = self._labelled(found.row, found.path if is_pattern(path) else path)
            if lacks := self._lacks(row):
                text = str(row.get("problem") or "")[:200]
                self._set_aside(Rejected(found.path, found.line, lacks, text), reject)
                continue
            for attempt in row.get("attempts") or ():
                if "answer" not in attempt and attempt.get("content") and not _cut(attempt):
                    attempt["answer"] = ctx.domain.answer(attempt["content"])
            yield row

    def _lacks(self, row: Row) -> str:
        """What is wanted of every row and is not in this one."""
        if self.config.need_answer and gold_of(row) is None:
            return "no answer to grade against"
        if self.config.need_attempts and not row.get("attempts"):
            wanted = self.config.response_column or "response, generation or generations"
            return f"no attempt in a column {wanted}; --response-column names another"
        return ""

    def _reader(self) -> Reader:
        config = self.config
        return Reader(
            config.problem_column,
            config.max_problem_chars,
            config.need_problem,
            config.attempts,
            config.response_column,
            config.thoughts,
        )

    def _set_aside(self, bad: Rejected, reject: Callable[[Row], None]) -> None:
        if self.config.strict:
            raise InputError(
                f"{bad.path} line {bad.line}: {bad.reason}; mend the row, or leave out --strict "
                "to set it aside"
            )
        reject({"line": bad.line, "path": bad.path, "reason": bad.reason, "text": bad.text})

    def _labelled(self, row: Row, path: str) -> Row:
        label = self.config.benchmark
        own = row.get("benchmark")
        if label is None or (label == "auto" and isinstance(own, str) and own):
            return row
        if label == "auto":
            label = Path(path.partition("?")[0]).name.partition(".")[0]
        if own is not None and own != label:
            row = {**row, free_name(row, "benchmark"): own}
        return {**row, "benchmark": label}


def _cut(attempt: Row) -> bool:
    """Whether a text made elsewhere was cut before any thought in it ended.

    What looks like an answer may then stand in the thought, wherever a server put it.
    """
    return ending(attempt.get("finish_reason")) != "stop" and attempt.get("reasoning") is None
