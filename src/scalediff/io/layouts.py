"""The layouts that people have, turned into our columns. Pure functions on one row.

| layout | columns | what it becomes |
|---|---|---|
| ``problem`` | ``problem``, ``solution``, ``answer`` | as they are (ScaleDiff-Math, NuminaMath, MATH) |
| ``question`` | ``question``, ``answer`` | GSM8K: gold after ``####``, the whole text is the solution |
| ``conversations`` | ``from``/``value`` or ``role``/``content`` | first user turn, first assistant turn |
| ``messages`` | ``role``/``content`` | the same; system turns are skipped |

A column that came in is never lost: where ours takes its name, it moves to ``source_NAME``.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.errors import RecordError
from scalediff.core.records import Row

OPEN, CLOSE = "<think>", "</think>"
_USER = ("human", "user")
_ASSISTANT = ("gpt", "assistant", "model", "bot")
_RESPONSES = ("response", "generation", "generations")


def layout_of(row: Row, problem_column: str | None = None) -> str | None:
    """The layout of a row, or None where none is recognised."""
    if problem_column is not None:
        return "column" if problem_column in row else None
    for name in ("problem", "question", "conversations", "messages", "prompt"):
        if name in row:
            return name
    return None


def to_row(row: Row, problem_column: str | None = None) -> tuple[str, Row]:
    """The layout's name, and the row with ``problem`` (and ``solution``, ``answer``) in our form.

    Raises:
        RecordError: The row has no problem; the reason says what is missing.
    """
    layout = layout_of(row, problem_column)
    if layout is None:
        wanted = problem_column or "problem, question, conversations or messages"
        raise RecordError("no_problem", f"no column {wanted}; there are {', '.join(row)[:200]}")
    if layout in ("conversations", "messages"):
        return layout, _from_turns(row, layout)
    column = problem_column or layout
    text = _text(row[column], column)
    made = dict(row)
    made["problem"] = text
    if column != "problem":
        if column == "question" and isinstance(row.get("answer"), str) and "####" in row["answer"]:
            made["source_answer"] = row["answer"]
            made["answer"] = row["answer"].rpartition("####")[2].strip()
            made.setdefault("solution", row["answer"])
        if "problem" in row and row["problem"] != text:
            made["source_problem"] = row["problem"]
    answer = made.get("answer")
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        made["answer"] = str(answer)
    return layout, made


def _from_turns(row: Row, column: str) -> Row:
    turns = row[column]
    if not isinstance(turns, list) or not turns:
        raise RecordError("no_problem", f"{column} is no list of turns")
    user = assistant = None
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            raise RecordError("no_problem", f"turn {number} of {column} is no object")
        role = turn.get("from", turn.get("role"))
        text = turn.get("value", turn.get("content"))
        if role in _USER and user is None:
            user = _text(text, f"turn {number} of {column}")
        elif role in _ASSISTANT and user is not None and assistant is None:
            assistant = text
    if user is None:
        raise RecordError("no_problem", f"{column} has no user turn")
    made = dict(row)
    if "problem" in row:
        made["source_problem"] = row["problem"]
    made["problem"] = user
    if isinstance(assistant, str) and assistant.strip() and "solution" not in row:
        made["solution"] = assistant
    return made


def _text(value: Any, where: str) -> str:
    if value is None:
        raise RecordError("no_problem", f"{where} is null")
    if not isinstance(value, str):
        raise RecordError("no_problem", f"{where} is not text but {type(value).__name__}")
    if not value.strip():
        raise RecordError("no_problem", f"{where} is empty")
    if "\x00" in value:
        raise RecordError("no_problem", f"{where} holds a null byte")
    return value


def split_thought(text: str) -> tuple[str | None, str]:
    """Reasoning and content of a response; a thought that never closes is all reasoning."""
    before, tag, after = text.partition(OPEN)
    body = after if tag and not before.strip() else text
    if body is text and CLOSE not in text:
        return None, text.strip()
    reasoning, closed, content = body.partition(CLOSE)
    return reasoning.strip(), content.strip() if closed else ""


def attempts_in(row: Row) -> list[dict[str, Any]]:
    """Attempts made elsewhere, as teacher attempts; an empty list where the row has none.

    Ours (nested ``attempts`` of an export) stay as they are. ``solution`` counts where it holds a
    thought. The ``answer`` of an attempt is left to whoever knows the domain.
    """
    own = row.get("attempts")
    if isinstance(own, list) and all(isinstance(a, dict) and "role" in a for a in own):
        return own
    texts: list[Any] = []
    for name in _RESPONSES:
        value = row.get(name)
        texts += value if isinstance(value, list) else [value]
    if not any(isinstance(text, str) for text in texts):
        solution = row.get("solution")
        texts = [solution] if isinstance(solution, str) and CLOSE in solution else []
    if not texts and isinstance(row.get("prediction"), str):
        # an answer that was read off already: nothing is left to extract
        given = {"reasoning": None, "content": "", "answer": row["prediction"]}
        return [{"role": "teacher", "sample_index": 0, "finish_reason": "stop", **given}]
    reason = row.get("finish_reason")
    attempts = []
    for text in texts:
        if isinstance(text, str):
            reasoning, content = split_thought(text)
            attempts.append(
                {
                    "role": "teacher",
                    "sample_index": len(attempts),
                    "reasoning": reasoning,
                    "content": content,
                    "finish_reason": reason if isinstance(reason, str) else "stop",
                    "model": "elsewhere",
                }
            )
    return attempts
