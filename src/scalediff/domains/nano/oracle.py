"""The oracle of the nano world: reads a problem's text and knows its answer, or why it has none.

It shares no code with the writers in `families.py`: it parses the text with patterns of its own
and works the answer out forwards (a secret number by trying every candidate), so that a mistake
in either shows as a disagreement. Numbers, moduli and counts of steps beyond the world's are
understood, since a trained generator goes beyond them. The oracle only audits: nothing in the
pipeline may ask it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from scalediff.domains.nano.equations import solve_for

_MAX_TRIES = 100_000
"""Candidates or terms that are tried at most; a problem beyond that is not understood."""

_N = r"\$(\d{1,9})\$"
_STEP = r"\((\d+)\) (add|subtract|multiply by) \$(\d{1,9})\$"
_STEPS = rf"({_STEP}(?:, {_STEP})*)"
_WHAT = r"(?:Find \$([a-z])\$\.|What is \$([a-z])\$\?)"

_CHAIN_OPENINGS = (
    rf"Start with {_N} and work modulo {_N}: ",
    rf"Take the number {_N}\. Modulo {_N}, do this: ",
)
_CHAIN_END = r"\. (?:What is the result|Which number do you get)\?"
_SECRET_OPENINGS = (
    rf"A secret number \$x\$ from {_N} to {_N} is changed modulo {_N}: ",
    rf"I think of a number \$x\$ from {_N} to {_N}\. Modulo {_N}, I do this: ",
)
_SECRET_END = rf"\. (?:The result is|I get) {_N}\. (?:Find \$x\$\.|What is \$x\$\?)"
_TERM = r"\$a_\{?(\d{1,9})\}?"
_LINEAR = r"(\d{1,9})?a_n(?:([+-])(\d{1,9}))?"
_RECURRENCE_OPENINGS = (
    rf"Let {_TERM}=(\d{{1,9}})\$ and \$a_\{{n\+1\}}=\({_LINEAR}\)\\bmod(\d{{1,9}})\$\.",
    rf"A sequence has {_TERM}=(\d{{1,9}})\$, and \$a_\{{n\+1\}}\$ is the remainder when "
    rf"\${_LINEAR}\$ is divided by {_N}\.",
)
_RECURRENCE_END = rf" (?:Find {_TERM}\$\.|What is {_TERM}\$\?)"
_SYSTEM_OPENINGS = (rf"Work modulo {_N}\. Let ", rf"Modulo {_N}, suppose that ")
_SIDE = r"(?:\d{1,9}|[a-z])"
_DEFINITION = rf"\$[a-z]={_SIDE}(?:(?:\+|-|\\cdot){_SIDE})*\$"
_SYSTEM_BODY = rf"({_DEFINITION}(?:, {_DEFINITION})*)\. "


@dataclass(frozen=True)
class Reading:
    """What the oracle makes of a problem.

    Attributes:
        answer: The one answer, as decimal digits; None where there is none.
        family: The family that the text belongs to, as far as it can be told.
        level: The number of steps that the answer takes; None where there is no answer.
        reason: Why there is no answer: ``not_understood``, ``unfinished`` (begun as a problem of
            the world and broken off before its question), ``ill_posed`` (several answers) or
            ``contradictory`` (none); None where there is one.
    """

    answer: str | None
    family: str | None
    level: int | None
    reason: str | None


_Found = tuple[int, int] | str
"""An answer with its level, or the reason that there is none."""


def read(problem: str) -> Reading:
    """Read the text of a problem; whitespace does not matter, every other character does."""
    text = _tidy(problem)
    for family, (patterns, work_out) in _FORMS.items():
        for pattern in patterns:
            if match := pattern.fullmatch(text):
                found = work_out(match)
                if isinstance(found, str):
                    return Reading(None, family, None, found)
                return Reading(str(found[0]), family, found[1], None)
    for family, pattern in _BEGUN.items():
        if pattern.match(text):
            asks = _ASKS.search(text)
            return Reading(None, family, None, "not_understood" if asks else "unfinished")
    return Reading(None, None, None, "not_understood")


def _tidy(text: str) -> str:
    """Collapse whitespace, and leave none inside of mathematics."""
    parts = " ".join(text.split()).split("$")
    return "$".join(re.sub(r"\s", "", part) if i % 2 else part for i, part in enumerate(parts))


def _read_steps(text: str) -> list[tuple[str, int]] | None:
    """The operations of a numbered list; None where they are not numbered 1, 2, 3 ..."""
    steps = re.findall(_STEP, text)
    if [int(label) for label, _, _ in steps] != list(range(1, len(steps) + 1)):
        return None
    return [(name, int(number)) for _, name, number in steps]


def _run_forwards(start: int, steps: list[tuple[str, int]], modulus: int) -> int:
    for name, number in steps:
        if name == "multiply by":
            start *= number
        else:
            start += number if name == "add" else -number
        start %= modulus
    return start


def _chain(match: re.Match[str]) -> _Found:
    start, modulus = int(match[1]), int(match[2])
    steps = _read_steps(match[3])
    if steps is None:
        return "not_understood"
    if modulus == 0:
        return "contradictory"
    return _run_forwards(start, steps, modulus), len(steps)


def _secret(match: re.Match[str]) -> _Found:
    low, high, modulus = int(match[1]), int(match[2]), int(match[3])
    steps, result = _read_steps(match[4]), int(match[match.re.groups])
    if steps is None or high - low > _MAX_TRIES:
        return "not_understood"
    if modulus == 0:
        return "contradictory"
    # All operations together are x -> slope * x + shift; one pass each gives both.
    shift = _run_forwards(0, steps, modulus)
    slope = _run_forwards(1, steps, modulus) - shift
    fitting = [x for x in range(low, high + 1) if (slope * x + shift) % modulus == result]
    if not fitting:
        return "contradictory"
    return (fitting[0], len(steps)) if len(fitting) == 1 else "ill_posed"


def _recurrence(match: re.Match[str]) -> _Found:
    first, start, p, sign, q, modulus, *asked = match.groups()
    wanted, index, value = int(asked[0] or asked[1]), int(first), int(start)
    if wanted < index:
        return "ill_posed"
    if int(modulus) == 0:
        return "contradictory"
    if wanted - index > _MAX_TRIES:
        return "not_understood"
    factor, shift = int(p or 1), int(q or 0) * (-1 if sign == "-" else 1)
    for _ in range(wanted - index):
        value = (factor * value + shift) % int(modulus)
    return value, wanted - index + 1


def _system(match: re.Match[str]) -> _Found:
    modulus, asked = int(match[1]), match[3] or match[4]
    equations = [tuple(d.strip("$").split("=")) for d in match[2].split(", ")]
    if modulus == 0:
        return "contradictory"
    answers, level = solve_for(asked, [(name, text) for name, text in equations], modulus)
    if not answers:
        return "contradictory"
    return (answers.pop(), level) if len(answers) == 1 else "ill_posed"


_FORMS: dict[str, tuple[list[re.Pattern[str]], Callable[[re.Match[str]], _Found]]] = {
    "chain": ([re.compile(o + _STEPS + _CHAIN_END) for o in _CHAIN_OPENINGS], _chain),
    "secret": ([re.compile(o + _STEPS + _SECRET_END) for o in _SECRET_OPENINGS], _secret),
    "recurrence": (
        [re.compile(o + _RECURRENCE_END) for o in _RECURRENCE_OPENINGS],
        _recurrence,
    ),
    "system": ([re.compile(o + _SYSTEM_BODY + _WHAT) for o in _SYSTEM_OPENINGS], _system),
}

_BEGUN = {
    "chain": re.compile(r"Start with \$|Take the number \$"),
    "secret": re.compile(r"A secret number |I think of a number "),
    "recurrence": re.compile(r"Let \$a_|A sequence has "),
    "system": re.compile(r"Work modulo \$|Modulo \$"),
}
_ASKS = re.compile(r"(?:Find [^.?]*\.|What is [^.?]*\?|Which number do you get\?)$")
