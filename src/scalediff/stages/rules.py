r"""Rules on single attempts: what is broken leaves before anything more is paid for it.

In: attempts of one role with their texts. Out: ``rejected`` (a reason code) and
``rejected_evidence`` on each attempt that breaks a rule, the first rule that it breaks. A row
leaves when no attempt of the role is left, with the first attempt's reason.

The paper drops malformed responses by rules but states neither the rules nor their thresholds; the
ones here are ours: cut off, empty thought, no answer, wrong language, looping, too short, too long,
answers that conflict. ``scalediff filter --explain`` says what each threshold would drop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from scalediff.core.domain import Domain
from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, RowStage
from scalediff.text.language import check_languages, foreign, scripts
from scalediff.text.marks import ending
from scalediff.text.repetition import loop

_FEWEST_LETTERS = 20
"""Texts with fewer letters are in no script."""
_JOINED = 16
"""Characters between two boxes of one sentence that make them parts of one answer."""


class RulesConfig(Config):
    """Settings of the rules stage."""

    role: str = "teacher"
    """Whose attempts are judged."""
    require_thinking: bool = True
    """Reject attempts whose thought is empty. An attempt by a model without a thinking mode (its
    ``reasoning`` is null) is not judged by it. Ours."""
    min_tokens: int = Field(default=0, ge=0)
    """Reject attempts with fewer sampled tokens; 0 judges none. Ours."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Reject attempts with more sampled tokens; null judges none. The paper names verbosity as a
    ground for leaving a response out, without a number."""
    languages: list[str] = []
    """Languages that thought and content may be in (codes such as ``en``); empty allows all."""
    max_foreign_share: float = Field(default=0.2, gt=0, le=1)
    """Share of letters that may be in scripts in which the problem has none (a thought that
    switches from English to Chinese). Ours."""
    loop_repeats: int = Field(default=4, ge=2)
    """A stretch of text repeated so many times in a row is a loop. Ours."""
    loop_tokens: int = Field(default=120, ge=1)
    """A loop spans at least so many tokens (words and symbols, not the model's). Ours."""
    loop_stale_share: float = Field(default=0.6, gt=0, le=1)
    """Share of 20-grams that may have stood in the text before. Ours."""
    answer_marker: str = "\\boxed"
    """What announces an answer in the content, for answers that conflict; empty judges none."""
    drop: bool = True
    """Drop rows without a usable attempt; false only marks the attempts."""

    @field_validator("languages")
    @classmethod
    def _known(cls, languages: list[str]) -> list[str]:
        check_languages(languages)
        return languages


class Rules(RowStage):
    """Judges attempts, pure and free."""

    name = "rules"
    version = "4"
    adds = ("attempts",)
    reads_texts = True
    Config = RulesConfig
    config: RulesConfig

    def process(self, row: Row, domain: Domain) -> Row | Drop:
        """The marks of the attempts that break a rule, or a drop where no attempt is left."""
        role = self.config.role
        attempts = attempts_of(row, role, usable=True)
        problem = str(row.get("problem") or "")
        verdicts = [(attempt, self.judge(attempt, problem, domain)) for attempt in attempts]
        broken = [(attempt, drop) for attempt, drop in verdicts if drop is not None]
        if self.config.drop and len(broken) == len(attempts):
            return self._leaves(row, broken)
        patches = [
            {
                "role": role,
                "sample_index": attempt["sample_index"],
                "rejected": drop.reason,
                "rejected_evidence": drop.evidence,
            }
            for attempt, drop in broken
        ]
        return {"attempts": patches} if patches else {}

    def _leaves(self, row: Row, broken: list[tuple[dict[str, Any], Drop]]) -> Drop:
        """Why the row leaves: its first attempt's reason, whichever step rejected it."""
        judged = {attempt["sample_index"]: drop for attempt, drop in broken}
        for attempt in attempts_of(row, self.config.role):
            drop = judged.get(attempt["sample_index"])
            return drop or Drop(attempt["rejected"], attempt.get("rejected_evidence") or "")
        return Drop("no_answer", f"the row has no attempt of the role {self.config.role!r}")

    def judge(self, attempt: dict[str, Any], problem: str, domain: Domain) -> Drop | None:
        """The first rule that an attempt breaks."""
        config = self.config
        reasoning, content = attempt.get("reasoning"), attempt.get("content") or ""
        num_tokens = attempt.get("num_tokens")
        if unfinished := _unfinished(attempt):
            return unfinished
        if config.require_thinking and reasoning is not None and not reasoning.strip():
            return Drop("empty_thinking", "the thought is empty")
        if attempt.get("answer") is None:
            return Drop("no_answer", f"content ends: {_tail(content)!r}")
        for text in (reasoning or "", content):
            if other := self._foreign(text, problem):
                return Drop("wrong_language", other)
            if evidence := self._loop(text):
                return Drop("looping", evidence)
        if num_tokens is not None and num_tokens < config.min_tokens:
            return Drop("too_short", f"{num_tokens} tokens < {config.min_tokens}")
        if num_tokens is not None and num_tokens > (config.max_tokens or num_tokens):
            return Drop("too_long", f"{num_tokens} tokens > {config.max_tokens}")
        return self._conflict(content, domain)

    def _foreign(self, text: str, problem: str) -> str:
        """What shows that a text is in another language or script than it should be."""
        if self.config.languages and (evidence := foreign(text, self.config.languages)):
            return evidence
        if text.isascii():
            return ""
        own, found = scripts(problem), scripts(text)
        away = {name: n for name, n in found.items() if name not in own and name != "Latin"}
        few = found.total() < _FEWEST_LETTERS
        if few or not own or sum(away.values()) <= self.config.max_foreign_share * found.total():
            return ""
        script, n = max(away.items(), key=lambda item: item[1])
        return f"{n / found.total():.0%} of its letters are {script}, of the problem's none"

    def _loop(self, text: str) -> str | None:
        return loop(
            text,
            min_repeats=self.config.loop_repeats,
            min_run=self.config.loop_tokens,
            max_stale=self.config.loop_stale_share,
        )

    def _conflict(self, content: str, domain: Domain) -> Drop | None:
        """Two announced answers of the content that plainly differ; other forms do not."""
        if not self.config.answer_marker:
            return None
        first: str | None = None
        for text in _announced(content, self.config.answer_marker):
            answer = domain.answer(text)
            if answer is None:
                continue
            if first is None:
                first = answer
            elif domain.differ(first, answer):
                return Drop("conflicting_answers", f"{first!r} and then {answer!r}")
        return None


def _unfinished(attempt: dict[str, Any]) -> Drop | None:
    """Why an attempt that did not end by itself is rejected."""
    reason, num_tokens = attempt.get("finish_reason"), attempt.get("num_tokens")
    after = "" if num_tokens is None else f" after {num_tokens} tokens"
    match ending(reason):
        case "stop":
            return None
        case "length":
            return Drop("truncated", f"cut off{after}")
        case "stopped":
            return Drop("looping", f"ended as a loop while sampling{after}")
        case "unknown":
            return Drop("truncated", f"its finish reason {reason!r} is not known: it may be cut")
        case _:
            return Drop("attempt_failed", f"its finish reason is {reason!r}")


def _tail(content: str) -> str:
    return " ".join(content[-160:].split())


def _announced(content: str, marker: str) -> Iterator[str]:
    r"""Each announced answer with its marker; boxes joined in a sentence are one answer.

    ``\boxed{2} and \boxed{3}`` gives both roots, once; ``\boxed{2}. No: \boxed{3}`` contradicts
    itself.
    """
    start = end = -1
    at = content.find(marker)
    while at >= 0:
        between = content[end:at]
        if start < 0 or len(between) > _JOINED or re.search(r"[.\n;:]", between):
            if start >= 0:
                yield content[start:end]
            start = at
        end = _closing(content, at + len(marker))
        at = content.find(marker, end)
    if start >= 0:
        yield content[start:end]


def _closing(content: str, at: int) -> int:
    """The position after the braces that open at or soon after ``at``."""
    depth = 0
    for i in range(at, len(content)):
        depth += {"{": 1, "}": -1}.get(content[i], 0)
        if depth <= 0 and not (i == at and content[i] == " "):
            return i + 1
    return len(content)
