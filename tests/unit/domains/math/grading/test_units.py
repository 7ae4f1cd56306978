"""Answers in other units of the same kind are right, whatever the unit; by published tables."""

import pytest

from scalediff.domains.math.grading.grader import grade_at_once

# NIST Handbook 44 (2023), appendix C: exact by definition
SAME = [
    ("1 yard", "3 feet"), ("1 yard", "36 inches"), ("1760 yards", "1 mile"), ("5280 ft", "1 mile"),
    ("1 yd", "0.9144 meters"), ("1 inch", "2.54 cm"), ("1 foot", "30.48 cm"), ("1 dm", "10 cm"),
    ("1 mile", "1609.344 m"), ("1 km", "1000 m"), ("1 m", "1000 mm"), ("12 inches", "1 foot"),
    ("1 hour", "3600 seconds"), ("90 minutes", "1.5 hours"), ("2 days", "48 hours"),
    ("1 week", "7 days"), ("2 years", "24 months"), ("1 decade", "10 years"),
    ("1 century", "100 years"), ("1 kg", "1000 g"), ("1 g", "1000 mg"), ("1 ton", "1000 kg"),
    ("16 ounces", "1 pound"), ("1 pound", "453.59237 grams"), ("1 liter", "1000 mL"),
    ("1 gallon", "4 quarts"), ("1 quart", "2 pints"), ("1 pint", "2 cups"),
    ("1 gallon", "3.785411784 liters"), ("36 kilometers per hour", "10 meters per second"),
    ("60 miles per hour", "88 feet per second"),
    ("1 dollar", "100 cents"), ("2 square yards", "18 square feet"),
    ("1 square meter", "10000 square centimeters"),
    ("1 cubic yard", "27 cubic feet"),
]  # fmt: skip


def value_of(a, b):
    verdict = grade_at_once(a, b)
    return verdict.value if verdict is not None else None


@pytest.mark.parametrize(("one", "other"), SAME, ids=[f"{a} is {b}" for a, b in SAME])
def test_the_same_in_another_unit(one, other):
    assert value_of(one, other) == value_of(other, one) == "right"
    number, _, unit = other.partition(" ")
    assert value_of(one, f"{float(number) * 2:g} {unit}") == "wrong"


@pytest.mark.parametrize(
    ("one", "other"),
    [("1 yard", "1 meter"), ("3 yards", "3 feet"), ("1 mile", "1 km"), ("5 hours", "5 meters"),
     ("5 cm^2", "5 cm"), ("1 ounce", "1 gram"), ("10 mph", "10 kilometers per hour")],
)  # fmt: skip
def test_the_same_number_of_another_unit_is_another_answer(one, other):
    assert value_of(one, other) == value_of(other, one) == "wrong"
