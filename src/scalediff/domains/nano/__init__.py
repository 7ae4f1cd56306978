"""The laboratory: ``MathDomain`` with other prompts, problems of its own and an audit.

The grader tested here is the grader shipped. The oracle (``audit``) reads a problem's text and
never takes part in the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from scalediff.core.errors import RecipeError
from scalediff.core.keys import RowKeys, problem_id
from scalediff.core.records import Row
from scalediff.domains.math import MathDomain
from scalediff.domains.nano import oracle, world

_SETS = {"nano:sources": 1_000, "nano:tune": 2_000_000, "nano:test": 3_000_000}
"""Embedded sets and what is added to their seeds, so that no two share one."""


class NanoDomain(MathDomain):
    """Problems of the nano world."""

    name = "nano"
    version = f"{MathDomain.version}, world 2"

    def prompt(self, problem: str, role: str) -> str:
        """The bare problem for every role: the small models know no instructions."""
        return problem

    def sources(self, name: str, n: int, seed: int) -> Iterator[Row]:
        """``nano:sources`` (mostly easy), ``nano:tune`` and ``nano:test`` (all levels alike).

        Raises:
            RecipeError: There is no such set, or it has fewer than n problems.
        """
        if name not in _SETS:
            raise RecipeError(f"there is no set {name!r}; there are {', '.join(_SETS)}")
        weights = world.SOURCE_LEVEL_WEIGHTS if name == "nano:sources" else None
        keys = RowKeys()
        try:
            problems = world.make_problems(n, _SETS[name] + seed, weights)
        except ValueError as error:
            raise RecipeError(f"{name}: {error}; ask for fewer with n") from None
        for problem in problems:
            row: Row = {
                "key": keys.next(problem.problem),
                "problem_id": problem_id(problem.problem),
                "problem": problem.problem,
                "solution": problem.solution,
                "answer": problem.answer,
                "level": problem.level,
                "family": problem.family,
            }
            if name != "nano:sources":
                row["benchmark"] = name
            yield row

    def benchmarks(self) -> dict[str, str]:
        """The embedded test and tuning sets."""
        return {name: name for name in _SETS if name != "nano:sources"}

    def audit(self, problem: str) -> dict[str, Any] | None:
        """What the oracle reads in a problem's text."""
        reading = oracle.read(problem)
        return asdict(reading)
