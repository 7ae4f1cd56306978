"""``scalediff look``: what a file holds, before anything is paid.

One pass in bounded memory: counts, some hundred bytes a row for lengths and repeats, and a sample
of fixed size for what needs the text of problems (tokens, phrases that most of them share).
"""

from __future__ import annotations

import random
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from scalediff.core.errors import InputError, PrerequisiteError
from scalediff.core.keys import digest
from scalediff.core.records import Row
from scalediff.io.files import Found, Identity, Reader, Rejected
from scalediff.io.layouts import attempts_in
from scalediff.text.marks import ending
from scalediff.text.normalise import normalise
from scalediff.text.phrases import Phrase, shared_phrases
from scalediff.text.thoughts import split

_SAMPLE = 2_000
_SHOWN = 3
_MOST_NAMES = 200
_EMBEDDED = re.compile(r"([A-Za-z_][\w-]+):[^/]")
_EMBEDDED_ROWS = 1_000


@dataclass(frozen=True)
class Spread:
    """How long things are: the middle, the ninetieth percentile and the longest."""

    median: int
    p90: int
    most: int

    @classmethod
    def of(cls, lengths: Sequence[int]) -> Spread:
        """The spread of at least one length."""
        ordered = sorted(lengths)
        last = len(ordered) - 1
        return cls(ordered[last // 2], ordered[last * 9 // 10], ordered[last])


@dataclass
class Look:
    """What was found.

    Attributes:
        files: File → usable rows.
        rows: Usable rows.
        rejected: Reasons of the rows set aside (numbers as ``#``), with their counts.
        examples: The first few rejected rows.
        layouts: Column that held the problem → rows.
        columns: Column → rows that have it and not null.
        roles: Role in ``conversations`` or ``messages`` → turns.
        attempts: Role → attempts that the rows bring.
        endings: Why these attempts ended → attempts.
        gold: Rows with an answer.
        solutions: Rows with a solution.
        closed: Rows with a thought that is closed and has something after it.
        open: Rows with a thought that is never closed, or has nothing after it.
        characters: Lengths of problems.
        words: Lengths of problems.
        tokens: Lengths of problems in the sample, where a tokenizer was given.
        duplicates: Rows whose problem (whitespace aside) came before.
        hits: Benchmark → rows with one of its problems (normalised equality).
        hit_examples: Benchmark → file and line of the first such row.
        phrases: What most problems of the sample share.
        sampled: Problems in the sample.
        first: The first rows as read.
    """

    files: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[Rejected] = field(default_factory=list)
    layouts: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    attempts: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    gold: int = 0
    solutions: int = 0
    closed: int = 0
    open: int = 0
    characters: Spread | None = None
    words: Spread | None = None
    tokens: Spread | None = None
    duplicates: int = 0
    hits: Counter[str] = field(default_factory=Counter)
    hit_examples: dict[str, str] = field(default_factory=dict)
    phrases: list[Phrase] = field(default_factory=list)
    sampled: int = 0
    first: list[Row] = field(default_factory=list)


def look(
    paths: Sequence[str],
    *,
    model: str | None = None,
    benchmarks: Mapping[str, str] | None = None,
    problem_column: str | None = None,
) -> Look:
    """Read everything once and count.

    Args:
        paths: Files, folders, patterns, ``hf://ID`` or an embedded set such as ``nano:sources``.
        model: A model folder whose tokenizer counts tokens.
        benchmarks: Name → file (or embedded set), for exact hits.
        problem_column: Column of the problem, where it is none of the known ones.

    Raises:
        InputError: Nothing usable can be read, or the model has no tokenizer.
        PrerequisiteError: A package is missing.
    """
    count_tokens = _tokenizer(model) if model is not None else None
    reader = Reader(problem_column)
    counter = _Counter(_known(benchmarks or {}))
    for path in paths or [""]:
        for found in _scan(path, reader):
            counter.add(found)
    return counter.finish(count_tokens)


def _scan(path: str, reader: Reader) -> Iterator[Found | Rejected]:
    embedded = _EMBEDDED.match(path)
    if embedded is None or Path(path).exists():
        yield from reader.scan([path] if path else [])
        return
    from scalediff.domains import open_domain

    identity = Identity()
    rows = open_domain(embedded[1]).sources(path, _EMBEDDED_ROWS, 0)
    for number, row in enumerate(rows, 1):
        yield Found(path, number, "problem", identity.settle(row))


def _known(benchmarks: Mapping[str, str]) -> dict[str, list[str]]:
    """Identity of a normalised problem → the benchmarks that have it."""
    known: dict[str, list[str]] = {}
    for name, path in benchmarks.items():
        for found in _scan(path, Reader()):
            if isinstance(found, Found):
                names = known.setdefault(_same(found.row["problem"]), [])
                if name not in names:
                    names.append(name)
    return known


def _same(problem: str) -> str:
    return digest(normalise(problem))


class _Counter:
    """Counts rows one by one; ``finish`` sums up."""

    def __init__(self, known: Mapping[str, list[str]]) -> None:
        self.look = Look()
        self._known = known
        self._seen: set[int] = set()
        self._characters = array("L")
        self._words = array("L")
        self._sample: list[str] = []
        self._random = random.Random(0)

    def add(self, found: Found | Rejected) -> None:
        """Count one row."""
        seen = self.look
        seen.files.setdefault(found.path, 0)
        if isinstance(found, Rejected):
            _tick(seen.rejected, _kind(found.reason))
            if len(seen.examples) < _SHOWN:
                seen.examples.append(found)
            return
        seen.files[found.path] += 1
        seen.rows += 1
        seen.layouts[found.layout] += 1
        self._add_problem(found)
        self._add_columns(found.row)
        self._add_attempts(found.row)
        if len(seen.first) < _SHOWN:
            seen.first.append(found.row)

    def _add_problem(self, found: Found) -> None:
        problem: str = found.row["problem"]
        identity = int(found.row["problem_id"][:15], 16)
        self.look.duplicates += identity in self._seen
        self._seen.add(identity)
        self._characters.append(len(problem))
        self._words.append(len(problem.split()))
        for name in self._known.get(_same(problem), ()) if self._known else ():
            self.look.hits[name] += 1
            self.look.hit_examples.setdefault(name, f"{found.path} line {found.line}")
        if len(self._sample) < _SAMPLE:
            self._sample.append(problem)
        elif (place := self._random.randrange(self.look.rows)) < _SAMPLE:
            self._sample[place] = problem

    def _add_columns(self, row: Row) -> None:
        for name, value in row.items():
            if value is not None and name not in ("key", "problem_id"):
                _tick(self.look.columns, str(name))
        for column in ("conversations", "messages", "prompt"):
            turns = row.get(column)
            for turn in turns if isinstance(turns, list) else ():
                if isinstance(turn, dict):
                    _tick(self.look.roles, str(turn.get("from", turn.get("role"))))

    def _add_attempts(self, row: Row) -> None:
        answer, solution = row.get("answer"), row.get("solution")
        attempts = attempts_in(row)
        thoughts = [a for a in attempts if a.get("reasoning") is not None]
        text = solution if isinstance(solution, str) else ""
        self.look.gold += answer is not None and bool(str(answer).strip())
        self.look.solutions += bool(text.strip())
        self.look.closed += any(a.get("content") for a in thoughts)
        self.look.open += any(not a.get("content") for a in thoughts) or (
            not attempts and split(text)[0] is not None
        )
        for attempt in attempts:
            _tick(self.look.attempts, attempt["role"])
            reason = attempt.get("finish_reason")
            meaning = ending(reason)
            _tick(self.look.endings, f"{meaning} ({reason})" if meaning == "unknown" else meaning)

    def finish(self, count_tokens: Callable[[str], int] | None) -> Look:
        """What was found, with what needs all of it."""
        seen = self.look
        seen.sampled = len(self._sample)
        if seen.rows:
            seen.characters, seen.words = Spread.of(self._characters), Spread.of(self._words)
        if count_tokens is not None and self._sample:
            seen.tokens = Spread.of([count_tokens(problem) for problem in self._sample])
        seen.phrases = shared_phrases(self._sample)
        return seen


def _kind(reason: str) -> str:
    """A reason without what differs from row to row."""
    return re.sub(r"\d[\d,]*", "#", reason.partition(";")[0].partition(": ")[0])


def _tick(counter: Counter[str], name: str) -> None:
    """Count a name that came in, of which there may be any number."""
    counter[name if name in counter or len(counter) < _MOST_NAMES else "(others)"] += 1


def _tokenizer(folder: str) -> Callable[[str], int]:
    """Counts the tokens of a text with a model folder's tokenizer, special tokens aside."""
    path = Path(folder) / "tokenizer.json"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no tokenizer.json; give a model folder with one to count tokens"
        )
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise PrerequisiteError(
            'counting tokens needs the tokenizers package: pip install "scalediff[local]"'
        ) from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{path} is no tokenizer ({error}); download it again") from None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def render(found: Look) -> str:
    """The findings as text for a terminal."""
    lines = [*_files(found), *_holds(found), *_looks(found), *_bad(found)]
    for number, row in enumerate(found.first, 1):
        lines.append(f"row {number}")
        told = {name: value for name, value in row.items() if name not in ("key", "problem_id")}
        lines += [f"    {_short(name, 24):<16}{_short(value, 100)}" for name, value in told.items()]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"{name:<12}{text}"


def _files(found: Look) -> Iterator[str]:
    if len(found.files) > 1:
        yield _line("files", f"{len(found.files):,}")
        for path, rows in islice(found.files.items(), 10):
            yield f"    {rows:>10,} rows  {_short(path, 100)}"
        if len(found.files) > 10:
            yield f"    and {len(found.files) - 10:,} more"
    yield _line("rows", f"{found.rows:,} usable, {found.rejected.total():,} set aside")


def _holds(found: Look) -> Iterator[str]:
    rows = max(found.rows, 1)
    yield _line("layout", _counted(found.layouts))
    yield _line("columns", _counted(found.columns))
    if found.roles:
        yield _line("turns", _counted(found.roles))
    yield _line("gold", f"{found.gold:,} rows with an answer ({found.gold / rows:.1%})")
    yield _line(
        "solution", f"{found.solutions:,} rows with a solution ({found.solutions / rows:.1%})"
    )
    if found.attempts:
        yield _line("attempts", _counted(found.attempts))
        if found.endings.keys() - {"stop"}:
            yield _line("endings", _counted(found.endings))
        if unknown := sum(n for name, n in found.endings.items() if name.startswith("unknown")):
            yield _line(
                "",
                f"{unknown:,} attempts end for a reason that is not known and count as cut; say "
                "what it means under thoughts.finish_reasons of a recipe",
            )
    yield _line(
        "thinking",
        f"{found.closed:,} rows with a closed thought ({found.closed / rows:.1%}), "
        f"{found.open:,} with one that never ends or has nothing after it",
    )


def _looks(found: Look) -> Iterator[str]:
    for unit in ("characters", "words", "tokens"):
        spread: Spread | None = getattr(found, unit)
        if spread is not None:
            aside = f" ({found.sampled:,} problems)" if unit == "tokens" else ""
            yield _line(
                unit,
                f"median {spread.median:,}, ninetieth percentile {spread.p90:,}, "
                f"most {spread.most:,} a problem{aside}",
            )
    yield _line("duplicates", f"{found.duplicates:,} rows repeat an earlier problem")
    for name, count in found.hits.most_common():
        yield _line(
            "benchmark",
            f"{count:,} rows have a problem of {name} (first: {found.hit_examples[name]}; "
            "`scalediff screen` finds near ones as well)",
        )
    for phrase in found.phrases:
        yield _line("shared", f"{phrase.share:.0%} {phrase.place} with: {_short(phrase.text, 160)}")


def _bad(found: Look) -> Iterator[str]:
    for reason, count in found.rejected.most_common(10):
        yield _line("set aside", f"{count:,} {_short(reason, 120)}")
    for bad in found.examples:
        yield f"    {_short(bad.path, 100)} line {bad.line}: {_short(bad.reason, 200)}"


def _counted(counter: Counter[str]) -> str:
    shown = [f"{_short(name, 40)} {count:,}" for name, count in counter.most_common(20)]
    return ", ".join(shown) + (", ..." if len(counter) > 20 else "")


def _short(value: Any, limit: int) -> str:
    """One printable line of anything."""
    text = " ".join(str(value)[: 4 * limit].split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
