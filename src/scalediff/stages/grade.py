"""Verdicts on attempts: against gold, or (for the student's filter) against the teacher.

In: attempts of one role. Out: for each of them ``verdict``, ``verdict_rule``, ``verdict_reason``,
and for the row ``pass_rate``, the share of right among decided attempts that no rule rejected. A
wrong answer is told apart from a failure to give one (rule ``no_answer``); an undecided comparison,
or an answer that could not be read (``not_read``), is neither right nor wrong. Free: a new grader
pays for no attempt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from scalediff.core.domain import Domain
from scalediff.core.records import Drop, Row, Verdict, attempts_of, unanswered
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.io.gold import gold_of
from scalediff.text.marks import ending, may_be_cut


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
    version = "4"
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
            ended = ending(attempt.get("finish_reason")) == "stop"
            return unanswered(attempt.get("unread") or "", ended)
        compare = ctx.domain.verify if self.config.against == "gold" else ctx.domain.same
        return await compare(str(row.get("problem") or ""), str(answer), reference)


def answer_columns(attempt: Mapping[str, Any], domain: Domain) -> dict[str, str | None]:
    """The columns ``answer`` and ``unread`` of an attempt.

    A response that was cut before any thought in it had ended gives no answer: what looks like one
    may then stand in the thought, wherever a server put it.
    """
    content, reason = attempt.get("content") or "", attempt.get("finish_reason")
    meaning = ending(reason)
    if not content.strip() or (meaning != "stop" and attempt.get("reasoning") is None):
        may_be = content.strip() and meaning == "unknown"
        return {"answer": None} | ({"unread": may_be_cut(reason)} if may_be else {})
    found = domain.read(content, reason)
    return {"answer": found.answer} | ({"unread": found.unread} if found.unread else {})
