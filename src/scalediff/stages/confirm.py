"""Whether the label that a canary got is its gold.

In: rows with ``label`` and ``hidden_gold``. Out: ``canary_verdict`` and ``canary_reason``. Nothing
leaves: what is wrong is counted, in the report and for the calibration of confidences.
"""

from __future__ import annotations

from scalediff.core.records import Drop, Row, unanswered
from scalediff.core.stage import AsyncStage, Config, Context


class ConfirmConfig(Config):
    """There is nothing to set."""


class Confirm(AsyncStage):
    """Awaits the domain's grader; pays nothing."""

    name = "confirm"
    adds = ("canary_verdict", "canary_reason")
    Config = ConfirmConfig
    config: ConfirmConfig

    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """The verdict on the row's label."""
        gold, label = row.get("hidden_gold"), row.get("label")
        problem = str(row.get("problem") or "")
        verdict = unanswered()
        if label is not None:
            verdict = await ctx.domain.verify(problem, label, str(gold))
        reason = f"label {label}, gold {gold}: {verdict.reason}"
        return {"canary_verdict": verdict.value, "canary_reason": reason}
