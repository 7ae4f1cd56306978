r"""Answers that are words: names, yes and no, choice letters, numbers written out."""

from __future__ import annotations

import re

from scalediff.core.records import Verdict

_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s*:?\s*)?(?:\(?([A-JTYN])\)?[.:]?"
    r"|\(([A-J])\)[.:]?\s*\S.*|([A-J])[:.)]\s+\S.*)",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\w)", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"\s*(?:\\text\s*\{\s*)?(?:so\s+|therefore,?\s+)?(?:the\s+)?(?:final\s+|correct\s+)?"
    r"(?:answer|result|option|choice)\s*(?:\}\s*)?(?:(?:is|:|=)\s*(?::\s*)?)+(?:\}\s*)?(?=\S)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+(?:[ '-]+[^\W\d_]+)*")

_ONES = [
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
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {w: i for i, w in enumerate(_ONES)} | {w: 20 + 10 * i for i, w in enumerate(_TENS)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
          "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "hundredth": 100}  # fmt: skip
_TIMES = {"once": 1, "twice": 2, "thrice": 3, "a dozen": 12, "one dozen": 12, "half a dozen": 6}
_NEGATIVE = re.compile(r"(?:minus|negative)\s+(?=[\w.\\(])", re.IGNORECASE)
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
_SAME = {
    "dne": "does not exist",
    "undefined": "does not exist",
    "no real solution": "no solution",
    "no real solutions": "no solution",
    "no solutions": "no solution",
    "none": "no solution",
    "no such number exists": "no solution",
    "empty set": "no solution",
    "the empty set": "no solution",
}
_NOTHING = frozenset({"none", "nothing", "no solution", "no"})
_NEGATIONS = frozenset({"not", "no", "never", "non", "neither", "nor"})
_OTHER_SCRIPT = re.compile(r"[\u0370-\U0003ffff]")


def unwrapped(text: str) -> str:
    r"""A tidied text with the contents of its ``\text{...}`` in place.

    Example:
        >>> unwrapped(r"\text{Monday }")
        'Monday'
    """
    return " ".join(_TEXT.sub(r" \1 ", text).split()).strip(" .")


def number_word(text: str) -> str:
    r"""Digits for a number written out (``twenty-one``, ``two thirds``), else the text as it is.

    Example:
        >>> number_word("Twelve"), number_word("minus one half"), number_word("x")
        ('12', '-1/2', 'x')
    """
    if not text[:1].isalpha() and not text.startswith("\\text"):
        return text
    plain = unwrapped(text)
    bare = _NEGATIVE.sub("", plain, count=1)
    sign = "-" if bare != plain and _NEGATIVE.match(plain) else ""
    if sign and not bare[:1].isalpha():
        return sign + bare
    number = _written_out(bare.casefold())
    return text if number is None else sign + number


def _written_out(words: str) -> str | None:
    """Digits for a number in words; a fraction has its part last."""
    if words in _TIMES:
        return str(_TIMES[words])
    parts = words.replace("-", " ").replace(" and ", " ").split()
    if len(parts) > 12 or not parts:
        return None
    part = _PARTS.get(parts[-1]) or _PARTS.get(parts[-1].removesuffix("s"))
    if part and len(parts) > 1:
        above = 1 if parts[:-1] in (["a"], ["one"]) else _whole(parts[:-1])
        return None if above is None else f"{above}/{part}"
    number = _whole(parts)
    return None if number is None else str(number)


def _whole(parts: list[str]) -> int | None:
    total = group = 0
    for word in parts:
        if word in _SMALL:
            group += _SMALL[word]
        elif word == "hundred":
            group = 100 * max(group, 1)
        elif word in _LARGE:
            total, group = total + max(group, 1) * _LARGE[word], 0
        elif not (word == "a" and not total and not group):
            return None
    return None if parts == ["a"] else total + group


def announced(text: str) -> str:
    r"""An answer without the words that announce it.

    Example:
        >>> announced(r"\text{The answer is } 5"), announced("5")
        ('5', '5')
    """
    found = _ANNOUNCED.match(text)
    if not found:
        return text
    rest = text[found.end() :]
    return rest[:-1].strip() if rest.count("}") > rest.count("{") else rest


def choice(text: str) -> str | None:
    """The letter of a multiple-choice answer (``C``, ``(C)``, ``C: 12``), or None."""
    found = _CHOICE.fullmatch(unwrapped(text))
    letter = (found[1] or found[2] or found[3]) if found else None
    return letter if letter and letter.isupper() else None


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
    plain = " ".join(inner.replace("-", " ").casefold().split())
    plain = _ARTICLE.sub("", plain, count=1) if _ARTICLE.match(plain) else plain
    return _SAME.get(plain, plain)


def compare_words(a: str, b: str) -> Verdict | None:
    """Compare two texts where both are words or both choices; None where that says nothing."""
    letters = choice(a), choice(b)
    if letters[0] and letters[1]:
        same = letters[0] == letters[1]
        return Verdict("right" if same else "wrong", "text", "choice letters")
    if a.isupper() and b.isupper() and a.isalpha() and b.isalpha() and max(len(a), len(b)) < 5:
        return _capitals(a, b)
    left, right = words(a), words(b)
    if left is None or right is None:
        return None
    if left == right:
        return Verdict("right", "text", "the same words")
    if f" {left} " in f" {right} " or f" {right} " in f" {left} ":
        more = set(left.split()) ^ set(right.split())
        if more & _NEGATIONS:
            return Verdict("wrong", "text", "one denies the other")
        return Verdict("undecided", "text", "one is part of the other")
    if sorted(left) == sorted(right):  # letters outside of \text may be a product
        return None if len(left) < 4 else Verdict("undecided", "text", "the same letters")
    if _OTHER_SCRIPT.search(left + right):
        return Verdict("undecided", "text", "words in another script")
    return Verdict("wrong", "text", "other words")


def _capitals(a: str, b: str) -> Verdict | None:
    """Points, segments or choices written together: ``AC`` and ``CA`` may be one, or not."""
    if a == b:
        return Verdict("right", "text", "the same letters")
    if sorted(a) == sorted(b):
        return Verdict("undecided", "text", "the same letters in another order")
    return Verdict("wrong", "text", "other letters") if len(a) == len(b) > 1 else None


def words_and_number(text: str, number_is_zero: bool) -> Verdict | None:
    """Compare words with an exact number; None where the text is not words."""
    found = words(text)
    if found is None:
        return None
    if _OTHER_SCRIPT.search(found):
        return Verdict("undecided", "text", "words in another script")
    if number_is_zero and found in _NOTHING:
        return Verdict("undecided", "text", f"{found!r} may stand for zero")
    return Verdict("wrong", "text", "words and a number")
