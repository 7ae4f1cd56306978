r"""Two scalars compared: numbers, quantities in units, words, and what a leaf is asked.

Right and wrong are said by exact arithmetic or by the text; the rest goes to the leaf.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.arithmetic import is_large, value
from scalediff.domains.math.grading.expression import read_expression
from scalediff.domains.math.grading.forms import Form
from scalediff.domains.math.grading.latex import plain
from scalediff.domains.math.grading.units import SPELLINGS, convert
from scalediff.domains.math.grading.verdicts import any_of
from scalediff.domains.math.grading.words import (
    choice,
    compare_words,
    number_word,
    words,
    words_and_number,
)

Leaf = Callable[[Form, Form], Verdict | None]
"""Compares two forms that exact rules cannot; None where it cannot either."""

_DECIMAL = re.compile(r"[-+]?\d*\.(\d+)")
_LETTER_UNIT = re.compile(r"([-+]?\d+(?:\.\d+)?)\s*(m|g|h|s|L|l|min)")
_STRONG = re.compile(r"\\(?:nabla|vec|hat|overrightarrow)|\\text\s*\{\s*[A-Za-z]\s*\}")
_NOT = re.compile(r"(?:\\text\s*\{\s*)?not\s*\}?\s+(\S.*?)\}?")
_POINTED = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
_ROMAN = re.compile(r"[IVXLC]+")


def compare_scalars(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    """The verdict on two scalars with their units; None where the leaf leaves it open."""
    a, b = _lettered(a, b), _lettered(b, a)
    verdict = _values(a, b, leaf)
    if a.odd or b.odd:
        return _odd(a, b, verdict)
    if not (a.unit and b.unit) or a.unit == b.unit or verdict is None:
        return verdict
    factor = convert(a.unit, b.unit)
    if isinstance(factor, Fraction):
        return _converted(a, b, factor)
    if factor == "other":
        return Verdict("wrong", "unit", f"{a.unit} and {b.unit}")
    if _turned(a.unit, b.unit):
        same = verdict.value == "right"
        return Verdict("wrong" if same else "undecided", "unit", f"{a.unit} and {b.unit}")
    if _same_unit(a.unit, b.unit):
        return verdict
    return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")


def _odd(a: Form, b: Form, verdict: Verdict | None) -> Verdict | None:
    """Where words behind a number may change it: right for the same words, else undecided.

    ``5 negative`` is not 5, ``5 short`` may be, and neither is 6.
    """
    if verdict is None or (a.odd == b.odd and a.unit == b.unit):
        return verdict
    if verdict.value == "right" and "denied" in (a.odd, b.odd):
        return Verdict("wrong", "unit", f"{a.unit or b.unit!r} says that it is another number")
    numbers = value(number_word(a.text)) is not None and value(number_word(b.text)) is not None
    if verdict.value == "wrong" and numbers and "denied" not in (a.odd, b.odd):
        return verdict
    return Verdict("undecided", "unit", f"{a.unit or b.unit!r} may change the number")


def _lettered(form: Form, other: Form) -> Form:
    """``5 m`` beside a quantity with a unit is in metres; alone it may be a product."""
    found = _LETTER_UNIT.fullmatch(form.text) if other.unit and not form.unit else None
    return replace(form, text=found[1], unit=SPELLINGS[found[2]]) if found else form


def _converted(a: Form, b: Form, factor: Fraction) -> Verdict:
    """Two quantities of one kind in their units."""
    x, y = value(number_word(a.text)), value(number_word(b.text))
    if x is None or y is None:
        return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")
    if x * a.scale * factor == y * b.scale:
        return Verdict("right", "unit", f"equal in {b.unit}")
    if float(abs(x * a.scale * factor - y * b.scale)) < 0.01 * float(abs(y) * b.scale):
        return Verdict("undecided", "rounding", f"nearly equal in {b.unit}")
    return Verdict("wrong", "unit", f"different in {b.unit}")


def _values(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    alike = (a.percent, a.scale) == (b.percent, b.scale)
    if plain(a.text) == plain(b.text) and alike:
        return Verdict("right", "exact", "the same text")
    if (told := _infinite(a.text, b.text) or _denied(a, b, leaf)) is not None:
        return told
    folded = [plain(text.replace(r"\times", r"\cdot")) for text in (a.text, b.text)]
    if folded[0] == folded[1] and alike:
        if _STRONG.search(a.text):
            return Verdict("wrong", "text", "a cross product and a dot product")
        return Verdict("undecided", "text", "a cross and a dot between what may be vectors")
    one, other = number_word(a.text), number_word(b.text)
    x, y = value(one), value(other)
    if x is not None and y is not None:
        return compare_numbers(a, b, x, y)
    if x is not None or y is not None:
        told = words_and_number(other if x is not None else one, 0 in (x, y))
    else:
        told = compare_words(one, other)
    if told is not None:
        return told
    if (x is None) != (y is None) and _ROMAN.fullmatch(other if x is not None else one):
        return Verdict("undecided", "text", "letters that may be a number")
    if (x is None) != (y is None) and choice(other if x is not None else one):
        return Verdict("undecided", "text", "a choice and a value")
    if _word_and_mathematics(one, other):
        return Verdict("wrong", "text", "words and mathematics")
    if not alike:
        return Verdict("undecided", "unit", "percent or scale differs")
    if is_large(one) or is_large(other):
        return Verdict("undecided", "too_large", "too large to be worked out")
    if "degree" in (a.unit, b.unit) and a.unit != b.unit:
        return _angles(a, b, leaf)
    return leaf(replace(a, text=one), replace(b, text=other))


def _infinite(a: str, b: str) -> Verdict | None:
    """Infinity beside a number."""
    for one, other in ((a, b), (b, a)):
        if one.strip("+-") == r"\infty" and value(number_word(other)) is not None:
            return Verdict("wrong", "exact", "infinity and a number")
    return None


def _denied(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    """``not 5`` beside 5."""
    for one, other in ((a, b), (b, a)):
        found = _NOT.fullmatch(one.text)
        if found and not _NOT.match(other.text):
            told = _values(replace(one, text=found[1]), other, leaf)
            if told is not None and told.value == "right":
                return Verdict("wrong", "text", "one denies the other")
    return None


def _word_and_mathematics(a: str, b: str) -> bool:
    """Whether one is a word of four letters or more and the other an expression."""
    for word, text in ((a, b), (b, a)):
        said = words(word)
        product = word.isupper() and set(word) <= set(text)  # CABC beside ABC^2
        named = product or f" {text.casefold()} " in f" {said} "
        if said and len(said) > 3 and not named and words(text) is None:
            return read_expression(text) is not None
    return False


def _angles(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    """Degrees against a number without a unit, which may be degrees or radians."""
    if a.unit and b.unit:
        return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")
    degrees, other = (a, b) if a.unit == "degree" else (b, a)
    as_radians = replace(degrees, text=f"({degrees.text})\\cdot \\pi/180", unit="")
    verdicts = [leaf(degrees, other), leaf(as_radians, other)]
    return any_of(verdicts)


def _turned(a: str, b: str) -> bool:
    """Whether the rates are of the same two things the other way round: a per b, b per a."""
    one, other = (re.sub(r"\b(?:per|an?|the|each)\b", " ", unit).split() for unit in (a, b))
    return len(one) == 2 and "per" in f"{a} {b}".split() and one == other[::-1] != other


def _same_unit(a: str, b: str) -> bool:
    """Whether one unit's words are among the other's (``clip`` and ``clip altogether``)."""
    left, right = set(a.split()), set(b.split())
    for rate, other in ((a, right), (b, left)):
        if " per " in rate and rate.split()[0] not in other:  # gallons per mile, and miles
            return False
    return left <= right or right <= left


def compare_numbers(a: Form, b: Form, x: Fraction, y: Fraction) -> Verdict:
    """The verdict on two forms whose texts have the exact values x and y."""
    if a.percent != b.percent:
        share, other = (x, y) if a.percent else (y, x)
        if a.unit or b.unit:
            return Verdict("undecided", "unit", f"percent and {a.unit or b.unit}")
        if share == other and abs(share) <= 1:
            return Verdict("undecided", "unit", "a percent sign on one of two small numbers")
        if other in (share, share / 100):
            return Verdict("right", "exact", "equal, one with a percent sign")
        if abs(share / 100 - other) < Fraction(1, 10_000):
            return Verdict("undecided", "rounding", "one is a rounding of the other")
        return Verdict("wrong", "exact", "different numbers")
    if "degree" in (a.unit, b.unit) and not (a.unit and b.unit) and x != y:
        return Verdict("wrong", "exact", "different numbers")
    if x * a.scale == y * b.scale:
        return Verdict("right", "exact", "equal numbers")
    for form, number, bare in ((a, x, b), (b, y, a)):
        if (
            _POINTED.fullmatch(form.text)
            and number * 1000 == value(bare.text)
            and bare.text.isdigit()
        ):
            return Verdict("undecided", "shape", "a point for decimals, or for thousands")
    decimal = "." in a.text and "." in b.text
    if rounds_to(a.text, y, decimal) or rounds_to(b.text, x, decimal) or _significant(a, x, b, y):
        return Verdict("undecided", "rounding", "one is a rounding of the other")
    return Verdict("wrong", "exact", "different numbers")


def _significant(a: Form, x: Fraction, b: Form, y: Fraction) -> bool:
    """Whether one is the other to three or more digits, as ``1.23 million`` and powers of ten are.

    Only where such a notation is used: 1,234 is no rounding of 1,235.
    """
    if not any(form.scale > 1 or "10^" in form.text for form in (a, b)):
        return False
    x, y = x * a.scale, y * b.scale
    return y != 0 and abs(x / y - 1) < Fraction(1, 200)


def rounds_to(text: str, exact: Fraction, decimal: bool = False) -> bool:
    """Whether a decimal is ``exact`` rounded or cut to its places (see ``slack``).

    Example:
        >>> rounds_to("0.33", Fraction(1, 3)), rounds_to("0.3", Fraction(1, 3))
        (True, False)
    """
    own = value(text) if "." in text else None
    return own is not None and abs(own - exact) < slack(text, decimal)


def slack(text: str, decimal: bool) -> Fraction:
    """How far a decimal may be from what it is a rounding of; 0 where it is taken as exact.

    One of two or more places may be rounded or cut. With one place it has to have two other
    digits where it stands beside another decimal, one beside an exact number.

    Example:
        >>> slack("0.33", True), slack("16.7", True), slack("2.5", True), slack("2.5", False)
        (Fraction(1, 100), Fraction(1, 20), Fraction(0, 1), Fraction(1, 20))
    """
    found = _DECIMAL.fullmatch(text)
    digits = text.replace(".", "").lstrip("+-0")
    if not found or not digits:
        return Fraction(0)
    places = len(found[1])
    if places == 1:
        return Fraction(1, 20) if len(digits) > 1 + decimal else Fraction(0)
    return Fraction(1, 10**places)
