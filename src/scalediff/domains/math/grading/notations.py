r"""Answers in notations of their own: times of day, ratios, numbers in a base, residues.

Each is read wholly by its own small grammar, or not at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.expression import read_expression
from scalediff.domains.math.grading.words import unwrapped

_CLOCK = re.compile(
    r"(\d{1,2})(?:\s*:\s*(\d{2}))?(?:\s*:\s*(\d{2}))?\s*(?:([AaPp])\s*\.?\s*[Mm]\s*\.?)?"
    r"(?:\s*o'?clock)?"
)
_HALVES = {"noon": 720, "midnight": 0, "12 noon": 720, "12 midnight": 0}
_RATIO = re.compile(r"\s*:\s*|\s*\\text\s*\{\s*to\s*\}\s*|\s+to\s+")
_BASED = re.compile(
    r"(?:\\text\s*\{\s*)?\(?(-?[0-9A-Fa-f]+)\)?(?:\s*\})?\s*"
    r"(?:_\s*\{?\(?\s*(?:\\text\s*\{)?\s*(?:base\s*)?(\d{1,2}|[a-z]+)\s*\)?\}?\s*\}?"
    r"|(?:\\text\s*\{)?\s*(?:in\s+)?base\s*(?:\})?\s*-?(\d{1,2}|[a-z]+)\s*\}?)"
)
_PREFIXED = re.compile(r"0([xXbBoO])([0-9A-Fa-f]+)")
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
          "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16, "hex": 16}  # fmt: skip
_RESIDUE = re.compile(
    r"(?:[A-Za-z]\s*(?:\\equiv|=|≡)\s*)?([-\d\s,+]+?(?:(?:\s*\\text\{ or \}\s*"
    r"|\s+or\s+)[-\d]+)*)\s*"
    r"(?:\\pmod\s*\{?\s*(\d+)\s*\}?|\(\s*(?:\\text\{\s*)?(?:\\?mod)\s*\}?\s*(\d+)\s*\)"
    r"|\\text\s*\{\s*\(?mod\s*(\d+)\)?\s*\})"
)
_MAX_MODULUS = 100_000


@dataclass(frozen=True)
class Clock:
    """A time of day: minutes since midnight (of half a day where it does not say which half)."""

    minutes: Fraction
    half_known: bool


@dataclass(frozen=True)
class Based:
    """A number written in a base."""

    digits: str
    base: int
    number: int


@dataclass(frozen=True)
class Residue:
    """Whole numbers that leave certain remainders."""

    remainders: frozenset[int]
    modulus: int


@dataclass(frozen=True)
class Ratio:
    """Numbers that stand in a ratio, as texts."""

    parts: tuple[str, ...]


Notation = Clock | Based | Residue | Ratio


def read_notation(text: str) -> Notation | None:
    r"""What a tidied text is in one of these notations, or None.

    Example:
        >>> read_notation("1011_2").number, read_notation("4:6:10").parts
        (11, ('4', '6', '10'))
    """
    return _clock(text) or _based(text) or _residue(text) or read_ratio(text)


def _clock(text: str) -> Clock | None:
    plain = unwrapped(text).strip().lower()
    if plain in _HALVES:
        return Clock(Fraction(_HALVES[plain]), True)
    found = _CLOCK.fullmatch(unwrapped(text.replace("\\!", "")).strip())
    if not found or not (found[2] or found[4]):
        return None
    hours, minutes, seconds = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    if minutes > 59 or seconds > 59 or hours > 24:
        return None
    if found[4]:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if found[4] in "Pp" else 0)
    known = bool(found[4]) or hours > 12
    return Clock(Fraction(60 * hours + minutes) + Fraction(seconds, 60), known)


def _based(text: str) -> Based | None:
    if found := _PREFIXED.fullmatch(text):
        digits, base = found[2], {"x": 16, "b": 2, "o": 8}[found[1].lower()]
    elif found := _BASED.fullmatch(text):
        name = found[2] or found[3]
        digits, base = found[1], int(name) if name.isdigit() else _BASES.get(name, 0)
    else:
        return None
    try:
        return Based(digits.upper().lstrip("0") or "0", base, int(digits, base)) if base else None
    except ValueError:  # a digit too large for the base, or no such base
        return None


def _residue(text: str) -> Residue | None:
    found = _RESIDUE.fullmatch(text)
    if not found:
        return None
    modulus = int(found[2] or found[3] or found[4])
    numbers = re.findall(r"-?\d+", found[1])
    if not numbers or not 1 < modulus <= _MAX_MODULUS:
        return None
    return Residue(frozenset(int(number) % modulus for number in numbers), modulus)


def read_ratio(text: str) -> Ratio | None:
    """A ratio such as ``3:4`` or ``3 to 4``, or None."""
    if ":" not in text and "to" not in text:
        return None
    parts = [part.strip() for part in _RATIO.split(text)]
    if not 2 <= len(parts) <= 6 or any(read_expression(part) is None for part in parts):
        return None
    return Ratio(tuple(parts))


def compare_notations(a: Notation, b: Notation) -> Verdict | None:
    """The verdict on two answers in these notations; None where they are not of one kind."""
    if isinstance(a, Clock) and isinstance(b, Clock):
        return _clocks(a, b)
    if isinstance(a, Based) and isinstance(b, Based):
        if a.number == b.number and a.base != b.base and 10 not in (a.base, b.base):
            return Verdict("undecided", "shape", "one number in two bases")
        return _said(a.number == b.number, f"{a.number} and {b.number} in base ten")
    if isinstance(a, Residue) and isinstance(b, Residue):
        return _residues(a, b)
    return None


def _said(same: bool, reason: str) -> Verdict:
    return Verdict("right" if same else "wrong", "exact", reason)


def _clocks(a: Clock, b: Clock) -> Verdict:
    if not (a.half_known or b.half_known) and a.minutes != b.minutes and _one_ratio(a, b):
        return Verdict("undecided", "text", "other times of day, the same ratio")
    if a.half_known == b.half_known or a.minutes == b.minutes:
        if a.minutes == b.minutes and a.half_known != b.half_known:
            return Verdict("undecided", "text", "one does not say which half of the day")
        return _said(a.minutes == b.minutes, "times of day")
    if a.minutes % 720 == b.minutes % 720 or _one_ratio(a, b):
        return Verdict("undecided", "text", "one does not say which half of the day")
    return Verdict("wrong", "exact", "other times of day")


def _one_ratio(a: Clock, b: Clock) -> bool:
    """``1:12`` and ``2:24``: times, or a ratio."""
    parts = [divmod(clock.minutes, 60) for clock in (a, b)]
    return parts[0][0] * parts[1][1] == parts[1][0] * parts[0][1]


def _residues(a: Residue, b: Residue) -> Verdict:
    from math import lcm

    modulus = lcm(a.modulus, b.modulus)
    if modulus > _MAX_MODULUS:
        return Verdict("undecided", "too_long", "the moduli are too large to be compared")
    one, other = (
        {r + k * x.modulus for r in x.remainders for k in range(modulus // x.modulus)}
        for x in (a, b)
    )
    return _said(one == other, f"remainders modulo {modulus}")


def compare_with_number(a: Notation, text: str) -> Verdict | None:
    """The verdict on such an answer and a plain number."""
    number = value(text)
    if number is None:
        return None
    if isinstance(a, Based):
        if a.base == 10:
            return _said(a.number == number, "a number in base ten")
        if number == a.number or text.strip().upper() == a.digits:
            return Verdict("undecided", "shape", "a number in a base and one without")
        return Verdict("wrong", "exact", "another number in either base")
    if isinstance(a, Residue):
        inside = number.denominator == 1 and number.numerator % a.modulus in a.remainders
        if inside:
            return Verdict("undecided", "shape", "a number and all that leave its remainder")
        return Verdict("wrong", "exact", "the number leaves another remainder")
    if isinstance(a, Ratio):
        parts = [value(part) for part in a.parts]
        if len(parts) != 2 or None in parts or not parts[1]:
            return Verdict("wrong", "shape", "a ratio and a number")
        same = parts[0] / parts[1] == number  # type: ignore[operator]
        return Verdict("undecided" if same else "wrong", "shape", "a ratio and a number")
    unsure = isinstance(a, Clock) and not a.half_known
    return Verdict("undecided" if unsure else "wrong", "shape", "a time of day and a number")
