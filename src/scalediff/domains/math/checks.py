"""A look at a problem's text: what plainly is no complete problem leaves before it costs a token.

One question with one final answer, complete, not cut, without leftover text of a template, without
its own answer, and answerable as far as the text alone can tell (``posed.py``). Cheap surface
rules; nothing is dropped for being unusual. ``docs/grading.md`` says how often each of them finds
fault with real problems.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scalediff.core.records import Drop
from scalediff.domains.math.posed import ill_posed
from scalediff.text.language import foreign
from scalediff.text.thoughts import first_tag

VERSION = "6"
"""Raised whenever another problem may be called malformed; part of the domain's version."""

_ASKS = re.compile(
    r"[?？]|\b(?:find|compute|determine|evaluate|calculate|what|how|which|prove|show|solve|express|"
    r"simplify|factor|expand|convert|estimate|who|where|rationalize|minimi[sz]e|maximi[sz]e|verify|"
    r"classify|deduce|derive|explain|describe|construct|is it|are there|do there"
    r"|wie|was|welche[rs]?|berechnen?|bestimmen?|finden?|löse|zeige|gib|combien|quel(?:le)?s?"
    r"|trouver|trouvez|calcule[rz]?|déterminer?|résoudre|encuentra|encuentre|halla|halle|calcula"
    r"|determina|determine|cuál|cuánt[oa]s?|resuelve|trova|calcola|quant[iaeo]s?|qual|encontre)\b",
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
    r"<\|[a-z_]+\|>|^[ \t]*(?:assistant|user)[ \t]*:?[ \t]*$"
    r"|\n[ \t]*(?:\*\*|#+[ \t]*)?(?:solution|answer)(?:\*\*)?[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)
_PROOF = re.compile(
    r"(?:^|[.!?;:][ \t]+|\$[ \t]*,[ \t]*|\bthen[ \t]+|\bplease[ \t]+|\band[ \t]+)"
    r"(?:prove|disprove|show|demonstrate)[ \t]+(?:or disprove[ \t]+)?"
    r"(?:that\b|the\b|[A-Z]|\$|if\b)",
    re.IGNORECASE,
)
_OTHER_ASK = re.compile(
    r"(?:^|[.!?;:,][ \t\n]+|\band[ \t]+|\bthen[ \t]+|\$[ \t]+)"
    r"(?:find|compute|determine|evaluate|calculate|what (?:is|are|was)|how (?:many|much|long|far)"
    r"|which of|solve)\b",
    re.IGNORECASE,
)
_PARTS = re.compile(
    r"(?:^|(?<=[\s.:;?]))(?:part[ \t]+)?\(?([a-e]|i{1,3}|iv|[1-5])\)[ \t]*(?=\S)"
    r"|(?:^|[.?\n])[ \t]*\*{0,2}part[ \t]+([a-e1-5])\b[.:)]?"
    r"|(?:^|\n)[ \t]*([1-5])\.[ \t]+(?=\S)",
    re.IGNORECASE,
)
_ASKED_IN_PARTS = re.compile(
    r"\b(?:find|compute|determine|calculate|evaluate)[ \t]*:?[ \t]*\(a\)[ \t]*\S"
    r".{0,200}\(b\)[ \t]*\S",
    re.IGNORECASE | re.DOTALL,
)
_GIVEN = re.compile(
    r"\\boxed[ \t]*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}[\s$.]*$"
    r"|(?:^|\n|[.?!][ \t]+|\()\**(?:final[ \t]+)?answers?\**[ \t]*[:=]\**[ \t]*(?=[$\\\d(-])\S+"
    r"|(?:^|\n|[.?!][ \t]+)(?:so|thus|hence|therefore),?[ \t]+the[ \t]+(?:final[ \t]+)?answer[ \t]+"
    r"is\b[^?]*$|####[ \t]*-?\d",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"\\boxed[ \t]*\{[ \t]*(?:\\[ \w,;!]*(?:\{[^{}]*\})?|[A-Za-z]|\?)?[ \t]*\}[\s$.]*$"
)
"""A box to be filled in."""
_DANGLING = re.compile(
    r"(?:\b(?:and|or|the|a|an|of|with|for|to|in|that|by|from|where|when|if|such|is|are|be|at|on|than"
    r"|then|let|suppose|given|find|compute|determine|evaluate|calculate|what|how|which|value|between"
    r"|each|every|its|their|his|her|as|into|has|have)|[,=+*/<(\[{^_-])\s*$",
    re.IGNORECASE,
)
_ESCAPED = re.compile(r"\\[\\{}$]")
_MONEY = re.compile(r"\$\s?(?=\.?\d[\d,]*(?:\.\d+)?(?:[^\d$]|$))|(?<=\d)\$(?=[\s.,;:?!)]|$)")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{([A-Za-z]+\*?)\}")


def check_problem(problem: str) -> Drop | None:
    """A drop with the first fault and its evidence, or None."""
    text = problem.strip()
    for reason, fault in _FAULTS:
        evidence = fault(text)
        if evidence:
            return Drop(reason, evidence)
    return None


def _empty(text: str) -> str:
    return "" if re.search(r"[^\W\d_]{2}", text) else f"no words: {text[:80]!r}"


def _leftover(text: str) -> str:
    match = _LEFTOVER.search(text)
    found = match[0].strip() if match else first_tag(text)
    return f"leftover text of a template: {found!r}" if found else ""


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
    if foreign(text, ["en"]) or not text.isascii():  # the words above are English
        return ""
    return f"asks nothing: ...{text[-80:]!r}"


def _cut(text: str) -> str:
    return f"ends in the middle: ...{text[-80:]!r}" if _DANGLING.search(text) else ""


def _given(text: str) -> str:
    found = _GIVEN.search(text)
    if not found or _BLANK.match(text, found.start()):
        return ""
    return f"gives its answer away: {text[found.start() : found.end() + 40].strip()!r}"


def _proof(text: str) -> str:
    found = _PROOF.search(text)
    if not found or _OTHER_ASK.search(text):
        return ""
    return f"asks for a proof, which has no final answer: {found[0].strip()!r}"


def _parts(text: str) -> str:
    """Lettered or numbered parts of which at least two ask something."""
    if found := _ASKED_IN_PARTS.search(text):
        return f"asks several things: {' '.join(found[0].split())[:100]!r}"
    marks = [(m.start(), m.end(), (m[1] or m[2] or m[3]).lower()) for m in _PARTS.finditer(text)]
    first = next((i for i, mark in enumerate(marks) if mark[2] in ("a", "i", "1")), None)
    if first is None:
        return ""
    starts = marks[first:]
    ends = [start for start, _, _ in starts[1:]] + [len(text)]
    bodies = [text[end:stop] for (_, end, _), stop in zip(starts, ends, strict=True)]
    asking = [body for body in bodies if _ASKS.match(body.lstrip(" *$")) or "?" in body]
    if len(asking) < 2 or len({mark for _, _, mark in starts}) < 2:
        return ""
    if bodies[-1].count("?") > 1:  # a survey with its questions, and then the question
        return ""
    return f"asks {len(asking)} questions: {' / '.join(' '.join(b.split())[:40] for b in asking)}"


_FAULTS: list[tuple[str, Callable[[str], str]]] = [
    ("malformed", _empty),
    ("malformed", _leftover),
    ("answer_given", _given),
    ("malformed", _unbalanced),
    ("proof", _proof),
    ("malformed", _asks_nothing),
    ("malformed", _cut),
    ("multi_part", _parts),
    ("ill_posed", ill_posed),
]
"""Reason and the fault that it stands for; the first that applies is the reason."""
