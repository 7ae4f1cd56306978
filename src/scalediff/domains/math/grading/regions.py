r"""Sets of real numbers: intervals, points, inequalities in one variable, and what joins them.

``x > 3``, ``(3, \infty)`` and ``\{x \mid x > 3\}`` are one region. A region is read as a condition:
intervals joined by *and*, *or* and *not*. Ends stay texts. Where all ends are numbers, two regions
are compared at each end and between any two (``same_region``), so that touching intervals, unions
in another order and differences need no rules of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cmp_to_key, partial
from math import ceil, floor
from typing import Any

from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.budget import spend
from scalediff.domains.math.grading.evaluate import compare_trees, is_real, value_at
from scalediff.domains.math.grading.expression import holds, letters, read_expression
from scalediff.domains.math.grading.latex import split_top

BELOW, ABOVE = r"-\infty", r"\infty"


@dataclass(frozen=True)
class Interval:
    """All numbers between two ends (tidied texts, or ``BELOW`` and ``ABOVE``)."""

    low: str = BELOW
    high: str = ABOVE
    low_closed: bool = False
    high_closed: bool = False


@dataclass(frozen=True)
class Joined:
    """``and``, ``or`` or ``not`` of regions."""

    how: str
    parts: tuple[Region, ...]


Region = Interval | Joined

EVERYTHING = Interval()

_COMMA = re.compile(r"[,;]")
_RELATION = re.compile(r"\\(?:le|ge|lt|gt|ne)(?![A-Za-z])|<=|>=|!=|<|>|=")
_SIGNS = {r"\le": "<=", r"\ge": ">=", r"\lt": "<", r"\gt": ">", r"\ne": "!="}
_VARIABLE = re.compile(r"[A-Za-z]|\\(?:theta|alpha|beta|lambda|mu|phi|omega)")
_ENDLESS = re.compile(r"([-+]?)\s*(?:\\(?:infty|infinity)|inf|infinity|oo)")
_REAL = r"\\mathbb\s*(?:\{\s*R\s*\}|R)"
_REALS = re.compile(
    rf"{_REAL}|(?:\\text\s*\{{\s*)?all (?:the )?real (?:numbers|values)(?:\s*\}})?", re.IGNORECASE
)
_BUILT = re.compile(rf"\\\{{\s*([A-Za-z])\s*(?:\\in\s*{_REAL}\s*)?(?:\\mid|\||:)\s*(.*?)\s*\\\}}")
_MEMBER = re.compile(rf"[A-Za-z]\s*\\in\s*(?={_REAL}|\(|\[|\\\{{)")
_EXCEPT = re.compile(
    rf"(?:[A-Za-z]\s*\\in\s*)?{_REAL}\s*(?:,|\\text\s*\{{\s*except\s*\}})\s*(?=[A-Za-z]\s*\\ne)"
)
_OPERATIONS = (
    ("or", re.compile(r",?\s*(?:\\cup(?![A-Za-z])|\\text\s*\{\s*or\s*\}|(?<![A-Za-z])or(?![A-Za-z]))\s*")),  # noqa: E501
    ("and", re.compile(r"\s*(?:\\cap(?![A-Za-z])|\\text\s*\{\s*and\s*\}|(?<![A-Za-z])and(?![A-Za-z]))\s*")),  # noqa: E501
    ("but", re.compile(r"\s*\\(?:setminus|backslash)(?![A-Za-z])\s*|(?<=[}R])\s*-\s*(?=\\\{)")),
)  # fmt: skip


def named_region(text: str) -> tuple[str, Region] | None:
    r"""A region and the variable that its inequality speaks of; the name is empty where none is.

    A bare pair in brackets is not read, since it may be a point, nor are sets and equations alone.

    Example:
        >>> named_region(r"-2 \le x < 5")
        ('x', Interval(low='-2', high='5', low_closed=True, high_closed=False))
        >>> named_region(r"x>2 \text{ and } x<5")[1].how, named_region("(1, 2)") is None
        ('and', True)
    """
    text = _EXCEPT.sub("", text.strip())
    if not _SIGNIFICANT.search(text):
        return None
    names: set[str] = set()
    region = _read(text, names)
    if region is None or len(names) > 1:
        return None
    return (names.pop() if names else ""), region


_SIGNIFICANT = re.compile(
    r"[<>]|\\(?:le|ge|lt|gt|ne|cup|cap|setminus|backslash|infty|infinity|mathbb|mid)(?![A-Za-z])|inf"
    r"|\boo\b|all |^\]|\[$|\\\{.*[|:]|\} ?- ?\\\{",
    re.IGNORECASE,
)


def _read(text: str, names: set[str], joined: bool = False) -> Region | None:
    """A region; adds the variables of its inequalities to the names."""
    text = _MEMBER.sub("", text.strip(), count=1) if _MEMBER.match(text.strip()) else text.strip()
    if built := _BUILT.fullmatch(text):
        inner: set[str] = set()
        region = _read(built[2], inner, True)
        return region if inner <= {built[1]} else None
    if _REALS.fullmatch(text):
        return EVERYTHING
    if interval := read_interval(text):
        endless = ABOVE in (interval.high, interval.low.lstrip("-+"))
        return interval if endless or joined or text[0] == "]" or text[-1] == "[" else None
    for how, sign in _OPERATIONS:
        parts = split_top(text, sign)
        if parts is None or not all(parts):
            return None
        if len(parts) > 1:
            found = [_read(part, names, True) for part in parts]
            if None in found:
                return None
            if how == "but":
                found[1:] = [Joined("not", (part,)) for part in found[1:] if part]
            return Joined("or" if how == "or" else "and", tuple(p for p in found if p is not None))
    if text.startswith(r"\{") and text.endswith(r"\}") and joined:
        return _points(text[2:-2])
    return _related(text, names, joined)


def _points(text: str) -> Region | None:
    """Single numbers as a region."""
    points = split_top(text, _COMMA) if text.strip() else []
    if points is None or (points and not all(points)):
        return None
    return Joined("or", tuple(Interval(point, point, True, True) for point in points))


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


def _related(text: str, names: set[str], joined: bool) -> Region | None:
    r"""A chain of inequalities, or several holes: ``x \ne 2, 3``, ``x \ne 2, x \ne 3``."""
    parts = split_top(text, _COMMA)
    if parts and len(parts) > 1:
        holes = [
            part if r"\ne" in part else rf"{parts[0].split(chr(92))[0]}\ne {part}" for part in parts
        ]
        if not all(_RELATION.findall(hole) in (["!="], [r"\ne"]) for hole in holes):
            return None  # x > 1, x < 5: and, or or?
        found = [_related(hole, names, True) for hole in holes]
        return None if None in found else Joined("and", tuple(p for p in found if p is not None))
    sides = [side.strip() for side in _RELATION.split(text)]
    signs = [_SIGNS.get(sign, sign) for sign in _RELATION.findall(text)]
    if (
        not 2 <= len(sides) <= 3
        or not all(sides)
        or ("=" in signs and (len(signs) > 1 or not joined))
    ):
        return None
    at = next((i for i, side in enumerate(sides) if _VARIABLE.fullmatch(side)), None)
    if at is None or (len(sides) == 3 and at != 1):
        return None
    name = sides[at]
    others = [side for i, side in enumerate(sides) if i != at]
    bare = re.compile(rf"(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])")
    if any(bare.search(other) for other in others) or (len(signs) == 2 and "!=" in signs):
        return None
    names.add(name)
    if signs[0] in ("!=", "="):
        point = Interval(others[0], others[0], True, True)
        return point if signs[0] == "=" else Joined("not", (point,))
    ends: list[Region] = []
    for i, sign in enumerate(signs):
        other, left = (sides[i], True) if at == i + 1 else (sides[i + 1], False)
        closed = sign.endswith("=")
        # "3 < x" bounds x from below, "x < 3" from above
        if left == (sign[0] == "<"):
            ends.append(Interval(low=_end(other), low_closed=closed))
        else:
            ends.append(Interval(high=_end(other), high_closed=closed))
    if len(ends) == 2:
        low, high = (e for e in ends if isinstance(e, Interval))
        if signs[0][0] != signs[1][0]:
            return None  # 1 < x > 2
        low, high = (high, low) if signs[0][0] == ">" else (low, high)
        return Interval(low.low, high.high, low.low_closed, high.high_closed)
    return ends[0]


# -- comparing ------------------------------------------------------------------------------


def same_region(a: Region, b: Region) -> bool | None:
    r"""Whether two regions are one; None where an end is no number that can be worked out.

    Example:
        >>> same_region(named_region(r"(-\infty,1)\cup[1,2)")[1], named_region("x<2")[1])
        True
        >>> same_region(named_region(r"x<\sqrt2")[1], named_region(r"x\le\sqrt2")[1])
        False
    """
    ends = {end: _number(end) for region in (a, b) for end in ends_of(region)}
    if any(number is None for number in ends.values()):
        return None
    places: dict[str, int] = {}
    place, last = 0, None
    for end in sorted(ends, key=cmp_to_key(partial(_order, numbers=ends))):
        place += 2 if last is None or _order(last, end, ends) else 0
        places[end], last = place, end
    spend(place * len(ends) / 10)
    # the ends are at even places, what lies between them at odd ones
    return all(_holds(a, at, places) == _holds(b, at, places) for at in range(1, place + 2))


def numbers_in(region: Region, natural: bool) -> list[int] | None:
    """The whole numbers of a bounded region; None where it is not bounded by exact numbers."""
    ends = {end: value(end) for end in ends_of(region)}
    exact = [number for number in ends.values() if number is not None]
    if len(exact) != len(ends) or not exact or max(map(abs, exact)) > _MOST_WHOLE:
        return None
    least = 1 if natural else floor(min(exact)) - 1
    candidates = range(least, ceil(max(exact)) + 2)
    points = {number: Interval(str(number), str(number), True, True) for number in candidates}
    found = [n for n, point in points.items() if same_region(Joined("and", (region, point)), point)]
    unbounded = found and (found[-1] == candidates[-1] or (found[0] == least and not natural))
    return None if unbounded else found


_MOST_WHOLE = 60


def ends_of(region: Region) -> set[str]:
    """The texts of all finite ends."""
    if isinstance(region, Interval):
        return {region.low, region.high} - {BELOW, ABOVE}
    return set[str]().union(*(ends_of(part) for part in region.parts))


def intervals_of(region: Region) -> tuple[Interval, ...] | None:
    """The intervals of a union of such; None for what is joined otherwise."""
    if isinstance(region, Interval):
        return (region,)
    if region.how != "or" or not all(isinstance(part, Interval) for part in region.parts):
        return None
    return tuple(part for part in region.parts if isinstance(part, Interval))


def _number(text: str) -> Any:
    exact = value(text)
    if exact is not None:
        return exact
    tree = read_expression(text)
    if tree is None or letters(tree) or holds(tree, "apply"):
        return None
    number = value_at(tree, {})
    return number if number is not None and is_real(number) else None


def _order(a: str, b: str, numbers: dict[str, Any]) -> int:
    """-1, 0 or 1, exactly where both are rational and to 50 digits where they are not."""
    x, y = numbers[a], numbers[b]
    rational = all(hasattr(number, "denominator") for number in (x, y))
    if rational:
        return int(x > y) - int(x < y)
    one, other = read_expression(a), read_expression(b)
    if one is None or other is None or compare_trees(one, other) == "equal":
        return 0
    x, y = value_at(one, {}), value_at(other, {})
    return 1 if x > y else -1


def _holds(region: Region, at: int, places: dict[str, int]) -> bool:
    if isinstance(region, Joined):
        found = [_holds(part, at, places) for part in region.parts]
        return not found[0] if region.how == "not" else (any if region.how == "or" else all)(found)
    low, high = places.get(region.low, -1), places.get(region.high, 10**9)
    above = at > low or (at == low and region.low_closed)
    return above and (at < high or (at == high and region.high_closed))
