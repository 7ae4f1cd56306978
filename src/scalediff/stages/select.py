"""Decide which problems are difficult, and leave the others out.

In: what ``score`` added, or graded attempts. Out: ``difficult``; a simple row leaves with reason
``simple`` unless ``leave_out`` is false. Four signals:

* ``first_token``, the paper's rule: difficult where ``</think>`` is not the greedy first token;
* ``p_think``: the same as a probability with a threshold to tune;
* ``pass_rate``: the share of right attempts where gold is known; where it is not (``pass_rate`` is
  null), their disagreement, so that one setting serves a mixed set;
* ``disagreement``: the share of the most common answer among the attempts. Answers are compared as
  written (a deciding step has no grader), which errs towards difficult.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from scalediff.core.domain import Domain
from scalediff.core.errors import RecipeError
from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, RowStage


class SelectConfig(Config):
    """Settings of the select stage."""

    signal: Literal["first_token", "p_think", "pass_rate", "disagreement"] = "first_token"
    """What difficulty is read from. Paper: the identifier's first token."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """With ``p_think``: difficult from this probability of thinking on. Ours."""
    max_pass_rate: float = Field(default=0.5, ge=0, le=1)
    """With ``pass_rate``: difficult up to this share of right attempts. Ours."""
    max_agreement: float = Field(default=0.5, ge=0, le=1)
    """With ``disagreement``: difficult up to this share of the most common answer. Ours."""
    role: str = "identifier"
    """With ``pass_rate`` or ``disagreement``: whose attempts are read."""
    leave_out: bool = True
    """Drop simple rows. The released scripts only measure the share; the paper trains its generator
    on the difficult sources alone."""


class Select(RowStage):
    """Pure: a changed threshold pays nothing."""

    name = "select"
    adds = ("difficult",)
    Config = SelectConfig
    config: SelectConfig

    def process(self, row: Row, domain: Domain) -> Row | Drop:
        """Whether the row is difficult, or a drop where it is simple and those are left out."""
        difficult, evidence = self._decide(row)
        if not difficult and self.config.leave_out:
            return Drop("simple", evidence)
        return {"difficult": difficult}

    def _decide(self, row: Row) -> tuple[bool, str]:
        """Whether it is difficult, and the evidence that it is not."""
        config = self.config
        if config.signal == "first_token":
            p_think = _column(row, "p_think", config.signal)
            evidence = f"greedy first token ends the thought (p_think {p_think:.3f})"
            return not _column(row, "is_greedy", config.signal), evidence
        if config.signal == "p_think":
            p_think = _column(row, "p_think", config.signal)
            return p_think >= config.threshold, f"p_think {p_think:.3f} < {config.threshold:g}"
        if config.signal == "pass_rate" and row.get("pass_rate") is not None:
            rate = row["pass_rate"]
            return rate <= config.max_pass_rate, f"pass rate {rate:.2f} > {config.max_pass_rate:g}"
        share, answer = self._agreement(row)
        evidence = f"{share:.0%} of the attempts answer {answer!r}, over {config.max_agreement:.0%}"
        return share <= config.max_agreement, evidence

    def _agreement(self, row: Row) -> tuple[float, str]:
        """The most common answer and its share of all attempts, those without an answer too."""
        attempts = attempts_of(row, self.config.role, usable=True)
        if not attempts:
            raise RecipeError(
                f"select by {self.config.signal} needs attempts of the role {self.config.role!r}, "
                f"which row {row['key']} has not; put a solve step of that role before it"
            )
        answers = Counter(str(a["answer"]).strip() for a in attempts if a.get("answer") is not None)
        answer, count = answers.most_common(1)[0] if answers else ("", 0)
        return count / len(attempts), answer


def _column(row: Row, name: str, signal: str) -> float:
    value = row.get(name)
    if not isinstance(value, (int, float)):
        raise RecipeError(
            f"select by {signal} needs the column {name}, which row {row['key']} has not; "
            "put a score step before it"
        )
    return float(value)
