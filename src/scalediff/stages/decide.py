"""Keep, review or drop: thresholds on what was measured. Pure, so changing them costs no token."""

from __future__ import annotations

from pydantic import Field

from scalediff.core.domain import Domain
from scalediff.core.errors import RecipeError
from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, RowStage
from scalediff.stages.grade import gold_of
from scalediff.text.marks import ending


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
    keeps all. Gold is a label without doubt: a row whose gold some attempt matches is kept. Paper:
    no check."""
    min_agree: int | None = Field(default=None, ge=1)
    """Rows with fewer agreeing attempts go to review, since a share of one or two answers says
    little; null asks for none. Paper: no check."""
    drop_below: float | None = Field(default=None, ge=0, le=1)
    """Rows without gold below this confidence are dropped; null drops none."""
    drop_wrong: bool = True
    """Drop rows with gold that no attempt matches, since their solution would be wrong; where the
    grader could not decide on an attempt, the row goes to review instead."""


class Decide(RowStage):
    """One row, one decision, the first that applies."""

    name = "decide"
    version = "3"
    adds = ("review", "student_outcome")
    Config = DecideConfig
    config: DecideConfig

    def process(self, row: Row, domain: Domain) -> Row | Drop:
        """A drop with its evidence, or whether the row is for review."""
        config = self.config
        if config.drop_too_easy and (evidence := self._easy(row)):
            return Drop("too_easy", evidence)
        outcome = self._judged(row)
        if isinstance(outcome, Drop):
            return outcome
        told = student_outcome(row) if row.get("student_outcome") is None else None
        return outcome | ({"student_outcome": told} if told else {})

    def _judged(self, row: Row) -> Row | Drop:
        """What the label's confidence means for the row."""
        config = self.config
        confidence = row.get("confidence")
        if confidence is None:
            self._forbid_thresholds(row)
            return {}
        if gold_of(row) is not None:
            return self._with_gold(row)
        agree = row.get("num_agree") or 0
        votes = f"{agree} of {row.get('num_graded')} graded attempts"
        if config.drop_below is not None and confidence < config.drop_below:
            return Drop("disagreement", f"{votes} agree, at least {config.drop_below:.0%} needed")
        if config.min_confidence is not None and confidence < config.min_confidence:
            return {"review": True}
        if config.min_agree is not None and agree < config.min_agree:
            return {"review": True}
        return {}

    def _forbid_thresholds(self, row: Row) -> None:
        """A threshold on what was never measured would keep everything in silence."""
        for name in ("min_confidence", "min_agree", "drop_below"):
            if getattr(self.config, name) is not None:
                raise RecipeError(
                    f"decide: {name} needs the column confidence, which row {row.get('key')} has "
                    "not; put an agree step before it"
                )

    def _with_gold(self, row: Row) -> Row | Drop:
        """Kept where an attempt matches the gold, however few of them do."""
        if row.get("num_agree"):
            return {}
        if row.get("num_undecided") or not self.config.drop_wrong:
            return {"review": True}
        answers = [a.get("answer") for a in attempts_of(row, "teacher", usable=True)]
        given = ", ".join(str(answer) for answer in dict.fromkeys(answers) if answer is not None)
        return Drop("wrong", f"gold {row['answer']}, attempts {given}")

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


def student_outcome(row: Row) -> str | None:
    """What the student made of the problem: None where it was not asked.

    ``right`` (agrees with the teacher), ``wrong`` (another answer), ``undecided`` (the grader
    cannot tell), ``unfinished`` (cut off) or ``no_answer``; of several attempts the first of these
    that any of them is. A student that does not finish says nothing of the teacher's answer.
    """
    found = set()
    for attempt in attempts_of(row, "student"):
        if attempt.get("answer") is not None:
            found.add(attempt.get("verdict"))
        else:
            ended = ending(attempt.get("finish_reason")) == "stop"
            found.add("no_answer" if ended else "unfinished")
    order = ("right", "wrong", "undecided", "unfinished", "no_answer")
    return next((outcome for outcome in order if outcome in found), None)
