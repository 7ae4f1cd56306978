r"""The answer that a response gives.

The last ``\boxed{}`` or ``\fbox{}`` decides; a last box that is empty or never closed gives no
answer, even where an earlier one does. Boxes joined in one sentence (``\boxed{2} and \boxed{3}``)
are one answer. Without a box: GSM8K's ``####``, then a sentence that says what the answer is. A
number is never picked out of running text.
"""

from __future__ import annotations

import re

from scalediff.domains.math.grading.latex import closing

EXTRACT_VERSION = "4"
"""Raised whenever a response may give another answer; part of the domain's version."""

MAX_CONTENT = 200_000
"""Characters of a response that are searched, from its end."""

_SPACES = re.compile(r"[^\S\n]{3,}|\s*\n\s*\n\s*")
_MAX_BETWEEN = 60
"""Characters between two boxes that are joined in one sentence."""
_MAX_SAID = 200
"""An answer said in a sentence is at most so long; what is longer is an explanation."""
_MAX_SHOWN = 1_000
"""Characters behind an announcement that are looked at."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])(?:\s*(?=\{)| *(?=[-+]?\d)|\s*$)")
"""A box, or a number behind the command; the word alone, in running text, is neither.
At the very end it is a box that was cut off."""
_BARE = re.compile(r"[-+]?\d(?:[\d.,]*\d)?")
_NEGATED = re.compile(r"(?:^|[=:\s$(])-\s*$")
_DRESS = re.compile(
    r"\\(?:text|mathrm|mathbf|mbox|quad|qquad|displaystyle)(?![A-Za-z])|[\s{}$\\?.,;:!_-]"
)
_JOINED = re.compile(
    r"[\s$]*(?:\\[()\[\]])?[\s$,]*(?:\\text\s*\{\s*)?(?:(?:and|or)\b)?(?:\s*\})?"
    r"[\s$]*(?:\\[()\[\]])?[\s$]*(?:[a-zA-Z]\s*=\s*)?"
)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_VALUE_LIKE = re.compile(r"[-+]?[$\\(\[]?\s*-?\d|[-+]?\\|\$")
_SAYS = re.compile(
    r"(?:\b(?:answer|result|(?:correct |right )(?:option|choice))s?(?:\s+(?:to|of"
    r"|for)\s+[^.\n:]{1,60}?)?"
    r"\W{0,4}?(?:\s+(?:is|are)\b|\s*[:=])|\b(?:la respuesta(?: final)? es"
    r"|la réponse(?: finale)? est"
    r"|die antwort (?:ist|lautet)|la risposta è|a resposta é)\b|答案(?:是|为|：|:))"
    r"[\s*:=：]*(?:(?:therefore|thus|simply|then|just|exactly|equal to|given by)\s+)?"
    r"(?=([^\n]{1,1000}))",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*\*[ \t]*)(?:final\s+)?answer[ \t]*:?[ \t]*(?:\*\*)?[ \t]*:?"
    r"[ \t]*\n+[ \t]*([^\n]{1,1000})",
    re.IGNORECASE | re.MULTILINE,
)
_ONE_NUMBER = re.compile(r"(?<![\w.])\$?-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w^/])")
_MATHS = re.compile(r"\$\$?(.+?)\$\$?(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_EXPLAINED = re.compile(
    r"(?<=\S)(?:\.(?=\s+[A-Z\\$])|\s+(?:because|since|as|so|which|where|when)\b|,\s+(?:since|so|as"
    r"|because|which)\b|<\|)"
)
_MOST_ANNOUNCED = 5
_NO_ANSWER = re.compile(
    r"(?:(?:not|unclear|unknown|as follows|below|above|obtained|found)\b"
    r"|(?:indeed\s+|also\s+|therefore\s+)?(?:correct|right|verified|confirmed|consistent|the same"
    r"|reasonable|valid|wrong|incorrect)\b(?!\s+(?:triangle|angle)))",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(r"(?:so |thus |therefore,? )?the (?:final )?answer\b", re.IGNORECASE)
_TELLING = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand"
    r"|million|billion|dozen|negative|minus|plus|half|halves|third|thirds|quarters?|twice|double"
    r"|triple|root|squared?|cubed?|factorial|percent|pi|and|or|of|not|more|less|times|to|over|by"
    r"|between|sin|cos|tan|log|ln|[a-z])\b|[!%√^=+*/\\]|[-−]\s",
    re.IGNORECASE,
)
"""What in a sentence makes its one number no answer."""
_MORE_MATHS = re.compile(r"\s*(?:,\s*(?:and|or)?|and|or)\s*(?=\$|\\\()")
_SCALED = re.compile(
    r"\s*\$?\s*(\\pi(?![A-Za-z])|\\?%|(?:hundred|thousand|million|billion|dozen)\b)"
)


def extract(content: str) -> str | None:
    r"""The answer, as written, or None.

    Example:
        >>> extract(r"First \boxed{3}, or rather \boxed{\frac{1}{2}}.")
        '\\frac{1}{2}'
        >>> extract(r"Clearly \boxed{3}. Then \boxed{") is None
        True
        >>> extract("18 - 4 = 14\n#### 14")
        '14'
    """
    content = _SPACES.sub(_shorter, _after_thought(content[-MAX_CONTENT:]))
    boxes = list(_BOX.finditer(content))
    if boxes:
        return _boxed(content, boxes)
    hashes = list(_HASHES.finditer(content))
    if hashes:
        last = hashes[-1]
        if not content[last.end() :].strip() or _VALUE_LIKE.match(last[1]):
            return _cleaned(last[1])
    found = (*_SAYS.finditer(content), *_HEADING.finditer(content))
    # "the answer is 12. This answer is correct": the last that announces something
    for start in sorted((said.start(1) for said in found), reverse=True)[:_MOST_ANNOUNCED]:
        answer = _said(content[start:])
        if answer is not None:
            return answer
    return None


def gold_answer(gold: str) -> str:
    r"""The answer in a gold column: as it is, boxed in a solution, or behind GSM8K's ``####``.

    Example:
        >>> gold_answer("48/2 = 24\n#### 24"), gold_answer("$x^2$")
        ('24', '$x^2$')
    """
    if "####" in gold or _BOX.search(gold):
        return extract(gold) or gold
    return gold


def _shorter(match: re.Match[str]) -> str:
    """Runs of spaces, which loops write by the thousand, as two."""
    return "\n\n" if match[0].count("\n") > 1 else "  "


def _after_thought(content: str) -> str:
    """The content behind the thought; nothing where the thought never ended."""
    thought, tag, rest = content.rpartition("</think>")
    if tag and not rest.strip():  # the thought came last: what stands before it is the content
        return thought.rpartition("<think>")[0]
    if tag:
        return rest
    return "" if "<think>" in rest else rest


def _boxed(content: str, boxes: list[re.Match[str]]) -> str | None:
    """The last box, with those that are joined to it in the same sentence."""
    start, last_end, last = _box(content, boxes[-1])
    if not last:
        return None
    if scale := _SCALED.match(content, last_end):
        last = f"{last} {scale[1]}"
    if _NEGATED.search(content[max(0, start - 8) : start]):
        last = f"-({last})" if re.search(r"[-+]", last[1:]) else f"-{last}"
    answers = [last]
    for box in reversed(boxes[:-1]):
        before, end, inner = _box(content, box)
        between = content[end:start]
        if not inner or end > start or "\n\n" in between or len(between) > _MAX_BETWEEN:
            break
        if not _JOINED.fullmatch(between):
            break
        if not re.search(r",|\b(?:and|or)\b", between):  # the same box said twice
            break
        answers.insert(0, inner)
        start = before
    return ", ".join(dict.fromkeys(answers))


def _box(content: str, match: re.Match[str]) -> tuple[int, int, str]:
    r"""Start, end and inside of a box; the inside is empty where it is never closed."""
    at = match.end()
    if content[at : at + 1] == "{":
        end = closing(content, at)
        inner = content[at + 1 : end].strip() if end > 0 else ""
        says = _DRESS.sub("", inner) or inner.replace(" ", "") == r"\{\}"
        return match.start(), end + 1, inner if says else ""
    bare = _BARE.match(content, at)
    return match.start(), bare.end() if bare else at, bare[0] if bare else ""


def _said(text: str) -> str | None:
    """The answer at the beginning of what follows its announcement."""
    text = text[:_MAX_SHOWN].strip().lstrip("*_: ")
    if _NO_ANSWER.match(text) or _ANNOUNCES.match(text):
        return None
    if (found := _MATHS.match(text)) and not re.match(r"\$\d[\d.,]*(?:\s|\W*$)", text):
        return _formulas(text, found)
    text = text.partition("\n")[0].replace("−", "-")
    if found := _EXPLAINED.search(text):
        text = text[: found.start()]
    numbers = _ONE_NUMBER.findall(text)
    if len(text.split()) > 2 and len(numbers) == 1:
        rest = text.replace(numbers[0], " ", 1)
        if not _TELLING.search(rest) and not re.search(r"\d", rest):
            text = numbers[0]
    return _cleaned(text)


def _formulas(text: str, found: re.Match[str]) -> str | None:
    """The formula at the beginning, with those that it is joined to and a scale behind it."""
    parts = [_inside(found)]
    end = found.end()
    while (more := _MORE_MATHS.match(text, end)) and (other := _MATHS.match(text, more.end())):
        parts.append(_inside(other))
        end = other.end()
    scale = _SCALED.match(text, end)
    if scale:
        parts[-1] += f" {scale[1]}"
    return _cleaned(", ".join(parts))


def _inside(formula: re.Match[str]) -> str:
    """What stands between the signs of a formula, in one line."""
    return " ".join(next(group for group in formula.groups() if group).split())


def _cleaned(text: str) -> str | None:
    """An answer in a sentence without its emphasis and its full stop."""
    text = text.partition("<|")[0].strip().strip("*_").strip()
    text = re.sub(r"(?<=[^.])[.,;!。]$", "", text).strip().strip("*_").strip()
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    return text if 0 < len(text) <= _MAX_SAID else None
