"""The label: the answer that most of the teacher's attempts give, and how many.

In: teacher attempts. Out: ``label``, ``confidence`` (``num_agree`` over ``num_graded``: the share
of graded answers that give it), ``num_agree``, ``num_graded``, ``num_counted`` (all attempts),
``num_undecided`` (attempts that the grader could neither put with the label nor keep apart from it,
or whose answer was not read)
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
from scalediff.io.gold import gold_of


class AgreeConfig(Config):
    """Settings of the agree stage."""

    role: str = "teacher"
    """Whose attempts vote."""


@dataclass
class _Cluster:
    """Attempts that give one answer, and the clusters of which it is not known whether they do."""

    answer: str
    members: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[_Cluster] = field(default_factory=list)


class Agree(AsyncStage):
    """Awaits the domain's grader; pays nothing."""

    name = "agree"
    version = "5"
    adds = ("label", "confidence", "num_agree", "num_graded", "num_counted", "num_undecided",
            "solution_index")  # fmt: skip
    Config = AgreeConfig
    config: AgreeConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """The row's label, or a drop where no attempt gives an answer."""
        everyone = attempts_of(row, self.config.role)
        voters = [a for a in everyone if not a.get("rejected") and a.get("answer") is not None]
        if not voters:
            reason = "not_read" if any(a.get("unread") for a in everyone) else "no_answer"
            return Drop(reason, f"of {len(everyone)} attempts none gives an answer that was read")
        gold = gold_of(row)
        clusters: list[_Cluster] = [] if gold is None else [_Cluster(gold)]
        for attempt in voters:
            await self._place(row, attempt, clusters, ctx, gold=gold is not None)
        # of equally large ones the one with the earliest attempt; the tie shows in the confidence
        largest = max(clusters, key=lambda c: len(c.members))
        chosen = largest if gold is None else clusters[0]
        unread = sum(bool(a.get("unread")) for a in everyone if a.get("answer") is None)
        return self._outcome(chosen, len(voters), len(everyone), unread)

    async def _place(
        self,
        row: Row,
        attempt: dict[str, Any],
        clusters: list[_Cluster],
        ctx: Context,
        gold: bool,
    ) -> None:
        """Put an attempt with its equals (equal text first, which costs no comparison) or apart."""
        answer = attempt["answer"]
        same_text = [c for c in clusters if c.answer == answer]
        doubts = []
        for cluster in same_text or clusters:
            value = "right"
            if answer != cluster.answer:
                problem = str(row.get("problem") or "")
                # gold is the first cluster's answer and may be written as a dataset writes it
                of_gold = gold and cluster is clusters[0]
                compare = ctx.domain.verify if of_gold else ctx.domain.same
                value = (await compare(problem, answer, cluster.answer)).value
            if value == "right":
                cluster.members.append(attempt)
                return
            if value == "undecided":
                doubts.append(cluster)
        new = _Cluster(answer, [attempt], doubts)
        for cluster in doubts:
            cluster.doubts.append(new)
        clusters.append(new)

    @staticmethod
    def _outcome(cluster: _Cluster, voters: int, counted: int, unread: int) -> Row:
        undecided = sum(len(other.members) for other in cluster.doubts)
        graded = voters - undecided
        return {
            "label": cluster.answer,
            "confidence": len(cluster.members) / graded if graded else 0.0,
            "num_agree": len(cluster.members),
            "num_graded": graded,
            "num_counted": counted,
            "num_undecided": undecided + unread,
            "solution_index": cluster.members[0]["sample_index"] if cluster.members else None,
        }
