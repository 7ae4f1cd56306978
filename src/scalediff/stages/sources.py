"""Where rows come from: files, the hub, a benchmark the domain knows, or an embedded world.

Out: rows in our form (``key``, ``problem_id``, ``problem``, and ``solution``, ``answer`` and every
other column as they came). Rows that cannot be read are in the artefact ``rejected.jsonl``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from scalediff.core.errors import InputError
from scalediff.core.records import Drop, Row
from scalediff.core.stage import EXTENT, Config, Context, SetStage, Table
from scalediff.io.exports import write_jsonl
from scalediff.io.files import Rejected, expand, read_rows


class SourcesConfig(Config):
    """Settings of the sources stage."""

    paths: list[str] = Field(default=[], min_length=1)
    """Files, folders, patterns, ``hf://ID``, names of benchmarks, or ``nano:sources``."""
    n: Annotated[int | None, EXTENT] = Field(default=None, ge=1)
    """The first n rows of each path; null takes all (an embedded world then gives 1,000)."""
    seed: int = Field(default=0, ge=0)
    """Seed of an embedded world."""
    problem_column: str | None = None
    """Column of the problem, where it is none of the known ones."""
    max_problem_chars: int = Field(default=20_000, ge=1)
    """Longer problems are set aside. Ours."""
    strict: bool = False
    """A row that cannot be read is an error."""
    attempts: bool = False
    """Take attempts made elsewhere (``response``, ``generations``, a solution with a thought)."""
    need_problem: bool = True
    """False where rows are only graded."""
    benchmark: str | None = None
    """Name for the column ``benchmark``; ``auto`` takes it from the path."""


class Sources(SetStage):
    """Reads everything once, in order."""

    name = "sources"
    births = True
    adds = ("problem", "problem_id", "answer", "solution", "benchmark", "attempts")
    Config = SourcesConfig
    config: SourcesConfig

    def fingerprint(self) -> str:
        """A hash of the files' contents, so that a changed file is another input."""
        total = hashlib.sha256()
        for path in self.config.paths:
            place = Path(path).expanduser()
            if place.exists():
                for file in expand([path]):
                    stat = Path(file).stat()
                    total.update(_content(file, stat.st_size, stat.st_mtime_ns).encode())
            else:
                total.update(path.encode())
        return total.hexdigest()

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """All rows of all paths.

        Raises:
            InputError: Nothing can be read, or (strict) one row cannot.
        """
        rejected: list[dict[str, Any]] = []
        seen: set[str] = set()
        done = 0
        for path in self.config.paths:
            for row in self._rows(path, ctx, rejected):
                key = row["key"]
                while row["key"] in seen:  # the same text in another path
                    row["key"] = f"{key}-{len(seen)}"
                seen.add(row["key"])
                done += 1
                if done % 1_000 == 0:
                    ctx.progress(done, None)
                yield row["key"], row
        write_jsonl(ctx.folder / "rejected.jsonl", rejected, overwrite=True)

    def _rows(self, path: str, ctx: Context, rejected: list[dict[str, Any]]) -> Iterator[Row]:
        config = self.config
        known = ctx.domain.benchmarks()
        location = known.get(path, path)
        label = (
            Path(path).name.partition(".")[0] if config.benchmark == "auto" else config.benchmark
        )
        if location.startswith(f"{ctx.domain.name}:"):
            rows: Iterator[Row | Rejected] = iter(
                ctx.domain.sources(location, config.n or 1_000, config.seed)
            )
        else:
            rows = read_rows(
                [location],
                problem_column=config.problem_column,
                max_problem_chars=config.max_problem_chars,
                need_problem=config.need_problem,
                attempts=config.attempts,
            )
        yield from islice(self._usable(rows, rejected, label, ctx), config.n)

    def _usable(
        self,
        rows: Iterator[Row | Rejected],
        rejected: list[dict[str, Any]],
        label: str | None,
        ctx: Context,
    ) -> Iterator[Row]:
        for row in rows:
            if isinstance(row, Rejected):
                if self.config.strict:
                    raise InputError(
                        f"{row.path} line {row.line}: {row.reason}; mend the row, or leave out "
                        "--strict to set it aside"
                    )
                rejected.append({"path": row.path, "line": row.line, "reason": row.reason})
                continue
            if label is not None and "benchmark" not in row:
                row["benchmark"] = label
            for attempt in row.get("attempts") or ():
                if "answer" not in attempt and attempt.get("content"):
                    attempt["answer"] = ctx.domain.answer(attempt["content"])
            yield row


@lru_cache(maxsize=1024)
def _content(path: str, size: int, changed: int) -> str:
    """SHA-256 of a file; remembered while its size and time stay as they are."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
