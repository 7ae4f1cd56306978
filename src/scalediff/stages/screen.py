r"""Problems that are broken, known or leaked leave before they cost a token.

In: rows (first input) and, as further inputs, the sources they must not repeat. Only ``problem``,
``key`` and, for generated rows, ``finish_reason`` are read. Out: ``twin_of``, the benchmark problem
of which a row that stays is a version with other numbers or names. A row leaves with the first
reason that applies:

1. ``malformed``: empty or cut at the token cap; ``wrong_language``; what the domain's own look at
   the text finds (for mathematics also ``answer_given``, ``proof``, ``multi_part``, ``ill_posed``);
2. ``duplicate``: same or nearly the same text as an earlier row that is kept;
3. ``copy_of_source``: same or nearly the same text as a source;
4. ``contaminated``: holds a benchmark problem, or (with ``embedding_model``) means the same.

The evidence of 2 to 4 is the key and the beginning of the other text. Released code: no such step.
``text/dedup.py`` and ``text/contamination.py`` say what nearly the same means; problems that differ
in numbers alone are different problems. Memory: about 1.3 kB a kept row and a source (6 kB where
many are versions of one template), 50 kB a benchmark problem.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from pydantic import Field, field_validator

from scalediff.core.domain import Domain
from scalediff.core.errors import InputError, RecipeError
from scalediff.core.keys import digest
from scalediff.core.records import Drop, Row
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.contents import file_digest, fingerprint
from scalediff.stages.sources import EMBEDDED_ROWS
from scalediff.text.contamination import Benchmarks, Leak
from scalediff.text.dedup import NearDuplicates, Prepared, prepare
from scalediff.text.language import check_languages, foreign
from scalediff.text.ngrams import cased_tokens

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
    drop_twins: bool = False
    """Drop benchmark problems in other numbers or names, too; false notes them in ``twin_of``."""
    languages: list[str] = []
    """Languages that a problem may be in (codes such as ``en``, ``zh``); empty allows all."""
    embedding_model: str | None = None
    """A sentence-transformers folder; problems that mean the same as a benchmark problem leave."""
    embedding_similarity: float = Field(default=0.85, gt=0, le=1)
    """Cosine similarity from which two problems with the same numbers mean the same. Ours."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: list[str]) -> list[str]:
        check_languages(languages)
        return languages


@dataclass(frozen=True)
class _Look:
    """What of a row can be said without the others; pure, so that it can run in any process."""

    config: ScreenConfig
    benchmarks: Benchmarks

    def __call__(self, row: Row, domain: Domain) -> tuple[str, Drop | None, Any, Leak | None]:
        """Its key, why it leaves by itself, its text made ready, and what it holds."""
        drop = self._malformed(row, domain)
        if drop is not None:
            return row["key"], drop, None, None
        words = cased_tokens(row["problem"])
        text = self.prepared(row["problem"], words)
        if not len(self.benchmarks):
            return row["key"], None, text, None
        return row["key"], None, text, self.benchmarks.find(row["problem"], words)

    def prepared(self, problem: str, words: list[str] | None = None) -> Prepared:
        config = self.config
        shortest, twins = config.near_duplicate_min_tokens, config.twin_jaccard is not None
        return prepare(problem, shortest, twins, words)

    def _malformed(self, row: Row, domain: Domain) -> Drop | None:
        problem = row.get("problem")
        if not isinstance(problem, str) or not problem.strip():
            return Drop("malformed", "the text is empty")
        if self.config.languages and (other := foreign(problem, self.config.languages)):
            return Drop("wrong_language", other)
        if not self.config.check:
            return None
        finish = row.get("finish_reason")
        # a row that came in may carry the finish reason of somebody's response
        if row.get("slot") is not None and finish not in (None, "stop"):
            return Drop("malformed", f"cut at the token cap, ends: {problem[-120:]}")
        return domain.check_problem(problem)


@dataclass(frozen=True)
class _Ready:
    """A source's key and its text made ready."""

    look: _Look

    def __call__(self, row: Row, domain: Domain) -> tuple[str, Any]:
        problem = row.get("problem")
        return row["key"], self.look.prepared(problem) if isinstance(problem, str) else None


class Screen(SetStage):
    """One pass over the rows, in order; the earlier of two equal rows stays."""

    name = "screen"
    version = "5"
    adds = ("twin_of",)
    Config = ScreenConfig
    config: ScreenConfig

    def fingerprint(self, domain: Domain) -> str:
        """A hash of the files of benchmarks (which may move to a folder) and embedding model."""
        known = domain.benchmarks()
        paths = [known.get(name, name) for name in self.config.benchmarks]
        model = Path(self.config.embedding_model) if self.config.embedding_model else None
        weights = sorted(str(p) for p in model.rglob("*") if p.is_file()) if model else []
        return digest([fingerprint(paths), *map(file_digest, weights)])

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Each row's key and either its columns or the first reason to leave.

        Raises:
            InputError: A benchmark is unknown, cannot be read or holds no problem.
        """
        problems = list(self._benchmarks(ctx.domain))
        benchmarks = Benchmarks(
            self.config.contamination_share, self.config.contamination_max_sharing
        )
        for name, problem in problems:
            benchmarks.add(name, problem)
        meaning = self._meaning(inputs[0], problems)
        look = _Look(self.config, benchmarks)
        sources, kept = self._index(), self._index()
        for table in inputs[1:]:
            for key, text in ctx.map(_Ready(look), table.rows()):
                if text is not None:
                    sources.add(key, text)
        looks = ctx.map(look, inputs[0].rows())
        for done, (key, drop, text, leak) in enumerate(looks, start=1):
            drop = drop or self._known(key, text, leak, kept, sources, meaning)
            yield key, drop or self._noted(leak)
            if done % 1_000 == 0:
                ctx.progress(done, inputs[0].num_rows)

    def _index(self) -> NearDuplicates:
        config = self.config
        return NearDuplicates(
            config.near_duplicate_jaccard, config.twin_jaccard, config.near_duplicate_min_tokens
        )

    def _known(
        self,
        key: str,
        text: Prepared,
        leak: Leak | None,
        kept: NearDuplicates,
        sources: NearDuplicates,
        meaning: dict[str, str],
    ) -> Drop | None:
        """A row that stays is put among the kept; one that leaves is compared with no more."""
        if match := kept.find(text):
            return Drop("duplicate", str(match))
        if match := sources.find(text):
            return Drop("copy_of_source", str(match))
        if leak is not None and (self.config.drop_twins or not leak.twin):
            return Drop("contaminated", str(leak))
        if key in meaning:
            return Drop("contaminated", meaning[key])
        kept.add(key, text)
        return None

    @staticmethod
    def _noted(leak: Leak | None) -> Row:
        return {} if leak is None else {"twin_of": str(leak)}

    def _meaning(self, table: Table, problems: list[tuple[str, str]]) -> dict[str, str]:
        """Key → evidence of the rows that mean the same as a benchmark problem."""
        if self.config.embedding_model is None or not problems:
            return {}
        from scalediff.text.embedding import same_meaning

        rows = ((row["key"], str(row.get("problem") or "")) for row in table.rows())
        model, bar = self.config.embedding_model, self.config.embedding_similarity
        return dict(same_meaning(rows, problems, model, bar))

    def _benchmarks(self, domain: Domain) -> Iterator[tuple[str, str]]:
        """Name and text of every benchmark problem."""
        for name in self.config.benchmarks:
            before = 0
            for before, problem in enumerate(_problems(name, domain), start=1):
                yield f"{Path(name).name} row {before}", problem
            if not before:
                raise InputError(f"benchmark {name} holds no problem; leave it out or mend it")


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
