r"""Comparing answers without a symbolic engine: what can be decided exactly is decided here.

Integers, fractions and decimals become rationals; tuples, sets and intervals are compared element
by element and only with the same kind of bracket. Anything else is left to the symbolic grader.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DIGITS = 400
"""Longer numbers are not read: comparing them is not what an answer is about."""

_WRAP = re.compile(r"^\\(?:text|mathrm|mathbf|textbf|mbox|displaystyle)\s*\{(.*)\}$", re.DOTALL)
_SPACING = re.compile(r"\\[,;:! ]|~|\\(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z])")
_FRACTION = re.compile(r"^([+-]?)\\[dt]?frac\{([+-]?\d+)\}\{([+-]?\d+)\}$")
_SHORT_FRACTION = re.compile(r"^([+-]?)\\[dt]?frac(\d)(\d)$")
_MIXED = re.compile(r"^([+-]?)(\d+)\\[dt]?frac\{(\d+)\}\{(\d+)\}$")
_SLASH = re.compile(r"^([+-]?\d+)/(\d+)$")
_NUMBER = re.compile(r"^[+-]?(?:\d+\.?\d*|\.\d+)$")
_THOUSANDS = re.compile(r"^([+-]?)(\d{1,3}(?:(?:,|\{,\})\d{3})+)(\.\d+)?$")
_UNIT = re.compile(
    r"(?:\\text\{|\\mathrm\{)?\s*(?:dollars?|cents?|degrees?|units?|square units?|cm|mm|km|m|"
    r"inches|inch|feet|ft|miles|hours?|minutes?|seconds?|days?|years?|apples?|people|ways|"
    r"sq\.? units?)\s*\}?(?:\^\{?[23]\}?)?$",
    re.IGNORECASE,
)
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def normalise(answer: str) -> str:
    r"""The answer without dollar signs, LaTeX spacing, text wrappers and a trailing full stop.

    Example:
        >>> normalise(r"$\left( 3,\, \frac{\pi}{2} \right).$")
        '(3,\\frac{\\pi}{2})'
    """
    text = answer.strip()
    for _ in range(3):
        text = text.strip().strip("$").strip()
        text = text[:-1] if text.endswith(".") and not text.endswith("..") else text
        match = _WRAP.match(text)
        text = match[1] if match and _balanced(match[1]) else text
    text = text.replace("\u2212", "-").replace(r"\{", "{set ").replace(r"\}", " set}")
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    text = _SPACING.sub("", text)
    return re.sub(r"\s+", "", text).replace("{set", r"\{").replace("set}", r"\}")


def _balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def rational(text: str) -> Fraction | None:
    r"""A normalised answer as an exact number, or None where it is not plainly one.

    Money, percent, degree signs and common units beside a number are set aside.

    Example:
        >>> rational("0.50"), rational(r"\frac{1}{2}"), rational("1,000")
        (Fraction(1, 2), Fraction(1, 2), Fraction(1000, 1))
    """
    if len(text) > MAX_DIGITS:
        return None
    text = text.removeprefix("\\$").removeprefix("$")
    for suffix in ("\\%", "%", "^\\circ", "^{\\circ}", "°"):
        text = text.removesuffix(suffix)
    text = _UNIT.sub("", text)
    if match := _THOUSANDS.match(text):
        text = match[1] + match[2].replace("{,}", "").replace(",", "") + (match[3] or "")
    if _NUMBER.match(text):
        return Fraction(text)
    for pattern in (_FRACTION, _SHORT_FRACTION):
        if match := pattern.match(text):
            return _ratio(match[1], int(match[2]), int(match[3]))
    if match := _MIXED.match(text):
        whole, top, bottom = int(match[2]), int(match[3]), int(match[4])
        return _ratio(match[1], whole * bottom + top, bottom)
    if match := _SLASH.match(text):
        return _ratio("", int(match[1]), int(match[2]))
    return None


def _ratio(sign: str, top: int, bottom: int) -> Fraction | None:
    if bottom == 0:
        return None
    return Fraction(-top if sign == "-" else top, bottom)


def elements(text: str) -> tuple[str, list[str]] | None:
    r"""Bracket kind and parts of a tuple, interval or set; None for anything else.

    Example:
        >>> elements(r"(1,\frac{1}{2})")
        ('()', ['1', '\\frac{1}{2}'])
    """
    for opening, closing in ((r"\{", r"\}"), ("(", ")"), ("[", "]"), ("(", "]"), ("[", ")")):
        if text.startswith(opening) and text.endswith(closing):
            parts = _split(text[len(opening) : -len(closing)])
            return (opening + closing, parts) if len(parts) > 1 or opening == r"\{" else None
    return None


def _split(text: str) -> list[str]:
    """At the commas outside all brackets."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def compare(a: str, b: str) -> tuple[bool, str] | None:
    """Whether two answers are equal and by which rule; None where that is not plain.

    Args:
        a: An answer as written.
        b: The other.
    """
    a, b = normalise(a), normalise(b)
    if a == b:
        return True, "text"
    first, second = rational(a), rational(b)
    if first is not None and second is not None:
        return first == second, "exact"
    left, right = elements(a), elements(b)
    if left is None or right is None:
        return None
    if left[0] != right[0]:
        return False, "brackets"
    return _compare_elements(left, right)


def _compare_elements(
    left: tuple[str, list[str]], right: tuple[str, list[str]]
) -> tuple[bool, str] | None:
    kind, ours = left
    theirs = right[1]
    if kind != r"\{\}":
        if len(ours) != len(theirs):
            return False, "elements"
        pairs = [compare(x, y) for x, y in zip(ours, theirs, strict=True)]
        if any(pair is not None and not pair[0] for pair in pairs):
            return False, "elements"
        return None if None in pairs else (True, "elements")
    numbers = [rational(x) for x in ours], [rational(y) for y in theirs]
    if None in numbers[0] or None in numbers[1]:
        return (True, "elements") if set(ours) == set(theirs) else None
    return set(numbers[0]) == set(numbers[1]), "elements"
