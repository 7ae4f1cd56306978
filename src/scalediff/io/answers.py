"""Whether a value is an answer, and as what text: numbers, truth values, lists, placeholders.

Used for gold alone, and by ``gold`` alone. What a text means (a box, a fraction) is for the domain.
"""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scalediff.io.columns import opened

ReadOff = Callable[[str], str | None]
"""The answer that a worked text ends with (``Domain.answer``), or None."""

_MISSING = "(?:not(?:yet)?(?:found|available|applicable|provided|given|known|specified|stated|" \
    "extracted|determined|annotated|parsed|needed|required|sure|enoughinfo(?:rmation)?)|unknown|" \
    "unk|unanswered|unspecified|" \
    "unavailable|undisclosed|missing|omitted|pending|skip(?:ped)?|blank|withheld|redacted|" \
    "deleted|removed|unanswerable|insufficientinfo(?:rmation)?)"  # fmt: skip
_WHERE = "(?:above|below|attached|attachment|follows)"
_PLACEHOLDER = re.compile(
    rf"(?:(?:the)?(?:final)?(?:answer|solution|result)(?:is)?)?(?:na|none|null|nil|nan)|tb[dac]|todo|tobe(?:determined|announced|added|prove[dn]|shown)"
    rf"|(?:i)?(?:dk|dono?tknow)"
    rf"|{_MISSING}|none(?:given|found|provided|available|specified)"
    rf"|(?:the)?(?:final|correct|reference|gold)?(?:answer|solution|result|groundtruth)(?:is)?"
    rf"(?:{_MISSING}|{_WHERE})"
    rf"|no(?:valid|final|numeric(?:al)?|clear|short|single|reference|explicit|known|correct|boxed|"
    rf"finite|official)*(?:answer|groundtruth|gold|label)(?:found|given|provided|available|needed|required)?"
    rf"|(?:please)?(?:see|referto|cf)(?:the|full|detailed|official|worked|{_WHERE})*"
    rf"(?:files?|pages?|solutions?|proof|explanation|answer|figure|text|image|notes?|details|comments|reasoning|"
    rf"diagram|graph|{_WHERE})+"
    rf"|(?:an?|the|full|formal|complete|see)*proofs?(?:only|based|problem|question|required|needed|"
    rf"omitted|isgiven|insolution|{_WHERE})*"
    rf"|no(?:valid|final|official|reference)*(?:solution|response|output|result)"
    rf"(?:given|provided|available|extracted|returned)"
    rf"|(?:this|itis|thisis|a|to)*(?:qed|prove[dn]?|proofproblem|showthat)|same(?:as)?{_WHERE}"
    rf"|(?:answers?(?:may|will|can)?)?var(?:y|ies)|openended(?:question|problem)?"
    rf"|(?:error|failed|failure|timeout|timedout|invalid|crash(?:ed)?|exception)"
    rf"|(?:failed|unable|couldnot|cannot|cant)(?:to)?(?:be)?(?:parse|extract)d?(?:(?:the)?answer)?"
    rf"|(?:pars(?:e|ing)|extract(?:ion)?|generation)(?:failed|failure|error)"
    rf"|(?:image|figure|picture|diagram)(?:{_MISSING}|only)?|(?:empty|invalid)answer|placeholder"
)
"""What people and programs write where there is no answer, letters alone. A bare ``None`` is one of
them, since programs write it; one that somebody has set (``\\text{none}``) is an answer, and so is
"no solution"."""

_ELSEWHERE = frozenset({
    "略", "证明略", "解析略", "答案略", "解答略", "见解析", "答案见解析", "详见解析", "证明",
    "证明题", "无", "没有答案", "不知道", "无法确定答案", "нет ответа", "неизвестно", "ответа нет",
    "sin respuesta", "sem resposta", "pas de réponse", "keine antwort", "nessuna risposta",
    "답 없음", "정답 없음", "없음", "なし", "解答なし", "不明", "∎", "■", "无答案",
    "暂无", "暂无答案", "未知", "未找到",
})  # fmt: skip
_MARKS = frozenset({
    "-", "--", "---", "–", "—", "?", "??", "???", ".", "..", "...", "…", "_", "__", "___", "*",
    "/", "//", "#", "~", "[]", "{}", "()", '""', "''",
})  # fmt: skip
_DRAWN = re.compile(r"[*_.?…~#–—-]{2,}")
_WORDS = re.compile(r"[A-Za-z][A-Za-z \t_/.,:;!'’\"()<>\[\]-]*(?:(?<=figure )\d{1,3}\.?)?", re.I)
_WRAPPED = re.compile(r"\\(?:boxed|fbox|text|mathrm|textbf|mbox)\s*\{([^{}]*)\}|\$\$?([^$]*)\$\$?")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,}")
_WRITTEN = re.compile(r"\[\s*(?:[\"'{]|\])|\{\s*[\"']")


_MOST_WRITTEN = 10_000

MAX_BARE = 80
"""Characters; in a longer text an answer is looked for as in a response."""

MAX_ANSWER, MAX_WORDS = 500, 20
"""Characters and words; a text of more in which there is no answer is none. Ours: twice the longest
of 5,000 answers of competitions."""


@dataclass(frozen=True)
class Answer:
    """What one value is as an answer.

    Attributes:
        text: The answer; None where it is none.
        state: ``read``, ``none`` (null, blank), ``placeholder`` or ``unread``.
        detail: The placeholder, or why it was not read.
        worked: Whether it was taken from the end of a longer text.
    """

    text: str | None = None
    state: str = "none"
    detail: str = ""
    worked: bool = False


def answer_in(value: Any, read_off: ReadOff | None = None) -> Answer:
    """What a value is as an answer.

    Numbers are text, true and false the words, a list of one its element; of a list of several
    nobody knows whether they are one answer in several forms or several answers.

    Example:
        >>> [answer_in(v).text for v in (72, 4.0, True, ["4"], "x^2", "1 #### 3")]
        ['72', '4', 'True', '4', 'x^2', '3']
        >>> [answer_in(v).state for v in ("N/A", " ", ["4", "four"], {}, float("nan"))]
        ['placeholder', 'none', 'unread', 'unread', 'unread']
    """
    if value is None:
        return Answer()
    if isinstance(value, str):
        return _of_text(value, read_off)
    if isinstance(value, bool):
        return Answer(str(value), "read")
    if isinstance(value, int | float | Decimal):
        return _of_number(value)
    if isinstance(value, list | tuple):
        return _of_list(list(value), read_off)
    kind = "an object" if isinstance(value, dict) else type(value).__name__
    return Answer(state="unread", detail=kind)


def _of_number(value: int | float | Decimal) -> Answer:
    if isinstance(value, int):
        return Answer(format(Decimal(value), "f"), "read")  # str() refuses over 4,300 digits
    if not math.isfinite(value):
        return Answer(state="unread", detail="no finite number")
    if isinstance(value, float) and value.is_integer():
        return Answer(str(int(value)), "read")
    return Answer(format(Decimal(str(value)), "f"), "read")


def _of_list(values: list[Any], read_off: ReadOff | None) -> Answer:
    found = [answer_in(value, read_off) for value in values]
    found = [answer for answer in found if answer.state != "none"]
    if len({(answer.text or "").strip() for answer in found}) > 1:
        return Answer(state="unread", detail="a list of several")
    return found[0] if found else Answer()


def _of_text(value: str, read_off: ReadOff | None) -> Answer:
    bare = _INVISIBLE.sub("", value).strip()
    if not bare:
        return Answer()
    if is_placeholder(bare):
        return Answer(state="placeholder", detail=bare)
    if _WRITTEN.match(bare) and isinstance(held := _held(bare), list | dict):
        return answer_in(held, read_off)
    _, hashes, end = bare.rpartition("####")
    if hashes and len(end.strip()) <= MAX_BARE and "\n" not in end.strip():
        answer = _of_text(end, None)
        return answer if answer.text is None else Answer(answer.text.strip(), "read", worked=True)
    if len(bare) <= MAX_BARE:
        return Answer(value, "read")
    if read_off is not None and (off := read_off(bare)):
        answer = _of_text(off, None)
        return answer if answer.text is None else Answer(off, "read", worked=True)
    if len(bare) > MAX_ANSWER and len(_PROSE.findall(bare)) > MAX_WORDS:
        return Answer(state="unread", detail="a long text without an answer at its end")
    return Answer(value, "read")


def _held(text: str) -> Any:
    """What a text in JSON's or Python's own writing holds; None where it is another text."""
    try:
        held = opened(text)
        return ast.literal_eval(text) if held is text and len(text) <= _MOST_WRITTEN else held
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def is_placeholder(text: str) -> bool:
    """Whether a text only says that there is no answer.

    Example:
        >>> [is_placeholder(t) for t in ("N/A", "not found", "(see solution)", "-", "[NaN]")]
        [True, True, True, True, True]
        >>> [is_placeholder(t) for t in ("no solution", "-1", "None of these", "DNE", "NA = 3")]
        [False, False, False, False, False]
    """
    text = unicodedata.normalize("NFKC", text).strip()
    if text in _MARKS or _DRAWN.fullmatch(text) or text.strip("。. ").casefold() in _ELSEWHERE:
        return True
    is_set = False
    while (inner := _WRAPPED.fullmatch(text)) is not None:
        is_set = True
        text = (inner[1] if inner[1] is not None else inner[2]).strip()
        if not text:
            return True
    words = text.strip("()[]<>{}\"'`*_# \t")
    if len(words) > 60 or not _WORDS.fullmatch(words):
        return text in _MARKS
    letters = "".join(c for c in words if c.isalpha()).lower()
    return bool(_PLACEHOLDER.fullmatch(letters)) and not (is_set and letters == "none")
