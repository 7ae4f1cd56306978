r"""What stands behind a box and belongs to its answer.

A factor, a power or a scale is read where it is certain (``\boxed{8}\sqrt3``, ``\boxed{3} dozen``,
``\boxed{50}\%``); a unit or a comment is left out. What may change the value and was not understood
(``\boxed{3} ninths``, ``\boxed{2} hours and 30 minutes``) is a doubt: nothing is read then.
"""

from __future__ import annotations

import re

from scalediff.domains.math.grading.latex import CLOSING, OPENING
from scalediff.domains.math.grading.surroundings import NEAR, SPACE, Around

_GLUE = re.compile(rf"{SPACE}*")
_CROSS = re.compile(rf"(?:{SPACE}|\$|\\[()\[\]]|\*\*)*")
"""The same, out of one formula and into the next."""
SCALE = re.compile(
    r"(?:\\text\s*\{\s*)?(hundred|thousand|million|billion|trillion|dozen)s?\b"
    r"|(?:\\text\s*\{\s*)?(\\?%|％|(?:percent|per cent|pct)\b)"
    r"|(\^\s*(?:\{\s*)?\\circ|°)"
)
"""A word or sign behind a number that multiplies it (hundreds, percent, degrees)."""
_PARTS = (
    r"halves|half|thirds?|quarters?|fourths?|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?"
    r"|elevenths?|twelfths?|\w+teenths?|twentieths?|hundredths?|thousandths?|millionths?"
)
_CHANGES = re.compile(
    rf"(?:\\text\w*\s*\{{\s*)?[-\s]*(?:(?:{_PARTS}|squared|cubed|factorial|negative|root|quadrillion"
    r"|lakhs?|crores?|gross|googols?|basis|‰)(?![a-z])"
    rf"|and\s+(?:a|one|two|three|\d+)[-\s]+(?:{_PARTS})(?![a-z])"
    r"|(?:and|or|to|through|times|over|plus|minus|divided by|multiplied by|choose|x)\b\s*(?:\})?"
    r"(?:\s|\\[,;:! (\[]|\\quad|\$)*[-+−]?(?:\d|[.√π]\d?|\\(?:[dt]?frac|sqrt|pi)(?![A-Za-z])))",
    re.IGNORECASE,
)
"""Words behind a box that make another value of it."""
_MORE = re.compile(
    r"(?:\\text\w*\s*\{)?\s*(?!(?:of|in|for|at|on|with|is|are|by|from|as|so|if|when|where|than)\b)"
    r"[A-Za-z]{1,12}\s*\}?\s*(?:\\text\s*\{)?(?:\s*and)?\s*\}?[\s$]*\d+(?=\s*(?:[A-Za-z$\\]|\.?$))"
)
"""A second number behind the unit: ``2 hours and 30 minutes``."""
_ORDINAL = re.compile(r"\^?\s*\{?\s*(?:\\(?:text\w*|mathrm)\s*\{\s*)?(?:th|st|nd|rd)\b\s*\}*")
_OPERATES = re.compile(r"\\(?:times|cdot|div|pm|mp|sqrt|pi)(?![A-Za-z])|[×·÷√π^]|[*/]\s*[\d\\($]")
_FACTOR = (
    r"\\(?:times|cdot|ast|div|pm|mp|sqrt|[dtc]?frac|pi|ln|log|lg|sin|cos|tan|cot|sec|csc|exp|binom"
    r"|alpha|beta|gamma|delta|theta|lambda|mu|phi|varphi|omega|sigma|rho|tau|infty|mathrm\s*\{[ei]\}"
    r"|left|right|mathbf\s*\{\w\}|hat|vec|bar|overline)(?![A-Za-z])"
)
_SIGN = re.compile(
    rf"{_FACTOR}|\\[,;:! ]|~|\\[{{}}]|[×·÷√π⁰¹²³⁴-⁹]|[\w.+\-−*/^!()\[\]{{}}'|,]|[^\S\n]"
)
_BEGINS = re.compile(
    rf"{_FACTOR}|[×·÷√π⁰¹²³⁴-⁹^_]|[*/]\s*(?=[\d\\(])|[-+−](?:[^\S\n]|\\[,;:! ])*(?=[\dA-Za-z\\(])"
    r"|\((?!\s*(?:\\text|[A-Za-z]{2,}|[a-z]\)))|[A-Za-z]|!"
)
_UNIT = re.compile(
    r"(?:(?:[cmkdn]|\\mu)?(?:m|g|s|A|W|V|J|N|L|l|Hz|Pa|mol)|ft|in|yd|mi|lbs?|oz|mph|kmh?|kWh|hrs?|min|sec"
    r"|rad|deg|th|st|nd|rd|eV|cc)(?![A-Za-z])"
)
_LISTED = re.compile(
    r"[,;](?!.{0,12}\\(?:boxed|fbox|text|quad))\s*(?:\\[,;: ]|\\quad)?\s*[-+]?[\d\\]", re.DOTALL
)
"""Another value of a list in the same formula."""
_FURTHER = re.compile(
    r"[,;](?:\s|\$|\\[,;:( ])*[-+−]?(?:\d[\d.,/]*|\\(?:[dt]?frac|sqrt)[^$\s]*)"
    r"(?=[\s$]*(?:[.,;:)\n\]]|\\[)\]]|$|(?:and|or)\b))"
)
"""Another value of a list, in a formula or not."""
_RELATES = re.compile(
    r"<(?![|/a-zA-Z!])|>|\\(?:l[et]|g[et]|leq|geq|in|ne|neq)(?![A-Za-z])|[≤≥≠]|:\s*\d"
)
_CHOICE = re.compile(r"\(?[A-H]\)?|\\text\w*\s*\{\s*\(?[A-H]\)?\s*\}")
_WORD = re.compile(r"[A-Za-z]{2,}")
_PROSE = re.compile(r"[aAI]\s+[A-Za-z]|[A-Za-z]['’]")
_DANGLING = re.compile(r"(?:[-+−*/^_(=×·÷]|\\(?:times|cdot|div|pm|mp|sqrt|[dtc]?frac|ln|log))\s*$")
_SUM = re.compile(r"(?<=[^\s({^_])\s*(?:[-+−]|\\pm|\\mp)|[,=<>]|\\(?:le|ge)")


def behind(content: str, end: int, inner: str) -> Around:
    """The answer of a box with what behind it belongs to it, and where that ends."""
    near = content[: end + NEAR]
    at = _past(_GLUE, near, end)
    while near[at : at + 1] == "}":  # of the braces around the box, which were looked at
        at = _past(_GLUE, near, at + 1)
    outside = _past(_CROSS, near, at)
    if scale := SCALE.match(near, outside):
        sign = scale[1] or (scale[2] and r"\%") or r"^\circ"
        gap = "" if scale[3] else " "
        closes = re.match(r"\s*\}", near[scale.end() :])
        past = scale.end() + (closes.end() if closes and "{" in scale[0] else 0)
        return Around(f"{_wrapped(inner)}{gap}{sign}", past)
    if changed := _CHANGES.match(near, outside):
        return Around(inner, end, f"{changed[0].strip()!r} behind the box")
    if _MORE.match(near, outside):
        return Around(inner, end, "a second number behind the box")
    if ordinal := _ORDINAL.match(near, at):
        return Around(inner, ordinal.end())
    if _FURTHER.match(near, outside):
        return Around(inner, end, "further values behind the box")
    if outside > at and _OPERATES.match(near, outside):
        return Around(inner, end, "a factor behind the box")
    return _factor(near, end, at, inner)


def _past(spaces: re.Pattern[str], text: str, at: int) -> int:
    """Where spaces end."""
    found = spaces.match(text, at)
    return found.end() if found else at


def _factor(near: str, end: int, at: int, inner: str) -> Around:
    """The factor that stands in the same formula as a box."""
    glued, sign = at == end, near[at : at + 1]
    maths = bool(re.match(r"[^\n]*?(?<!\\)(?:\$|\\\)|\\\])", near[at:])) and _in_maths(near[:end])
    if re.match(r"\.\d|,\d{3}(?!\d)|'|_\{?\w", near[at:]) and glued and sign != "_":
        return Around(inner, end, "a number that goes on behind the box")
    if _CHOICE.fullmatch(inner) and (sign.isdigit() or sign in ":=("):
        return Around(inner, end)
    if sign.isdigit() or (maths and _LISTED.match(near, at)):
        return Around(inner, end, "further values behind the box")
    if _RELATES.match(near, at):
        return Around(inner, end, "a relation behind the box")
    if not _BEGINS.match(near, at) or (sign == "!" and not (maths and glued)):
        return Around(inner, _unit_ends(near, at, end))
    unit = _UNIT.match(near, at)
    if unit and not (glued and unit[0] in "msgALVJN"):
        return Around(inner, unit.end())
    if sign.isalpha() and not maths and (_WORD.match(near, at) or _PROSE.match(near, at)):
        return Around(inner, end)
    if sign == "(" and not glued and not maths:
        return Around(inner, end, "brackets behind the box")
    return _composed(near, at, end, inner, maths)


def _composed(near: str, at: int, end: int, inner: str, maths: bool) -> Around:
    """A box and the factor behind it as one expression."""
    depth, i = 0, at
    while found := _SIGN.match(near, i):
        sign = found[0]
        if depth == 0 and (sign == "," or (sign == "." and not near[i + 1 : i + 2].isdigit())):
            break
        if depth == 0 and not maths and _WORD.match(near, i):
            break
        depth += (sign in OPENING or sign == r"\{") - (sign in CLOSING or sign == r"\}")
        if depth < 0:
            break
        i = found.end()
    tail = near[at:i].strip().removesuffix("**").strip()
    if depth > 0 or _DANGLING.search(tail) or (i == len(near) and i == end + NEAR):
        return Around(inner, end, "a factor behind the box that was not understood")
    if re.match(r"\\[dtc]?frac", tail) and re.search(r"\d\s*$", inner):
        return Around(inner, end, "a fraction behind the box, added or multiplied")
    if re.search(r"=|\\text", inner):
        return Around(inner, end, "a factor behind an equation or words")
    if tail[0] in "+-−" or tail.startswith((r"\pm", r"\mp", "_")):
        return Around(f"{inner}{tail}", i)
    simple = re.fullmatch(r"\d+|[A-Za-z]", inner) or (tail[0] != "^" and tail[0] != "!")
    return Around(f"{_wrapped(inner) if simple else f'({inner})'}{tail}", i)


def _wrapped(inner: str) -> str:
    """An expression in brackets where it is a sum."""
    return f"({inner})" if _SUM.search(inner, 1) else inner


def _in_maths(text: str) -> bool:
    r"""Whether a text ends within a formula."""
    text = text[-2_000:].rpartition("\n\n")[2].replace(r"\$", "")
    opened = max(text.rfind(r"\("), text.rfind(r"\["))
    return opened > max(text.rfind(r"\)"), text.rfind(r"\]")) or (
        len(re.findall(r"\$\$?", text)) % 2 == 1
    )


def _unit_ends(near: str, at: int, end: int) -> int:
    r"""Where a unit in ``\text{}`` behind a box ends; ``\text{ and }`` is none."""
    unit = re.compile(r"\\(?:text\w*|mathrm|mbox)\s*\{(?![^{}]*\b(?:and|or)\b)[^{}]{1,30}\}").match(
        near, at
    )
    return unit.end() if unit else end
