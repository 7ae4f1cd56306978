r"""Sets of real numbers: intervals, unions of them, inequalities in one variable, all but some.

``x > 3``, ``(3, \infty)`` and ``\{x \mid x > 3\}`` are one region. Ends stay texts here, so that
whoever compares regions can compare ends of any kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.latex import split_top

BELOW, ABOVE = r"-\infty", r"\infty"


@dataclass(frozen=True)
class Interval:
    """All numbers between two ends (tidied texts, or ``BELOW`` and ``ABOVE``)."""

    low: str = BELOW
    high: str = ABOVE
    low_closed: bool = False
    high_closed: bool = False


Region = tuple[Interval, ...]

EVERYTHING: Region = (Interval(),)

_CUP = re.compile(r"\\cup(?![A-Za-z])")
_OR = re.compile(r"\s*(?:\\text\s*\{\s*or\s*\}|(?<![A-Za-z])or(?![A-Za-z]))\s*|\s*,\s*(?:or\s)?")
_COMMA = re.compile(r"[,;]")
_RELATION = re.compile(r"\\(?:le|ge|lt|gt|ne)(?![A-Za-z])|<=|>=|!=|<|>")
_SIGNS = {r"\le": "<=", r"\ge": ">=", r"\lt": "<", r"\gt": ">", r"\ne": "!="}
_VARIABLE = re.compile(r"[A-Za-z]|\\(?:theta|alpha|beta|lambda|mu|phi|omega)")
_ENDLESS = re.compile(r"([-+]?)\s*(?:\\(?:infty|infinity)|inf|infinity|oo)")
_REALS = re.compile(
    r"\\mathbb\s*\{?\s*R\s*\}?|(?:\\text\s*\{\s*)?all (?:the )?real (?:numbers|values)(?:\s*\})?",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"\\mathbb\s*\{?\s*R\s*\}?\s*(?:\\setminus|\\backslash|-)\s*\\\{(.*)\\\}")
_BUILT = re.compile(
    r"\\\{\s*([A-Za-z])\s*(?:\\in\s*\\mathbb\s*\{?R\}?\s*)?(?:\\mid|\||:)\s*(.*?)\s*\\\}"
)
_EXCEPT = re.compile(
    r"(?:[A-Za-z]\s*\\in\s*)?\\mathbb\s*\{?R\}?\s*,\s*(?=[A-Za-z]\s*\\ne)"
    r"|[A-Za-z]\s*\\in\s*(?=\\mathbb)"
)


def named_region(text: str) -> tuple[str, Region] | None:
    """A region and the variable that its inequality speaks of; the name is empty where none is."""
    bare = _EXCEPT.sub("", text.strip())
    if _RELATION.search(bare) and not bare.startswith("\\"):
        return _related(bare)
    region = read_region(text)
    return None if region is None else ("", region)


def read_region(text: str) -> Region | None:
    r"""The region that a tidied text describes, or None where it describes none.

    A bare pair in round or square brackets is not read: it may be a point.

    Example:
        >>> read_region(r"-2 \le x < 5")
        (Interval(low='-2', high='5', low_closed=True, high_closed=False),)
        >>> read_region("(1, 2)") is None
        True
    """
    text = _EXCEPT.sub("", text.strip())
    if built := _BUILT.fullmatch(text):
        text = built[2]
    if _REALS.fullmatch(text):
        return EVERYTHING
    if without := _WITHOUT.fullmatch(text):
        points = split_top(without[1], _COMMA)
        return _all_but(points) if points and all(points) else None
    if (parts := split_top(text, _CUP)) and len(parts) > 1:
        found = [read_interval(part) for part in parts]
        return tuple(i for i in found if i) if all(found) else None
    if interval := read_interval(text):
        endless = ABOVE in (interval.high, interval.low.lstrip("-+"))
        return (interval,) if endless or text[0] == "]" or text[-1] == "[" else None
    if not _RELATION.search(text):
        return None
    related = _related(text)
    return None if related is None else related[1]


def read_interval(text: str) -> Interval | None:
    """An interval in brackets, French ones (``]1, 2]``) too."""
    text = text.strip()
    if len(text) < 5 or text[0] not in "([]" or text[-1] not in ")][":
        return None
    ends = split_top(text[1:-1], _COMMA)
    if not ends or len(ends) != 2 or not all(ends):
        return None
    low, high = (_end(end) for end in ends)
    closed = (text[0] == "[" and low != BELOW, text[-1] == "]" and high != ABOVE)
    return Interval(low, high, *closed)


def _end(text: str) -> str:
    """An end; the spellings of infinity are one."""
    found = _ENDLESS.fullmatch(text.strip())
    return text.strip() if not found else BELOW if found[1] == "-" else ABOVE


def _related(text: str) -> tuple[str, Region] | None:
    """Variable and region of inequalities: one chain, or several joined by *or*."""
    parts = split_top(text, _OR)
    if not parts or not all(parts):
        return None
    joined_by_comma = len(parts) > 1 and "or" not in text
    found: list[Interval] = []
    names = set()
    holes: list[str] = []
    for part in parts:
        chain = _chain(part)
        if chain is None:
            return None
        name, region, hole = chain
        names.add(name)
        found += region
        holes += [hole] if hole else []
    if len(names) != 1 or (joined_by_comma and len(holes) != len(parts)):
        return None  # x > 1, y < 2; or x > 1, x < 5, which may mean both
    if holes and len(holes) < len(parts):
        return None
    whole = _all_but(holes) if holes else tuple(found)
    return None if whole is None else (names.pop(), whole)


def _chain(text: str) -> tuple[str, Region, str] | None:
    """Variable, region and (for ``x != 2``) the one point that it leaves out."""
    sides = [side.strip() for side in _RELATION.split(text)]
    signs = [_SIGNS.get(sign, sign) for sign in _RELATION.findall(text)]
    if not 2 <= len(sides) <= 3 or not all(sides) or "=" in "".join(sides):
        return None
    at = next((i for i, side in enumerate(sides) if _VARIABLE.fullmatch(side)), None)
    if at is None or (len(sides) == 3 and at != 1):
        return None
    name = sides[at]
    others = [side for i, side in enumerate(sides) if i != at]
    bare = re.compile(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])")
    if any(bare.search(other) for other in others):
        return None
    if signs == ["!="]:
        return name, (), others[0]
    region = Interval()
    for i, sign in enumerate(signs):
        other, left = (sides[i], True) if at == i + 1 else (sides[i + 1], False)
        if sign[0] not in "<>":
            return None
        # "3 < x" bounds x from below, "x < 3" from above
        from_below = left == (sign[0] == "<")
        closed = sign.endswith("=")
        if from_below:
            region = replace(region, low=other, low_closed=closed)
        else:
            region = replace(region, high=other, high_closed=closed)
    if len(signs) == 2 and (region.low == BELOW or region.high == ABOVE):
        return None  # 1 < x > 2
    return name, (region,), ""


def _all_but(points: list[str]) -> Region | None:
    """Everything but some points; they have to be known to be put in order."""
    values = {value(point): point for point in points}
    if None in values:
        return (Interval(high=points[0]), Interval(low=points[0])) if len(points) == 1 else None
    ends = [values[number] for number in sorted(v for v in values if v is not None)]
    return tuple(
        Interval(low, high) for low, high in zip([BELOW, *ends], [*ends, ABOVE], strict=True)
    )
