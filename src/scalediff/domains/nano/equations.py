"""Small systems of definitions modulo m, as the oracle solves them: by trying what is free."""

import itertools
import re

_MAX_TRIES = 20_000
"""Assignments of free variables that are tried at most; beyond that they count as open."""


def solve_for(asked: str, equations: list[tuple[str, str]], modulus: int) -> tuple[set[int], int]:
    r"""Every residue that a variable can have.

    Args:
        asked: The variable.
        equations: Name and right-hand side (``a\cdot 5`` without spaces, ``7-b``), in any order.
        modulus: The modulus, 1 or more.

    Returns:
        The possible residues (none where the equations contradict each other, all where the
        variable is open) and the number of definitions that they hang on.
    """
    needed = _needed(asked, equations)
    relevant = [(name, text) for name, text in equations if name in needed]
    order, free = _order(needed, dict(reversed(relevant)))
    if modulus ** len(free) > _MAX_TRIES:
        return set(range(modulus)), len(relevant)
    answers = set()
    for values in itertools.product(range(modulus), repeat=len(free)):
        known = dict(zip(free, values, strict=True))
        for name, text in order:
            known[name] = _value(text, known, modulus)
        if all(known[name] == _value(text, known, modulus) for name, text in relevant):
            answers.add(known[asked])
    return answers, len(relevant)


def _needed(asked: str, equations: list[tuple[str, str]]) -> set[str]:
    """The variable and all that its definitions lead to."""
    needed, open_names = set(), [asked]
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed.add(name)
            sides = [text for left, text in equations if left == name]
            open_names += [v for text in sides for v in _variables(text)]
    return needed


def _order(
    needed: set[str], definitions: dict[str, str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Definitions in an order in which they can be worked out, and variables that stay free."""
    order: list[tuple[str, str]] = []
    free = sorted(needed - set(definitions))
    done = set(free)
    waiting = {name: text for name, text in definitions.items() if name in needed}
    while waiting:
        ready = [n for n, text in waiting.items() if set(_variables(text)) <= done]
        if not ready:  # a circle: one of its variables is guessed, its definition then checked
            ready = [min(waiting)]
            free.append(ready[0])
        else:
            order += [(n, waiting[n]) for n in ready]
        done.update(ready)
        for name in ready:
            del waiting[name]
    return order, free


def _variables(text: str) -> list[str]:
    return re.findall(r"[a-z]", text.replace(r"\cdot", "*"))


def _value(text: str, known: dict[str, int], modulus: int) -> int:
    total = 0
    for sign, product in re.findall(r"([+-]?)([^+-]+)", text):
        value = 1
        for side in product.split(r"\cdot"):
            value *= known[side] if side in known else int(side)
        total += -value if sign == "-" else value
    return total % modulus
