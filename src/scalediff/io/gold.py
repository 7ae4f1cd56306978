"""Gold: which value of a row is its answer. The only place that decides it.

``find_gold`` looks for it where people keep it (``answers`` judges each value), ``with_gold``
writes it into the row as ``answer``: text, or absent. What came in under that name stays as
``source_answer`` where it was changed. What the text means (a box, a fraction) is for the domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from scalediff.core.records import Row
from scalediff.io.answers import MAX_BARE, Answer, ReadOff, answer_in
from scalediff.io.columns import opened
from scalediff.io.layouts import RESERVED, free_name, is_ours, turns_of_first
from scalediff.io.wanted import Named

NAMES = ("answer", "expectedanswer", "finalanswer", "goldanswer", "gold", "groundtruth",
         "referenceanswer", "target")  # fmt: skip
"""Names of gold, the first goes before; letters' case and what is no letter do not matter."""

_NAMES_BESIDE_A_RESPONSE = ("groundtruth", "referenceanswer", "expectedanswer")

CONTAINERS = ("reward_model", "info", "metadata", "meta", "extra_info", "verification_info",
              "extra", "reward", "data", "annotations", "annotation", "scoring", "labels",
              "problem_metadata")  # fmt: skip
"""Columns that hold objects (or their JSON text) in which gold is kept."""

_HARDLY_MORE = 16
"""Characters of a solution around its answer where it is that answer in a box and no more."""

_WORDS_OF_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_LIKE_GOLD = re.compile(r"answer|truth|gold|expect|correct(?!ness)|reference|label|target")
_A_WORD = re.compile(r"[A-Za-z]{3,}(?:[ _-][A-Za-z]+)*")
_LIKE_GOLD_WHOLE = frozenset({"ans", "gt"})
_MAY_BE_GOLD = frozenset({
    "result", "final", "output", "extractedanswer", "finalresult", "expectedoutput", "答案",
    "标准答案", "参考答案", "正确答案", "正解", "答え", "정답", "ответ", "respuesta", "réponse",
    "resposta",
})  # fmt: skip
"""Names that may be of gold; said only of a row that has none."""

_NOT_GOLD = frozenset({
    "type", "types", "format", "formats", "count", "num", "len", "length", "index", "idx", "id",
    "ids", "source", "unit", "units", "content", "score", "has", "is", "rate", "model",
    "student", "predicted", "prediction", "pred", "llm", "generated", "extracted", "response",
    "url",
})  # fmt: skip
"""Words of names that are about an answer, or of somebody's response rather than the gold."""


@dataclass(frozen=True)
class Gold:
    """What a row's gold is, and from where.

    Attributes:
        answer: What was read, or why nothing was.
        where: Its place; empty where the row has none.
        others: Places that were not read: of another answer, or, without gold, what looks like it.
    """

    answer: Answer = field(default_factory=Answer)
    where: str = ""
    others: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """The answer; None where there is none."""
        return self.answer.text


def gold_of(row: Row) -> str | None:
    """The gold of a row in our form; None where it has none."""
    return answer_in(row.get("answer")).text


def find_gold(
    row: Row,
    layout: str = "problem",
    named: Named | None = None,
    read_off: ReadOff | None = None,
) -> Gold:
    """The gold of a row as it came: where it was named, or else under the names people use.

    In a row that we exported that is ``answer`` alone: it was decided when the row came in. Of a
    conversation with several user turns, of which the first is the problem, only what that turn
    itself says is its gold; the row's own may be of a later one.

    Args:
        row: The row as it came.
        layout: The column of the problem.
        named: The column that was named (``--answer-column``).
        read_off: Reads the answer off a worked text.
    """
    if named is not None:
        places = iter(named.values(row))
    elif is_ours(row):
        places = iter([("answer", row.get("answer"))])
    else:
        places = _known(row, layout, read_off)
    found: tuple[str, Answer] = ("", Answer())
    others: list[str] = []
    for place, value in places:
        answer = _of_choices(row, value) or answer_in(value, read_off)
        if found[1].text is not None:
            if answer.text is not None and answer.text.strip() != found[1].text.strip():
                others.append(place)
        elif answer.text is not None or found[1].state == "none":
            found = (place, answer) if answer.state != "none" else found
    if found[1].text is not None:
        if named is None and not is_ours(row):
            others += _rivals(row, layout, read_off, found, others)
    else:
        for place, answer in _like_gold(row, layout, read_off):
            if answer.state == "unread" and found[1].state == "none":
                found = (place, answer)
            elif answer.text is not None and place != found[0]:
                others.append(place)
    return Gold(found[1], found[0], tuple(others))


def _rivals(
    row: Row, layout: str, read_off: ReadOff | None, found: tuple[str, Answer], known: list[str]
) -> Iterator[str]:
    """Places that look like gold and hold another answer than the one that was read."""
    read = _same_form(found[1].text)
    for place, answer in _like_gold(row, layout, read_off):
        name = _plain(place.rpartition(".")[2])
        weak = name in _MAY_BE_GOLD or "solution" in name
        other = answer.text is not None and _same_form(answer.text) != read
        if other and any(map(str.isdigit, read)) and _A_WORD.fullmatch(str(answer.text)):
            continue  # the name of a class
        if other and not weak and place not in (found[0], *known):
            yield place


def _same_form(text: str | None) -> str:
    """A text without what does not make it another answer."""
    plain = "".join((text or "").split()).strip("$.")
    boxed = re.fullmatch(r"\\boxed\{(.*)\}", plain)
    return boxed[1] if boxed else plain


def _of_choices(row: Row, value: Any) -> Answer | None:
    """What a number is beside choices: the place of one, counted from who knows where."""
    choices = row.get("choices", row.get("options"))
    if isinstance(value, bool) or not isinstance(choices, list | dict):
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 4:
        said = choices.values() if isinstance(choices, dict) else choices
        whole = int(value) <= len(choices) and value.strip() not in {str(c).strip() for c in said}
    return Answer(state="unread", detail="the number of a choice") if whole else None


def _known(row: Row, layout: str, read_off: ReadOff | None) -> Iterator[tuple[str, Any]]:
    """The places where gold is kept, the first goes before."""
    turns, several = turns_of_first(row, layout)
    if not several:
        yield from _in_object(row, "")
        for name in CONTAINERS:
            yield from _in_object(opened(row.get(name)), f"{name}.")
    for number, (place, turn) in enumerate(turns):
        # what stands beside a response as its answer is the response's own
        names = NAMES if number == 0 else _NAMES_BESIDE_A_RESPONSE
        yield from _in_object(opened(turn.get("info")), f"{place}.info.", names)
        yield from _in_object(turn, f"{place}.", names)
    if not several and "solution" in row:
        yield "solution", _only_an_answer(row["solution"], read_off)


def _in_object(value: Any, place: str, names: tuple[str, ...] = NAMES) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        return
    found: dict[str, list[str]] = {}
    for key in value:
        if (plain := _plain(str(key))) in names:
            found.setdefault(plain, []).append(key)
    for name in names:
        for key in sorted(found.get(name, ()), key=lambda key: key != key.lower()):
            yield f"{place}{key}", value[key]


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    """A column's name as letters and digits: ``Final Answer`` and ``final_answer`` are one."""
    return "".join(c for c in name if c.isalnum()).lower()


def _only_an_answer(solution: Any, read_off: ReadOff | None) -> str | None:
    r"""The answer of a solution that holds hardly more (``$\boxed{4}$``)."""
    if not isinstance(solution, str) or len(solution) > MAX_BARE or read_off is None:
        return None
    answer = read_off(solution)
    return answer if answer and len(solution.strip()) - len(answer) <= _HARDLY_MORE else None


def _like_gold(row: Row, layout: str, read_off: ReadOff | None) -> Iterator[tuple[str, Answer]]:
    """Places of a row without gold that look like it."""
    ours = is_ours(row)
    turns, _ = turns_of_first(row, layout)
    objects = [("", row), *((f"{name}.", opened(row.get(name))) for name in CONTAINERS)]
    for place, turn in turns[:1]:
        objects += [(f"{place}.info.", opened(turn.get("info"))), (f"{place}.", turn)]
    for place, value in objects:
        for name in value if isinstance(value, dict) else ():
            if isinstance(value[name], bool) or not _is_like_gold(str(name)):
                continue
            if ours and not place and (name in RESERVED or str(name).startswith("source_")):
                continue
            yield f"{place}{name}", answer_in(value[name], read_off)
    solution = row.get("solution")
    if read_off is None or not isinstance(solution, str) or "</think>" in solution:
        return
    if (answer := read_off(solution)) is not None:
        yield "solution", Answer(answer, "read", worked=True)


@lru_cache(maxsize=4096)
def _is_like_gold(name: str) -> bool:
    words = {word.lower() for word in _WORDS_OF_NAME.findall(name)}
    like = any(_LIKE_GOLD.search(word) for word in words) or words & _LIKE_GOLD_WHOLE
    return _plain(name) in _MAY_BE_GOLD or (bool(like) and not words & _NOT_GOLD)


def with_gold(row: Row, gold: Gold) -> Row:
    """The row with its gold as ``answer``, in text, or without one."""
    came, text = row.get("answer"), gold.text
    if came is None and text is None:
        return row
    made = dict(row)
    if came is not None and (isinstance(came, bool) or str(came) != text):
        made[free_name(row, "answer")] = made.pop("answer")
    if text is not None:
        made["answer"] = text
        if gold.where == "answer" and gold.answer.worked and made.get("solution") is None:
            made["solution"] = came
    return made
