"""Keep, review or drop: thresholds on what was measured. Pure, so changing them costs no token."""

from __future__ import annotations

from pydantic import Field

from scalediff.core.domain import Domain
from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, RowStage


class DecideConfig(Config):
    """Settings of the decide stage."""

    drop_too_easy: bool = True
    """Drop what the student solves. Paper: dropped where the student's final answer agrees with
    the teacher's."""
    easy_rate: float = Field(default=0.0, ge=0, le=1)
    """With several student attempts: too easy above this share of right ones. 0, any right attempt,
    is the paper's rule for one attempt; the paper states no number of attempts."""
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    """Rows with a label below this confidence go to review, since hard problems live there; null
    keeps all. Paper: no check."""
    drop_below: float | None = Field(default=None, ge=0, le=1)
    """Rows below this confidence are dropped; null drops none."""
    drop_wrong: bool = True
    """Drop rows with gold that no attempt matches: their solution would be wrong."""


class Decide(RowStage):
    """One row, one decision, the first that applies."""

    name = "decide"
    adds = ("review",)
    Config = DecideConfig
    config: DecideConfig

    def process(self, row: Row, domain: Domain) -> Row | Drop:
        """A drop with its evidence, or whether the row is for review."""
        config = self.config
        if config.drop_too_easy and (evidence := self._easy(row)):
            return Drop("too_easy", evidence)
        confidence = row.get("confidence")
        if confidence is None:
            return {}
        votes = f"{row.get('num_agree')} of {row.get('num_counted')} attempts"
        if row.get("answer") is not None and not row.get("num_agree") and config.drop_wrong:
            return Drop("wrong", f"no attempt matches the gold answer {row['answer']!r}")
        if config.drop_below is not None and confidence < config.drop_below:
            return Drop("disagreement", f"{votes} agree, at least {config.drop_below:.0%} needed")
        if config.min_confidence is not None and confidence < config.min_confidence:
            return {"review": True}
        return {}

    def _easy(self, row: Row) -> str:
        """What shows that the student solves it; empty where it does not."""
        attempts = attempts_of(row, "student")
        decided = [a for a in attempts if a.get("verdict") in ("right", "wrong")]
        right = [a for a in decided if a["verdict"] == "right"]
        if not right or len(right) / len(decided) <= self.config.easy_rate:
            return ""
        teacher = [a.get("answer") for a in attempts_of(row, "teacher", usable=True)]
        answer = next((a for a in teacher if a is not None), None)
        share = f" ({len(right)} of {len(decided)})" if len(decided) > 1 else ""
        return f"student {right[0].get('answer')}, teacher {answer}{share}"
