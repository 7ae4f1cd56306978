r"""Exact comparison of two answers, element by element, with three values.

Right and wrong are said only where they are certain by exact arithmetic or by the text. What is
left (radicals, variables, relations) goes to a ``leaf``: nothing in the main process, a computer
algebra system in the grader's worker. Collections are taken apart here, so that ``(1, 2)`` is never
mistaken for ``\{1, 2\}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from scalediff.core.records import Verdict
from scalediff.domains.math.arithmetic import value
from scalediff.domains.math.forms import Form, read
from scalediff.domains.math.latex import plain
from scalediff.domains.math.words import compare_words, number_word, words_and_number

Leaf = Callable[[Form, Form], Verdict | None]
"""Compares two forms that exact rules cannot; None where it cannot either."""

_MAX_PARTS = 40
_MAX_DEPTH = 6
_DECIMAL = re.compile(r"[-+]?\d*\.(\d+)")
_ORDERED = ("tuple", "closed", "mixed")


def no_leaf(a: Form, b: Form) -> Verdict | None:
    """Leaves open whatever exact rules cannot decide."""
    return None


def compare(a: str, b: str, leaf: Leaf = no_leaf) -> Verdict | None:
    r"""Whether two answers are the same; None where exact rules and the leaf leave it open.

    Example:
        >>> compare(r"\frac{1}{2}", "0.5").value, compare("(1,2)", r"\{1,2\}").value
        ('right', 'undecided')
    """
    return _forms(read(a), read(b), leaf, 0)


def _forms(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    if depth > _MAX_DEPTH or max(len(a.parts), len(b.parts)) > _MAX_PARTS:
        return Verdict("undecided", "too_long", "nested or listed beyond what is compared")
    if not a.text or not b.text:
        same = a.text == b.text
        return Verdict("undecided" if same else "wrong", "exact", "an answer is empty")
    verdict = _by_kind(a, b, leaf, depth)
    if verdict and verdict.value == "right" and a.name and b.name and a.name != b.name:
        return Verdict("undecided", "name", f"{a.name} and {b.name} have the same value")
    return verdict


def _by_kind(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    if a.kind == "scalar" and b.kind == "scalar":
        return _scalars(a, b, leaf)
    if plain(a.text) == plain(b.text):
        return Verdict("right", "exact", "the same text")
    if a.kind == "scalar" or b.kind == "scalar":
        return _scalar_and_collection(a, b, leaf, depth)
    if "union" in (a.kind, b.kind) and a.kind != b.kind:
        return leaf(a, b)
    return _collections(a, b, leaf, depth)


# -- scalars --------------------------------------------------------------------------------


def _scalars(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    clash = bool(a.unit and b.unit) and not _same_unit(a.unit, b.unit)
    alike = (a.percent, a.scale) == (b.percent, b.scale)
    if plain(a.text) == plain(b.text) and alike:
        if clash:
            return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")
        return Verdict("right", "exact", "the same text")
    x, y = value(number_word(a.text)), value(number_word(b.text))
    if x is not None and y is not None:
        numbers = _numbers(a, b, x, y)
        if clash and numbers.value != "undecided":
            return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")
        return numbers
    if x is not None or y is not None:
        told = words_and_number(b.text if x is not None else a.text, 0 in (x, y))
    else:
        told = compare_words(a.text, b.text)
    if told is not None:
        return told
    verdict = leaf(a, b) if alike else Verdict("undecided", "unit", "percent or scale differs")
    if clash and verdict is not None:
        return Verdict("undecided", "unit", f"{a.unit} and {b.unit}")
    return verdict


def _same_unit(a: str, b: str) -> bool:
    """Whether one unit's words are among the other's (``clip`` and ``clip altogether``)."""
    left, right = set(a.split()), set(b.split())
    return left <= right or right <= left


def _numbers(a: Form, b: Form, x: Fraction, y: Fraction) -> Verdict:
    if a.percent != b.percent:
        share, other = (x, y) if a.percent else (y, x)
        if other in (share, share / 100):
            return Verdict("right", "exact", "equal, one with a percent sign")
        return Verdict("wrong", "exact", "different numbers")
    if x * a.scale == y * b.scale:
        return Verdict("right", "exact", "equal numbers")
    if x == y:
        return Verdict("undecided", "unit", "equal but for a number word such as million")
    if rounds_to(a.text, y) or rounds_to(b.text, x):
        return Verdict("undecided", "rounding", "one is a rounding of the other")
    return Verdict("wrong", "exact", "different numbers")


def rounds_to(text: str, exact: Fraction) -> bool:
    """Whether a decimal with two or more places is ``exact`` rounded or cut to its places.

    Example:
        >>> rounds_to("0.33", Fraction(1, 3)), rounds_to("0.3", Fraction(1, 3))
        (True, False)
    """
    found = _DECIMAL.fullmatch(text)
    if not found or len(found[1]) < 2 or (own := value(text)) is None:
        return False
    return own != 0 and abs(own - exact) < Fraction(1, 10 ** len(found[1]))


# -- collections ----------------------------------------------------------------------------


def _scalar_and_collection(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    scalar, collection = (a, b) if a.kind == "scalar" else (b, a)
    if len(collection.parts) == 1:
        return _forms(scalar, read(collection.parts[0]), leaf, depth + 1)
    number = value(number_word(scalar.text)) is not None
    parts = [value(read(part).text) is not None for part in collection.parts]
    if number and (all(parts) or collection.kind not in ("list", "union")):
        return Verdict("wrong", "shape", f"one number and {len(parts)} elements")
    return leaf(a, b)


def _collections(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    if a.kind not in _ORDERED and b.kind not in _ORDERED:
        return _unordered(a, b, leaf, depth)
    if a.kind in _ORDERED and b.kind in _ORDERED:
        if a.brackets != b.brackets and "mixed" in (a.kind, b.kind):
            return Verdict("wrong", "shape", f"{a.brackets} and {b.brackets} are other intervals")
        verdict = _elementwise(a.parts, b.parts, leaf, depth)
        shared = a.brackets == b.brackets
    else:
        verdict = _elementwise(a.parts, b.parts, leaf, depth)
        shared = False
        if verdict is not None and verdict.value == "wrong":
            # the same elements in another order: which of the two was meant is not known
            verdict = _unordered(a, b, leaf, depth)
            if verdict is not None and verdict.value == "right":
                return Verdict("undecided", "shape", "the same elements, order unclear")
    if verdict is None or verdict.value != "right" or shared:
        return verdict
    if len(a.parts) > 2 and "set" not in (a.kind, b.kind):  # two may be an interval's ends
        return verdict
    return Verdict("undecided", "shape", f"the same elements as {a.kind} and as {b.kind}")


def _elementwise(a: Sequence[str], b: Sequence[str], leaf: Leaf, depth: int) -> Verdict | None:
    if len(a) != len(b):
        return Verdict("wrong", "shape", f"{len(a)} and {len(b)} elements")
    verdicts = [_forms(read(x), read(y), leaf, depth + 1) for x, y in zip(a, b, strict=True)]
    return _all_of(verdicts)


def _all_of(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Wrong where one is, else open where one is, else undecided where one is, else right."""
    for verdict in verdicts:
        if verdict is not None and verdict.value == "wrong":
            return verdict
    if any(verdict is None for verdict in verdicts):
        return None
    known = [verdict for verdict in verdicts if verdict is not None]
    for verdict in known:
        if verdict.value == "undecided":
            return verdict
    # the weakest rule is the one that the whole hangs on
    return next((verdict for verdict in known if verdict.rule != "exact"), known[0])


def _unordered(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    """Equal as sets: each element has its equal on the other side."""
    left, right = [read(part) for part in a.parts], [read(part) for part in b.parts]
    table = [[_forms(x, y, leaf, depth + 1) for y in right] for x in left]
    found = [_any_of(row) for row in table] + [_any_of(list(c)) for c in zip(*table, strict=True)]
    verdict = _all_of(found)
    if verdict is None or verdict.value != "right" or "set" in (a.kind, b.kind):
        return verdict
    if len(left) != len(right):
        return Verdict("undecided", "shape", "the same elements, some of them repeated")
    return verdict


def _any_of(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Right where one is, open where one is, undecided where one is, else wrong."""
    known = [verdict for verdict in verdicts if verdict is not None]
    for wanted in ("right", "undecided"):
        if wanted == "undecided" and len(known) < len(verdicts):
            return None
        for verdict in known:
            if verdict.value == wanted:
                return verdict
    return known[0]
