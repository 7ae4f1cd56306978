r"""One form of a text for comparing it with others.

Two texts that a reader would call the same (spacing, ``$`` against ``\(``, ``\left(`` against
``(``, a capital at the start of a sentence, a heading such as ``Problem 12.``) get the same form;
whatever can change the answer (numbers, operators, ``X`` against ``x``) stays. Comparing form only:
it is never written to a row.
"""

from __future__ import annotations

import re
import unicodedata

_GREEK = "αβγδεζηθικλμνξπρστυφχψωΔΣΠΩ"
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Delta Sigma Pi Omega"
)
_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "×": "*",
        "·": "*",
        "÷": "/",
        "≤": "<=",
        "≥": ">=",
        "…": "...",
        "²": "^2",
        "³": "^3",
        "√": r"\sqrt ",
        "∞": r"\infty ",
        "°": r"^\circ ",
        **{letter: f"\\{name} " for letter, name in zip(_GREEK, _GREEK_NAMES.split(), strict=True)},
    }
)

_THOUSANDS = re.compile(r"(?<=\d)(?:\\,|\{,\}|\\!)(?=\d{3}(?!\d))")

_INVISIBLE = re.compile(
    r"\\\\"  # a new line
    r"|\\[,!;:>\s\[\]()$]"  # spacing, \( \) \[ \] and an escaped dollar
    r"|\$"
    r"|\\(?:left|right|displaystyle|quad|qquad|limits|big|Big|bigg|Bigg)(?![A-Za-z])"
)

_SAME = {
    "dfrac": r"\frac",
    "tfrac": r"\frac",
    "cdot": "*",
    "times": "*",
    "div": "/",
    "le": "<=",
    "leq": "<=",
    "ge": ">=",
    "geq": ">=",
    "ldots": "...",
    "cdots": "...",
    "dots": "...",
    "lvert": "|",
    "rvert": "|",
    "mid": "|",
    "neq": r"\ne",
    "operatorname": r"\mathrm",
    "textbf": r"\text",
    "mbox": r"\text",
}
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_WORD = re.compile(r"(?<![\\\w])(?:[^\W\d_]{2,}|A(?=\s[a-z]{2}))")
"""Words, and the article at the start of a sentence (a point ``A`` stays)."""
_CAPITAL = re.compile(r"(?<![\\\w])(?:[A-Z][a-z]+(?![A-Za-z])|A(?=\s[a-z]{2}))")
"""The same for plain ASCII, where nothing but the words to lower need be looked at."""

_HEADING = re.compile(
    r"^(?:(?:problem|question|exercise|example|q)\s*(?:no\s*\.?\s*)?\d+\s*(?:[.:)]+|(?=\())\s*"
    r"|\d{1,3}\s*[.)]\s+(?=[^\W\d_])"
    r"|\(\s*\d{1,3}\s*(?:points?|pts|marks?)\s*\.?\s*\)\s*)",
    re.IGNORECASE,
)

_NUMBER = re.compile(r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)?")


def normalise(text: str) -> str:
    r"""The comparing form of a text; normalising twice is normalising once.

    NFC, look-alike characters made one, LaTeX spacing and delimiters removed, synonyms among
    commands (``\dfrac``, ``\leq``) made one, words written with a capital lowered, whitespace
    collapsed, a leading heading and a trailing full stop removed.

    Example:
        >>> normalise(r"Problem 3. Find  $\left( x+1 \right)$ if $x\leq 2$.")
        'find ( x+1 ) if x<= 2'
    """
    if not text.isascii():
        sound = text.encode("utf-8", "replace").decode("utf-8")
        text = unicodedata.normalize("NFC", sound).translate(_CHARACTERS)
    if "\\" in text or "{,}" in text:
        text = _THOUSANDS.sub("", text)
        text = _INVISIBLE.sub(" ", text)
        text = _COMMAND.sub(_command, text).replace("\\%", "%")
    else:
        text = text.replace("$", " ")
    words = " ".join(text.split())
    words = _CAPITAL.sub(_lowered, words) if words.isascii() else _WORD.sub(_lowered, words)
    text = words.rstrip(" .?:")
    while heading := _HEADING.match(text):
        text = text[heading.end() :]
    return text


def _command(match: re.Match[str]) -> str:
    return _SAME.get(match[1], match[0])


def _lowered(match: re.Match[str]) -> str:
    word = match[0]
    return word.lower() if word.istitle() else word


def numbers(text: str) -> tuple[str, ...]:
    """The numbers of a text in order, thousands separators removed.

    Example:
        >>> numbers("From 1,000 take 2.5 and 3")
        ('1000', '2.5', '3')
    """
    return tuple(found.replace(",", "") for found in _NUMBER.findall(text))


def mask_numbers(text: str) -> str:
    """The text with every number replaced by ``#``: equal for twins that differ in numbers alone.

    Example:
        >>> mask_numbers("Add 3 to 12.")
        'Add # to #.'
    """
    return _NUMBER.sub("#", text)
