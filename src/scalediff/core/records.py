"""The nouns: a row, a drop, a verdict, an attempt.

Rows are plain dicts so that foreign columns travel untouched; the small records around them are
frozen dataclasses. A row is born once (from a file or a generator), keeps its ``key`` and gains
columns. Attempts hang below their row as ``row["attempts"]``, one dict each, told apart by
``(role, sample_index)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Row = dict[str, Any]
"""One problem on its way through the line; always has ``key``, ``problem_id`` and ``problem``."""

Value = Literal["right", "wrong", "undecided"]

REASONS: dict[str, str] = {
    # screen
    "malformed": "the text is no complete problem (cut, empty, no question, leftover template)",
    "answer_given": "the text gives its own answer away",
    "proof": "asks for a proof, which has no final answer to check",
    "multi_part": "asks several questions, so that no one answer is its answer",
    "ill_posed": "has no answer as it stands (undefined symbol, missing figure, contradiction)",
    "wrong_language": "the text (or every attempt) is in a language that is not allowed",
    "duplicate": "an earlier row of the same set has the same or nearly the same text",
    "copy_of_source": "the same or nearly the same text is among the sources",
    "contaminated": "the same or nearly the same text is in a benchmark",
    # select
    "simple": "the identifier answers it at once",
    # solve and rules
    "attempt_failed": "the engine could not work on this row after the stated tries",
    "truncated": "every attempt was cut off by the token cap",
    "no_answer": "no attempt holds an answer",
    "not_read": "every attempt may hold an answer that could not be read with certainty",
    "looping": "every attempt repeats itself",
    "empty_thinking": "every attempt has an empty thought",
    "too_short": "every attempt is shorter than the recipe allows",
    "too_long": "every attempt is longer than the recipe allows",
    "conflicting_answers": "every attempt gives several answers that disagree",
    # decide
    "too_easy": "the student's answer agrees with the teacher's",
    "disagreement": "the teacher's attempts do not agree with one another",
    "wrong": "no attempt matches the gold answer",
    # assemble
    "over_length": "the row is longer than the model or its trainer reads",
    "no_solution": "the row has neither an attempt nor a solution of its own",
    "unfinished": "the run was finished before this row was",
}
"""Every reason code of the shipped stages and what it means; a domain may add its own."""


@dataclass(frozen=True)
class Drop:
    """A row left out: an output, never a log line.

    Attributes:
        reason: One code of ``REASONS`` (or of the domain); the first that applied.
        evidence: What shows it: the matching text, the number over its limit, the two answers.
    """

    reason: str
    evidence: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the grader says of an answer.

    Attributes:
        value: ``right``, ``wrong`` or ``undecided`` (a timeout is undecided, never wrong).
        rule: The rule that decided, such as ``exact`` or ``math_verify``.
        reason: One phrase for people.
    """

    value: Value
    rule: str
    reason: str = ""


@dataclass(frozen=True)
class Reading:
    """What answer a response gives.

    Attributes:
        answer: The answer as it stands there; None where none was read.
        unread: Where none was read, what may be one; empty where the response plainly gives none.
    """

    answer: str | None = None
    unread: str = ""


NO_GOLD = Verdict("undecided", "missing", "no answer to compare with")
"""On a response where the gold is none, or a placeholder."""


def unanswered(unread: str = "", ended: bool = True) -> Verdict:
    """The verdict on a response in which no answer was read.

    Args:
        unread: What may be an answer and could not be read (``Reading.unread``).
        ended: Whether the response ended by itself.

    Example:
        >>> unanswered(ended=False).rule, unanswered("7 or so").value
        ('no_answer', 'undecided')
    """
    if unread:
        return Verdict("undecided", "not_read", f"not read: {unread}")
    return Verdict("wrong", "no_answer", "no answer" if ended else "cut off")


def merge(row: Row, added: Row) -> Row:
    """The row with the columns a step added; attempts are patched by role and sample index.

    Example:
        >>> row = {"key": "a", "attempts": [{"role": "teacher", "sample_index": 0, "answer": "4"}]}
        >>> patch = {"attempts": [{"role": "teacher", "sample_index": 0, "rejected": "looping"}]}
        >>> merge(row, patch)["attempts"][0]["rejected"]
        'looping'
    """
    merged = {**row, **added}
    if "attempts" in added and row.get("attempts"):
        by_id = {(a["role"], a["sample_index"]): a for a in row["attempts"]}
        for patch in added["attempts"]:
            identity = (patch["role"], patch["sample_index"])
            by_id[identity] = {**by_id.get(identity, {}), **patch}
        merged["attempts"] = list(by_id.values())
    return merged


def attempts_of(row: Row, role: str, *, usable: bool = False) -> list[dict[str, Any]]:
    """The row's attempts by one role in sample order; ``usable`` leaves out rejected ones."""
    found = [a for a in row.get("attempts") or () if a["role"] == role]
    found.sort(key=lambda attempt: attempt["sample_index"])
    return [a for a in found if not a.get("rejected")] if usable else found
