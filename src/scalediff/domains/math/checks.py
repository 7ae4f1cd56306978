"""A look at a problem's text: what plainly is no complete problem leaves before it costs a token."""

from __future__ import annotations

import re

from scalediff.core.records import Drop

VERSION = "1"

_ASKS = re.compile(
    r"[?？]|\b(?:find|compute|determine|evaluate|calculate|what|how|which|prove|show|solve|"
    r"express|simplify|factor|expand|convert|write|give|list|name|estimate|graph|let|if|suppose|"
    r"when|who|where|complete|round|rationalize|enter|select|choose|add|subtract|multiply|divide|"
    r"describe|state|draw|construct|answer|number|value|minimi[sz]e|maximi[sz]e|for)\b",
    re.IGNORECASE,
)
_LEFTOVER = re.compile(
    r"<\|[a-z_]+\|>|</?think>|^\s*(?:assistant|user)\s*$|\n\s*(?:#+\s*)?(?:solution|answer)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_ENDS = re.compile(r"""[.?!:;)\]}$"'’”…。？！\d]\s*$|\\end\{[a-z*]+\}\s*$|\\\]\s*$|\[/asy\]\s*$""")


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
    plain = re.sub(r"\\[\\{}$]", "", text)
    if plain.count("{") != plain.count("}"):
        return f"{plain.count('{')} braces open and {plain.count('}')} close"
    # money has single dollar signs, so an odd number is a fault only where LaTeX is about
    if plain.count("$") % 2 and re.search(r"\$[^$]*\\[a-z]+[^$]*$", plain):
        return "a formula is not closed"
    return ""


def _asks_nothing(text: str) -> str:
    return "" if _ASKS.search(text) else f"asks nothing: ...{text[-80:]!r}"


def _cut(text: str) -> str:
    return "" if _ENDS.search(text) else f"ends in the middle: ...{text[-80:]!r}"
