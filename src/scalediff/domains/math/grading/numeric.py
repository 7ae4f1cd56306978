r"""Verdicts by values: expressions, equations, inequalities and the roundings of either.

Two answers that a strict grammar reads wholly are right where they have the same values at every
point tried, to many digits and relative to their size, and wrong where they plainly have not.
Equations are the same where their sides differ by a constant factor, and others where a point that
satisfies one does not satisfy the other. Everything else stays open. A text with two readings
(``1/2x``, ``\log`` without a base) is compared in each: what holds in all of them is said.
"""

from __future__ import annotations

import random
import re
from functools import partial
from typing import Any

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.evaluate import (
    Finding,
    Point,
    close,
    compare_trees,
    is_real,
    may_be_renamed,
    mpf,
    one_derivative,
    points_for,
    substituted,
    value_at,
)
from scalediff.domains.math.grading.expression import (
    BOUND,
    Tree,
    applied_in,
    changed,
    holds,
    letters,
    read_expression,
    subtrees,
)
from scalediff.domains.math.grading.families import (
    antiderivative,
    compare_families,
    general_solutions,
)
from scalediff.domains.math.grading.forms import Form
from scalediff.domains.math.grading.latex import split_top
from scalediff.domains.math.grading.scalars import slack

_OTHER_RELATION = re.compile(r"[<>]|\\(?:le|ge|lt|gt|ne|in|equiv)(?![A-Za-z])")
_ORDER = re.compile(r"\\(?:le|ge|lt|gt|ne)(?![A-Za-z])|<=|>=|!=|<|>")
_EQUALS = re.compile("=")
_DEGREE = r"^\circ"
_UNIT = re.compile(
    r"(.*?[\d)}i\s])\s*(?:k?m|[cmd]m|m?g|kg|h|s|min|[km]?L|ml|l|N|k?J|m?V|k?W|m?A|K|k?Pa|k?Hz|ft|in|mi|k|M"
    r"|\\Omega)(?:\s*/\s*(?:s|h|min|m|L|g|kg))?(?:\s*\^\s*\{?\d\}?)?"
)
_CROSS = re.compile(r"[A-Za-z)}]\s*\\times\s*[A-Za-z(\\]")
_DOT = re.compile(r"[A-Za-z)}]\s*\\cdot\s*[A-Za-z(\\]")
_INVERTED = re.compile(r"[A-Z)]\s*\^\s*\{?\s*(?:-\s*1|T|\\top)")
_STARTS = (0.7, -1.3, 2.9, 11.0, -6.1)
_STEPS = 80
_LOGARITHMS: tuple[Tree, ...] = (("constant", "e"), ("number", "10"), ("number", "2"))
"""What people mean by a logarithm without a base."""


def by_values(a: Form, b: Form) -> Verdict | None:
    """The verdict on two scalars by their values; None where that leaves it open."""
    verdict = _by_values(a, b)
    if verdict is not None and verdict.value == "wrong" and (_applies(a) or _applies(b)):
        return Verdict("undecided", "numeric", "a letter that may be a function")
    return verdict


def _applies(form: Form) -> bool:
    """Whether a letter stands before what may be its argument: ``T(n)``, ``E[X]``."""
    trees = [read_expression(side.strip()) for side in split_top(form.full, _RELATION) or ()]
    return any(tree is not None and holds(tree, "apply") for tree in trees)


def _by_values(a: Form, b: Form) -> Verdict | None:
    if _ORDER.search(a.full) or _ORDER.search(b.full):
        return compare_relations(a.full, b.full)
    two_names = bool(a.name and b.name) and a.name != b.name
    if (two_names and "=" in a.full + b.full) or _has_equation(a.text) or _has_equation(b.text):
        return compare_equations(a, b)
    verdict = _expressions(a.text, b.text, bool(a.whole or b.whole))
    if verdict is not None and verdict.value == "right" and "=" in a.full and "=" in b.full:
        x, y = read_expression(a.text), read_expression(b.text)
        if x and y and not _same_points(x, y):  # y = x, and y = e^{\ln x}
            return Verdict("undecided", "relation", "one may be defined for other numbers")
    one_unit = bool(a.unit) != bool(b.unit)
    if verdict is not None and verdict.value == "wrong" and one_unit:
        letter = _UNIT.fullmatch(a.text if b.unit else b.text)
        return (
            Verdict("undecided", "unit", "a unit, and letters that may be") if letter else verdict
        )
    return verdict


def understood(text: str, plainly: bool = False) -> bool:
    r"""Whether the grammar reads a text whole: an expression, or a relation between such.

    The entries of a matrix are read one by one. ``plainly`` refuses derivatives and functions
    that nobody defined, which other readers take for products.

    Example:
        >>> understood(r"|x| \ge 2"), understood("f^{-1}(x)"), understood("2+")
        (True, False, False)
    """
    for cells in _MATRIX.findall(text):
        if not all(understood(cell.strip()) for cell in re.split(r"&|\\\\", cells) if cell.strip()):
            return False
    text = _MATRIX.sub("(1)", text)
    sides = split_top(text, _RELATION)
    trees = [read_expression(side) for side in sides or ()]
    odd = "'" in text or any(tree and holds(tree, "call", "apply", "diff") for tree in trees)
    odd = odd or bool(applied_in(text))
    return bool(trees) and None not in trees and not (plainly and odd)


_MATRIX = re.compile(r"\\begin\{[pbvB]?matrix\}(.*?)\\end\{[pbvB]?matrix\}")
_RELATION = re.compile(rf"{_ORDER.pattern}|=")


def _has_equation(text: str) -> bool:
    sides = split_top(text, _EQUALS) if "=" in text else None
    return sides is not None and len(sides) > 1


# -- expressions ----------------------------------------------------------------------------


def _expressions(a: str, b: str, whole: bool = False) -> Verdict | None:
    pairs = _readings(a, b)
    if not pairs:
        return None
    if len(pairs) == 1:
        x, y = pairs[0]
        if (
            told := antiderivative(x, y)
            or general_solutions(x, y)
            or compare_families([x], [y], whole)
        ):
            return told
    findings = {compare_trees(x, y) for x, y in pairs}
    if len(findings) > 1:
        return Verdict("undecided", "numeric", "equal in one reading of the text only")
    finding: Finding = findings.pop()
    if finding == "equal":
        if _factors(a) and _factors(b) and _factors(a) != _factors(b):
            return Verdict("undecided", "numeric", "equal for numbers, not for matrices")
        capitals = [set(re.findall("[A-Z]", re.sub("T", "", text))) for text in (a, b)]
        if _INVERTED.search(a + " " + b) and max(map(len, capitals)) > 1:
            return Verdict("undecided", "numeric", "equal for numbers, not for matrices")
        if any(_CROSS.search(s) and _DOT.search(t) for s, t in ((a, b), (b, a))):
            return Verdict("undecided", "numeric", "equal for numbers, not for vectors")
        return Verdict("right", "numeric", "equal values")
    if finding == "different":
        if any(_rounds(x, y) or _rounds(y, x) for x, y in pairs):
            return Verdict("undecided", "rounding", "one is a rounding of the other")
        if (told := _degrees(a, b) or _units(a, b)) is not None:
            return told
        return Verdict("wrong", "numeric", "different values")
    if finding == "renamed":
        return Verdict("undecided", "name", "equal but for the name of a variable")
    if finding == "mixed":
        return Verdict("undecided", "numeric", "equal for some values of the variables only")
    return None


def _factors(text: str) -> str:
    """The factors of a product of capital letters, one by one: AAB for ``A^2B``; else empty."""
    if not re.fullmatch(r"(?:[A-Z](?:\^\{?[2-9]\}?)?\s*)+", text):
        return ""
    powers = re.findall(r"([A-Z])(?:\^\{?(\d)\}?)?", text)
    return "".join(letter * int(power or 1) for letter, power in powers)


def _readings(a: str, b: str) -> list[tuple[Tree, Tree]]:
    """Both texts' trees, in each way in which both may be read; empty where one cannot be."""
    pairs: list[tuple[Tree, Tree]] = []
    x, y = read_expression(a), read_expression(b)
    if x is not None and y is not None:
        pairs = [(x, y)]
    else:
        for joined in (False, True):
            x, y = (read_expression(t) or read_expression(t, joined) for t in (a, b))
            if x is None or y is None:
                return []
            pairs.append((x, y))
    if any(_bare_log(tree) for pair in pairs for tree in pair):
        pairs = [(_based(x, base), _based(y, base)) for x, y in pairs for base in _LOGARITHMS]
    return pairs


def _bare_log(tree: Tree) -> bool:
    """Whether a logarithm in it does not say its base."""
    return any(part[0] == "log" and len(part) == 2 for part in subtrees(tree))


def _based(tree: Tree, base: Tree) -> Tree:
    based = changed(tree, partial(_based, base=base))
    return (*based, base) if tree[0] == "log" and len(tree) == 2 else based


def _degrees(a: str, b: str) -> Verdict | None:
    """Expressions in degrees, where one or both write the sign."""
    marked = [_DEGREE in a, _DEGREE in b]
    if not any(marked):
        return None
    x, y = (read_expression(text.replace(_DEGREE, "")) for text in (a, b))
    if x is None or y is None or compare_trees(x, y) != "equal":
        return None
    if all(marked):
        return Verdict("right", "numeric", "equal in degrees")
    return Verdict("undecided", "unit", "equal, one in degrees")


def _units(a: str, b: str) -> Verdict | None:
    """``5 m`` and ``5``: a product, or metres; undecided where units would make them equal."""
    one, other = _UNIT.fullmatch(a), _UNIT.fullmatch(b)
    if not one and not other:
        return None
    x, y = (read_expression(m[1]) if m else read_expression(t) for m, t in ((one, a), (other, b)))
    if x is None or y is None or letters(x) or letters(y):
        return None
    if (one and other) or any(m and m[0][-1] in "kM" for m in (one, other)):
        return Verdict("undecided", "unit", "letters that may be units")
    same = compare_trees(x, y) == "equal"
    return Verdict("undecided", "unit", "equal but for what may be a unit") if same else None


def _rounds(x: Tree, y: Tree) -> bool:
    """Whether y lies where x would, had its decimals more places: ``0.33x`` and ``x/3``."""
    decimal = "." in str(y)
    low, high = _moved(x, -1, decimal), _moved(x, 1, decimal)
    names = letters(x)
    if low == high or names != letters(y):
        return False
    for point in [p for group in points_for(names)[:3] for p in group] if names else [{}]:
        ends = [value_at(tree, point) for tree in (low, y, high)]
        if any(end is None or not is_real(end) for end in ends):
            return False
        if not min(ends[0], ends[2]) < ends[1] < max(ends[0], ends[2]):
            return False
    return True


def _moved(tree: Tree, sign: int, decimal: bool) -> Tree:
    """The tree with its decimals moved by what rounding may have left out."""
    if tree[0] == "number":
        by = slack(tree[1], decimal)
        return ("+", tree, ("number", str(float(sign * by)))) if by else tree
    return changed(tree, partial(_moved, sign=sign, decimal=decimal))


# -- inequalities ---------------------------------------------------------------------------


def compare_relations(a: str, b: str) -> Verdict | None:
    r"""The verdict on two inequalities, ``a<b`` and ``b>a``; None where it stays open.

    Example:
        >>> compare_relations("a<b", "b>a").value, compare_relations("-x<3", "x>3").value
        ('right', 'wrong')
    """
    one, other = _positive(a), _positive(b)
    if one is None or other is None or len(one) != len(other):
        return None
    table = [[sign == with_sign and _ratio(x, y) for with_sign, y in other] for sign, x in one]
    if all(map(any, table)) and all(map(any, zip(*table, strict=True))):
        return Verdict("right", "relation", "the same inequality")
    names = set[str]().union(*(letters(tree) for _, tree in [*one, *other]))
    for point in [*(p for g in points_for(names) for p in g), *_borders([*one, *other], names)]:
        told = [_holds(relation, point) for relation in (one, other)]
        if None not in told and told[0] != told[1]:
            return Verdict("wrong", "numeric", "a point satisfies one of them only")
    strict = [sorted(sign for sign, _ in relation) for relation in (one, other)]
    if strict[0] != strict[1] and any(_ratio(x, y) for _, x in one for _, y in other):
        return Verdict("wrong", "numeric", "an end belongs to one of them only")
    return None


def _borders(relation: list[tuple[str, Tree]], names: set[str]) -> list[Point]:
    """Points at both sides of where an inequality begins to hold."""
    found: list[Point] = []
    for name in sorted(names):
        point = {other: mpf(i + 2) / 3 for i, other in enumerate(sorted(names))}
        for _, tree in relation:
            root = _root((tree, ("number", "0")), point, name)
            found += [{**point, name: root + side} for side in (-1e-9, 1e-9) if root is not None]
    return found


def _positive(text: str) -> list[tuple[str, Tree]] | None:
    """A chain of inequalities as expressions that are positive, not negative or not zero."""
    sides = split_top(text, _ORDER)
    signs = _ORDER.findall(text)
    trees = [read_expression(side) for side in sides or ()]
    if not sides or len(sides) != len(signs) + 1 or None in trees:
        return None
    found: list[tuple[str, Tree]] = []
    for sign, left, right in zip(signs, trees, trees[1:], strict=False):
        assert left is not None
        assert right is not None
        smaller = sign[0] == "<" or sign in (r"\le", r"\lt")
        low, high = (left, right) if smaller else (right, left)
        kind = "!=" if sign in ("!=", r"\ne") else ">=" if sign[-1] in "=e" else ">"
        found.append((kind, ("+", high, ("neg", low))))
    return found


def _ratio(x: Tree, y: Tree) -> bool:
    return _constant_ratio(x, y, positive=True)


def _holds(relation: list[tuple[str, Tree]], point: Point) -> bool | None:
    values = [value_at(tree, point) for _, tree in relation]
    if any(v is None or not is_real(v) for v in values):
        return None
    kinds = [kind for kind, _ in relation]
    tests = {">": lambda v: v > 0, ">=": lambda v: v >= 0, "!=": lambda v: v != 0}
    return all(tests[kind](v) for kind, v in zip(kinds, values, strict=True))


# -- equations ------------------------------------------------------------------------------


def compare_equations(a: Form, b: Form) -> Verdict | None:
    """Two equations; an equation that is solved for a name may stand without it."""
    left, right = _sides(a), _sides(b)
    if left is None or right is None:
        sides, equation, other = (left, a, b) if left is not None else (right, b, a)
        return None if sides is None else _equation_and_other(sides, equation, other)
    told = {
        _two_equations(_in_base(left, base), _in_base(right, base)) for base in _bases(left, right)
    }
    return told.pop() if len(told) == 1 else Verdict("undecided", "numeric", "a log without a base")


def _bases(*pairs: tuple[Tree, Tree]) -> tuple[Tree, ...]:
    return (
        _LOGARITHMS if any(_bare_log(tree) for pair in pairs for tree in pair) else _LOGARITHMS[:1]
    )


def _in_base(pair: tuple[Tree, Tree], base: Tree) -> tuple[Tree, Tree]:
    return _based(pair[0], base), _based(pair[1], base)


def _two_equations(left: tuple[Tree, Tree], right: tuple[Tree, Tree]) -> Verdict | None:
    x, y = (("+", one, ("neg", other)) for one, other in (left, right))
    if not letters(x) and not letters(y):
        if sorted(left) == sorted(right):
            return Verdict("right", "relation", "the same equation")
        if any(compare_trees(s, t) != "different" for s in left for t in right):
            return Verdict("undecided", "shape", "two equations between numbers")
        return Verdict("wrong", "numeric", "equations between other numbers")
    if _constant_ratio(x, y):
        if not _same_domain(x, y):
            return Verdict("undecided", "relation", "one may be defined for other numbers")
        return Verdict("right", "relation", "equations with the same solutions")
    ours, theirs = letters(x) - letters(y), letters(y) - letters(x)
    renamed = len(ours) == len(theirs) == 1 and may_be_renamed(*ours, *theirs)
    if renamed and compare_trees(substituted(x, *ours, *theirs), y) == "equal":
        if one_derivative(*ours, *theirs):
            return Verdict("right", "relation", "one derivative in two notations")
        return Verdict("undecided", "name", "equal but for the name of a variable")
    if holds(x, "call") != holds(y, "call"):
        return Verdict("undecided", "name", "f(x) and y may be one")
    if _excluded(left, right) or _excluded(right, left):
        return Verdict("wrong", "numeric", "a solution of one equation is none of the other")
    return None


_ROOTS = frozenset({"root", "ln", "log", "lg", "arcsin", "arccos"})


def _same_domain(x: Tree, y: Tree) -> bool:
    """Whether two expressions are real, step by step, at the same points, and divide alike."""
    return divides(x) == divides(y) and _same_points(x, y)


def _same_points(x: Tree, y: Tree) -> bool:
    points = [p for group in points_for(letters(x) | letters(y)) for p in group]
    return all(_defined(x, point) == _defined(y, point) for point in points)


def divides(tree: Tree) -> bool:
    """Whether something with a letter in it is divided by."""
    if tree[0] == "/" and letters(tree[2]):
        return True
    return any(divides(part) for part in tree[1:] if isinstance(part, tuple))


def partial_somewhere(text: str) -> bool:
    """Whether a relation holds a quotient, root or logarithm that some numbers have no value of."""
    trees = [read_expression(side.strip()) for side in split_top(text, _RELATION) or ()]
    return any(
        tree is not None and (divides(tree) or (letters(tree) and _has_root(tree)))
        for tree in trees
    )


def _has_root(tree: Tree) -> bool:
    return any(holds(tree, kind) for kind in _ROOTS)


def _defined(tree: Tree, point: Point) -> bool:
    """Whether roots and logarithms in it are real at a point."""
    if tree[0] in BOUND or tree[0] == "diff" or not letters(tree):
        return True
    if tree[0] in _ROOTS or (tree[0] == "^" and letters(tree[1])):
        number = value_at(tree, point)
        if number is None or not is_real(number):
            return False
    return all(_defined(part, point) for part in tree[1:] if isinstance(part, tuple))


def solves(part: Form, equation: Form) -> bool | None:
    """False where some solution of one equation is none of another; None where that is open."""
    own, other = _sides(part), _sides(equation)
    return False if own and other and _excluded(own, other) else None


def _equation_and_other(sides: tuple[Tree, Tree], form: Form, other: Form) -> Verdict | None:
    """An equation and what is none: its result, one of its sides, or something else."""
    if "=" in other.full:
        return None
    tree = read_expression(other.text)
    if tree is None:
        return None
    names = letters(("+", *sides))
    if not names:  # log_2 8 = 3, and 3
        true = compare_trees(*sides) == "equal"
        told = _expressions(form.full.split("=")[-1].strip(), other.text)
        return told if told is None or told.value != "right" or true else None
    if letters(tree):
        return Verdict("wrong", "shape", "an equation and an expression")
    if len(names) == 1:
        return None
    if any(compare_trees(side, tree) == "equal" for side in sides):  # x^2 + y^2 = 25, and 25
        return Verdict("undecided", "shape", "a side of the equation")
    return Verdict("wrong", "shape", "an equation in several variables and a number")


def _sides(form: Form) -> tuple[Tree, Tree] | None:
    sides = split_top(form.full, _EQUALS)
    if not sides or len(sides) != 2 or _OTHER_RELATION.search(form.full):
        return None
    functions = applied_in(form.full)
    trees = [read_expression(side.strip(), None, functions) for side in sides]
    return None if trees[0] is None or trees[1] is None else (trees[0], trees[1])


def _constant_ratio(x: Tree, y: Tree, positive: bool = False) -> bool:
    ratios = []
    for group in points_for(letters(x) | letters(y)):
        for point in group:
            one, other = value_at(x, point), value_at(y, point)
            if one is not None and other is not None and one != 0 and other != 0:
                ratios.append(one / other)
    if positive and any(not is_real(ratio) or ratio < 0 for ratio in ratios):
        return False
    return len(ratios) >= 5 and all(close(ratios[0], ratio) == "equal" for ratio in ratios)


def _excluded(solved: tuple[Tree, Tree], other: tuple[Tree, Tree]) -> bool:
    """Whether some solution of one equation is plainly none of another."""
    if any(holds(side, "apply") for side in (*solved, *other)):
        return False
    names = sorted(letters(("+", *solved)) | letters(("+", *other)))
    rng = random.Random(7)
    for _ in range(3):
        for name in names:
            point = {n: mpf(rng.choice((-1, 1)) * rng.randint(3, 40)) / 7 for n in names}
            root = _root(solved, point, name)
            if root is not None and _fails(other, {**point, name: root}):
                return True
    return False


def _root(sides: tuple[Tree, Tree], point: Point, name: str) -> Any:
    """A real value of one variable that satisfies an equation at a point, or None."""
    for start in _STARTS:
        before, at = mpf(start), mpf(start + 0.37)
        slope_from = _difference(sides, point, name, before)
        for _ in range(_STEPS):
            here = _difference(sides, point, name, at)
            if here is None or slope_from is None:
                break
            if here == 0 or abs(at - before) < abs(at) * 1e-40:
                return at
            if here == slope_from:
                break
            before, at, slope_from = at, at - here * (at - before) / (here - slope_from), here
    return None


def _difference(sides: tuple[Tree, Tree], point: Point, name: str, x: Any) -> Any:
    one, other = (value_at(side, {**point, name: x}) for side in sides)
    if one is None or other is None or not (is_real(one) and is_real(other)):
        return None
    return one - other


def _fails(sides: tuple[Tree, Tree], point: Point) -> bool:
    """Whether a point is plainly no solution: the sides differ there, or are not real."""
    one, other = (value_at(side, point) for side in sides)
    if one is None or other is None:
        return False
    if not (is_real(one) and is_real(other)):
        return True
    return bool(abs(one - other) > 1e-6 * (1 + abs(one) + abs(other)))
