"""Where rows come from: files, the hub, a benchmark the domain knows, or an embedded world.

Out: rows in our form (``key``, ``problem_id``, ``problem``, and ``solution``, ``answer`` and every
other column as they came; ``answer`` is the gold as text, or absent). Rows that cannot be read are
in the artefact ``rejected.jsonl``; ``reading.json`` says where gold was read and what was left.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import Field, field_validator

from scalediff.core.domain import Domain
from scalediff.core.errors import InputError
from scalediff.core.keys import sample_seed
from scalediff.core.records import Drop, Row
from scalediff.core.stage import EXTENT, Config, Context, SetStage, Table
from scalediff.io.contents import fingerprint, is_embedded
from scalediff.io.exports import open_jsonl
from scalediff.io.files import MAX_PROBLEM_CHARS, Found, Identity, Reader, Rejected
from scalediff.io.layouts import free_name
from scalediff.io.places import is_pattern
from scalediff.io.reading import FILE, Reading
from scalediff.io.run import write_json
from scalediff.io.wanted import Named, Where, parted
from scalediff.stages.grade import answer_columns
from scalediff.text.marks import Thoughts

EMBEDDED_ROWS = 1_000
"""Rows of an embedded set where no number is given."""

_REPORT_EVERY = 1_000

_EMBEDDED = "embedded"
"""The layout of rows that the domain embeds: they are as they should be, and nothing is said."""


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
    answer_column: str | None = None
    """Where the gold is, where it is none of the known places (``reward_model.ground_truth``)."""
    where: list[str] = []
    """The rows that are wanted, ``COLUMN=VALUE`` each (or a mapping of columns to values); several
    values of one column are alternatives. The others are counted, and not set aside."""
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

    @field_validator("where", mode="before")
    @classmethod
    def _conditions(cls, value: Any) -> Any:
        """A mapping as conditions, and conditions of the right form."""
        return conditions(value)


class Sources(SetStage):
    """Reads everything once, in order."""

    name = "sources"
    version = "5"
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
        config = self.config
        reader = self._reader(ctx)
        reading = Reading()
        done = 0
        lacking: list[str] = []
        with open_jsonl(ctx.folder / "rejected.jsonl", overwrite=True) as write:

            def reject(row: Row) -> None:
                lacking[:] = lacking or [f"{row['path']} line {row['line']}: {row['reason']}"]
                write(row)

            for path in config.paths:
                for found in self._chosen(self._usable(path, ctx, reader, identity, reject)):
                    done += 1
                    if done % _REPORT_EVERY == 0:
                        ctx.progress(done, None)
                    if found.layout != _EMBEDDED:
                        reading.add(found.gold, found.row, several_turns=found.several_turns)
                    yield found.row["key"], found.row
        reader.check()
        if not done and lacking:
            raise InputError(f"no row is usable; the first that is not: {lacking[0]}")
        reading.close(reader.where)
        write_json(ctx.folder / FILE, reading.values())
        ctx.progress(done, done)

    def _chosen(self, rows: Iterator[Found]) -> Iterable[Found]:
        """The n rows that are wanted."""
        config = self.config
        if config.n is None or not config.shuffle:
            return islice(rows, config.n)
        drawn = (
            (sample_seed(config.seed, "sources", found.row["key"], 0), place, found)
            for place, found in enumerate(rows)
        )
        best = heapq.nsmallest(config.n, drawn, key=lambda one: one[:2])
        return (found for _, _, found in sorted(best, key=lambda one: one[1]))

    def _usable(
        self,
        path: str,
        ctx: Context,
        reader: Reader,
        identity: Identity,
        reject: Callable[[Row], None],
    ) -> Iterator[Found]:
        """The usable rows of one path, labelled; the others go to ``reject``."""
        for found in self._read(path, ctx, reader, identity):
            if isinstance(found, Rejected):
                self._set_aside(found, reject)
                continue
            row = self._labelled(found.row, found.path if is_pattern(path) else path)
            if found.layout != _EMBEDDED and (lacks := self._lacks(found)):
                text = str(row.get("problem") or "")[:200]
                self._set_aside(Rejected(found.path, found.line, lacks, text), reject)
                continue
            for attempt in row.get("attempts") or ():
                if "answer" not in attempt:
                    attempt.update(answer_columns(attempt, ctx.domain))
            yield replace(found, row=row)

    def _read(
        self, path: str, ctx: Context, reader: Reader, identity: Identity
    ) -> Iterator[Found | Rejected]:
        """The rows of one path: of files, or of a set that the domain embeds."""
        location = ctx.domain.benchmarks().get(path, path)
        if location.startswith("domain:"):
            location = f"{ctx.domain.name}:{location.removeprefix('domain:') or path}"
        if not is_embedded(location):
            yield from reader.scan([location], identity)
            return
        wanted = self.config.n or EMBEDDED_ROWS
        for number, row in enumerate(ctx.domain.sources(location, wanted, self.config.seed), 1):
            found = reader.one(path, number, row, identity)
            if isinstance(found, Found):
                found = replace(found, layout=_EMBEDDED)
            if found is not None:
                yield found

    def _lacks(self, found: Found) -> str:
        """What is wanted of every row and is not in this one."""
        if self.config.need_answer and found.gold.text is None:
            return f"no answer to grade against{_why_none(found)}"
        if self.config.need_attempts and not found.row.get("attempts"):
            wanted = self.config.response_column or "response, generation or generations"
            return f"no attempt in a column {wanted}; --response-column names another"
        return ""

    def _reader(self, ctx: Context) -> Reader:
        config = self.config
        column = config.answer_column
        return Reader(
            problem_column=config.problem_column,
            max_problem_chars=config.max_problem_chars,
            need_problem=config.need_problem,
            attempts=config.attempts,
            response_column=config.response_column,
            answer=Named(column, "--answer-column") if column is not None else None,
            where=Where(config.where),
            read_off=lambda text: ctx.domain.read(text).answer,
            thoughts=config.thoughts,
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


def conditions(value: Any) -> Any:
    """``where`` as a list of ``COLUMN=VALUE``, also of a mapping of columns to a value or several.

    Raises:
        ValueError: One is not of that form.
    """
    if isinstance(value, Mapping):
        several = {name: v if isinstance(v, list) else [v] for name, v in value.items()}
        value = [f"{name}={_json(v)}" for name, values in several.items() for v in values]
    for condition in value if isinstance(value, list) else ():
        try:
            parted(str(condition))
        except InputError as error:
            raise ValueError(str(error).removeprefix("--where ")) from None
    return value


def _json(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _why_none(found: Found) -> str:
    """What a row has instead of gold."""
    answer = found.gold.answer
    if answer.state in ("placeholder", "unread"):
        return f" ({found.gold.where} is {answer.detail[:80]})"
    if found.gold.others:
        return f" ({found.gold.others[0]} looks like one: --answer-column {found.gold.others[0]})"
    return ""
