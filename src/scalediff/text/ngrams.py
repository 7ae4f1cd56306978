r"""Tokens and n-grams of mathematical text.

A token is a LaTeX command, a number, a word (hyphens and apostrophes within) or one symbol, so that
``4a_n+5`` and ``4 a_n + 5`` have the same tokens and a changed digit changes one of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from scalediff.text.normalise import cased

_TOKEN = re.compile(
    r"\\[A-Za-z]+|\\."
    r"|\d+(?:,\d{3}(?!\d))*(?:\.\d+)?"
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without spaces: a character each
    r"|[^\W\d_]{2,}(?:[-'][^\W\d_]+)*"
    r"|[^\W\d_]"
    r"|\S"
)

_ASCII_TOKEN = re.compile(
    r"[A-Za-z]{2,}(?:[-'][A-Za-z]+)*|\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|\\[A-Za-z]+|\\.|\S"
)
"""The same tokens of plain ASCII, faster."""

_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi chi psi omega"
)
_GREEK = frozenset(_GREEK_NAMES.split())
_NO_NAMES = (
    "of to in is it on an be at by as or if we he do so no up my us go me am pm cm km mm kg mg ml "
    "ft lb oz hr ln th st nd rd"
)
_SHORT_WORDS = frozenset(_NO_NAMES.split())
"""Words of two letters, which are no products of variables."""
_ENDS = frozenset('.?!:"')
_VOWELS = frozenset("aeiou")
_MOST_POINTS = 5

_OPERATORS = frozenset("+-*/<>=^!%|")
_LOOKS = frozenset(
    [r"\boxed", r"\tag", r"\label", r"\begin", r"\end", r"\hspace", r"\vspace", r"\phantom"]
)
_TURNING_WORDS = """
add added subtract subtracted multiply multiplied divide divided plus minus times sum difference
product quotient remainder increase increased decrease decreased increasing decreasing double
doubled triple tripled twice half third quarter even odd prime composite positive negative
rational irrational maximum minimum maximal minimal largest smallest greatest least most fewest
more less fewer larger smaller greater above below over under before after first last inside
outside not no never without except distinct identical clockwise counterclockwise inclusive
exclusive zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty
fifty sixty seventy eighty ninety hundred thousand million
radius diameter circumference area perimeter volume surface length width height depth base
hypotenuse leg side angle median altitude mean mode range average variance numerator denominator
row column red blue green white black yellow heads tails boys girls men women male female morning
evening today yesterday tomorrow
"""
_TURNING = frozenset(_TURNING_WORDS.split())
"""Words that turn the answer when one stands for another."""
_COUNTED = _OPERATORS | _TURNING


def split_tokens(text: str) -> list[str]:
    r"""The tokens of a text as it stands, without normalising.

    Example:
        >>> split_tokens(r"\frac{12}{x}, add")
        ['\\frac', '{', '12', '}', '{', 'x', '}', ',', 'add']
    """
    return (_ASCII_TOKEN if text.isascii() else _TOKEN).findall(text)


def cased_tokens(text: str) -> list[str]:
    """``tokens`` before letters are made small: as many, with the same places."""
    return _without_separators(split_tokens(cased(text)))


def tokens(text: str) -> list[str]:
    """The tokens of a text's comparing form; thousands separators are left out of numbers."""
    return small(cased_tokens(text))


def small(words: Sequence[str]) -> list[str]:
    """Tokens in small letters; a token stays a token, whatever its letters are."""
    return " ".join(words).lower().split(" ") if words else []


def _without_separators(found: list[str]) -> list[str]:
    return [t.replace(",", "") if t[0].isdigit() and "," in t else t for t in found]


def ngrams(words: Sequence[str], n: int) -> set[str]:
    """The n-grams of a token sequence, joined by spaces; all of it where it is shorter than n.

    Example:
        >>> sorted(ngrams(["a", "b", "c"], 2))
        ['a b', 'b c']
    """
    if not words:
        return set()
    return {" ".join(words[i : i + n]) for i in range(max(1, len(words) - n + 1))}


def masked(words: Sequence[str]) -> list[str]:
    r"""``cased_tokens`` with ``#`` for every number and ``@`` for every name of a variable.

    Names are what could as well be others: ``x``, ``\alpha``, ``AB``, ``xy``; words are made small.

    Example:
        >>> masked(cased_tokens(r"In $\triangle ABC$ let $2x = 3\theta$."))
        ['in', '\\triangle', '@', 'let', '#', '@', '=', '#', '@']
    """
    shouted = not any(len(word) > 2 and word.isalpha() and word.islower() for word in words)
    marks = _MARKS[shouted]
    if len(marks) > _MOST_MARKS:
        marks.clear()
    return [marks[word] for word in words]


class _Marks(dict[str, str]):
    """Token → what stands for it when numbers and names are masked."""

    def __init__(self, shouted: bool) -> None:
        self._shouted = shouted

    def __missing__(self, word: str) -> str:
        name = _is_name(word, self._shouted)
        self[word] = made = "#" if word[0].isdigit() else "@" if name else word.lower()
        return made


_MARKS = {shouted: _Marks(shouted) for shouted in (False, True)}
_MOST_MARKS = 1 << 17


def _is_name(word: str, shouted: bool) -> bool:
    """Whether a token names a variable, points or a product of variables.

    Points are written in capitals, which say nothing in a text of capitals.
    """
    if not word.isascii():
        return False
    if word[0] == "\\":
        return word[1:].lower() in _GREEK
    if not word.isalpha() or len(word) > _MOST_POINTS:
        return False
    if word.isupper() and not shouted:
        return True
    if len(word) < 3:
        return word.lower() not in _SHORT_WORDS
    return not _VOWELS.intersection(word.lower())


def proper_names(words: Sequence[str]) -> set[str]:
    """The words of ``cased_tokens`` that are written with a capital within a sentence.

    Example:
        >>> sorted(proper_names(cased_tokens("Ann has 3 cats. How many has Ann's aunt Eve?")))
        ['Ann', 'Eve']
    """
    found = {
        word.partition("'")[0]
        for before, word in pairwise(words)
        if word[:1].isupper() and word[1:2].islower() and before not in _ENDS
    }
    return found if 2 * len(found) < len(set(words)) else set()  # else a text in title case


def without_names(words: Sequence[str], variables: bool = True) -> list[str]:
    """``cased_tokens`` in small letters, with ``@`` for proper names and those of variables.

    Example:
        >>> without_names(cased_tokens("Ann has $x+3$ cats. How many has Ann's aunt?"))
        ['@', 'has', '@', '+', '3', 'cats', '.', 'how', 'many', 'has', '@', 'aunt']
    """
    proper = proper_names(words)
    marks = masked(words) if variables else small(words)
    return [
        "@" if word.partition("'")[0] in proper else word if mark == "#" else mark
        for word, mark in zip(words, marks, strict=True)
    ]


def renamed(words: Sequence[str]) -> str:
    """``without_names``, with names numbered in the order in which they come.

    Equal for two texts of which one has its names replaced throughout.

    Example:
        >>> renamed(cased_tokens("Let $x+y=3$. Find $x$."))
        'let @0 + @1 = 3 . find @0'
    """
    names: dict[str, str] = {}
    found = without_names(words)
    for i, mark in enumerate(found):
        if mark == "@":
            name = words[i].partition("'")[0]
            found[i] = names.get(name) or names.setdefault(name, f"@{len(names)}")
    return " ".join(found)


def mathematics(words: Sequence[str]) -> tuple[str, ...]:
    """What of a token sequence makes its answer: numbers, operators and commands, in order.

    Of the words only those that turn an answer count (``add``, ``odd``, ``largest``, ``three``).
    Other words, letters (a variable may be renamed), brackets, punctuation and commands that only
    change looks are left out. Two texts in which these differ pose different problems, however
    alike they read.

    Example:
        >>> mathematics(tokens("Let $x=3$. Find $x+12$."))
        ('=', '3', '+', '12')
    """
    return tuple(
        [
            word
            for word in words
            if word in _COUNTED
            or (not word[0].isalpha() and (word[0].isdigit() or _is_command(word)))
        ]
    )


def _is_command(word: str) -> bool:
    return word[0] == "\\" and word not in _LOOKS


_ASKING_WORDS = (
    "find compute determine evaluate calculate what how which who where when why prove show "
    "express simplify solve give state"
)
_ASKS = frozenset(_ASKING_WORDS.split())


def asked(words: Sequence[str]) -> tuple[str, ...]:
    """The last clause that asks: from its last asking word on, letters and all.

    Two texts that ask for different things are different problems, however alike they read.

    Example:
        >>> asked(tokens("Let $x+y=3$ and $x-y=1$. Find the value of $x$."))
        ('find', 'the', 'value', 'of', 'x')
    """
    at = next((i for i in range(len(words) - 1, -1, -1) if words[i] in _ASKS), len(words))
    return tuple(words[at:])


def jaccard(a: set[str], b: set[str]) -> float:
    """Size of the intersection over size of the union; 1 for two empty sets."""
    if not a and not b:
        return 1.0
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)
