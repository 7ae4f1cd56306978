"""What a confidence is worth: the share of canaries with such a confidence whose label is right.

In: rows with ``confidence``, and as second input the canaries with ``canary_verdict``. Out:
``p_right`` for each row, and ``calibration.json``: blocks of confidences with the number of
canaries in each, how many are right, and a 95 % interval. Null where there are fewer than
``min_canaries`` decided ones, and for rows with gold, whose label it is. A block's share is
(right + 1/2) / (n + 1), so that no label is ever called certain, and blocks are joined until the
share grows with the confidence (isotonic regression by pooling adjacent violators: Robertson,
Wright, Dykstra: Order Restricted Statistical Inference, 1988).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from scalediff.core.records import Drop, Row
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.gold import gold_of
from scalediff.io.run import write_json
from scalediff.stages.tally import wilson


class CalibrateConfig(Config):
    """Settings of the calibrate stage."""

    min_canaries: int = Field(default=20, ge=1)
    """With fewer decided canaries nothing is said of a confidence. Ours."""


@dataclass
class Block:
    """Confidences from ``low`` on that are worth the same.

    Attributes:
        low: The smallest confidence of the block.
        right: Canaries whose label is right.
        n: Canaries that the grader decided.
    """

    low: float
    right: int
    n: int

    @property
    def p(self) -> float:
        """Estimate of the share of right labels."""
        return (self.right + 0.5) / (self.n + 1)


def blocks_of(decided: Counter[tuple[float, bool]]) -> list[Block]:
    """Blocks in order of confidence, from counts of (confidence, label is right).

    Example:
        >>> blocks = blocks_of(Counter({(0.5, True): 5, (0.5, False): 5, (1.0, True): 9}))
        >>> [(block.low, round(block.p, 2)) for block in blocks]
        [(0.5, 0.5), (1.0, 0.95)]
    """
    found: list[Block] = []
    for confidence in sorted({confidence for confidence, _ in decided}):
        right, wrong = decided[confidence, True], decided[confidence, False]
        found.append(Block(confidence, right, right + wrong))
        while len(found) > 1 and found[-2].p >= found[-1].p:
            above = found.pop()
            found[-1].right += above.right
            found[-1].n += above.n
    return found


class Calibrate(SetStage):
    """Pure: other canaries, or another threshold, cost no token."""

    name = "calibrate"
    version = "2"
    adds = ("p_right",)
    Config = CalibrateConfig
    config: CalibrateConfig

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Each row's share of right labels among canaries of its confidence."""
        decided: Counter[tuple[float, bool]] = Counter()
        for table in inputs[1:]:
            for row in table.rows():
                if row.get("canary_verdict") in ("right", "wrong"):
                    decided[row["confidence"], row["canary_verdict"] == "right"] += 1
        blocks = blocks_of(decided) if decided.total() >= self.config.min_canaries else []
        write_json(ctx.folder / "calibration.json", [_told(block) for block in blocks])
        for row in inputs[0].rows():
            if gold_of(row) is not None:
                yield row["key"], {}  # its label is its gold
                continue
            below = [block for block in blocks if block.low <= row["confidence"]]
            chosen = below[-1] if below else next(iter(blocks), None)
            yield row["key"], {} if chosen is None else {"p_right": round(chosen.p, 4)}


def _told(block: Block) -> dict[str, Any]:
    _, low, high = wilson(block.right, block.n)
    return {
        "from": block.low,
        "n": block.n,
        "right": block.right,
        "p_right": block.p,
        "low": low,
        "high": high,
    }
