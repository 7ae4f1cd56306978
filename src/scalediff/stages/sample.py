"""Canaries: rows with gold that go through the filters as if they had none.

In: rows, of which those with gold count (the difficult sources). Out: ``n`` of them, chosen by the
hash of their keys, as rows of their own with ``hidden_gold`` instead of ``answer``, so that nothing
on the way can read it; ``confirm`` compares afterwards. They keep their keys: where the same
teacher answers the sources too, those attempts serve here and are not paid for again.

The paper has no such step. What canaries cannot show: labels of ill-posed problems (sources are
sound), and problems unlike the sources.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from pydantic import Field

from scalediff.core.keys import digest
from scalediff.core.records import Drop, Row
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.gold import gold_of


class SampleConfig(Config):
    """Settings of the sample stage."""

    n: int = Field(default=100, ge=1)
    """Canaries at most. Ours: with 100 kept, a share of 5 % is known to within 5 points."""


class Sample(SetStage):
    """The rows with gold that have the smallest hashes, in their order."""

    name = "sample"
    version = "2"
    births = True
    adds = ("problem", "problem_id", "hidden_gold")
    Config = SampleConfig
    config: SampleConfig

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Each canary; adding sources moves few of them."""
        ranked = (
            (digest(["canary", row["key"]]), row["key"])
            for row in inputs[0].rows()
            if gold_of(row) is not None
        )
        chosen = {key for _, key in heapq.nsmallest(self.config.n, ranked)}
        for row in inputs[0].rows():
            if row["key"] in chosen:
                yield (
                    row["key"],
                    {
                        "key": row["key"],
                        "problem_id": row["problem_id"],
                        "problem": row["problem"],
                        "hidden_gold": gold_of(row),
                    },
                )
