r"""One spelling for LaTeX that means the same: what every comparison of answers starts from.

``tidy`` keeps valid LaTeX (a parser can read it), ``plain`` is for comparing texts only. Neither
changes what an answer says.
"""

from __future__ import annotations

import re
import unicodedata

_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "‐": "-",
        "‑": "-",
        "×": r"\times ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "÷": r"\div ",
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "±": r"\pm ",
        "∪": r"\cup ",
        "∈": r"\in ",
        "≈": r"\approx ",
        "°": r"^\circ ",
        "²": "^2",
        "³": "^3",
        "½": r"\frac{1}{2}",
        "，": ",",
        "（": "(",
        "）": ")",
        "‘": "'",
        "’": "'",
    }
)
_ROOT_SIGN = re.compile(r"√\s*(\d+|[a-z]|\([^()]*\))")

_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}(?:\\!)?|,?\\!|\\[,:; ])(?=\d{3}(?!\d))")
_SIZES = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg"
    r"|displaystyle|textstyle|limits)(?![A-Za-z])"
)
_SPACES = re.compile(r"\\[,!:;>\s]|~|\\(?:quad|qquad|thinspace)(?![A-Za-z])|\\(?=$)")
_DELIMITERS = re.compile(r"\\[()\[\]]|(?<!\\)\$")
_BACKSLASHES = re.compile(r"\\{2}(?=(?:frac|dfrac|sqrt|pi|text|left|right|times|cdot|boxed)\b)")
_SYNONYMS = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "leq": "le",
    "geq": "ge",
    "leqslant": "le",
    "geqslant": "ge",
    "neq": "ne",
    "lbrace": "{",
    "rbrace": "}",
    "lbrack": "[",
    "rbrack": "]",
    "textrm": "text",
    "textbf": "text",
    "textit": "text",
    "textnormal": "text",
    "mathrm": "text",
    "mathbf": "text",
    "mathit": "text",
    "boldsymbol": "text",
    "operatorname": "text",
    "mbox": "text",
    "hbox": "text",
    "dbinom": "binom",
    "tbinom": "binom",
    "ast": "cdot",
    "degree": "circ",
    "to": "rightarrow",
}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d|[a-z]|\{[^{}]*\})\s*(\d|[a-z]|\{[^{}]*\})")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[a-z](?![a-z]))")
_BOLD_NUMBER = re.compile(r"\\text\s*\{([-+\d\s.,/]*\d[-+\d\s.,/]*)\}")
_ONE_SIGN = re.compile(r"([\^_])\{([A-Za-z0-9])\}")
_GAP = re.compile(r"(\\[A-Za-z]+) (?=[A-Za-z])| ")

OPENING, CLOSING = "([{", ")]}"


def tidy(text: str) -> str:
    r"""The text with one spelling of fractions, roots, spaces, delimiters and look-alikes.

    Example:
        >>> tidy(r"$\left( 3, \dfrac12 \right)$.")
        '( 3, \\frac{1}{2} )'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text).translate(_CHARACTERS)
        text = _ROOT_SIGN.sub(r"\\sqrt{\1}", text)
    text = _BACKSLASHES.sub(r"\\", text)
    text = _THOUSANDS.sub("", text)
    text = _SIZES.sub("", text)
    text = _DELIMITERS.sub(" ", text)
    text = _SPACES.sub(" ", text)
    text = _COMMAND.sub(_command, text)
    text = _BOLD_NUMBER.sub(lambda m: "".join(m[1].split()), text)
    text = _SHORT_FRACTION.sub(_fraction, text)
    text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = " ".join(text.split())
    while text and text[-1] in ".;,:" and not text.endswith("\\"):
        text = text[:-1].rstrip()
    return _unwrapped(text)


def _command(match: re.Match[str]) -> str:
    name = _SYNONYMS.get(match[1], match[1])
    return "\\" + name


def _fraction(match: re.Match[str]) -> str:
    above, below = (part if part[0] == "{" else f"{{{part}}}" for part in match.groups())
    return rf"\frac{above}{below}"


def _unwrapped(text: str) -> str:
    """Without braces around the whole."""
    while len(text) > 2 and text[0] == "{" and closing(text, 0) == len(text) - 1:
        text = text[1:-1].strip()
    return text


def plain(text: str) -> str:
    r"""A tidied text without spaces and single-sign braces, for comparing only.

    Example:
        >>> plain(r"x ^{2} + \pi r")
        'x^2+\\pi r'
    """
    text = _ONE_SIGN.sub(r"\1\2", text).replace(r"\times", r"\cdot")
    return _GAP.sub(lambda m: f"{m[1]} " if m[1] else "", text)


def closing(text: str, at: int) -> int:
    r"""Index of the brace that closes the one at ``at``; -1 where there is none.

    Escaped braces (``\{``) do not count.
    """
    depth = 0
    i = at
    while i < len(text):
        if text[i] == "\\":
            i += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
        i += 1
    return -1


def split_top(text: str, separator: re.Pattern[str]) -> list[str] | None:
    """Parts between separators outside of all brackets; None where brackets do not close.

    An opening bracket may be closed by another kind, as in ``[1, 2)``.
    """
    parts: list[str] = []
    depth = start = i = 0
    while i < len(text):
        sign = text[i]
        if depth == 0 and (found := separator.match(text, i)) and found.end() > i:
            parts.append(text[start:i].strip())
            start = i = found.end()
            continue
        if sign == "\\" and i + 1 < len(text) and text[i + 1] in "{}":
            i += 1
            sign = text[i]
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth < 0:
            return None
        i += 1
    parts.append(text[start:].strip())
    return parts if depth == 0 else None
