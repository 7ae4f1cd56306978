r"""What stands before a box and around it: a sign, a name's end, or what may change its value.

A sign is read (``-\boxed{3}``, ``\pm\boxed{3}``). Whatever else may belong to the answer
(``2\cdot\boxed{3}``, ``\sqrt{\boxed{2}}``, ``3 or \boxed{4}``) is a doubt: nothing is read then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NEAR = 160
"""Characters before and behind a box that are looked at."""

SPACE = r"(?:[^\S\n]|\\[,;:! ]|\\(?:displaystyle|thinspace)(?![A-Za-z])|~|\{\})"
"""A space of LaTeX or of a text, within a line."""

_PLAIN_GROUP = re.compile(
    r"(?:\\(?:text\w*|mathrm|mathbf|mathit|mathsf|mbox|hbox|bm|boldsymbol|underline|boxed|fbox|Large|large"
    r"|LARGE|huge|bf|tag|href|label|hspace|vspace|begin|end|color|phantom)\s*\*?(?:\[[^\]]*\])?"
    r"|\\(?:textcolor|colorbox|fcolorbox|color)(?:\[[^\]]*\])?(?:\s*\{[^{}]*\})+"
    r"|(?:^|[\s$=(,&:>{]|\\[\[(]))\s*$"
)
_OPERATOR_BEFORE = re.compile(
    r"(?:\\(?:times|cdot|div|mp|sqrt|ln|log|lg|sin|cos|tan|exp|ne|neq|not|pi|alpha|beta|gamma|theta"
    r"|lambda|[dtc]?frac\s*\w?|circ|sqrt\s*\[[^\]]*\])|\\not\s*=|≠|[≤≥]|[^\s=>-][^\S\n]*[<>]|\\[lg](?:e|t|eq|eqslant)?|\\(?:[lr]?[vV]ert|[lr](?:floor|ceil)|mid)|\\\||[×·÷√π/^_+]|\d[^\S\n$]*\*"
    r"|(?<![A-Za-z] )(?<![\w.])\d+\s*:"  # a ratio, but not "Step 3:"
    r"|(?<![A-Za-z\\])[A-Za-z]|(?<![\dA-Za-z.)])\d+[^\S\n]*|[=+\-*/^]\s*\d+[^\S\n]*)$"
)
_TEXT_END = re.compile(
    r"\\(?:text\w*|mathrm|mathbf|mbox|color|begin|end|hspace|vspace|tag|label|boxed|fbox)\s*$"
)
_ONE_VALUE = r"(?:[A-Za-z]\s*=\s*)?(?:-?\d[\d.]*|\\[dt]?frac\{?\d+\}?\{?\d+\}?)\s*"
_LISTED_BEFORE = re.compile(
    rf"(?:\$\s*{_ONE_VALUE}\$|(?:^|[\s$]){_ONE_VALUE}|\b[A-H])\s*(?:\\text\s*\{{\s*)?(?:and|or)"
    r"(?:\s*\})?(?:\s|\\[,; ]|\$)*$"
    r"|(?:\$|\\\(|\\\[)[^$A-Za-z]*\d\s*,\s*(?:\\[,; ]|\\quad)?\s*$"
    r"|(?:^|[:(,;]|\b(?:is|are|be|answers?|solutions?|roots?|values?))\s*\$?-?\d[\d./]*\$?\s*[,;]"
    r"\s*(?:and|or)?[\s$]*$"
    r"|(?:^|[\s=$])[(\[{][^()\[\]$A-Za-z]*\d\s*,\s*$"
)
_MATRIX = re.compile(r"\\begin\{[a-zA-Z]*matrix\}(?!.*\\end\{[a-zA-Z]*matrix\})", re.DOTALL)


@dataclass(frozen=True)
class Around:
    """What of a side of a box belongs to its answer, up to where, and what is in doubt."""

    text: str
    at: int
    doubt: str = ""


def before(content: str, start: int) -> Around:
    r"""The sign before a box: ``-``, ``\pm`` or none."""
    near = max(0, start - NEAR)
    text = content[near:start]
    if doubt := _group(content, start, near) or (_MATRIX.search(text) and "in a matrix"):
        return Around("", start, doubt)
    text = re.sub(rf"(?:{SPACE}|\{{)+$", "", text)
    at = near + len(text)
    line = text.rpartition("\n")[2]
    if text.endswith(r"\pm"):
        return Around(r"\pm ", at - 3)
    if text.endswith(("-", "−", "–", "—")):
        return _minus(text, line, at, glued=at == start)
    if line.endswith("*") or re.fullmatch(r"\s*(?:\d+[.)]|\+)", line):
        return Around("", start, "" if not re.search(r"[\d)]\s*\*$", line) else "a factor before")
    if text.endswith("}") and not _text_group(text):
        return Around("", start, "a factor before the box")
    found = _OPERATOR_BEFORE.search(re.sub(r"(?:</?[A-Za-z_][^<>]*>)+$", "", text[-80:])[-40:])
    if found and not (found[0].isalpha() and at != start):
        return Around("", start, f"{found[0].strip()} before the box")
    if text.endswith("|") and at == start:
        return Around("", start, "an absolute value around the box")
    if re.search(r"[-−*/^]\($", text):
        return Around("", start, "a factor before the brackets around the box")
    if text.endswith(")") and at == start and not re.search(r"(?:^|\s)\(?\w\)$|\\\)$", text):
        return Around("", start, "a factor before the box")
    return Around("", start)


def listed_before(text: str) -> bool:
    """Whether a text before a box ends in another value of a list, which stands in no box."""
    return bool(_LISTED_BEFORE.search(text[-NEAR:]))


def _minus(text: str, line: str, at: int, glued: bool) -> Around:
    """A minus sign, a dash or a bullet before a box."""
    rest = text[:-1].rstrip()
    if not glued and not line[:-1].strip() and "$" not in line:
        return Around("", at)  # a bullet at the beginning of its line
    if (
        not rest
        or rest[-1] in "=:$([{,&<>"
        or rest.endswith(("\\(", "\\["))
        or (re.search(r"\\(?:approx|Rightarrow|implies|to|quad|le|ge|or|in)$", rest))
    ):
        return Around("-", at - 1)
    if glued and text[-2:-1].isspace() and rest[-1].isalpha():
        return Around("-", at - 1)
    return Around("", at, "a dash or a minus before the box")


def _text_group(text: str) -> bool:
    """Whether the braces that end a text hold words or a setting, and no factor."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += (text[i] == "}") - (text[i] == "{")
        if depth == 0:
            return bool(_TEXT_END.search(text[:i])) or not text[:i].strip()
    return True


def _group(content: str, start: int, near: int) -> str:
    """Why the braces around a box may change its value; empty where they do not."""
    depth = 0
    for i in range(start - 1, near - 1, -1):
        if content[i] not in "{}" or content[i - 1 : i] == "\\":
            continue
        depth += 1 if content[i] == "}" else -1
        if depth < 0:
            depth = 0
            if not _PLAIN_GROUP.search(content[max(0, i - 60) : i]):
                return "a box inside of an expression"
    return ""
