"""Rows and attempts as the page shows them: texts made safe and cut, figures written out."""

from __future__ import annotations

import re
from typing import Any

from scalediff.report.reading import Json, count, line, mapping, number, records, text
from scalediff.report.words import percent, reason_name

MAX_ATTEMPTS = 8
"""Attempts of one row that the page shows."""

View = dict[str, Any]

_STUDENT_VERDICTS = {"right": "same as the teacher's", "wrong": "differs from the teacher's"}


def anchor(prefix: str, name: str, taken: dict[str, str] | None = None) -> str:
    """An id that any name can have; ``taken`` (id → name) keeps two names apart.

    Example:
        >>> anchor("drop", "copy_of_source"), anchor("drop", "<b>")
        ('drop-copy_of_source', 'drop-b')
    """
    plain = re.sub(r"[^a-z0-9_]+", "-", name.lower())[:60].strip("-") or "other"
    found, index = f"{prefix}-{plain}", 2
    while taken is not None and taken.get(found, name) != name:
        found, index = f"{prefix}-{plain}-{index}", index + 1
    if taken is not None:
        taken[found] = name
    return found


def row_view(row: Json) -> View:
    """A row of the dataset or of the review: problem, label, figures, attempts."""
    attempts = records(row.get("attempts"))
    label = row.get("label")
    return {
        "key": line(row.get("key"), 80),
        "problem": text(row.get("problem")) or "(no text)",
        "label": line(row.get("answer") if label is None else label, 300),
        "facts": _facts(row),
        "attempts": [attempt_view(attempt) for attempt in attempts[:MAX_ATTEMPTS]],
        "more": max(0, len(attempts) - MAX_ATTEMPTS),
        "solution": "" if attempts else text(row.get("solution")),
    }


def _facts(row: Json) -> list[str]:
    """What is known of a row, each in a few words."""
    found = []
    p_think = number(row.get("p_think"))
    if p_think is not None:
        found.append(f"p_think {p_think:.2f}")
    if agreement(row):
        found.append(agreement(row))
    return found


def agreement(row: Json) -> str:
    """How far the teacher's graded answers agree on the label; empty where that is unknown."""
    names = ("num_agree", "num_graded", "num_counted")
    agree, graded, counted = (count(row.get(name)) for name in names)
    if agree is not None and graded is not None and counted:
        aside = f" ({counted} attempts counted)" if counted != graded else ""
        return f"{agree} of {graded} graded answers agree{aside}"
    confidence = number(row.get("confidence"))
    return "" if confidence is None else f"{percent(confidence, 0)} of graded answers agree"


def attempt_view(attempt: Json) -> View:
    """An attempt: who, thought, content, answer, verdict."""
    role = line(attempt.get("role"), 40) or "someone"
    index, tokens = count(attempt.get("sample_index")), count(attempt.get("num_tokens"))
    verdict = line(attempt.get("verdict"), 40)
    rejected = line(attempt.get("rejected"), 60)
    return {
        "role": role,
        "name": role if index is None else f"{role}, attempt {index + 1}",
        "tokens": "" if tokens is None else f"{tokens:,} tokens",
        "reasoning": text(attempt.get("reasoning")),
        "content": text(attempt.get("content")),
        "answer": line(attempt.get("answer"), 300),
        "verdict": _STUDENT_VERDICTS.get(verdict, verdict) if role == "student" else verdict,
        "rejected": reason_name(rejected) if rejected else "",
    }


def drop_view(row: Json) -> View:
    """A dropped row: its problem, the step and the evidence."""
    return {
        "key": line(row.get("key"), 80),
        "problem": text(row.get("problem"), 1_500) or "(no text)",
        "step": line(row.get("step"), 60),
        "evidence": text(row.get("evidence"), 1_500) or "no evidence given",
    }


def life_view(row: Any) -> View | None:
    """One row's life: problem, thought, label, the student's answer, and why the row was kept."""
    values = mapping(row)
    if not values.get("problem"):
        return None
    attempts = records(values.get("attempts"))
    teacher = _chosen([a for a in attempts if a.get("role") == "teacher"], values)
    student = next((a for a in attempts if a.get("role") == "student"), None)
    view = row_view(values)
    return view | {
        "teacher": attempt_view(teacher) if teacher else None,
        "student": attempt_view(student) if student else None,
        "why": _why(values, student),
    }


def _chosen(teacher: list[dict[str, Any]], row: Json) -> dict[str, Any] | None:
    """The attempt that became the solution, else the first that no rule rejected."""
    index = row.get("solution_index")
    usable = [a for a in teacher if not a.get("rejected")] or teacher
    same = [a for a in usable if index is not None and a.get("sample_index") == index]
    return next(iter(same or usable), None)


def _why(row: Json, student: Json | None) -> list[str]:
    """The reasons for keeping a row, as far as its columns tell them."""
    found = []
    p_think = number(row.get("p_think"))
    if row.get("difficult") or (p_think is not None and p_think >= 0.5):
        found.append("the identifier calls it difficult")
    verdict = student.get("verdict") if student else None
    if verdict == "wrong":
        found.append("the student does not solve it")
    elif verdict == "undecided":
        found.append("whether the student solves it is undecided")
    if agreement(row):
        found.append(agreement(row))
    return found
