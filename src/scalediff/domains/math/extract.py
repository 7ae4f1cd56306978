r"""The answer that a response gives.

The last ``\boxed{}`` or ``\fbox{}`` decides; a last box that is empty or never closed gives no
answer, even where an earlier one does. Without a box: GSM8K's ``####``, then a sentence that says
what the answer is. A number is never picked out of running text.
"""

from __future__ import annotations

import re

MAX_CONTENT = 200_000
"""Characters of a response that are searched, from its end."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|\s*\d)")
_HASHES = re.compile(r"####[ \t]*([^\n]+)")
_SAYS = re.compile(
    r"(?:final answer|answer)\s*(?:is|:|=)\**\s*:?\s*([^\n]+)", re.IGNORECASE
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
    content = content[-MAX_CONTENT:]
    boxes = list(_BOX.finditer(content))
    if boxes:
        return boxed_at(content, boxes[-1].end())
    hashes = _HASHES.findall(content)
    if hashes:
        return _tidy(hashes[-1])
    says = _SAYS.findall(content)
    return _tidy(says[-1]) if says else None


def boxed_at(content: str, start: int) -> str | None:
    """What stands in the braces that open at ``start`` (nested ones included)."""
    if content[start : start + 1] != "{":
        return None
    depth = 0
    for end in range(start, len(content)):
        char = content[end]
        if content[end - 1] == "\\":
            continue
        depth += (char == "{") - (char == "}")
        if depth == 0:
            inside = content[start + 1 : end].strip()
            return inside or None
    return None


def _tidy(text: str) -> str | None:
    """An answer in a sentence without its emphasis and its full stop."""
    text = text.strip().strip("*_ ").strip()
    text = re.sub(r"(?<=[^.])\.$", "", text).strip()
    if len(text) > 2 and text[0] == text[-1] == "$" and "$" not in text[1:-1]:
        text = text[1:-1].strip()
    return text if 0 < len(text) <= 200 else None
