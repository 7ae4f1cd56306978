r"""Exact comparison of two answers, element by element, with three values.

Right and wrong are said only where they are certain: by the text, by exact arithmetic, or by the
values of both sides where a strict grammar reads them wholly (``by_values``). What is left goes to
another ``leaf``: none in the main process, a computer algebra system in the grader's worker.
Collections are taken apart here, so that ``(1, 2)`` is never mistaken for ``\{1, 2\}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.arithmetic import value
from scalediff.domains.math.grading.budget import IN_MAIN, TooMuchWork, at_most, spend
from scalediff.domains.math.grading.expression import letters, read_expression
from scalediff.domains.math.grading.families import compare_families
from scalediff.domains.math.grading.forms import Form, plus_minus, read
from scalediff.domains.math.grading.latex import plain
from scalediff.domains.math.grading.notations import (
    Based,
    Ratio,
    compare_notations,
    compare_with_number,
    read_ratio,
)
from scalediff.domains.math.grading.numeric import (
    by_values,
    compare_equations,
    compare_relations,
    solves,
)
from scalediff.domains.math.grading.records import compare_records, components, derivative, joint
from scalediff.domains.math.grading.regions import (
    ABOVE,
    BELOW,
    Interval,
    Joined,
    Region,
    ends_of,
    intervals_of,
    read_interval,
    same_region,
)
from scalediff.domains.math.grading.scalars import Leaf, compare_numbers, compare_scalars
from scalediff.domains.math.grading.verdicts import all_of, any_of
from scalediff.domains.math.grading.words import (
    choice,
    compare_words,
    number_word,
    words,
)

_MAX_PARTS = 40
_MAX_DEPTH = 6
_STEPS_A_PAIR = 100
_NUMBER = re.compile(
    r"\s*([-+]?(?:\d{1,60}|[1-9]\d{0,2}(?:,\d{3}){1,6})(?:\.\d{1,30})?)\s*", re.ASCII
)
_WHOLE_GROUP = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")
_GROUPED = re.compile(r"\d,\d{3}(?!\d)")
_COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+")
_ORDERED = ("tuple", "closed", "mixed")


def compare(a: str, b: str, leaf: Leaf = by_values, steps: int = IN_MAIN) -> Verdict | None:
    r"""Whether two answers are the same; None where exact rules and the leaf leave it open.

    Args:
        a: An answer.
        b: Another.
        leaf: What is asked about two scalars that exact rules cannot compare.
        steps: What may be spent on it (``budget``); None too where that does not do.

    Example:
        >>> compare(r"\frac{1}{2}", "0.5").value, compare("(1,2)", r"\{1,2\}").value
        ('right', 'undecided')
    """
    one, other = _NUMBER.fullmatch(a), _NUMBER.fullmatch(b)
    if one and other:  # most answers, at once
        x, y = one[1].replace(",", ""), other[1].replace(",", "")
        return compare_numbers(Form(x), Form(y), Fraction(x), Fraction(y))
    try:
        with at_most(steps):
            verdict = _forms(read(a), read(b), leaf, 0)
            if verdict is not None and verdict.value == "right" and _two_currencies(a, b):
                return Verdict("undecided", "unit", "a dollar sign, or a delimiter")
            return verdict
    except TooMuchWork:
        return None


def _two_currencies(a: str, b: str) -> bool:
    """Whether one is in pounds or euros and the other has a bare dollar sign: ``£5``, ``$5``."""
    for one, other in ((a, b), (b, a)):
        if re.search(r"[€£]|\\pounds|EUR|GBP", one) and re.match(r"\s*\$\s*\d", other):
            return not re.search(r"[€£]|\\pounds|EUR|GBP", other)
    return False


def _forms(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    spend(_STEPS_A_PAIR)
    if depth > _MAX_DEPTH or max(len(a.parts), len(b.parts)) > _MAX_PARTS:
        return Verdict("undecided", "too_long", "nested or listed beyond what is compared")
    if not a.text or not b.text:
        same = a.text == b.text
        return Verdict("undecided" if same else "wrong", "exact", "an answer is empty")
    verdict = _by_kind(a, b, leaf, depth)
    if verdict is None or verdict.value != "right":
        return verdict
    if depth and (a.text[0] == "[") != (b.text[0] == "[") and "scalar" in (a.kind, b.kind):
        return Verdict("wrong", "shape", "an element and a list of it")
    if a.name and b.name and a.name != b.name and a.name[0] != "(" and verdict.rule != "relation":
        return _other_names(a, b)
    if a.about != b.about:
        return Verdict("undecided", "rounding", "one calls itself approximate")
    return verdict


def _other_names(a: Form, b: Form) -> Verdict:
    """The verdict on two names for one value: ``f'`` is no ``f''``, ``x+y`` may be no ``x-y``."""
    one, other = (derivative(form.name) for form in (a, b))
    if one[0] or other[0]:  # where one does not say by what, it may be by the same
        same = one[:2] == other[:2] and (one[2] == other[2] or not (one[2] and other[2]))
        if same or one[0] != other[0] or (one[2] and other[2]):
            return Verdict("right" if same else "wrong", "name", f"{a.name} and {b.name}")
        return Verdict("undecided", "name", f"{a.name} and {b.name} may be one derivative")
    if any(re.search(r"\w[-+]", form.name) for form in (a, b)):
        told = compare_equations(a, b)
        if told is not None and told.value == "wrong":
            return told
    return Verdict("undecided", "name", f"{a.name} and {b.name} have the same value")


def _by_kind(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    if a.kind == "scalar" and b.kind == "scalar":
        return _vectors(a, b, leaf, depth) or compare_scalars(a, b, leaf)
    records = compare_records(a, b, partial(_texts, leaf=leaf, depth=depth))
    if records is not None:
        return records
    if plain(a.text) == plain(b.text):
        return Verdict("right", "exact", "the same text")
    if _ambiguous_commas(a, b):
        return Verdict("undecided", "shape", "commas that may group digits or part elements")
    kinds = (a.kind, b.kind)
    if (told := _by_joint(a, b) or _imaginary(a, b) or _vectors(a, b, leaf, depth)) is not None:
        return told
    if "notation" in kinds:
        return _notations(a, b, leaf, depth)
    if "region" in kinds:
        return _regions(a, b, leaf)
    if "scalar" in kinds:
        return _scalar_and_collection(a, b, leaf, depth)
    if "matrix" in kinds:
        return _matrices(a, b, leaf, depth)
    if not a.parts or not b.parts:
        if not a.parts and not b.parts:
            return Verdict("right", "exact", "both are empty")
        return Verdict("wrong", "shape", "nothing and something")
    return _collections(a, b, leaf, depth)


def _texts(a: str, b: str, leaf: Leaf, depth: int) -> Verdict | None:
    return _forms(read(a), read(b), leaf, depth + 1)


def _by_joint(a: Form, b: Form) -> Verdict | None:
    """*And* is not *or*, but between answers to one question: ``1 and 2``, ``x=1 or x=2``."""
    joints = [joint(form) for form in (a, b)]
    if None in joints or joints[0] == joints[1] or "or" not in joints:
        return None
    kinds = {read(part).kind for form in (a, b) for part in form.parts}
    if kinds != {"scalar"} and kinds != {"region"}:
        return None if "and" not in joints else Verdict("undecided", "shape", "and, or or?")
    one_name = all(len({read(part).name for part in form.parts}) == 1 for form in (a, b))
    trees = [read_expression(read(p).text) for form in (a, b) for p in form.parts]
    if one_name and not any(tree is None or letters(tree) for tree in trees):
        return None
    if sorted(joints, key=str) == ["and", "or"]:
        return Verdict("wrong", "shape", "and is not or")
    return Verdict("undecided", "shape", "a list that says or, and one that does not")


def _imaginary(a: Form, b: Form) -> Verdict | None:
    """``-3i`` beside (-3, 0) or (0, -3): a vector, a complex number, or a product."""
    for single, pair in ((a, b), (b, a)):
        found = re.fullmatch(r"([-+]?[\d./]*)[ij]", single.text)
        if found and pair.kind == "tuple" and len(pair.parts) == 2:
            number = value(found[1] if found[1].strip("+-") else found[1] + "1")
            if {value(part) for part in pair.parts} == {number, Fraction(0)}:
                return Verdict("undecided", "shape", f"{single.text} may be a vector")
    return None


def _vectors(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    r"""``4\hat i - \hat j`` is (4, -1); ``4i-j`` may be."""
    one, two = (components(f.full) if f.kind == "scalar" else None for f in (a, b))
    if one and two and (one[1] or two[1]):
        width = max(len(one[0]), len(two[0]))
        left, right = ((*parts, "0", "0")[:width] for parts, _ in (one, two))
        return _elementwise(left, right, leaf, depth)
    for vector, other, found in ((a, b, one), (b, a, two)):
        if found and other.kind in (*_ORDERED, "matrix"):
            parts, marked = found
            parts += ("0",) * (len(other.parts) - len(parts))
            told = _elementwise(parts, other.parts, leaf, depth)
            if told is None or told.value != "right" or marked:
                return told
            return Verdict("undecided", "shape", f"{vector.text} may be a vector")
    return None


def _ambiguous_commas(a: Form, b: Form) -> bool:
    """``2,500`` and ``2, 500``, ``(1,000, 2)`` and anything: two readings."""
    if re.sub(r"[,\s]", "", a.text) == re.sub(r"[,\s]", "", b.text) and "," in a.text + b.text:
        return bool(_GROUPED.search(a.text) or _GROUPED.search(b.text)) and a.kind != b.kind
    merged = [plain(_WHOLE_GROUP.sub(_together, form.text)) for form in (a, b)]
    if merged[0] == merged[1]:
        return True
    return any(
        form.kind != "scalar" and _GROUPED.search(form.text) and re.search(r",\s", form.text)
        for form in (a, b)
    )


def _together(match: re.Match[str]) -> str:
    return match[0].replace(",", "")


# -- collections ----------------------------------------------------------------------------


def _notations(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    one, other = a.notation, b.notation
    if one is not None and other is not None:
        if isinstance(one, Ratio) and isinstance(other, Ratio):
            return _ratios(one, other, leaf, depth)
        told = compare_notations(one, other)
        return told or _ratios_in_text(a, b, leaf, depth)
    notation, form = (one, b) if one is not None else (other, a)
    assert notation is not None
    if form.kind != "scalar":
        return None
    if told := compare_with_number(notation, number_word(form.text)):
        return told
    if isinstance(notation, Ratio) and len(notation.parts) == 2:  # \sqrt{2}:1, and \sqrt{2}
        return leaf(Form("({})/({})".format(*notation.parts)), Form(form.text))
    if isinstance(notation, Based) and read_expression(form.text) is not None:
        told = leaf(Form(str(notation.number)), Form(form.text))
        if told is not None and told.value == "wrong":
            return told
    return leaf(a, b)


def _ratios_in_text(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    """``1:12`` looks like a time; beside a ratio it is one."""
    one, other = read_ratio(a.text), read_ratio(b.text)
    return _ratios(one, other, leaf, depth) if one and other else None


def _ratios(a: Ratio, b: Ratio, leaf: Leaf, depth: int) -> Verdict | None:
    if len(a.parts) != len(b.parts):
        return Verdict("wrong", "shape", f"ratios of {len(a.parts)} and of {len(b.parts)}")
    left, right = ([value(read(part).text) for part in x.parts] for x in (a, b))
    if None in left or None in right or not left[0] or not right[0]:
        return _elementwise(a.parts, b.parts, leaf, depth)
    same = all(
        x * right[0] == y * left[0]  # type: ignore[operator]
        for x, y in zip(left, right, strict=True)
    )
    return Verdict("right" if same else "wrong", "exact", "ratios")


def _regions(a: Form, b: Form, leaf: Leaf) -> Verdict | None:
    one, other = _region_of(a), _region_of(b)
    if one is None or other is None:
        form = b if one is not None else a
        if form.kind == "list":  # x > 3, x != 5: and, or or?
            return Verdict("undecided", "shape", "a region and several relations")
        if form.kind in ("tuple", "set", "matrix") or value(number_word(form.text)) is not None:
            return Verdict("wrong", "shape", f"a region and a {form.kind}")
        return leaf(a, b)
    same = same_region(one, other)
    left, right = intervals_of(one), intervals_of(other)
    if same is not None:
        if (
            not same
            and left
            and right
            and any("." in end for r in (one, other) for end in ends_of(r))
        ):
            told = _interval_by_interval(left, right, leaf)
            if told is not None and told.rule == "rounding":
                return told
        return Verdict(
            "right" if same else "wrong", "exact", f"{'the same' if same else 'another'} region"
        )
    if (told := compare_relations(a.full, b.full)) is not None or a.name != b.name:
        return told
    return _interval_by_interval(left, right, leaf) if left and right else None


def _region_of(form: Form) -> Region | None:
    if form.kind == "region":
        return form.region
    if form.kind in ("tuple", "closed", "mixed") and len(form.parts) == 2:
        return read_interval(form.text)
    if form.kind != "set":
        return None
    return Joined("or", tuple(Interval(part, part, True, True) for part in form.parts))


def _interval_by_interval(
    a: Sequence[Interval], b: Sequence[Interval], leaf: Leaf
) -> Verdict | None:
    """Regions whose ends are compared one by one, as sets of intervals."""
    if len(a) != len(b):
        return None
    table = [[_intervals(x, y, leaf) for y in b] for x in a]
    return all_of([any_of(row) for row in table])


def _intervals(a: Interval, b: Interval, leaf: Leaf) -> Verdict | None:
    if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed):
        return Verdict("wrong", "shape", "an end belongs to one of them only")
    ends: list[Verdict | None] = []
    for x, y in ((a.low, b.low), (a.high, b.high)):
        if x == y:
            ends.append(Verdict("right", "exact", "the same end"))
        elif {x, y} & {BELOW, ABOVE}:
            ends.append(Verdict("wrong", "exact", "one has no end"))
        else:
            ends.append(_forms(read(x), read(y), leaf, 1))
    return all_of(ends)


def _matrices(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    """Entry by entry; a column or a row is a tuple."""
    if a.kind == b.kind and a.rows != b.rows:
        line = 1 in (a.rows, len(a.parts) // a.rows) and 1 in (b.rows, len(b.parts) // b.rows)
        if line and len(a.parts) == len(b.parts):
            return Verdict("undecided", "shape", "a row and a column")
        return Verdict("wrong", "shape", f"{a.rows} and {b.rows} rows")
    matrix, other = (a, b) if a.kind == "matrix" else (b, a)
    if other.kind not in ("matrix", "tuple", "closed"):
        return leaf(a, b)
    if other.kind != "matrix" and matrix.rows not in (1, len(matrix.parts)):
        rows = [read(part) for part in other.parts]
        width = len(matrix.parts) // matrix.rows
        if len(rows) != matrix.rows or any(len(row.parts) != width for row in rows):
            return Verdict("wrong", "shape", "a matrix and a tuple")
        return _elementwise(matrix.parts, [p for row in rows for p in row.parts], leaf, depth)
    return _elementwise(a.parts, b.parts, leaf, depth)


def _scalar_and_collection(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    scalar, collection = (a, b) if a.kind == "scalar" else (b, a)
    if not collection.parts:
        number_alone = value(number_word(scalar.text))
        if number_alone is None:
            return compare_words(scalar.text, "no solution") or leaf(a, b)
        return Verdict(
            "undecided" if number_alone == 0 else "wrong", "shape", "nothing and a number"
        )
    if collection.kind == "matrix":
        if read_expression(scalar.text) is None or "=" in scalar.full:
            return leaf(a, b)
        return Verdict("wrong", "shape", "a matrix and a scalar")
    if collection.kind == "tuple" and collection.name[:1].isupper():
        return Verdict("undecided", "shape", "a number and what may be a point or a function")
    if (told := _families(a, b)) is not None:
        return told
    if len(collection.parts) == 1 and depth and collection.kind == "set":
        return Verdict("wrong", "shape", "an element and a set of it")
    if len(collection.parts) == 1:
        return _forms(scalar, read(collection.parts[0]), leaf, depth + 1)
    if (told := _decimal_comma(scalar, collection)) is not None:
        return told
    alone: list[Verdict | None] = []
    if collection.kind == "list" and len(set(collection.parts)) == len(collection.parts):
        alone = [_forms(scalar, read(part), leaf, depth + 1) for part in collection.parts]
        if all(verdict is not None and verdict.value == "right" for verdict in alone):
            return Verdict("right", "exact", "one answer in several forms")
    kinds = {read(part).kind for part in collection.parts}
    other_name = collection.name != scalar.name
    if "region" in kinds or (other_name and "=" in collection.full and "=" in scalar.full):
        return Verdict("undecided", "shape", "one answer and several relations")
    if any(read(part).unit for part in collection.parts) and collection.kind == "list":
        return Verdict("undecided", "unit", "a quantity in several units, or several")
    joined = "".join(part.strip("() ") for part in collection.parts)
    if scalar.text.isupper() and sorted(scalar.text) == sorted(joined):
        return Verdict("undecided", "text", "letters together and apart")
    if words(scalar.text) and words(scalar.text) in (words(collection.parts[0]), None):
        return Verdict("undecided", "text", "the same word and more")
    if (told := _equation_and_solutions(scalar, collection)) is not None:
        return told
    number = value(number_word(scalar.text)) is not None
    parts = [value(read(part).text) is not None for part in collection.parts]
    if number and (all(parts) or collection.kind != "list"):
        return Verdict("wrong", "shape", f"one number and {len(parts)} elements")
    if choice(scalar.text) and all(choice(part) for part in collection.parts):
        return Verdict("wrong", "shape", f"one choice and {len(parts)}")
    alone = alone or [_forms(scalar, read(part), leaf, depth + 1) for part in collection.parts]
    if all(verdict is not None and verdict.value == "wrong" for verdict in alone):
        return Verdict("wrong", "shape", f"none of {len(parts)} elements")
    if len([v for v in alone if v is not None and v.value == "right"]) == len(alone):
        return Verdict("undecided", "shape", "the same answer several times")
    if all(alone) and any(v is not None and v.value == "wrong" for v in alone):
        return Verdict("wrong", "shape", f"one answer and {len(parts)}")
    return leaf(a, b)


def _decimal_comma(scalar: Form, listed: Form) -> Verdict | None:
    """``0,5`` beside 0.5; ``7,5`` may be two numbers."""
    if listed.kind != "list" or not _COMMA_NUMBER.fullmatch(listed.text):
        return None
    other = value(scalar.text)
    if other is None or value(listed.text.replace(",", ".")) != other:
        return None
    if listed.text.lstrip("-+").startswith("0,"):
        return Verdict("right", "exact", "a decimal comma")
    return Verdict("undecided", "shape", "a decimal comma, or two numbers")


def _families(a: Form, b: Form) -> Verdict | None:
    r"""``\frac{\pi}{4}+\frac{k\pi}{2}``, and its values for even and for odd k."""
    parts = [form.parts or (form.text,) for form in (a, b)]
    if not all(
        "pi" in part or form.whole for form, own in zip((a, b), parts, strict=True) for part in own
    ):
        return None
    trees = [[read_expression(read(part).text) for part in own] for own in parts]
    if any(tree is None for own in trees for tree in own):
        return None
    left, right = ([tree for tree in own if tree is not None] for own in trees)
    return compare_families(left, right, bool(a.whole or b.whole))


def _equation_and_solutions(single: Form, listed: Form) -> Verdict | None:
    """``x^2=y^2``, and ``x=y or x=-y``; wrong where one of these is no solution."""
    if joint(listed) != "or" or "=" not in single.full:
        return None
    for part in listed.parts:
        told = solves(read(part), single)
        if told is False:
            return Verdict("wrong", "numeric", "a listed solution is none of the equation")
    return Verdict("undecided", "shape", "an equation and its solutions")


def _collections(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    for form in (a, b):
        if form.kind == "list" and any(read(part).kind == "region" for part in form.parts):
            return Verdict("undecided", "shape", "several relations: and, or or?")
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
    return all_of(verdicts)


def _spread(parts: Sequence[str]) -> list[str]:
    r"""Elements with both readings of a plus-minus: ``(\pm 1, 0)`` is two points."""
    found: list[str] = []
    for part in parts:
        form = read(part)
        if form.kind in _ORDERED and r"\pm" in part:
            found += plus_minus(part)
        else:
            found.append(part)
    return found


def _unordered(a: Form, b: Form, leaf: Leaf, depth: int) -> Verdict | None:
    """Equal as sets: each element has its equal on the other side."""
    if (told := _families(a, b)) is not None:
        return told
    left, right = ([read(part) for part in _spread(x.parts)] for x in (a, b))
    table = [[_forms(x, y, leaf, depth + 1) for y in right] for x in left]
    found = [any_of(row) for row in table] + [any_of(list(c)) for c in zip(*table, strict=True)]
    verdict = all_of(found)
    if verdict is None or verdict.value != "right" or "set" in (a.kind, b.kind):
        return verdict
    if len(left) != len(right) or not _as_often(table):
        return Verdict("undecided", "shape", "the same elements, some of them repeated")
    return verdict


def _as_often(table: Sequence[Sequence[Verdict | None]]) -> bool:
    """Whether equal elements stand as often on one side as on the other."""
    rows = [
        tuple(j for j, v in enumerate(row) if v is not None and v.value == "right") for row in table
    ]
    return all(rows.count(columns) == len(columns) for columns in rows)
