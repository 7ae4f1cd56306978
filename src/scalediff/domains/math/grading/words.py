r"""Answers that are words: names, yes and no, choice letters, numbers written out."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from scalediff.core.records import Verdict

_TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer)\s*:?\s*)?(?:\(?([A-JTYN])\)?[.:]?"
    r"|\(([A-J])\)[.:]?\s+(\w.*)|([A-J])[:.)]\s+(\w.*))",
    re.IGNORECASE,
)
_LETTER_BEHIND = re.compile(r"\b[A-J]\b")
_INDEFINITE = re.compile(r"^A (?=[a-z])")
_MIXED_TEXT = re.compile(r"(?:^|[\s{(])[A-Za-z](?=\s|\\text|$)[^{]*\\text\s*\{|\}\s*-\s*\\text")
_FUNCTION = re.compile(
    r"(?:(?:arc?|co)?(?:sin|cos|tan|cot|sec|csc)h?|curl|div|grad|sgn|rank|tr|dim|erf) [A-Za-z]\b"
)
"""A name and its argument: ``arcosh x``, ``curl F``."""
_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\w)", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"\s*(?:\\text\s*\{\s*)?(?:so\s+|therefore,?\s+)?(?:the\s+)?(?:final\s+|correct\s+)?"
    r"(?:answer|result|option|choice)\s*(?:\}\s*)?(?:(?:is|:|=)\s*(?::\s*)?)+(?:\}\s*)?(?=\S)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+(?:[ '-]+[^\W\d_]+)*")

_ONE_NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_ONES = _ONE_NAMES.split()
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL = {w: i for i, w in enumerate(_ONES)} | {w: 20 + 10 * i for i, w in enumerate(_TENS)}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PARTS = {"half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6,
         "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12,
         "hundredth": 100, "thousandth": 1_000, "millionth": 10**6}  # fmt: skip
PARTS |= {f"{name}th": 13 + i for i, name in enumerate(_ONES[13:])}
PARTS |= {f"{name[:-1]}ieth": 20 + 10 * i for i, name in enumerate(_TENS)}
"""The names of fractions, in the singular."""
_ORDINAL_NAMES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_ORDINAL_WORDS = frozenset(_ORDINAL_NAMES.split())
_COUNT_NAMES = "half halves quarter quarters dozen once twice thrice double triple pair"
_COUNTED = frozenset(_COUNT_NAMES.split())
_TIMES = {"half": "1/2", "once": 1, "twice": 2, "thrice": 3, "a dozen": 12, "one dozen": 12,
          "half a dozen": 6}  # fmt: skip
_NEGATIVE = re.compile(r"(?:minus|negative)\s+(?=[\w.\\(])", re.IGNORECASE)
_FUNCTIONS = "sin cos tan cot sec csc log exp det gcd lcm mod max min inf arg"
_MATH_NAMES = frozenset(_FUNCTIONS.split())
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
_EXCLUSIVE = [
    frozenset(family.split())
    for family in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "january february march april may june july august september october november december",
        "yes no",
        "true false",
        "even odd",
        "red orange yellow green blue purple white black brown pink",
        "increasing decreasing constant",
        "north south east west",
        "left right",
        "acute obtuse right",
        "positive negative zero",
        "convergent divergent",
        "converges diverges",
        "rational irrational",
        "injective surjective bijective",
        "hyperbola parabola ellipse circle line",
    )
]
"""Words of which one excludes the others, however alike they look."""
_ALIKE = 0.75
_IMPOSSIBLE = frozenset({"impossible", "not possible", "does not exist", "doesn't exist"})
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
    """Digits for a number in words; a fraction has its part last, after ``and`` where mixed."""
    if words in _TIMES:
        return str(_TIMES[words])
    if words.endswith(" dozen") and (dozens := _whole(words.removesuffix(" dozen").split())):
        return str(12 * dozens)
    whole, mixed, rest = words.rpartition(" and ")
    parts = rest.replace("-", " ").split() if mixed else words.replace("-", " ").split()
    if len(words) > 120 or not parts:
        return None
    part = PARTS.get(parts[-1]) or PARTS.get(parts[-1].removesuffix("s"))
    if not part:
        number = _whole(words.replace("-", " ").split())
        return None if number is None else str(number)
    above = 1 if parts[:-1] in ([], ["a"], ["one"]) else _whole(parts[:-1])
    before = _whole(whole.replace("-", " ").split()) if mixed else 0
    if above is None or before is None or above >= part or (parts[:-1] and parts[-2] in _TENS):
        return None
    return f"{before * part + above}/{part}"


def _whole(parts: list[str]) -> int | None:
    """A whole number in words, by the grammar of such: each word into a place that is empty."""
    total = group = 0
    room = 1_000  # what the next word has to stay under
    last_scale = 10**15
    for i, word in enumerate(parts):
        if word == "and":
            if not group or group % 100 or i == len(parts) - 1:
                return None
        elif word in _SMALL:
            n = _SMALL[word]
            if n >= room or (n == 0 and len(parts) > 1):
                return None
            group += n
            room = 10 if n >= 20 else 1
        elif word == "hundred":
            if not 0 < group < 100:
                return None
            group, room = 100 * group, 100
        elif word in _LARGE and group and _LARGE[word] < last_scale:
            last_scale = _LARGE[word]
            total, group, room = total + group * last_scale, 0, 1_000
        elif word == "a" and i == 0 and len(parts) > 1:
            group = 1
        else:
            return None
    return total + group if parts else None


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
    found = _chosen(text)
    return found[0] if found else None


def _chosen(text: str) -> tuple[str, str] | None:
    """The letter and what stands behind it; None where that names another letter too."""
    found = _CHOICE.fullmatch(unwrapped(text))
    if not found:
        return None
    letter = found[1] or found[2] or found[4]
    tail = found[3] or found[5] or ""
    if not letter.isupper() or _LETTER_BEHIND.search(_INDEFINITE.sub("", tail)):
        return None
    return letter, tail.casefold().strip(" .")


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
    elif _FUNCTION.match(inner) or _MIXED_TEXT.search(text):  # x \text{ cm} is no word
        return None
    plain = " ".join(inner.replace("-", " ").casefold().split())
    plain = _ARTICLE.sub("", plain, count=1) if _ARTICLE.match(plain) else plain
    return _SAME.get(plain, plain)


def compare_words(a: str, b: str) -> Verdict | None:
    """Compare two texts where both are words or both choices; None where that says nothing."""
    one, other = _chosen(a), _chosen(b)
    if one and other:
        if one[0] == other[0] and one[1] and other[1] and one[1] != other[1]:
            return Verdict("undecided", "text", "one letter with two texts")
        same = one[0] == other[0]
        return Verdict("right" if same else "wrong", "text", "choice letters")
    if (one or other) and (told := _letter_and_word(a, b)):
        return told
    if a.isupper() and b.isupper() and a.isalpha() and b.isalpha() and max(len(a), len(b)) < 5:
        return _capitals(a, b)
    left, right = words(a), words(b)
    if left is None or right is None:
        return None
    if left == right:
        if len(left) < 3 and left != "no" and unwrapped(a) != unwrapped(b):  # Co and CO
            return Verdict("undecided", "text", "the same letters in other cases")
        return Verdict("right", "text", "the same words")
    if sorted(left) == sorted(right) and len(left) < 4:
        return None  # letters outside of \text may be a product
    return _other_words(left, right)


def _other_words(left: str, right: str) -> Verdict:
    """Two different texts: wrong where they are known to exclude each other or are unlike."""
    for family in _EXCLUSIVE:
        if left in family and right in family:
            return Verdict("wrong", "text", "other words")
    if _nothing(left) and _nothing(right):
        return Verdict("undecided", "text", "both may say that there is none")
    more = set(left.split()) ^ set(right.split())
    if more and more <= _NEGATIONS:
        return Verdict("wrong", "text", "one denies the other")
    bare = [re.sub(r"[\s'-]", "", text) for text in (left, right)]
    if bare[0] == bare[1]:
        return Verdict("right", "text", "the same words but for spaces")
    if f" {left} " in f" {right} " or f" {right} " in f" {left} ":
        return Verdict("undecided", "text", "one is part of the other")
    if _OTHER_SCRIPT.search(left + right):
        return Verdict("undecided", "text", "words in another script")
    if {left, right} in ({"true", "yes"}, {"false", "no"}):
        return Verdict("undecided", "text", "two ways to agree")
    alike = SequenceMatcher(None, bare[0], bare[1]).ratio() >= _ALIKE
    stem = min(len(bare[0]), len(bare[1])) > 3 and bare[0][:4] == bare[1][:4]
    if alike or stem or bare[0].startswith(bare[1]) or bare[1].startswith(bare[0]):
        return Verdict("undecided", "text", "words much alike")
    return Verdict("wrong", "text", "other words")


def _nothing(text: str) -> bool:
    first = text.split()[0]
    return text in _NOTHING or first == "no" or text in _IMPOSSIBLE


def _letter_and_word(a: str, b: str) -> Verdict | None:
    """A choice and something else: its text, or a word that begins with the letter."""
    for one, other in ((a, b), (b, a)):
        found = _chosen(one)
        if not found:
            continue
        said = unwrapped(other).casefold().strip(" .()")
        if not found[1] and words(other) and said.startswith(found[0].casefold()):
            return Verdict("undecided", "text", "a letter and a word that begins with it")
        if found[1] and found[1] in (said, said.strip("$")):
            return Verdict("undecided", "text", "a choice and its text")
    return None


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
    told = set(re.split(r"[\s-]+", found))
    if told & (_SMALL.keys() | _LARGE.keys() | _ORDINAL_WORDS | _COUNTED | {"hundred"}):
        return Verdict("undecided", "text", "words that hold a number")
    if found in ("true", "false"):  # of a column that holds no answers, perhaps
        return Verdict("undecided", "text", "a truth value and a number")
    if set(found) <= set("ivxlc"):
        return Verdict("undecided", "text", "letters that may be a number")
    if number_is_zero and found in _NOTHING:
        return Verdict("undecided", "text", f"{found!r} may stand for zero")
    return Verdict("wrong", "text", "words and a number")
