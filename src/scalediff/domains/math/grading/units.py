"""Words behind a number: units and what they measure, things counted, factors, and the unknown.

``convert("minute", "hour")`` is 1/60. Units of different kinds have no ratio and are another
answer. A word counts as a unit only if it is listed here (``apple``), since any other may change
the number (``short``, ``negative``): an answer with such a word is the same text or undecided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scalediff.domains.math.grading.words import PARTS

_F = Fraction
ONE = Fraction(1)

_KINDS: dict[str, dict[str, Fraction]] = {
    "length": {
        "millimeter": _F(1, 1000),
        "centimeter": _F(1, 100),
        "decimeter": _F(1, 10),
        "meter": _F(1),
        "kilometer": _F(1000),
        "inch": _F(254, 10_000),
        "foot": _F(3048, 10_000),
        "yard": _F(9144, 10_000),
        "mile": _F(1_609_344, 1000),
    },
    "time": {
        "second": _F(1),
        "minute": _F(60),
        "hour": _F(3600),
        "day": _F(86_400),
        "week": _F(604_800),
    },
    "long time": {"month": _F(1), "year": _F(12), "decade": _F(120), "century": _F(1200)},
    "mass": {
        "milligram": _F(1, 1000),
        "gram": _F(1),
        "kilogram": _F(1000),
        "ton": _F(1_000_000),
        "ounce": _F(28_349_523_125, 10**9),
        "pound": _F(45_359_237, 10**5),
    },
    "volume": {
        "milliliter": _F(1, 1000),
        "liter": _F(1),
        "cup": _F(2_365_882_365, 10**10),
        "pint": _F(473_176_473, 10**9),
        "quart": _F(946_352_946, 10**9),
        "gallon": _F(3_785_411_784, 10**9),
    },
    "speed": {
        "kilometer per hour": _F(1000, 3600),
        "mile per hour": _F(1_609_344, 3_600_000),
        "meter per second": _F(1),
        "foot per second": _F(3048, 10_000),
    },
    "dollar": {"cent": _F(1, 100), "dollar": _F(1)},
    "euro": {"euro": _F(1)},
    "pound sterling": {"pound sterling": _F(1)},
    "angle": {"degree": _F(1)},
    "radian": {"radian": _F(1)},
    "celsius": {"degree celsius": _F(1)},
    "fahrenheit": {"degree fahrenheit": _F(1)},
    "count": {"dozen": _F(12)},
}
_UNITS = {name: (kind, size) for kind, units in _KINDS.items() for name, size in units.items()}

_SPELT = """
cm centimeter, mm millimeter, dm decimeter, m meter, km kilometer, kg kilogram, g gram, mg
milligram, l liter, L liter, ml milliliter, mL milliliter, ft foot, lb pound, lbs pound, oz ounce,
h hour, hr hour, hrs hour, min minute, mins minute, s second, sec second, secs second, mph mile
per hour, kph kilometer per hour, in inch, mi mile, yd yard, feet foot, inches inch, centuries
century, centimetre centimeter, millimetre millimeter, kilometre kilometer, metre meter, litre
liter, millilitre milliliter, usd dollar, buck dollar, deg degree, rad radian, units , unit , sq
square, cu cubic
"""
SPELLINGS = dict(pair.strip().partition(" ")[::2] for pair in _SPELT.replace("\n", " ").split(","))
"""How units are written → their name."""

_THINGS = """
apple orange pear banana cookie egg marble candy sweet cake pie slice pizza cupcake book page
letter word pencil pen sticker stamp card coin box bag bottle can jar basket crate ball toy flower
tree rose plant leaf animal dog cat bird chicken hen cow horse sheep goat pig duck fish rabbit
kitten puppy student child kid person people man woman boy girl friend player team member worker
teacher guest customer passenger employee soldier family car bus truck bike bicycle train seat
room house apartment floor table chair shirt shoe sock hat ticket song game point goal vote
win match way arrangement permutation combination subset solution integer
number digit factor divisor prime side edge face vertex vertices diagonal triangle
rectangle tile row column step turn move time trip lap round problem question answer test
class lesson gift present bead block brick piece part group set line path route outcome value
element term function case possibility possibilities sequence string color colour shell rock stone
bill penny pennies nickel dime movie photo picture cell clip bacteria watt volt joule
newton amp ampere ohm hertz pascal mole kelvin calorie radian byte bit acre hectare bushel barrel
loaf loaves sandwich serving
"""
_COUNTED = frozenset(_THINGS.split())
"""What is counted: behind a number it says what there are, never how many."""
_FILLER_NAMES = "of in on by per the a an each altogether total long tall high wide deep old"
_FILLERS = frozenset(_FILLER_NAMES.split())
_ORDINALS = frozenset(["th", "st", "nd", "rd"])
_DENIALS = frozenset(
    ["wrong", "incorrect", "false", "not", "negative", "isn't", "never", "invalid"]
)
_CHANGING = re.compile(
    r"(?:^|\s)dozen|[^\s^]\s+(?:square|cubic)(?:$|\^)|^(?:square|cubic)$|\bby\b|^\^"
    r"|(?:radian|degree|unit)\^|\bbit per byte|\bon (?:the )?dollar|\b(?:in|per) (?:a |an )?cent\b"
)
"""Words that are known and yet may change the number: ``meter square``, ``5 cm by cm``."""
_AMOUNTS = {"dozen": 12, "gross": 144, "hundred": 100, "thousand": 1_000, "lakh": 10**5,
            "million": 10**6, "crore": 10**7, "billion": 10**9, "trillion": 10**12}  # fmt: skip
POWERS = {"squared": "^2", "cubed": "^3", "factorial": "!"}
"""Words behind a number that are written as signs."""


@dataclass(frozen=True)
class Words:
    """What words behind a number say.

    Attributes:
        unit: Its unit, or the words as they stand; empty where there is nothing but a factor.
        scale: What they multiply the number by.
        known: Whether they are known to leave the number as it is otherwise.
        denied: Whether they say that it is another number.
    """

    unit: str = ""
    scale: Fraction = ONE
    known: bool = True
    denied: bool = False


def read_words(said: str, power: str = "") -> Words:
    """What words behind a number say; what is not known here is said to be so.

    Args:
        said: Words: ``square cm``, ``ninths of an inch``, ``short``.
        power: The exponent behind them, such as ``^2``.

    Example:
        >>> read_words("ninths of an inch"), read_words("marbles").known
        (Words(unit='inch', scale=Fraction(1, 9), known=True, denied=False), True)
        >>> read_words("short").known, read_words("is wrong").denied
        (False, True)
    """
    names = [_singular(word) for word in re.split(r"[\s/]+", said.strip(" .-/")) if word]
    scale = _F(1)
    while names and (factor := _AMOUNTS.get(names[0]) or _share(names[0])):
        scale *= factor
        names.pop(0)
        while names and names[0] in ("of", "a", "an", "the"):
            names.pop(0)
    whole = " ".join(names)
    known = (
        all(is_known(name) for name in names)
        and not _CHANGING.search(whole + power)
        and not (set(names) and set(names) <= _FILLERS)
    )
    denied = bool(_DENIALS.intersection(said.lower().split()))
    unit = canonical(" ".join(names) + (power if names else ""))
    return Words(unit, scale, known and not denied, denied)


def is_known(name: str) -> bool:
    """Whether a word, in the singular, is a unit, a thing that is counted, or goes with such."""
    parts = {"square", "cubic", "", "pound", *SPELLINGS.values()}
    return name in _UNITS or name in _COUNTED or name in _FILLERS or name in parts


def _share(name: str) -> Fraction | None:
    part = PARTS.get(name)
    return _F(1, part) if part and name not in ("quarter", "half") else None


def _singular(word: str) -> str:
    word = word.strip(".,").removeprefix("\\")
    if word in SPELLINGS:
        return SPELLINGS[word]
    word = word.lower()
    if word in _ORDINALS:
        return ""
    for ending in ("s", "es"):
        stem = word.removesuffix(ending)
        if stem != word and (is_known(stem) or stem in PARTS):
            return stem
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return SPELLINGS.get(word, word)


def canonical(words: str) -> str:
    """One name for a unit in words: ``square centimeter`` and ``centimeter^2`` are one.

    Example:
        >>> canonical("square centimeter"), canonical("kilometer hour")
        ('centimeter^2', 'kilometer per hour')
    """
    for word, power in (("square", "^2"), ("cubic", "^3")):
        if words.startswith(f"{word} "):
            words = words[len(word) + 1 :] + power
    for pair in ("kilometer hour", "mile hour", "meter second", "foot second"):
        if words == pair:
            return pair.replace(" ", " per ")
    return words


def convert(a: str, b: str) -> Fraction | Literal["other"] | None:
    """How many of unit ``b`` one of ``a`` is; ``other`` for another kind, None where unknown.

    Example:
        >>> convert("minute", "hour"), convert("centimeter^2", "meter^2"), convert("hour", "meter")
        (Fraction(1, 60), Fraction(1, 10000), 'other')
        >>> convert("apple", "pear") is None
        True
    """
    a, b = canonical(a), canonical(b)
    if {a, b} == {"pound", "pound sterling"}:
        return None
    left, right = _UNITS.get(a.split("^")[0]), _UNITS.get(b.split("^")[0])
    if left is None or right is None:
        return None
    powers = [int(name.partition("^")[2] or 1) for name in (a, b)]
    if left[0] != right[0] or powers[0] != powers[1]:
        return "other"
    return (left[1] / right[1]) ** powers[0]
