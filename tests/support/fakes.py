"""The smallest domain, engine, table and context that a stage can be tested with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scalediff.core.engine import Completion, EngineInfo, Request, Score, Usage
from scalediff.core.keys import problem_id
from scalediff.core.records import Drop, Reading, Row, Verdict
from scalediff.core.stage import Context


class FakeDomain:
    """Boxed answers compared as written; problems that end in ``...`` are malformed."""

    name = "fake"
    version = "1"

    def __init__(self, known: dict[str, str] | None = None, embedded: Sequence[str] = ()) -> None:
        self.known = known or {}
        self.embedded = list(embedded)
        self.asked: list[tuple[str, int, int]] = []

    def prompt(self, problem: str, role: str) -> str:
        return problem if role == "identifier" else f"Box the answer.\n{problem}"

    def read(self, content: str, finish_reason: str | None = None) -> Reading:
        found = re.findall(r"\\boxed\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}", content)
        return Reading(found[-1] if found else None)

    async def verify(self, problem: str, answer: str, gold: str) -> Verdict:
        return Verdict("right" if answer == gold else "wrong", "exact")

    async def same(self, problem: str, a: str, b: str) -> Verdict:
        return Verdict("right" if a == b else "wrong", "exact")

    def differ(self, a: str, b: str) -> bool:
        return a != b

    def check_problem(self, problem: str) -> Drop | None:
        return Drop("malformed", "it breaks off") if problem.endswith("...") else None

    def sources(self, name: str, n: int, seed: int) -> Iterator[Row]:
        self.asked.append((name, n, seed))
        yield from ({"problem": text} for text in self.embedded[:n])

    def benchmarks(self) -> dict[str, str]:
        return self.known

    def audit(self, problem: str) -> dict[str, Any] | None:
        return None

    async def close(self) -> None:
        pass


class FakeEngine:
    """Answers with what it is given, and remembers the requests."""

    def __init__(
        self,
        sample: Completion | Callable[[Request], Completion] | None = None,
        score: Score | None = None,
        **info: Any,
    ) -> None:
        self._sample = sample
        self._score = score
        self.info = EngineInfo(**{"model": "fake:one", "fingerprint": "f", **info})
        self.usage = Usage()
        self.requests: list[Request] = []
        self.continuations: list[str] = []

    async def sample(self, request: Request) -> Completion:
        self.requests.append(request)
        assert self._sample is not None
        return self._sample(request) if callable(self._sample) else self._sample

    async def score(self, request: Request, continuation: str) -> Score:
        self.requests.append(request)
        self.continuations.append(continuation)
        assert self._score is not None
        return self._score

    async def close(self) -> None:
        pass


class FakeTable:
    """A table in memory."""

    digest = "d"

    def __init__(
        self, rows: Sequence[Row], name: str = "table", folder: Path | None = None
    ) -> None:
        self.name = name
        self.num_rows = len(rows)
        self._rows = list(rows)
        self._folder = folder

    def rows(self) -> Iterator[Row]:
        return (dict(row) for row in self._rows)

    def artefact(self, name: str) -> Path:
        assert self._folder is not None
        return self._folder / name


def table_of(*problems: str, prefix: str = "k") -> FakeTable:
    """A table of problems with the keys ``k0``, ``k1`` and so on."""
    return FakeTable(
        [
            {"key": f"{prefix}{i}", "problem_id": problem_id(text), "problem": text}
            for i, text in enumerate(problems)
        ]
    )


def context(
    *, domain: Any = None, engine: Any = None, folder: Path = Path("unused"), seed: int = 7
) -> Context:
    return Context(
        domain=domain or FakeDomain(),
        role="teacher",
        seed=seed,
        step="step",
        folder=folder,
        engine=engine,
    )
