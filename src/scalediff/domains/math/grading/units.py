"""Units: what they measure, and how many of one make another.

``convert("minute", "hour")`` is 1/60. Units of different kinds have no ratio and are another
answer; words that are no known unit (``apple``) say nothing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

_F = Fraction

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

SPELLINGS = {
    "cm": "centimeter",
    "mm": "millimeter",
    "dm": "decimeter",
    "m": "meter",
    "km": "kilometer",
    "kg": "kilogram",
    "g": "gram",
    "mg": "milligram",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter",
    "ft": "foot",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "h": "hour",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "mins": "minute",
    "s": "second",
    "sec": "second",
    "secs": "second",
    "mph": "mile per hour",
    "kph": "kilometer per hour",
    "in": "inch",
    "mi": "mile",
    "yd": "yard",
    "feet": "foot",
    "inches": "inch",
    "centuries": "century",
    "centimetre": "centimeter",
    "millimetre": "millimeter",
    "kilometre": "kilometer",
    "metre": "meter",
    "litre": "liter",
    "millilitre": "milliliter",
    "dollar": "dollar",
    "usd": "dollar",
    "buck": "dollar",
    "euro": "euro",
    "deg": "degree",
    "rad": "radian",
    "units": "",
    "unit": "",
    "sq": "square",
    "cu": "cubic",
}
"""How units are written → their name."""


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
