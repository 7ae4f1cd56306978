"""The layouts that people have, turned into our columns. Pure functions on one row.

* ``problem``, ``solution``, ``answer`` stay as they are (ScaleDiff-Math, OpenR1, NuminaMath, MATH).
* ``question`` is GSM8K.
* ``conversations`` (``from``/``value`` or ``role``/``content``) and ``messages`` give the first
  user turn as problem and the first assistant turn after it as solution; system turns are skipped,
  and so is whatever follows.
* ``prompt`` is text or such turns.

Which value is the row's gold is for ``gold`` to say.

A column that came in is never lost: where one of ours takes its name, it moves to
``source_NAME``.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.errors import RecordError
from scalediff.core.keys import problem_id
from scalediff.core.records import Row
from scalediff.io.endings import at_place, reason_of
from scalediff.text.marks import Thoughts
from scalediff.text.messages import FIELDS, apart, as_text, message_in, with_thought
from scalediff.text.thoughts import split

LAYOUTS = ("problem", "question", "conversations", "messages", "prompt")
"""Columns that a problem is looked for in, in this order."""

RESERVED = {
    *("key", "problem_id", "slot", "p_think", "is_greedy", "difficult", "pass_rate"),
    *("label", "confidence", "num_agree", "num_counted", "num_undecided", "solution_index"),
    *("review", "split", "solution_from", "flagged", "score"),
}
"""Columns that steps write into a row. One of these in a row that is not ours means something
else and moves to ``source_NAME``, so that no step reads it as ours or writes over it."""

_TURNS = ("conversations", "messages")
_USER = ("human", "user")
_ASSISTANT = ("gpt", "assistant", "model", "bot", "chatgpt")
_NO_MORE = Thoughts()
RESPONSES = ("response", "generation", "generations")
_INNER = ("message", "text", "output_text", "generated_text", "output")
"""Where an object that is a response holds its text."""

_ATTEMPT_TEXTS = ("reasoning", "content", "answer", "finish_reason", "model", "attempt_id",
                  "rejected", "rejected_evidence", "verdict", "verdict_rule", "unread")  # fmt: skip
_ATTEMPT_NUMBERS = ("num_tokens", "sample_seed")


def layout_of(row: Row, problem_column: str | None = None) -> str | None:
    """The column that holds the problem, or None where none is recognised.

    The first of ``LAYOUTS`` that is not null counts; ``problem_column`` goes before all.
    """
    if problem_column is not None:
        return problem_column if problem_column in row else None
    present = [name for name in LAYOUTS if name in row]
    return next((name for name in present if row[name] is not None), next(iter(present), None))


def to_row(row: Row, problem_column: str | None = None) -> tuple[str, Row]:
    """The layout's name, and the row with ``problem`` (and ``solution``) in our form.

    Raises:
        RecordError: The row has no problem; the evidence says what is missing.
    """
    layout = layout_of(row, problem_column)
    if layout is None:
        wanted = problem_column or f"{', '.join(LAYOUTS[:-1])} or {LAYOUTS[-1]}"
        raise RecordError("no_problem", f"no column {wanted}; there are {_names(row)}")
    value = row[layout]
    solution = None
    if layout in _TURNS or (isinstance(value, list) and layout != "problem"):
        text, solution = _from_turns(value, layout)
    else:
        text = _text(value, layout)
    made = dict(row)
    if row.get("problem") not in (None, text):
        made[free_name(row, "problem")] = row["problem"]
    made["problem"] = text
    if solution is not None and made.get("solution") is None:
        made["solution"] = solution
    return layout, made


def _names(row: Row) -> str:
    names = ", ".join(map(str, row)) or "none"
    return names if len(names) <= 200 else f"{names[:197]}..."


def free_name(row: Row, name: str) -> str:
    """``source_NAME``, with more ``source_`` before it where the row has that already."""
    moved = f"source_{name}"
    while moved in row:
        moved = f"source_{moved}"
    return moved


def turns_of_first(row: Row, layout: str) -> tuple[list[tuple[str, Row]], bool]:
    """The turn that is the problem and those that answer it, with their places.

    And whether more user turns follow, which are not read. Where ``layout`` holds no turns, those
    of another column may still say something of the problem.
    """
    columns = (layout, *(name for name in (*_TURNS, "prompt") if name != layout))
    column = next((name for name in columns if isinstance(row.get(name), list)), None)
    if column is None:
        return [], False
    found: list[tuple[str, Row]] = []
    for at, turn in enumerate(row[column]):
        if not isinstance(turn, dict):
            continue
        role = turn.get("from", turn.get("role"))
        if role in _USER and found:
            return found, column == layout
        if role in _USER or found:
            found.append((f"{column}[{at}]", turn))
    return found, False


def _from_turns(turns: Any, column: str) -> tuple[str, str | None]:
    """The first user turn, and the first assistant turn after it."""
    if turns is None or not isinstance(turns, list):
        raise RecordError("no_problem", f"{column} is {'null' if turns is None else 'no list'}")
    user = assistant = None
    for number, turn in enumerate(turns, 1):
        where = f"turn {number} of {column}"
        if not isinstance(turn, dict):
            raise RecordError("no_problem", f"{where} is no object")
        if _role(turn) in _USER and user is None:
            value = turn.get("value", turn.get("content"))
            user = _text(as_text({"content": value}) if _is_parts(value) else value, where)
        elif _role(turn) in _ASSISTANT and user is not None and assistant is None:
            assistant = _turn_text(turn)
    if user is None:
        raise RecordError("no_problem", f"{column} has no user turn")
    return user, assistant if assistant and assistant.strip() else None


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


def is_ours(row: Row) -> bool:
    """Whether we exported this row: it has a key, and the identity of its own problem."""
    key, problem = row.get("key"), row.get("problem")
    text = problem if isinstance(problem, str) else ""
    return isinstance(key, str) and key != "" and row.get("problem_id") == problem_id(text)


def set_apart(row: Row) -> Row:
    """A row that is not ours, with the columns that only have a name of ours under another."""
    taken = {name for name in row if name in RESERVED}
    if "attempts" in row and not _are_attempts(row["attempts"]):
        taken.add("attempts")
    if not taken:
        return row
    made: Row = {}
    for name, value in row.items():
        made[free_name({**row, **made}, name) if name in taken else name] = value
    return made


def _are_attempts(value: Any) -> bool:
    """Whether a value has the form of our nested attempts."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    ids = [(one.get("role"), one.get("sample_index")) for one in value]
    return (
        all(isinstance(role, str) and type(index) is int for role, index in ids)
        and len(set(ids)) == len(ids)
        and all(isinstance(one.get(n), str | None) for one in value for n in _ATTEMPT_TEXTS)
        and all(isinstance(one.get(n), int | None) for one in value for n in _ATTEMPT_NUMBERS)
    )


def attempts_in(
    row: Row, response_column: str | None = None, more: Thoughts = _NO_MORE
) -> list[dict[str, Any]]:
    """Attempts made elsewhere, as teacher attempts; an empty list where the row has none.

    ``response_column`` names the column of the response where it is none of the known ones.
    Otherwise ours (nested ``attempts`` of an export) stay as they are, a ``solution`` counts where
    it holds a thought and more, a ``prediction`` where there is nothing else. A response is text or
    a message, whose thought may stand in a field or a part of its own. The ``answer`` of an attempt
    is left to whoever knows the domain. Why one ended is read where the row says it
    (``io/endings.py``); without it an attempt is taken to have ended by itself.

    Args:
        row: As it came.
        response_column: See above.
        more: Tags and finish reasons besides the known ones.
    """
    own = row.get("attempts") if response_column is None else None
    if own and _are_attempts(own):
        return [_ours(one, more) for one in own]
    found: list[tuple[str, str]] = []
    for name in (response_column,) if response_column else RESPONSES:
        found += _responses(row, name, more)
    solution = row.get("solution") if response_column is None else None
    if not found and isinstance(solution, str):
        thought, content = split(solution, None, more.tags)
        if thought is not None and content:
            found = [(solution, reason_of(row, 0, more.finish_reasons))]
    attempts = [
        _attempt(index, *split(text, reason, more.tags), reason)
        for index, (text, reason) in enumerate(found)
    ]
    prediction = row.get("prediction") if response_column is None else None
    if not attempts and prediction is not None and not isinstance(prediction, list | dict | bool):
        # an answer that was read off already: nothing is left to extract
        attempts = [_attempt(0, None, "", "stop") | {"answer": str(prediction)}]
    return attempts


def _ours(attempt: dict[str, Any], more: Thoughts) -> dict[str, Any]:
    """An attempt of an export, read again where it holds what was not known when it was made."""
    if attempt.get("finish_reason"):
        attempt = {**attempt, "finish_reason": reason_of(attempt, 0, more.finish_reasons)}
    if attempt.get("reasoning") is None and attempt.get("content"):
        reasoning, content = split(attempt["content"], attempt.get("finish_reason"), more.tags)
        if reasoning is not None:
            kept = {k: v for k, v in attempt.items() if not k.startswith(("answer", "verdict"))}
            attempt = {**kept, "reasoning": reasoning, "content": content}
    return attempt


def _responses(row: Row, column: str, more: Thoughts) -> list[tuple[str, str]]:
    """The responses in a column, and why each of them ended."""
    value = row.get(column)
    one = not isinstance(value, list) or _is_conversation(value) or _is_parts(value)
    found = []
    several: list[Any] = [value] if one else list(value or ())
    texts = [_response(response) for response in several]
    if all(text is None for text in texts):
        return []
    for place, (response, text) in enumerate(zip(several, texts, strict=True)):
        # one of several that gave nothing is an attempt all the same
        text = text or ""
        names = [n for n in FIELDS if n != column and isinstance(row.get(n), list) != one]
        thoughts = [at_place(row.get(name), place) for name in names]
        beside = next((t for t in thoughts if isinstance(t, str) and t.strip()), None)
        if beside is not None:
            text = with_thought(*apart(beside, text))
        reason = reason_of(_object_of(response), 0, more.finish_reasons)
        if reason == "stop":
            reason = reason_of(row, place, more.finish_reasons)
        found.append((text, reason))
    return found


def _response(value: Any) -> str | None:
    """The text of one response: text, a message or what holds it, its parts, or turns."""
    if isinstance(value, str):
        return value if message_in(value) is None else as_text({"content": value})
    if isinstance(value, dict):
        inner = next((value[n] for n in _INNER if value.get(n) is not None), None)
        if isinstance(choices := value.get("choices"), list) and inner is None and choices:
            inner = choices[0]
        return _turn_text(value) if inner is None else _response(inner)
    if not isinstance(value, list) or not value:
        return None
    if _is_parts(value):
        return as_text({"content": value})
    turns = [turn for turn in value if isinstance(turn, dict) and _role(turn) in _ASSISTANT]
    return _turn_text(turns[0]) if turns else None


def _object_of(response: Any) -> dict[str, Any]:
    """The object that may say why a response ended; empty where it is none."""
    if isinstance(response, str):
        return message_in(response) or {}
    if isinstance(response, list):
        turns = (t for t in response if isinstance(t, dict) and _role(t) in _ASSISTANT)
        return next(turns, {})
    return response if isinstance(response, dict) else {}


def _is_conversation(value: list[Any]) -> bool:
    return any(isinstance(turn, dict) and _role(turn) in _USER for turn in value)


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(v, dict) and "type" in v for v in value)


def _role(turn: dict[str, Any]) -> Any:
    return turn.get("from", turn.get("role"))


def _turn_text(turn: dict[str, Any]) -> str | None:
    """What a turn says, its thought between tags wherever it stands."""
    text = as_text({**turn, "content": turn.get("value", turn.get("content"))})
    info = turn.get("info")
    if isinstance(info, dict) and isinstance(info.get("think_content"), str):
        said = text if text is not None else info.get("answer_content")
        if isinstance(said, str) and info["think_content"].strip():
            return with_thought(*apart(info["think_content"], said))
    return text


def _attempt(index: int, reasoning: str | None, content: str, reason: str) -> dict[str, Any]:
    return {
        "role": "teacher",
        "sample_index": index,
        "reasoning": reasoning,
        "content": content,
        "finish_reason": reason,
        "num_tokens": None,
        "model": "elsewhere",
    }
