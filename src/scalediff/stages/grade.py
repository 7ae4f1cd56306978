"""Verdicts on attempts: against gold, or (for the student's filter) against the teacher.

In: attempts of one role. Out: for each of them ``verdict``, ``verdict_rule``, ``verdict_reason``,
and for the row ``pass_rate``, the share of right among decided attempts that no rule rejected. A
wrong answer is told apart from a failure to give one (rule ``no_answer``); an undecided comparison
is neither right nor wrong. Free: a new grader pays for no attempt.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from scalediff.core.records import Drop, Row, Verdict, attempts_of
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.text.marks import ending


class GradeConfig(Config):
    """Settings of the grade stage."""

    role: str = "teacher"
    """Whose attempts are graded."""
    against: Literal["gold", "teacher"] = "gold"
    """What they are compared with: the row's ``answer``, or the answer of the first teacher
    attempt that the rules let pass (paper: the model filter compares with the teacher)."""


class Grade(AsyncStage):
    """Awaits the domain's grader; pays nothing."""

    name = "grade"
    version = "3"
    adds = ("attempts", "pass_rate")
    Config = GradeConfig
    config: GradeConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """Verdicts on all attempts of the role; rows without a reference stay as they are."""
        reference = self._reference(row)
        if reference is None:
            return {}
        patches: list[dict[str, Any]] = []
        for attempt in attempts_of(row, self.config.role):
            verdict = await self._judge(row, attempt, reference, ctx)
            patches.append(
                {
                    "role": attempt["role"],
                    "sample_index": attempt["sample_index"],
                    "verdict": verdict.value,
                    "verdict_rule": verdict.rule,
                    "verdict_reason": verdict.reason,
                }
            )
        usable = {a["sample_index"] for a in attempts_of(row, self.config.role, usable=True)}
        values = [patch["verdict"] for patch in patches if patch["sample_index"] in usable]
        decided = len(values) - values.count("undecided")
        added: Row = {"attempts": patches} if patches else {}
        if decided:
            added["pass_rate"] = values.count("right") / decided
        return added

    def _reference(self, row: Row) -> str | None:
        if self.config.against == "gold":
            return gold_of(row)
        answers = [a.get("answer") for a in attempts_of(row, "teacher", usable=True)]
        return next((answer for answer in answers if answer is not None), None)

    async def _judge(
        self, row: Row, attempt: dict[str, Any], reference: str, ctx: Context
    ) -> Verdict:
        answer = attempt.get("answer")
        if answer is None:
            reason = attempt.get("finish_reason")
            ended = ending(reason) == "stop"
            return Verdict("wrong", "no_answer", "no answer" if ended else "cut off")
        compare = ctx.domain.verify if self.config.against == "gold" else ctx.domain.same
        return await compare(str(row.get("problem") or ""), str(answer), reference)


def gold_of(row: Row) -> str | None:
    """The row's gold as text: a number as written, several answers joined; None where none is."""
    gold = row.get("answer")
    if isinstance(gold, dict | bool) or (isinstance(gold, float) and not math.isfinite(gold)):
        return None  # no answer that anybody could give
    if isinstance(gold, list | tuple):
        gold = ", ".join(str(part) for part in gold)
    return None if gold is None or not str(gold).strip() else str(gold)
