"""Mathematics: prompts, answers, checks and benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scalediff.core.errors import RecipeError
from scalediff.core.records import Drop, Reading, Row, Verdict
from scalediff.domains.math import benchmarks, checks, prompts
from scalediff.domains.math.grading.extract import (
    EXTRACT_VERSION,
    gold_answer,
    read_answer,
)
from scalediff.domains.math.grading.grader import GRADER_VERSION, Grader, grade_at_once
from scalediff.text.thoughts import answer_part


class MathDomain:
    """Problems with a final answer that can be compared (``core.domain.Domain``)."""

    name = "math"
    version = (
        f"prompts {prompts.PROMPTS_VERSION}, answers {EXTRACT_VERSION}, "
        f"grader {GRADER_VERSION}, checks {checks.VERSION}"
    )

    def __init__(self) -> None:
        self._grader = Grader()

    def prompt(self, problem: str, role: str) -> str:
        """The user turn for a role."""
        return prompts.render(problem, role)

    def read(self, content: str, finish_reason: str | None = None) -> Reading:
        """What stands in the boxes, or what the response says the answer is."""
        return read_answer(answer_part(content), finish_reason)

    async def verify(self, problem: str, answer: str, gold: str) -> Verdict:
        """Whether an answer is the row's gold, which may be boxed or end in ``####``."""
        return await self._grader.grade_pair(answer, gold_answer(gold))

    async def same(self, problem: str, a: str, b: str) -> Verdict:
        """Whether two answers are the same."""
        return await self._grader.grade_pair(a, b)

    def differ(self, a: str, b: str) -> bool:
        """Whether exact rules and values say that two answers differ."""
        verdict = grade_at_once(a, b)
        return verdict is not None and verdict.value == "wrong"

    def check_problem(self, problem: str) -> Drop | None:
        """What keeps a text from being one complete question with one answer."""
        return checks.check_problem(problem)

    def sources(self, name: str, n: int, seed: int) -> Iterator[Row]:
        """Mathematics has no embedded problems."""
        raise RecipeError(f"{name} is no file, and the domain {self.name} embeds no problems")

    def benchmarks(self) -> dict[str, str]:
        """Known benchmarks and where they are."""
        return benchmarks.locations()

    def audit(self, problem: str) -> dict[str, Any] | None:
        """There is no oracle of mathematics."""
        return None

    async def close(self) -> None:
        """End the grader's processes."""
        await self._grader.close()
