"""The label: the answer that most of the teacher's attempts give, and how many.

In: teacher attempts. Out: ``label``, ``confidence`` (the share of the attempts counted that give
it; attempts without an answer count against it), ``num_agree``, ``num_counted`` and
``solution_index`` (whose attempt becomes the solution). Equivalent forms are one answer; an
undecided comparison keeps two answers apart. Where the row has gold, the label is the gold, the
confidence is the share of attempts that match it, and gold is never overwritten.

The paper takes the single attempt's answer and checks nothing; that is the case of one attempt.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import AsyncStage, Config, Context


class AgreeConfig(Config):
    """Settings of the agree stage."""

    role: str = "teacher"
    """Whose attempts vote."""


class Agree(AsyncStage):
    """Awaits the domain's grader; pays nothing."""

    name = "agree"
    adds = ("label", "confidence", "num_agree", "num_counted", "solution_index")
    Config = AgreeConfig
    config: AgreeConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """The row's label, or a drop where no attempt gives an answer."""
        everyone = attempts_of(row, self.config.role)
        voters = [a for a in everyone if not a.get("rejected") and a.get("answer") is not None]
        if not voters:
            return Drop("no_answer", f"none of {len(everyone)} attempts gives an answer")
        gold = row.get("answer")
        if gold is not None and str(gold).strip():
            agreeing = [a for a in voters if await self._is(row, a["answer"], str(gold), ctx)]
            return self._outcome(str(gold), agreeing, len(everyone))
        clusters: list[list[dict[str, Any]]] = []
        for attempt in voters:
            for cluster in clusters:
                if await self._is(row, attempt["answer"], cluster[0]["answer"], ctx):
                    cluster.append(attempt)
                    break
            else:
                clusters.append([attempt])
        # of equally large ones the one with the earliest attempt; the tie shows in the confidence
        winner = max(clusters, key=len)
        return self._outcome(winner[0]["answer"], winner, len(everyone))

    @staticmethod
    async def _is(row: Row, a: str, b: str, ctx: Context) -> bool:
        if a == b:
            return True
        return (await ctx.domain.same(row["problem"], a, b)).value == "right"

    @staticmethod
    def _outcome(label: str, agreeing: list[dict[str, Any]], counted: int) -> Row:
        return {
            "label": label,
            "confidence": len(agreeing) / counted,
            "num_agree": len(agreeing),
            "num_counted": counted,
            "solution_index": agreeing[0]["sample_index"] if agreeing else None,
        }
