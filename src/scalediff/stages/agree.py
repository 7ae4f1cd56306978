"""The label: the answer that most of the teacher's attempts give, and how many.

In: teacher attempts. Out: ``label``, ``confidence`` (``num_agree`` over ``num_graded``: the share
of graded answers that give it), ``num_agree``, ``num_graded``, ``num_counted`` (all attempts),
``num_undecided`` (attempts that the grader could neither put with the label nor keep apart from it)
and ``solution_index`` (whose attempt becomes the solution). Equivalent forms are one answer. An
attempt that was cut off, that a rule rejected or that the grader cannot compare with the label is
no vote, neither for it nor against it: how many votes there are is for ``decide`` to judge. Where
the row has gold, the label is the gold, the confidence is the share of graded answers that match
it, and gold is never overwritten.

The paper takes the single attempt's answer and checks nothing; that is the case of one attempt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.stages.grade import gold_of


class AgreeConfig(Config):
    """Settings of the agree stage."""

    role: str = "teacher"
    """Whose attempts vote."""


@dataclass
class _Cluster:
    """Attempts that give one answer, and those of which that is not known."""

    answer: str
    members: list[dict[str, Any]] = field(default_factory=list)
    undecided: list[dict[str, Any]] = field(default_factory=list)


class Agree(AsyncStage):
    """Awaits the domain's grader; pays nothing."""

    name = "agree"
    version = "3"
    adds = ("label", "confidence", "num_agree", "num_graded", "num_counted", "num_undecided",
            "solution_index")  # fmt: skip
    Config = AgreeConfig
    config: AgreeConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """The row's label, or a drop where no attempt gives an answer."""
        everyone = attempts_of(row, self.config.role)
        voters = [a for a in everyone if not a.get("rejected") and a.get("answer") is not None]
        if not voters:
            return Drop("no_answer", f"none of {len(everyone)} attempts gives an answer")
        gold = gold_of(row)
        if gold is not None:
            cluster = _Cluster(gold)
            for attempt in voters:
                await self._try(row, attempt, cluster, ctx, gold=True)
            return self._outcome(cluster, len(voters), len(everyone))
        clusters: list[_Cluster] = []
        for attempt in voters:
            if not await self._joins_one(row, attempt, clusters, ctx):
                clusters.append(_Cluster(attempt["answer"], [attempt]))
        # of equally large ones the one with the earliest attempt; the tie shows in the confidence
        chosen = max(clusters, key=lambda c: len(c.members))
        return self._outcome(chosen, len(voters), len(everyone))

    async def _joins_one(
        self, row: Row, attempt: dict[str, Any], clusters: list[_Cluster], ctx: Context
    ) -> bool:
        """Put an attempt with its equals: equal text first, which costs no comparison."""
        same_text = [c for c in clusters if c.answer == attempt["answer"]]
        for cluster in same_text or clusters:
            if await self._try(row, attempt, cluster, ctx):
                for other in clusters:
                    other.undecided = [a for a in other.undecided if a is not attempt]
                return True
        return False

    @staticmethod
    async def _try(
        row: Row, attempt: dict[str, Any], cluster: _Cluster, ctx: Context, gold: bool = False
    ) -> bool:
        """Compare an attempt with a cluster's answer, and note where it belongs."""
        value = "right"
        if attempt["answer"] != cluster.answer:
            problem = str(row.get("problem") or "")
            compare = ctx.domain.verify if gold else ctx.domain.same
            value = (await compare(problem, attempt["answer"], cluster.answer)).value
        if value == "right":
            cluster.members.append(attempt)
        elif value == "undecided":
            cluster.undecided.append(attempt)
        return value == "right"

    @staticmethod
    def _outcome(cluster: _Cluster, voters: int, counted: int) -> Row:
        graded = voters - len(cluster.undecided)
        return {
            "label": cluster.answer,
            "confidence": len(cluster.members) / graded if graded else 0.0,
            "num_agree": len(cluster.members),
            "num_graded": graded,
            "num_counted": counted,
            "num_undecided": len(cluster.undecided),
            "solution_index": cluster.members[0]["sample_index"] if cluster.members else None,
        }
