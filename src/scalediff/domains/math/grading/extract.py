r"""The answer that a response gives: from its boxes (``boxes``), else as it is said (``said``).

Nothing is read where that is not certain; then ``Reading.unread`` says what may be an answer.
"""

from __future__ import annotations

import re

from scalediff.core.records import Reading
from scalediff.domains.math.grading.boxes import BOX, read_boxes
from scalediff.domains.math.grading.said import read_said
from scalediff.text.marks import ending

EXTRACT_VERSION = "6"
"""Raised whenever a response may give another answer; part of the domain's version."""

MAX_CONTENT = 200_000
"""Characters of a response that are searched, from its end."""

_SPACES = re.compile(r"[^\S\n]{3,}|\s*\n\s*\n\s*")


def read_answer(content: str, finish_reason: str | None = None) -> Reading:
    r"""What answer the content of a response gives.

    Args:
        content: What the response says outside of its thought.
        finish_reason: Why it ended. What was cut off holds no answer that is not read.

    Example:
        >>> read_answer(r"First \boxed{3}, or rather \boxed{\frac{1}{2}}.").answer
        '\\frac{1}{2}'
        >>> read_answer(r"\boxed{2} and \boxed{5}\sqrt{3}").answer
        '2, 5\\sqrt{3}'
        >>> read_answer(r"Clearly \boxed{3}. Then \boxed{")
        Reading(answer=None, unread='')
        >>> read_answer("18 - 4 = 14\n#### 14").answer, read_answer("Thus 14 are left.").unread
        ('14', 'a conclusion: Thus 14 are left.')
    """
    content = _SPACES.sub(_shorter, content[-MAX_CONTENT:])
    boxes = list(BOX.finditer(content))
    found = read_boxes(content, boxes) if boxes else read_said(content)
    return found if ending(finish_reason) == "stop" else Reading(found.answer)


def gold_answer(gold: str) -> str:
    r"""The answer in a gold column: as it is, boxed in a solution, or behind GSM8K's ``####``.

    Example:
        >>> gold_answer("48/2 = 24\n#### 24"), gold_answer("$x^2$")
        ('24', '$x^2$')
    """
    if "####" in gold or BOX.search(gold):
        return read_answer(gold).answer or gold
    return gold


def _shorter(match: re.Match[str]) -> str:
    """Runs of spaces, which loops write by the thousand, as two."""
    return "\n\n" if match[0].count("\n") > 1 else "  "
