r"""The answer in the boxes of a response.

The last ``\boxed{}`` or ``\fbox{}`` decides; where it is empty or never closed there is no answer,
even where an earlier box holds one. Boxes that are joined (``\boxed{2} and \boxed{3}``, bullets,
lines with a name each) are one answer; a box that was corrected, said again or belongs to an
earlier part does not count. What is neither for certain is not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from scalediff.core.records import Reading
from scalediff.domains.math.grading.factors import behind
from scalediff.domains.math.grading.latex import closing
from scalediff.domains.math.grading.said import read_said
from scalediff.domains.math.grading.surroundings import before, listed_before
from scalediff.domains.math.grading.withdrawn import denied_before, limited_behind, taken_back

BOX = re.compile(
    r"\\(?:boxed|fbox)(?![A-Za-z])(?:\s*(?=\{)| *(?=[-+]?\d)|\s*$"
    r"|\s*(?=\\(?:[dt]?frac|sqrt|pi|infty)(?![A-Za-z])))"
)
"""A box, or a number or a command behind the word; the word alone, in running text, is neither.
At the very end it is a box that was cut off."""
_BARE = re.compile(
    r"[-+]?\d(?:[\d.,]*\d)?|\\[dt]?frac\s*(?:\d|\{[^{}]*\})\s*(?:\d|\{[^{}]*\})"
    r"|\\sqrt\s*(?:\d|\{[^{}]*\})|\\(?:pi|infty)"
)
_DRESS = re.compile(
    r"\\(?:text|mathrm|mathbf|mbox|quad|qquad|displaystyle)(?![A-Za-z])|[\s{}$\\?.,;:!_-]"
)
_MOST_BOXES = 12
"""Boxes that are looked at, from the end."""
_MAX_BETWEEN = 200
_FEW_WORDS = 3
_NAME = re.compile(
    r"(?<![\w\\^_{}+*/)-])(?<![-+*/^]\s)(?!\\(?:left|right|[dt]?frac|sqrt)(?![A-Za-z]))((?:\\[A-Za-z]+|[A-Za-z]+)(?:_(?:\w|\{[^{}]*\}))?'{0,2}"
    r"(?:\([^()$=]{1,20}\))?|\\(?:text|mathrm)\s*\{[^{}]{1,30}\})"
    r"(?:\s|\\[,;: ]|&)*=(?:\s|\\[,;: ]|[&$])*$"
)
_TO_SPACE = re.compile(
    r"\$\$?|\\[()\[\],;:! ]|\\(?:quad|qquad|hfill|displaystyle|left|right)(?![A-Za-z])"
    r"|\*\*|__|~|[{}]"
)
_TO_LINE = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}|\\\\(?:\[[^\]]*\])?")
_WORDS = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\{([^{}]*)\}")
_JOINS = (
    r"[,;&、，；]|\\&|\\(?:land|lor|wedge|vee)(?![A-Za-z])|(?<![^\W\d_])(?:and also|and|or"
    r"|as well as|along with|und|oder|et|ou|y|e|o|и|или)(?![^\W\d_])|[和或及与と]|または|및|또는"
)
_JOINED = re.compile(rf"[\s.]*(?:(?:{_JOINS})[\s.]*)+", re.IGNORECASE)
_JOIN = re.compile(_JOINS, re.IGNORECASE)
_BULLET = re.compile(r"(?:(?:^|\n)[^\S\n]*(?:[-*•+]|\d+[.)])|\\item)[^\S\n]*$")
_SAID_ANEW = re.compile(
    r"\b(?:rather|wait|no|not|actually|correct\w*|mistake|sorry|edit|instead|better|i\.?e|that is"
    r"|namely|equivalent\w*|words|same|simplif\w*|reduc\w*|equals?|approximately|about|roughly|so|hence|thus"
    r"|therefore|then|which|giv\w+|yield\w*|mean\w*|impl\w+|because|since|where|but|however|though"
    r"|although|final\w*|answer\w*|result\w*|check\w*|verif\w*|step|part|case|question|problem|option"
    r"|choice|try|format|again|conclu\w*|total|overall)\b|[≈→⇒]"
    r"|\\(?:approx|to|implies|Rightarrow|iff|equiv)"
    r"|\([a-z0-9ivx]{1,4}\)|<\|",
    re.IGNORECASE,
)
"""What between two boxes shows that the later one takes the place of the earlier one."""
_SENTENCE_ENDS = re.compile(r"[.!?。！？](?:\s|$)|\n\s*\n")
_LABEL = re.compile(r"(?:[:：]|\bis|\bare)\s*$")

_ANOTHER = re.compile(
    r"\b(?:another|others?|similarly|likewise|symmetrically|also|too|as well|additionally"
    r"|in addition|moreover|furthermore|alternatively|otherwise|or else|in the same way|by symmetry"
    r"|(?:second|third|next|remaining|last|fourth)\s+(?:one|solution|root|value|zero|possib\w+|case"
    r"|number|pair|candidate|option|intersection|point)|cases?|(?:solution|root|value)\s+(?:2|two"
    r"|ii|b))\b",
    re.IGNORECASE,
)
"""What before a later box says that it is a further answer."""
_ENDS_ALL = re.compile(
    r"\b(?:total|altogether|overall|final\w*|the (?:correct )?answer|in all|rather|wait|actually"
    r"|mistake|sorry|instead|correct\w*|sum|conclu\w+|no)\b",
    re.IGNORECASE,
)
_TOO = re.compile(r"[\s$)}]*(?:too|also|as well)\s*(?:[.!,;\n]|$)", re.IGNORECASE)
_LABELLED = re.compile(
    r"(?:^|[.!?;]\s|\n)\s*([A-Za-z][\w ()']{0,40}?)\s*(?::|\b(?:is|are)\b|=)\s*$"
)
_EQUATION = re.compile(
    r"(?:\s|\$|\\[)\],;:! ])*=\s*([^=$\n.,;&]{1,100}?(?:\.\d+)?)\s*(?:[=$\n.,;&]|\\[)\]]|\\\\|$)"
)
_GIVES_ANOTHER = re.compile(
    r"[\s$.,;:)}]*(?:####|(?:(?:so|thus|hence|therefore|but|no|hm+|actually|wait|then),?\s+)*"
    r"(?:(?:the|my)\s+)?(?:\w+\s+)?answer\b)",
    re.IGNORECASE,
)
"""How a text goes on that says an answer behind its box."""
LAST, JOINED, UNSURE = "last", "joined", "unsure"


@dataclass(frozen=True)
class Box:
    """A box with what belongs to its answer.

    Attributes:
        start: Where it begins, its name and its sign included.
        end: Where it ends, its factor or unit included.
        raw: What stands in it.
        text: Its answer.
        name: ``x`` of ``x=``, or empty.
        doubt: Why the answer is not certain.
    """

    start: int
    end: int
    raw: str
    text: str
    name: str
    doubt: str


def read_boxes(content: str, found: list[re.Match[str]]) -> Reading:
    """The answer of the last box and of those joined to it."""
    spans = [_span(content, match) for match in found[-_MOST_BOXES:]]
    if not spans[-1][2]:
        return Reading()
    chosen: list[tuple[int, int, str]] = []
    for span in reversed(spans):
        if chosen and span[2] and span[1] > chosen[0][1]:  # the later one stands inside of it
            chosen = [span]
        elif span[2] or not chosen:
            chosen.insert(0, span)
    parts = [_box(content, *chosen[-1])]
    for span in reversed(chosen[:-1]):
        box = _box(content, *span)
        relation = _relation(content, box, parts[0])
        if relation == LAST or (relation == UNSURE and _equal(box.raw, parts[0].raw)):
            break
        if relation == UNSURE:
            return Reading(
                None, f"boxes that are not plainly joined: {box.raw} and {parts[0].raw}"[:200]
            )
        parts.insert(0, box)
    earlier = max((end for _, end, _ in chosen if end <= parts[0].start), default=0)
    doubts = [box.doubt for box in parts if box.doubt]
    listed = not parts[0].name and listed_before(content[earlier : parts[0].start])
    if doubts or listed:
        return Reading(None, next(iter(doubts), "one of several values is boxed"))
    if undone := _undone(content[earlier : parts[0].start], content[parts[-1].end :], parts[-1]):
        return Reading(None, f"a box that is perhaps no answer: {undone}"[:200])
    return Reading(_joined(content, parts))


def _undone(text: str, rest: str, last: Box) -> str:
    """What around the boxes denies, bounds or takes them back, or gives another answer."""
    if found := denied_before(text[-600:]) or limited_behind(rest) or taken_back(rest):
        return found
    if (equation := _EQUATION.match(rest[:300])) and not _equal(last.raw, equation[1]):
        values = bool(re.search(r"\d", equation[1])) and not re.search(r"=", last.raw)
        return f"= {equation[1]}" if values else ""
    said = read_said(rest[:2_000]) if _GIVES_ANOTHER.match(rest) else Reading()
    other = said.answer is not None and not _equal(last.text, said.answer)
    return f"then {said.answer}" if other else ""


def _span(content: str, match: re.Match[str]) -> tuple[int, int, str]:
    r"""Start, end and inside of a box; the inside is empty where it is never closed."""
    at = match.end()
    if content[at : at + 1] != "{":
        bare = _BARE.match(content, at)
        return match.start(), bare.end() if bare else at, bare[0] if bare else ""
    end = closing(content, at)
    inner = content[at + 1 : end].strip() if end > 0 else ""
    while (nested := BOX.match(inner)) and closing(inner, nested.end()) == len(inner) - 1:
        inner = inner[nested.end() + 1 : -1].strip()
    says = _DRESS.sub("", inner) or inner.replace(" ", "") == r"\{\}"
    return match.start(), end + 1, inner if says else ""


def _box(content: str, start: int, end: int, raw: str) -> Box:
    sign, rest = before(content, start), behind(content, end, raw)
    text = rest.text
    if sign.text:
        text = f"{sign.text}({text})" if re.search(r"[-+]", text[1:]) else sign.text + text
    near = max(0, sign.at - 80)
    named = _NAME.search(content[near : sign.at])
    if named is None or _SAID_ANEW.match(named[1]):
        return Box(sign.at, rest.at, raw, text, "", sign.doubt or rest.doubt)
    return Box(near + named.start(), rest.at, raw, text, named[1], sign.doubt or rest.doubt)


def _relation(content: str, first: Box, second: Box) -> str:
    """Whether two neighbouring boxes are one answer, or the later one alone counts."""
    between = content[first.end : second.start]
    too = _TOO.match(content, second.end)
    if too or _another(between, content[: first.start]):
        return UNSURE
    if len(between) > _MAX_BETWEEN:
        return LAST
    text = _WORDS.sub(r" \1 ", between)
    text = _TO_SPACE.sub(" ", _TO_LINE.sub("\n", text.replace(r"\item", "\n-")))
    bullet = _BULLET.search(text)
    bare = text[: bullet.start()] if bullet else text
    if bare.lstrip(" \n&").startswith("="):
        return LAST  # a chain of equations
    apart = bool(first.name and second.name and first.name != second.name)
    if _JOINED.fullmatch(bare):
        return JOINED if not second.name or first.name == second.name or apart else UNSURE
    if not bare.strip(" \n.;"):
        before = content[max(0, first.start - 40) : first.start].rstrip("$ ")
        return JOINED if apart or (bullet and _BULLET.search(before)) else UNSURE
    if _SENTENCE_ENDS.search(bare) or _SAID_ANEW.search(bare):
        return LAST
    short = len(bare.split()) <= _FEW_WORDS
    return UNSURE if short or _JOIN.search(text) or "\n" in text or _LABEL.search(bare) else LAST


def _another(between: str, before: str) -> bool:
    """Whether the words before a later box make it a further answer beside the earlier one."""
    text = _TO_SPACE.sub(" ", _WORDS.sub(r" \1 ", between[-2_000:]))
    near = text if len(text) <= _MAX_BETWEEN else text[-_MAX_BETWEEN:]
    found = None
    for found in _ANOTHER.finditer(near):  # noqa: B007  (the last one)
        pass
    if found is not None and _SENTENCE_ENDS.search(near):
        return not _ENDS_ALL.search(near[found.end() :])
    earlier = _LABELLED.search(_TO_SPACE.sub(" ", before[-80:]))
    later = _LABELLED.search(text)
    if earlier is None or later is None or text[: later.start()].strip(" .;\n"):
        return False
    return earlier[1].casefold() != later[1].casefold() and not _SAID_ANEW.search(later[1])


def _joined(content: str, parts: list[Box]) -> str:
    """Several boxes as one answer: with their names where each has another, in their brackets."""
    names = {part.name for part in parts}
    bases = {re.split(r"[_(]", name)[0] for name in names}
    called = len(bases) > 1 or any("(" in name for name in names)  # x_1, x_2 only count
    if "" not in names and len(names) == len(parts) and called:
        return ", ".join(f"{part.name}={part.text}" for part in parts)
    texts = list(dict.fromkeys(part.text for part in parts))
    if all(_equal(text, texts[-1]) for text in texts[:-1]):
        return texts[-1]
    brackets = re.search(r"(\(|\[|\\\{)\s*$", content[: parts[0].start])
    closes = re.match(r"\s*(?:\\right)?(\)|\]|\\\})", content[parts[-1].end :])
    between = [content[p.end : q.start] for p, q in pairwise(parts)]
    either = all(re.search(r"(?<![a-z])or(?![a-z])", text) for text in between)
    related = all(re.search(r"[<>]|\\[lg]e", text) for text in texts)
    made = (r" \text{ or } " if either and related else ", ").join(texts)
    return f"{brackets[1]}{made}{closes[1]}" if brackets and closes else made


def _equal(a: str, b: str) -> bool:
    """Whether exact rules say that two boxes hold the same."""
    from scalediff.domains.math.grading.grader import grade_at_once

    verdict = grade_at_once(a, b)
    return verdict is not None and verdict.value == "right"
