"""What a problem and a right answer are. Math first; the line itself knows neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from scalediff.core.records import Drop, Reading, Row, Verdict


class Domain(Protocol):
    r"""Prompts, answers and checks of one kind of problem.

    ``verify`` and ``same`` are async because a domain owns a pool of processes that can be killed.

    Example:
        text = domain.prompt("Find $1+1$.", "teacher")
        verdict = await domain.same("Find $1+1$.", "2", "\\frac{4}{2}")
    """

    name: str
    version: str

    def prompt(self, problem: str, role: str) -> str:
        """The user turn for a role: identifier, teacher, student, evaluation."""
        ...

    def read(self, content: str, finish_reason: str | None = None) -> Reading:
        """What answer a response's content gives; one that was cut off holds none unread."""
        ...

    async def verify(self, problem: str, answer: str, gold: str) -> Verdict:
        """Whether an answer that was read is right by the row's gold."""
        ...

    async def same(self, problem: str, a: str, b: str) -> Verdict:
        """Whether two answers are the same (``right``), not (``wrong``) or it is undecided."""
        ...

    def differ(self, a: str, b: str) -> bool:
        """Whether two answers plainly differ; False where they are the same or it takes work."""
        ...

    def check_problem(self, problem: str) -> Drop | None:
        """The domain's own look at a problem's text; None where nothing is wrong with it."""
        ...

    def sources(self, name: str, n: int, seed: int) -> Iterator[Row]:
        """Rows of an embedded source set (``nano:sources``); RecipeError where there is none."""
        ...

    def benchmarks(self) -> dict[str, str]:
        """Names of known benchmarks and where their rows come from (a path, or ``domain:``)."""
        ...

    def audit(self, problem: str) -> dict[str, Any] | None:
        """The oracle's word (``answer``, ``level``, ``reason``), or None where there is no oracle.

        It never takes part in the line; it only audits it.
        """
        ...

    async def close(self) -> None:
        """End the pool."""
        ...
