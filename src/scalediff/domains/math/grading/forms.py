r"""What an answer is, read from its text: a scalar or a collection, its unit, its name.

``x = \left(3, \frac{\pi}{2}\right)`` is the tuple of ``3`` and ``\frac{\pi}{2}`` under the name
``x``; ``18\text{ dollars}`` is the scalar ``18`` with a unit. Nothing is worked out here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.latex import plain, split_top, tidy
from scalediff.domains.math.grading.notations import Notation, read_notation
from scalediff.domains.math.grading.regions import Region, named_region, numbers_in
from scalediff.domains.math.grading.units import POWERS, SPELLINGS, Words, read_words
from scalediff.domains.math.grading.words import announced, choice, number_word, unwrapped, words

Kind = Literal["scalar", "tuple", "closed", "mixed", "set", "list", "matrix", "region", "notation"]
"""``tuple`` is ``(a, b)``, ``closed`` is ``[a, b]``, ``mixed`` is ``[a, b)`` or ``(a, b]``,
``list`` has no brackets, ``region`` is a union of intervals or an inequality, ``notation`` a time,
a ratio, a residue or a number in a base."""


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
        scale: What a word such as ``million`` or ``ninths`` multiplies by.
        odd: ``unknown`` where a word behind a number may change it, ``denied`` where one does.
        whole: The letter that is said to be a whole number.
        brackets: The outer brackets as written.
        full: Tidied LaTeX with name and unit, for comparing with equations.
        region: Of a region: its numbers.
        notation: Of a notation: what it says.
        rows: Of a matrix: its number of rows.
        about: True where the answer calls itself approximate.
    """

    text: str
    kind: Kind = "scalar"
    parts: tuple[str, ...] = ()
    name: str = ""
    unit: str = ""
    percent: bool = False
    scale: Fraction = Fraction(1)
    odd: str = ""
    whole: str = ""
    brackets: str = ""
    full: str = ""
    region: Region | None = None
    notation: Notation | None = None
    rows: int = 0
    about: bool = False


_NAME = re.compile(
    r"((?:[A-Za-z]|\\(?!frac|sqrt)[a-z]+)(?:_(?:\w|\{[\w,]+\}))?'*(?:\^\{\(\w\)\})?"
    r"(?:\([^()=]{1,12}\))?'?"
    r"|(?:\\angle |\\triangle |m\\angle )?[A-Z]{1,4}|\\text\{[A-Za-z ]+\}|[a-z]{4,12}"
    r"|\\frac\{(?:d|\\partial)[^{}]*\}\{(?:d|\\partial)[^{}]*\}"
    r"|\(\s*(?:[A-Za-z]|\\[a-z]+)(?:_\w)?(?:\s*,\s*(?:[A-Za-z]|\\[a-z]+)(?:_\w)?){1,5}\s*\)"
    r"|[A-Za-z](?: ?[-+] ?[A-Za-z]){1,3})"
    r"\s*(?:=|\\in(?![A-Za-z])|\\approx(?![A-Za-z]))\s*(?=\S)"
)
_WHOLE = re.compile(
    r"(?<=\S)(?:[,;\s(]|\\text\s*\{[^{}]*\})+([A-Za-z])\s*(?:\\in\s*\\mathbb\s*\{?\s*Z\s*\}?"
    r"|\\text\s*\{\s*(?:is |are )?(?:an |any )?integers?\s*\})[\s)]*"
)
"""``k \\in \\mathbb{Z}`` at the end."""
_WHOLE_NUMBERS = re.compile(
    r"\\\{\s*[A-Za-z]\s*\\in\s*\\mathbb\s*\{?\s*([NZ])\s*\}?\s*(?:\\mid|\||:)\s*(.*?)\s*\\\}"
)
_POINTED = re.compile(r"[-+]?\d{1,3}(?:(?:\.\d{3}){2,}(?:,\d+)?|(?:\.\d{3})+,\d+)")
"""Points for thousands where nothing else can be meant."""
_TURNED = re.compile(r"([^=]*\d[^=]*?)\s*=\s*([A-Za-z](?:_\w)?)")
_POINT = re.compile(r"[A-Z]\s*(?=\()")
_ABOUT = re.compile(
    r"\\approx(?![A-Za-z])|\\text\s*\{\s*(?:about|approximately)|\b(?:about|approx)"
)
_MATRIX = re.compile(
    r"\(?\[?\s*\\begin\{([pbB]?matrix|array)\}(?:\{[lcr|\s]*\})?(.*)\\end\{\1\}\s*\]?\)?", re.DOTALL
)
_ROW = re.compile(r"\\\\(?:\[[^\]]*\])?")
_COLUMN = re.compile(r"(?<!\\)&")
_NUMBER_AND_WORD = re.compile(
    r"(.*(?:[\d})!]|\\pi))\s*\\text\s*\{([^{}]*[A-Za-z][^{}]*)\}(\s*\^\s*\{?[23]\}?)?"
)
_NUMBER_AND_WORDS = re.compile(
    r"([-+]?[\d.,/ ]*\d|.*\})(?:\s*/\s*|\s+|(?=[A-Za-z]))([A-Za-z][A-Za-z./' -]*(?:\^\{?[23]\}?)?)"
)
_DEGREES = re.compile(
    r"(.*[^\s^])\s*\^\s*(?:\{\s*\\circ\s*\}|\\circ)\s*(?:\\text\s*\{)?\s*([CF]?)\s*\}?"
)
_MINUTES_OF_ARC = re.compile(r"(\d+)\s*\^\\circ\s*(\d+)\s*'(?:\s*(\d+)\s*'')?")
_MONEY = re.compile(
    r"([-+]?)\s*(\\\$|\\text\s*\{\s*(?:\\?\$|[€£])\s*\}|\\pounds|[€£]|(?:US|USD|EUR|GBP)\s*\\?\$?)\s*"
    r"(?=[\d.\\(-])"
)
_CURRENCIES = {"€": "euro", "EUR": "euro", "£": "pound sterling", "GBP": "pound sterling",
               "\\pounds": "pound sterling"}  # fmt: skip
_PERCENT = re.compile(
    r"(.*\S)\s*(?:\\?%|\\text\s*\{\s*(?:\\?%|percent|per cent|pct\.?)\s*\}|per ?cent|\spct\.?)"
)

_MORE_MATHEMATICS = (
    "and or mod modulo to pi sqrt sin cos tan log ln exp max min base times plus minus over root if"
    " where for when than at choose"
)
_NO_WORDS = frozenset(_MORE_MATHEMATICS.split())
"""Words behind a number that begin more mathematics."""
_GLUED_NAMES = "cm mm km kg mg ml mL ft lb lbs oz mph m g th st nd rd"
_GLUED = frozenset(_GLUED_NAMES.split())

_BRACKETS: dict[str, Kind] = {
    r"\{\}": "set",
    "()": "tuple",
    "[]": "closed",
    "[)": "mixed",
    "(]": "mixed",
}
_EMPTY = frozenset({r"\emptyset", r"\{ \}", r"\{\}"})
_COMMA = re.compile(r"[,;]\s*(?:\\text\s*\{\s*(?:and|or)\s*\}|(?:and|or)\s)?\s*")
_AND = re.compile(
    r"[,;]?\s*(?:\\text\s*\{\s*(?:and|or)\s*\}|(?:\s|(?<=\d))(?:and|or)\s)\s*|[,;]\s*"
)
_SEMICOLON = re.compile(r"\s*;\s*(?:\\text\s*\{\s*(?:and|or)\s*\}\s*)?")
_OR = re.compile(r"[,;]?\s*(?:\\text\s*\{\s*or\s*\}|\sor\s)\s*")
_SET_SIGN = re.compile(r"\s*(\\(?:cup|cap|setminus|backslash)(?![A-Za-z]))\s*")
_PLUS_MINUS = re.compile(r"\\(pm|mp)(?![A-Za-z])")
_ALL_TEXT = re.compile(r"\\text\s*\{[^{}]*(?:,| and | or )[^{}]*\}")
_SET_APART = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?\s*\\text\s*\{[^{}]*\}")
_GROUPED_NUMBER = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")


@lru_cache(maxsize=20_000)
def read(answer: str) -> Form:
    r"""Read an answer.

    Example:
        >>> read(r"x = \{1, 2\}").parts, read(r"18\text{ dollars}").unit
        (('1', '2'), 'dollar')
    """
    if "matrix}" in answer or "{array}" in answer:
        matrix = _matrix(answer)
        if matrix is not None:
            return matrix
    full = announced(tidy(answer))
    bare, whole = full, ""
    if "Z" in full or "integer" in full:
        found = _WHOLE.search(full)
        if found and found.end() == len(full):
            bare, whole = full[: found.start()].strip(), found[1]
    if _POINTED.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    text, name = _named(bare)
    about = bool(_ABOUT.search(full))
    return replace(_read(text, name), full=bare, about=about, whole=whole)


def _matrix(answer: str) -> Form | None:
    """A matrix or a column, entry by entry; its rows are split before LaTeX is tidied."""
    bare = re.sub(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\$", "", answer).strip()
    bare = re.sub(r"^[A-Za-z]\s*=\s*", "", bare).strip(" .")
    found = _MATRIX.fullmatch(bare)
    if not found or r"\begin" in found[2]:
        return None
    rows = [row for row in _ROW.split(found[2]) if row.strip()]
    cells = [[tidy(cell) for cell in _COLUMN.split(row)] for row in rows]
    if not cells or len({len(row) for row in cells}) != 1 or not all(map(all, cells)):
        return None
    parts = tuple(cell for row in cells for cell in row)
    return Form(tidy(answer), "matrix", parts, rows=len(rows), full=tidy(answer))


def _read(text: str, name: str) -> Form:
    if text in _EMPTY or words(text) == "no solution":
        return Form(text, "set", (), name, brackets=r"\{\}")
    if finite := _finite(text):
        return Form(text, "set", finite, name, brackets=r"\{\}")
    if (found := named_region(text)) is not None:
        return Form(text, "region", name=name or found[0], region=found[1])
    letter = _POINT.match(text)
    if letter and (point := _bracketed(text[letter.end() :], letter[0].strip())):
        return point
    for part in (_bracketed(text, name), _listed(text, name)):
        if part is not None:
            both = plus_minus(text) if part.kind == "tuple" else ()
            return Form(text, "list", both, name) if len(both) > 1 else part
    if choice(text) is None and (notation := read_notation(text)) is not None:
        return Form(text, "notation", name=name, notation=notation)
    return _scalar(text, name)


def _finite(text: str) -> tuple[str, ...]:
    r"""The elements of ``\{4,5\} \cup \{6\}`` and ``\{1,2\} \setminus \{2\}``; empty for others."""
    if not text.startswith(r"\{"):
        return ()
    if found := _WHOLE_NUMBERS.fullmatch(text):
        region = named_region(found[2])
        inside = numbers_in(region[1], found[1] == "N") if region else None
        return tuple(map(str, inside or ()))
    if not _SET_SIGN.search(text):
        return ()
    pieces = split_top(text, _SET_SIGN) or [""]
    sets = [_bracketed(piece, "") for piece in pieces]
    elements: list[str] = []
    for sign, form in zip(["\\cup", *_SET_SIGN.findall(text)], sets, strict=False):
        if form is None or form.kind != "set" or len(sets) != 1 + len(_SET_SIGN.findall(text)):
            return ()
        if sign == "\\cup":
            elements += form.parts
            continue
        theirs = {value(part) for part in form.parts}
        if None in theirs or any(value(part) is None for part in elements):
            return ()
        elements = [part for part in elements if (value(part) in theirs) == (sign == "\\cap")]
    return tuple(elements)


def _named(text: str) -> tuple[str, str]:
    """The text without a name and an equals sign before it; of true arithmetic the result."""
    if "=" not in text and "\\" not in text:
        return text, ""
    sides = text.split("=")
    results = [value(side) for side in sides]
    if len(sides) > 1 and results[0] is not None and len(set(results)) == 1:
        return sides[-1].strip(), ""
    turned = _TURNED.fullmatch(text)
    if turned and not _occurs(turned[2], turned[1]):
        return turned[1], turned[2]
    found = _NAME.match(text)
    rest = text[found.end() :] if found else ""
    if found and len(set(results[1:])) == 1 and results[1] is not None:  # x = 2 + 3 = 5
        rest = sides[-1].strip()
    relation = re.search(r"(?<!_\{)(?<!_\{\w)[=<>]|\\(?:le|ge|ne)(?![A-Za-z])", rest)
    if found and not relation and not _occurs(found[1], rest):
        return rest, plain(found[1])
    for sign in (r"\approx ", "="):
        if text.startswith(sign):
            return text[len(sign) :].strip(), ""
    return text, ""


def _occurs(name: str, text: str) -> bool:
    """Whether an equation that seems solved for a letter holds it on the other side too."""
    letter = name.partition("(")[0] if name[:1].isalpha() else name
    bare = rf"(?<![A-Za-z\\]){re.escape(letter)}(?![A-Za-z_'])"
    return len(letter) < 4 and letter.isalnum() and bool(re.search(bare, text))


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
    if kind == "set":
        parts = [both for part in parts for both in plus_minus(part)]
    return Form(text, kind, tuple(parts), name, brackets=brackets)


def _listed(text: str, name: str) -> Form | None:
    r"""Several answers without brackets: ``1, 2 and 3``, ``x = 1 or x = 2``, ``2 \pm \sqrt{3}``."""
    bare = text
    if _ALL_TEXT.fullmatch(text) and choice(text) is None:
        bare = unwrapped(text)
    if _GROUPED_NUMBER.fullmatch(_MONEY.sub(r"\1", bare)) or _SET_APART.fullmatch(bare):
        return None
    if number_word(bare) != bare:  # one hundred and five, one and a half
        return None
    for sign in (_SEMICOLON, _OR):  # pairs of values first: x=1, y=2; x=3, y=4
        parts = split_top(bare, sign)
        if parts and len(parts) > 1 and all(len(split_top(p, _AND) or ()) > 1 for p in parts):
            if "=" not in text:
                parts = [f"({part})" for part in parts]
            return Form(text, "list", tuple(parts), name)
    parts = split_top(bare, _AND)
    if parts and len(parts) > 1 and all(parts):
        each = [both for part in parts for both in plus_minus(part)]
        return Form(text, "list", tuple(each), name)
    if parts and len(both := plus_minus(bare)) > 1:
        return Form(text, "list", both, name)
    return None


def plus_minus(text: str) -> tuple[str, ...]:
    r"""Both readings of ``2 \pm \sqrt{3}``; the text alone where there is no such sign, or two."""
    signs = _PLUS_MINUS.findall(text)
    if len(signs) != 1:
        return (text,)
    order = "+-" if signs[0] == "pm" else "-+"
    return tuple(_PLUS_MINUS.sub(sign, text).strip().removeprefix("+").strip() for sign in order)


def _scalar(text: str, name: str) -> Form:
    money = _MONEY.match(text)
    if money:
        text = money[1] + text[money.end() :]
    percent = False
    if found := _PERCENT.fullmatch(text):
        text, percent = found[1], True
    currency = _CURRENCIES.get(money[2].strip(" $\\") or money[2], "dollar") if money else ""
    unit, said = currency, Words()
    if arc := _MINUTES_OF_ARC.fullmatch(text):
        text = f"{arc[1]}+{arc[2]}/60+{arc[3] or 0}/3600"
        unit = "degree"
    elif (found := _DEGREES.fullmatch(text)) and not re.search(r"\\(?:sin|cos|tan|cot)", text):
        kinds = {"C": "degree celsius", "F": "degree fahrenheit"}
        text, unit = found[1], kinds.get(found[2], "degree")
    elif stripped := _worded(text):
        text, said = stripped
        unit = said.unit or unit
    odd = "" if said.known else "denied" if said.denied else "unknown"
    return Form(tidy(text), "scalar", (), name, unit, percent, said.scale, odd)


def _worded(text: str) -> tuple[str, Words] | None:
    r"""A value and what the words behind it say; None where there are none."""
    if found := _NUMBER_AND_WORD.fullmatch(text):
        number, said, power = found[1], found[2], found[3] or ""
    elif (found := _NUMBER_AND_WORDS.fullmatch(text)) and _unit_like(found, text):
        said, caret, power = found[2].partition("^")
        number, power = found[1], caret + power
    else:
        return None
    if said.split()[0].lower() in _NO_WORDS or not re.fullmatch(
        r"[^\W\d_]+(?:[\s,./'-]+[^\W\d_]+)*", said.strip(" ./-")
    ):
        return None
    number = number.strip()
    if said.strip() in POWERS and not power:
        return f"({number}){POWERS[said.strip()]}", Words()
    return number, read_words(said, "^" + power.strip("^{} ") if power else "")


def _unit_like(found: re.Match[str], text: str) -> bool:
    """Plain words behind a number that can only be words: ``5 apples``, never ``5 x``, ``10 a``."""
    number = found[1]
    names = re.split(r"[\s/]+", re.sub(r"\^\{?[23]\}?$", "", found[2]).strip(" ./-"))
    if value(tidy(number)) is None or names[0].lower() in _NO_WORDS:
        return False
    if text[len(number)].isalpha():  # glued: 5cm, 5th, but 5xy is a product
        single = len(names[0]) == 1 and "^" not in found[2]
        return len(names) == 1 and names[0] in _GLUED and not single
    short = [name for name in names if len(name) < 3]
    spelt = SPELLINGS.keys() - set("mghsLl")
    if len(short) == len(names):
        return all(name in spelt for name in names)
    return all(
        name in spelt or name.lower() in ("of", "a", "an", "in", "on", "by", "is") for name in short
    )
