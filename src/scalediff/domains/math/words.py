r"""Answers that are words: names, yes and no, choice letters, numbers written out."""

from __future__ import annotations

import re

from scalediff.core.records import Verdict

_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_CHOICE = re.compile(r"\(?([A-J])\)?[.:]?|\(([A-J])\)[.:]?\s*\S.*")
_WORDS = re.compile(r"[^\W\d_]+(?:[ '-]+[^\W\d_]+)*")

_NUMBERS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_MATH_NAMES = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "log",
        "exp",
        "det",
        "gcd",
        "lcm",
        "mod",
        "max",
        "min",
        "inf",
        "arg",
    ]
)
_NOTHING = frozenset({"none", "nothing", "no solution", "no solutions", "empty set", "no"})


def unwrapped(text: str) -> str:
    r"""A tidied text with the contents of its ``\text{...}`` in place.

    Example:
        >>> unwrapped(r"\text{Monday }")
        'Monday'
    """
    return " ".join(_TEXT.sub(r" \1 ", text).split()).strip(" .")


def number_word(text: str) -> str:
    r"""Digits for a small number written out, else the text as it is.

    Example:
        >>> number_word("Twelve"), number_word("x")
        ('12', 'x')
    """
    word = unwrapped(text).casefold()
    return str(_NUMBERS.index(word)) if word in _NUMBERS else text


def choice(text: str) -> str | None:
    """The letter of a multiple-choice answer (``C``, ``(C)``, ``(C) 12``), or None."""
    found = _CHOICE.fullmatch(unwrapped(text))
    return (found[1] or found[2]) if found else None


def words(text: str) -> str | None:
    r"""The folded words of an answer that is nothing but words; None for mathematics.

    Letters outside of ``\text`` count as words from three letters on, since ``ab`` is a product.
    """
    inner = unwrapped(text)
    if not _WORDS.fullmatch(inner):
        return None
    if not _TEXT.search(text):
        folded = inner.casefold()
        short = max(len(part) for part in re.split(r"[ '-]+", folded)) < 3 and folded != "no"
        if short or folded in _MATH_NAMES:
            return None
    return " ".join(inner.replace("-", " ").casefold().split())


def compare_words(a: str, b: str) -> Verdict | None:
    """Compare two texts where both are words or both choices; None where that says nothing."""
    letters = choice(a), choice(b)
    if letters[0] and letters[1]:
        same = letters[0] == letters[1]
        return Verdict("right" if same else "wrong", "text", "choice letters")
    left, right = words(a), words(b)
    if left is None or right is None:
        return None
    if left == right:
        return Verdict("right", "text", "the same words")
    if f" {left} " in f" {right} " or f" {right} " in f" {left} ":
        return Verdict("undecided", "text", "one is part of the other")
    if sorted(left) == sorted(right):  # letters outside of \text may be a product
        return None
    return Verdict("wrong", "text", "other words")


def words_and_number(text: str, number_is_zero: bool) -> Verdict | None:
    """Compare words with an exact number; None where the text is not words."""
    found = words(text)
    if found is None:
        return None
    if number_is_zero and found in _NOTHING:
        return Verdict("undecided", "text", f"{found!r} may stand for zero")
    return Verdict("wrong", "text", "words and a number")
