r"""Values under names: ``x=1, y=2``, ``(u,v)=(7,9)``, ``f''``, ``4\hat i - \hat j``.

* Two records are compared name by name, in whatever order they stand.
* A record beside bare values, ``(1,2)`` or ``1, 2``: in the order written, and of letters in that
  of the alphabet; where the two differ the pair is undecided.
* Names that are derivatives are the same where order, function and variable are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scalediff.core.records import Verdict
from scalediff.domains.math.grading.forms import Form, read
from scalediff.domains.math.grading.verdicts import all_of

Compare = Callable[[str, str], Verdict | None]

_LEIBNIZ = re.compile(
    r"\\frac\{(?:d|\\partial)(?:\^\{?(\d)\}?)?\s*([^{}]+)\}\{(?:d|\\partial)\s*([A-Za-z]|\\[a-z]+)[^{}]*\}"
)
_PRIMED = re.compile(r"([A-Za-z])('*)(?:\^\{\((\d)\)\})?(?:\((\w+)\))?")
_JOINT = re.compile(r"(?:\\text\s*\{\s*|\s)(and|or)(?:\s*\}|\s)")
_UNIT_VECTOR = (
    r"\\(?:hat|vec|text)\s*\{?\s*(?:\\text\s*\{)?\s*\\?([ijk])(?:math)?(?![A-Za-z])[\s}]*"
)


def joint(form: Form) -> str | None:
    """What joins a list: ``and``, ``or``, a comma; None for what is none."""
    if form.kind != "list" or re.fullmatch(r"[^,;]*\\(?:pm|mp)[^,;]*", form.text):
        return None
    found = set(_JOINT.findall(form.text))
    return found.pop() if len(found) == 1 else ","


def derivative(name: str) -> tuple[int, str, str]:
    r"""Order, function and variable of a derivative's name; where not known they are empty.

    Example:
        >>> derivative(r"\frac{d^2y}{dx^2}"), derivative("x")
        ((2, 'y', 'x'), (0, '', ''))
    """
    if found := _LEIBNIZ.fullmatch(name):
        return int(found[1] or 1), found[2].strip(), found[3]
    found = _PRIMED.fullmatch(name)
    order = len(found[2]) + int(found[3] or 0) if found else 0
    return (order, found[1], found[4] or "") if found and order else (0, "", "")


def record_of(form: Form) -> dict[str, str] | None:
    """Names and values of ``x=1, y=2`` and ``(x,y)=(1,2)``; None where not every value has one."""
    if form.name.startswith("(") and form.kind == "tuple":
        names = form.name.strip("()").split(",")
        return dict(zip(names, form.parts, strict=True)) if len(names) == len(form.parts) else None
    if form.kind not in ("list", "tuple", "set") or joint(form) == "or":
        return None
    parts = [read(part) for part in form.parts]
    found = {part.name: part.text for part in parts if part.name and part.kind == "scalar"}
    roots = {name[0] for name in found if "_" in name}
    if len(roots) == 1 and roots <= set("xzr"):  # x_1 and x_2 are roots, in any order
        return None
    return found if len(found) == len(parts) > 1 else None


def compare_records(a: Form, b: Form, compare: Compare) -> Verdict | None:
    """Compare values under names with such, or with bare ones; None where neither has names."""
    one, other = record_of(a), record_of(b)
    if one is None and other is None:
        return None
    if one is not None and other is not None:
        if one.keys() == other.keys():
            return all_of([compare(one[name], other[name]) for name in one])
        told = all_of([compare(x, y) for x, y in zip(one.values(), other.values(), strict=False)])
        if len(one) == len(other) and told is not None and told.value == "right":
            return Verdict("undecided", "name", "the same values under other names")
        return Verdict("wrong", "name", "other values under other names")
    record, bare = (one, b) if one is not None else (other, a)
    if (
        record is None
        or bare.kind not in ("list", "tuple", "matrix", "set")
        or len(bare.parts) != len(record)
    ):
        return None
    if any(read(part).name for part in bare.parts):
        return None
    orders = [list(record)]
    if all(len(name) == 1 for name in record):
        orders.append(sorted(record))
    found = [
        all_of([compare(record[name], part) for name, part in zip(order, bare.parts, strict=True)])
        for order in orders
    ]
    if None in found or len({v.value for v in found if v}) == 1:
        return found[0]
    return Verdict("undecided", "name", "named values and bare ones, order unclear")


def components(text: str) -> tuple[tuple[str, ...], bool] | None:
    r"""The components of a sum of unit vectors, and whether they are marked as such.

    Example:
        >>> components(r"4\hat{i}-\hat{j}"), components("4i-j"), components("3+4i")
        ((('4', '-1'), True), (('4', '-1'), False), None)
    """
    bare = re.sub(_UNIT_VECTOR, r"@\1", text)
    marked = bare != text
    if not marked:
        bare = re.sub(r"(?<![A-Za-z\\])([ijk])(?![A-Za-z])", r"@\1", text)
    found = dict.fromkeys("ijk", "0")
    last = 0
    for term in re.finditer(r"\s*([-+]?)\s*([^@]*?)\s*@([ijk])", bare):
        if term.start() != last or found[term[3]] != "0" or re.search(r"[-+]\s*$|[ijk]", term[2]):
            return None
        found[term[3]], last = term[1].strip("+") + (term[2] or "1"), term.end()
    if last != len(bare.rstrip()) or not last or (not marked and found["j"] == "0"):
        return None
    return tuple(found[name] for name in ("ijk" if found["k"] != "0" else "ij")), marked
