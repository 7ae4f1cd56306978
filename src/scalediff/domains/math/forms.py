r"""What an answer is, read from its text: a scalar or a collection, its unit, its name.

``x = \left(3, \frac{\pi}{2}\right)`` is the tuple of ``3`` and ``\frac{\pi}{2}`` under the name
``x``; ``18\text{ dollars}`` is the scalar ``18`` with a unit. Nothing is worked out here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from scalediff.domains.math.arithmetic import value
from scalediff.domains.math.latex import plain, split_top, tidy

Kind = Literal["scalar", "tuple", "closed", "mixed", "set", "list", "union"]
"""``tuple`` is ``(a, b)``, ``closed`` is ``[a, b]``, ``mixed`` is ``[a, b)`` or ``(a, b]``,
``list`` has no brackets, ``union`` is joined by cups."""


@dataclass(frozen=True)
class Form:
    r"""An answer as read.

    Attributes:
        text: Tidied LaTeX, without name and unit.
        kind: See ``Kind``.
        parts: The elements of a collection; empty for a scalar.
        name: The left side of ``x = ...`` or ``x \in ...``, empty where there is none.
        unit: The unit, in lower case and without a plural's s; empty where there is none.
        percent: True where a percent sign follows.
        scale: What a number word such as ``million`` multiplies by.
        brackets: The outer brackets as written.
        full: Tidied LaTeX with name and unit, for comparing with equations.
    """

    text: str
    kind: Kind = "scalar"
    parts: tuple[str, ...] = ()
    name: str = ""
    unit: str = ""
    percent: bool = False
    scale: int = 1
    brackets: str = ""
    full: str = ""


_NAME = re.compile(
    r"((?:[A-Za-z]|\\(?!frac|sqrt)[a-z]+)(?:_(?:\w|\{\w+\}))?(?:\([a-z]\))?'?"
    r"|(?:\\angle |\\triangle |m\\angle )?[A-Z]{2,4}|\\text\{[A-Za-z ]+\})"
    r"\s*(?:=|\\in(?![A-Za-z])|\\approx(?![A-Za-z]))\s*(?=\S)"
)
_NUMBER_AND_WORD = re.compile(r"(.*[\d})!])\s*\\text\s*\{([^{}]*[A-Za-z][^{}]*)\}(\^\{?[23]\}?)?")
_NUMBER_AND_WORDS = re.compile(
    r"([-+]?[\d.,/ ]*\d|.*\})(?:\s*/\s*|\s+|(?=[A-Za-z]))([A-Za-z][A-Za-z./' -]*(?:\^[23])?)"
)
_DEGREES = re.compile(r"(.*[^\s^])\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*(?:[CF])?")
_MONEY = re.compile(r"([-+]?)\s*(?:\\\$|\\text\s*\{\s*\\?\$\s*\}|[€£])\s*(?=[\d.\\(-])")
_PERCENT = re.compile(r"(.*\S)\s*(?:\\?%|\\text\s*\{\s*(?:\\?%|percent)\s*\}|percent)")

_SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
}
_NO_UNITS = frozenset(
    [
        "and",
        "or",
        "mod",
        "modulo",
        "to",
        "pi",
        "sqrt",
        "sin",
        "cos",
        "tan",
        "log",
        "ln",
        "exp",
        "max",
        "min",
        "factorial",
        "squared",
        "cubed",
        "base",
        "times",
        "plus",
        "minus",
        "half",
        "halves",
        "third",
        "thirds",
        "quarter",
        "quarters",
        "over",
        "root",
        "if",
        "where",
        "for",
        "when",
        "than",
        "at",
        "least",
        "most",
        "about",
        "approximately",
        "choose",
    ]
)
_SHORT_UNITS = {
    "cm": "centimeter",
    "mm": "millimeter",
    "km": "kilometer",
    "kg": "kilogram",
    "mg": "milligram",
    "ml": "milliliter",
    "mL": "milliliter",
    "ft": "foot",
    "lb": "pound",
    "oz": "ounce",
    "hr": "hour",
    "min": "minute",
    "sec": "second",
    "mph": "mile per hour",
    "km/h": "kilometer per hour",
    "in": "inch",
    "mi": "mile",
    "yd": "yard",
    "feet": "foot",
    "inches": "inch",
    "centimetre": "centimeter",
    "metre": "meter",
}
_SMALL_WORDS = frozenset(["of", "a", "an", "in", "per", "on", "by", "the", "km", "kg", "cm", "mm"])
_GLUED = frozenset(
    [
        "cm",
        "mm",
        "km",
        "kg",
        "mg",
        "ml",
        "mL",
        "ft",
        "lb",
        "lbs",
        "oz",
        "mph",
        "am",
        "pm",
        "th",
        "st",
        "nd",
        "rd",
    ]
)
_ORDINALS = frozenset(["th", "st", "nd", "rd"])

_BRACKETS: dict[str, Kind] = {
    r"\{\}": "set",
    "()": "tuple",
    "[]": "closed",
    "[)": "mixed",
    "(]": "mixed",
}
_COMMA = re.compile(r"[,;]\s*(?:\\text\s*\{\s*(?:and|or)\s*\}|(?:and|or)\s)?\s*")
_AND = re.compile(
    r"[,;]?\s*(?:\\text\s*\{\s*(?:and|or)\s*\}|(?:\s|(?<=\d))(?:and|or)\s)\s*|[,;]\s*"
)
_CUP = re.compile(r"\\cup(?![A-Za-z])")
_PLUS_MINUS = re.compile(r"\\pm(?![A-Za-z])")
_GROUPED_NUMBER = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")


def read(answer: str) -> Form:
    r"""Read an answer.

    Example:
        >>> read(r"x = \{1, 2\}").parts, read(r"18\text{ dollars}").unit
        (('1', '2'), 'dollar')
    """
    full = tidy(answer)
    text, name = _named(full)
    return replace(_read(text, name), full=full)


def _read(text: str, name: str) -> Form:
    if (union := split_top(text, _CUP)) and len(union) > 1:
        return Form(text, "union", tuple(union), name)
    for part in (_bracketed(text, name), _listed(text, name)):
        if part is not None:
            return part
    return _scalar(text, name)


def _named(text: str) -> tuple[str, str]:
    """The text without a name and an equals sign before it; of true arithmetic the result."""
    sides = text.split("=")
    results = [value(side) for side in sides]
    if len(sides) > 1 and results[0] is not None and len(set(results)) == 1:
        return sides[-1].strip(), ""
    found = _NAME.match(text)
    if found and "=" not in text[found.end() :]:
        return text[found.end() :], plain(found[1])
    for sign in (r"\approx ", "="):
        if text.startswith(sign):
            return text[len(sign) :].strip(), ""
    return text, ""


def _bracketed(text: str, name: str) -> Form | None:
    r"""A tuple, an interval or a set in its own brackets: ``(1, 2]``, ``\{1\}``."""
    if text.startswith(r"\{") and text.endswith(r"\}"):
        inner, brackets = text[2:-2], r"\{\}"
    elif len(text) > 2 and (brackets := text[0] + text[-1]) in _BRACKETS:
        inner = text[1:-1]
    else:
        return None
    kind = _BRACKETS[brackets]
    parts = split_top(inner, _COMMA)
    if not parts or (len(parts) == 1 and kind != "set") or not all(parts):
        return None
    return Form(text, kind, tuple(parts), name, brackets=brackets)


def _listed(text: str, name: str) -> Form | None:
    r"""Several answers without brackets: ``1, 2 and 3``, ``x = 1 or x = 2``, ``2 \pm \sqrt{3}``."""
    if _GROUPED_NUMBER.fullmatch(text):
        return None
    parts = split_top(text, _AND)
    if parts and len(parts) > 1 and all(parts):
        return Form(text, "list", tuple(parts), name)
    if len(_PLUS_MINUS.findall(text)) == 1 and parts:
        both = tuple(_PLUS_MINUS.sub(sign, text).strip().removeprefix("+") for sign in "+-")
        return Form(text, "list", both, name)
    return None


def _scalar(text: str, name: str) -> Form:
    money = _MONEY.match(text)
    if money:
        text = money[1] + text[money.end() :]
    percent = False
    if found := _PERCENT.fullmatch(text):
        text, percent = found[1], True
    unit, scale = "dollar" if money else "", 1
    if found := _DEGREES.fullmatch(text):
        text, unit = found[1], "degree"
    elif stripped := _worded(text):
        text, words, scale = stripped
        unit = words or unit
    return Form(tidy(text), "scalar", (), name, unit, percent, scale)


def _worded(text: str) -> tuple[str, str, int] | None:
    r"""A value, the unit in words behind it and what they multiply by; None without a unit."""
    if found := _NUMBER_AND_WORD.fullmatch(text):
        number, words, power = found[1], found[2], found[3] or ""
    elif (found := _NUMBER_AND_WORDS.fullmatch(text)) and _unit_like(found, text):
        number, words, power = found[1], found[2], ""
    else:
        return None
    names = [_singular(word) for word in re.split(r"[\s/]+", words.strip(" .-/")) if word]
    if any(name in _NO_UNITS for name in names[:1]):
        return None
    scale = 1
    while names and names[0] in _SCALES:
        scale *= _SCALES[names.pop(0)]
    if names and names[0] == "of":
        names.pop(0)
    square = "^" + power.strip("^{}") if power else ""
    return number.strip(), " ".join(names) + (square if names else ""), scale


def _unit_like(found: re.Match[str], text: str) -> bool:
    """Plain words behind a number that can only be a unit: ``5 apples``, never ``5 x``."""
    number, words = found[1], re.split(r"[\s/]+", re.sub(r"\^[23]$", "", found[2]).strip(" ./-"))
    if value(tidy(number)) is None or any(word.lower() in _NO_UNITS for word in words):
        return False
    if text[len(number)].isalpha():  # glued: 5cm, 5th, but 5xy is a product
        return len(words) == 1 and words[0] in _GLUED
    known = _SMALL_WORDS | _SHORT_UNITS.keys()
    return all(len(word) >= 3 or word in known for word in words)


def _singular(word: str) -> str:
    word = word.strip(".").removeprefix("\\")
    if word in _SHORT_UNITS:
        return _SHORT_UNITS[word]
    word = word.lower()
    word = _SHORT_UNITS.get(word, word)
    if word in _ORDINALS:
        return ""
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return _SHORT_UNITS.get(word, word)
