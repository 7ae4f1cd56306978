r"""Problems that are broken, known or leaked leave before they cost a token.

In: rows (first input) and, as further inputs, the sources they must not repeat. Only ``problem``,
``key`` and, for generated rows, ``finish_reason`` are read. Out: nothing is added; a row leaves
with the first reason that applies:

1. ``malformed``: empty, cut at the token cap, or broken in the domain's own eyes;
2. ``duplicate``: same or nearly the same text as an earlier row that is kept;
3. ``copy_of_source``: same or nearly the same text as a source;
4. ``contaminated``: holds a benchmark problem.

The evidence of 2 to 4 is the key and the beginning of the other text. Released code: no such step.
``text/dedup.py`` and ``text/contamination.py`` say what nearly the same means; problems that differ
in numbers alone are different problems. Memory: about 4 kB a kept row and a source, 10 kB a
benchmark problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

from pydantic import Field

from scalediff.core.domain import Domain
from scalediff.core.errors import InputError, RecipeError
from scalediff.core.records import Drop, Row
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.contents import fingerprint
from scalediff.stages.sources import EMBEDDED_ROWS
from scalediff.text.contamination import Benchmarks
from scalediff.text.dedup import NearDuplicates

_EMBEDDED = {"n": EMBEDDED_ROWS, "seed": 0}


class ScreenConfig(Config):
    """Settings of the screen stage. The paper screens nothing; every default is ours."""

    check: bool = True
    """Drop rows that were cut at the token cap or that the domain calls malformed."""
    near_duplicate_jaccard: float = Field(default=0.8, gt=0, le=1)
    """Similarity of 3-grams from which two texts with the same numbers and operators are one."""
    twin_jaccard: float | None = Field(default=None, gt=0, le=1)
    """Similarity from which texts with other numbers or operators are one too; null is never."""
    near_duplicate_min_tokens: int = Field(default=12, ge=1)
    """Texts with fewer tokens are duplicates only when all tokens are equal."""
    benchmarks: list[str] = []
    """Benchmarks to keep out: names that the domain knows, files of problems, or an embedded set
    such as ``nano:test?n=1000&seed=7`` (n defaults to 1000, seed to 0)."""
    evaluated: bool = True
    """In a recipe: keep out the benchmarks that it evaluates on, too. Paper: reports no screen."""
    contamination_share: float = Field(default=0.6, gt=0, le=1)
    """Share of a benchmark problem's n-grams from which a row holds it."""
    contamination_max_sharing: int = Field(default=3, ge=1)
    """N-grams in more benchmark problems than this are instructions and not counted."""


class Screen(SetStage):
    """One pass over the rows, in order; the earlier of two equal rows stays."""

    name = "screen"
    Config = ScreenConfig
    config: ScreenConfig

    def fingerprint(self, domain: Domain) -> str:
        """A hash of the benchmarks' files, which may change or move from the hub to a folder."""
        known = domain.benchmarks()
        return fingerprint(known.get(name, name) for name in self.config.benchmarks)

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Each row's key and either no columns or the first reason to leave.

        Raises:
            InputError: A benchmark is unknown, cannot be read or holds no problem.
        """
        benchmarks = self._read_benchmarks(ctx.domain)
        sources = self._index()
        for table in inputs[1:]:
            for row in table.rows():
                if isinstance(problem := row.get("problem"), str):
                    sources.add(row["key"], sources.prepare(problem))
        kept = self._index()
        for done, row in enumerate(inputs[0].rows(), start=1):
            drop = self._malformed(row, ctx.domain) or self._known(row, kept, sources, benchmarks)
            yield row["key"], drop or {}
            if done % 1_000 == 0:
                ctx.progress(done, inputs[0].num_rows)

    def _index(self) -> NearDuplicates:
        config = self.config
        return NearDuplicates(
            config.near_duplicate_jaccard, config.twin_jaccard, config.near_duplicate_min_tokens
        )

    def _malformed(self, row: Row, domain: Domain) -> Drop | None:
        problem = row.get("problem")
        if not isinstance(problem, str) or not problem.strip():
            return Drop("malformed", "the text is empty")
        if not self.config.check:
            return None
        finish = row.get("finish_reason")
        # a row that came in may carry the finish reason of somebody's response
        if row.get("slot") is not None and finish not in (None, "stop"):
            return Drop("malformed", f"cut at the token cap, ends: {problem[-120:]}")
        return domain.check_problem(problem)

    def _known(
        self, row: Row, kept: NearDuplicates, sources: NearDuplicates, benchmarks: Benchmarks
    ) -> Drop | None:
        """A row that stays is put among the kept; one that leaves is compared with no more."""
        text = kept.prepare(row["problem"])
        if match := kept.find(text):
            return Drop("duplicate", str(match))
        if match := sources.find(text):
            return Drop("copy_of_source", str(match))
        if leak := benchmarks.find(row["problem"], text.words):
            return Drop("contaminated", str(leak))
        kept.add(row["key"], text)
        return None

    def _read_benchmarks(self, domain: Domain) -> Benchmarks:
        index = Benchmarks(self.config.contamination_share, self.config.contamination_max_sharing)
        for name in self.config.benchmarks:
            before = 0
            for number, problem in enumerate(_problems(name, domain), start=1):
                before += 1
                index.add(f"{Path(name).name} row {number}", problem)
            if not before:
                raise InputError(f"benchmark {name} holds no problem; leave it out or mend it")
        return index


def _problems(name: str, domain: Domain) -> Iterator[str]:
    """The texts of a benchmark's problems, from wherever it is kept."""
    known = domain.benchmarks()
    base, _, query = name.partition("?")
    location = known.get(name) or known.get(base) or name
    place, _, default = location.partition("?")
    if place.startswith(("domain:", f"{domain.name}:")):
        wanted = _EMBEDDED | _numbers(default, name) | _numbers(query, name)
        rows = domain.sources(_embedded_name(place, base, domain), wanted["n"], wanted["seed"])
        yield from (row["problem"] for row in rows)
        return
    if not (location in known.values() or Path(location).exists() or "://" in location):
        names = ", ".join(sorted(known)) or "none"
        raise InputError(
            f"benchmark {name} is neither a file nor known to the domain {domain.name} "
            f"(known: {names}); give one of these or a path"
        )
    from scalediff.io.files import read_rows

    for row in read_rows([location]):
        if isinstance(row, dict) and isinstance(row.get("problem"), str):
            yield row["problem"]


def _embedded_name(place: str, base: str, domain: Domain) -> str:
    """``nano:test`` for ``domain:test``, ``domain:`` and ``nano:test`` alike."""
    own = place.removeprefix("domain:").removeprefix(f"{domain.name}:")
    return f"{domain.name}:{own}" if own else base


def _numbers(query: str, name: str) -> dict[str, int]:
    """``n`` and ``seed`` of an embedded set's name."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    for key, value in values.items():
        if key not in _EMBEDDED or not value.isdecimal():
            raise RecipeError(
                f"benchmark {name}: {key}={value} is not understood; after ? write "
                "n=NUMBER and seed=NUMBER joined by &"
            )
    return {key: int(value) for key, value in values.items()}
