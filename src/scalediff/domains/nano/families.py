"""The four families of the nano world: how each writes a problem and works it out.

A writer draws a problem of a given level, states it in plain English and LaTeX, and works out
its answer line by line. Everything is modulo a small number, so that every line of a solution
is one or two facts from a multiplication table: that is what lets a model of 0.8 million
parameters learn it, and what makes long problems fail one slip at a time.

| family | a problem | level |
|---|---|---|
| ``chain`` | operations done one after another | number of operations |
| ``secret`` | a number to be found backwards from the result | number of operations |
| ``recurrence`` | a term of a linear recurrence | index of the term (2 or more) |
| ``system`` | variables defined by earlier ones | number of definitions |
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

MODULI = (7, 8, 9, 10)
"""Moduli that problems are drawn with; one digit or 10, so that residues are single digits."""

VARIABLES = "abcdefgh"
"""Names of the variables of ``system``, in the order in which they are defined."""

_SYMBOL = {"add": "+", "subtract": "-", "multiply by": r"\cdot "}
_CHAIN_WORDINGS = (
    "Start with ${start}$ and work modulo ${m}$: {steps}. What is the result?",
    "Take the number ${start}$. Modulo ${m}$, do this: {steps}. Which number do you get?",
)
_SECRET_WORDINGS = (
    "A secret number $x$ from $0$ to ${top}$ is changed modulo ${m}$: {steps}. "
    "The result is ${result}$. Find $x$.",
    "I think of a number $x$ from $0$ to ${top}$. Modulo ${m}$, I do this: {steps}. "
    "I get ${result}$. What is $x$?",
)
_RECURRENCE_WORDINGS = (
    r"Let $a_1={start}$ and $a_{{n+1}}=({p}a_n+{q}) \bmod {m}$. Find $a_{k}$.",
    "A sequence has $a_1={start}$, and $a_{{n+1}}$ is the remainder when ${p}a_n+{q}$ "
    "is divided by ${m}$. What is $a_{k}$?",
)
_SYSTEM_WORDINGS = (
    "Work modulo ${m}$. Let {definitions}. Find ${last}$.",
    "Modulo ${m}$, suppose that {definitions}. What is ${last}$?",
)


@dataclass(frozen=True)
class Draft:
    """A problem as its family wrote it.

    Attributes:
        problem: The text of the problem.
        steps: The lines of its solution, one computation each.
        answer: The answer, a residue.
    """

    problem: str
    steps: list[str]
    answer: int


def _apply(value: int, operation: str, number: int) -> int:
    if operation == "multiply by":
        return value * number
    return value + number if operation == "add" else value - number


def _draw_operations(rng: random.Random, count: int, factors: list[int]) -> list[tuple[str, int]]:
    operations = [rng.choice(tuple(_SYMBOL)) for _ in range(count)]
    return [
        (name, rng.choice(factors) if name == "multiply by" else rng.randint(1, 9))
        for name in operations
    ]


def _write_operations(operations: list[tuple[str, int]]) -> str:
    return ", ".join(f"({i}) {name} ${n}$" for i, (name, n) in enumerate(operations, 1))


def write_chain(rng: random.Random, level: int) -> Draft:
    """A chain of ``level`` operations on a number, each result reduced."""
    modulus, start = rng.choice(MODULI), rng.randint(0, 9)
    operations = _draw_operations(rng, level, list(range(2, 10)))
    value, steps = start, []
    for i, (name, number) in enumerate(operations, 1):
        raw = _apply(value, name, number)
        steps.append(rf"({i}) ${value}{_SYMBOL[name]}{number}={raw}\equiv {raw % modulus}$")
        value = raw % modulus
    text = rng.choice(_CHAIN_WORDINGS).format(
        start=start, m=modulus, steps=_write_operations(operations)
    )
    return Draft(text, steps, value)


def write_secret(rng: random.Random, level: int) -> Draft:
    """A number that ``level`` operations, all of them reversible, turned into a known result."""
    modulus = rng.choice(MODULI)
    units = {n: pow(n, -1, modulus) for n in range(2, 10) if _coprime(n, modulus)}
    operations = _draw_operations(rng, level, list(units))
    secret = rng.randrange(modulus)
    result = secret
    for name, number in operations:
        result = _apply(result, name, number) % modulus
    value, steps = result, []
    for i, (name, number) in reversed(list(enumerate(operations, 1))):
        if name == "multiply by":
            inverse = units[number]
            raw, work = value * inverse, rf"${number}^{{-1}}={inverse}$, ${value}\cdot {inverse}"
        else:
            undone = "subtract" if name == "add" else "add"
            raw, work = _apply(value, undone, number), f"${value}{_SYMBOL[undone]}{number}"
        steps.append(rf"({i}) {work}={raw}\equiv {raw % modulus}$")
        value = raw % modulus
    text = rng.choice(_SECRET_WORDINGS).format(
        top=modulus - 1, m=modulus, steps=_write_operations(operations), result=result
    )
    return Draft(text, steps, secret)


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


def write_recurrence(rng: random.Random, level: int) -> Draft:
    """The term with index ``level`` of a linear recurrence; a term is two operations."""
    modulus = rng.choice(MODULI)
    p, q, start = rng.randint(2, 9), rng.randint(1, 9), rng.randrange(modulus)
    value, steps = start, []
    for i in range(2, level + 1):
        product = p * value
        raw = product + q
        steps.append(rf"$a_{i}={p}\cdot {value}+{q}={product}+{q}={raw}\equiv {raw % modulus}$")
        value = raw % modulus
    text = rng.choice(_RECURRENCE_WORDINGS).format(start=start, p=p, q=q, m=modulus, k=level)
    return Draft(text, steps, value)


def write_system(rng: random.Random, level: int) -> Draft:
    """``level`` variables, each defined by the one before it and a digit or an earlier one."""
    modulus = rng.choice(MODULI)
    values: dict[str, int] = {}
    definitions, steps = [], []
    for i, name in enumerate(VARIABLES[:level]):
        left = VARIABLES[i - 1] if i else str(rng.randint(1, 9))
        earlier = i > 1 and rng.random() < 0.4
        right = rng.choice(VARIABLES[: i - 1]) if earlier else str(rng.randint(1, 9))
        operation = rng.choice(tuple(_SYMBOL))
        symbol = _SYMBOL[operation]
        a, b = (values[side] if side in values else int(side) for side in (left, right))
        raw = _apply(a, operation, b)
        values[name] = raw % modulus
        definitions.append(f"${name}={left}{symbol}{right}$")
        known = f"{a}{symbol}{b}" if i else ""
        work = f"{left}{symbol}{right}={known}" if known else f"{left}{symbol}{right}"
        steps.append(rf"${name}={work}={raw}$, ${name}\equiv {values[name]}$")
    last = VARIABLES[level - 1]
    text = rng.choice(_SYSTEM_WORDINGS).format(
        m=modulus, definitions=", ".join(definitions), last=last
    )
    return Draft(text, steps, values[last])


WRITERS: dict[str, Callable[[random.Random, int], Draft]] = {
    "chain": write_chain,
    "secret": write_secret,
    "recurrence": write_recurrence,
    "system": write_system,
}
"""The writer of each family."""

FIRST_LEVEL = {"chain": 1, "secret": 1, "recurrence": 2, "system": 1}
"""The lowest level of each family: the second term of a recurrence already takes two operations."""
