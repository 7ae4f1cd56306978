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
        "∕": "/",
        "⁄": "/",
        "°": r"^\circ ",
        "½": r"\frac{1}{2}",
        "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}",
        "⅓": r"\frac{1}{3}",
        "⅔": r"\frac{2}{3}",
        "∅": r"\emptyset ",
        "‘": "'",
        "’": "'",
        "′": "'",
    }
)
_UNSEEN = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202c\u2060-\u2064\u2066-\u2069\ufeff\ufe00-\ufe0f]"
)
"""Signs without a width: joiners, direction marks, byte order marks."""
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_FULL_WIDTH = re.compile("[\uff01-\uff5e\ufe62-\ufe66]")
_CYRILLIC = str.maketrans("аеорсухіАВЕКМНОРСТХ", "aeopcyxiABEKMHOPCTX")
_LONE_CYRILLIC = re.compile(r"(?<![^\W\d_])[аеорсухіАВЕКМНОРСТХ](?![^\W\d_])")
_WRAPPED = re.compile(
    r"\\(?:boxed|fbox|mathbin|mathord|mathrel|bf|rm|it|mathsf|mathtt|texttt|textsf|underline|bold)"
    r"(?![A-Za-z])\s*(?=\{)"
)
"""Commands that only dress what is in the braces behind them."""
_COLOUR = re.compile(r"\\(?:text)?color\s*\{[A-Za-z]+\}|\\(?:cancel|phantom)\s*\{[^{}]*\}")
_MARKDOWN = re.compile(r"^\s*(\*\*|__|`+)(.+?)\1\s*$", re.DOTALL)
_DEGREE = re.compile(
    r"(?<=[\d})])\s*\^?\s*(?:\{\s*)?\\(?:circ|degree)(?![A-Za-z])\s*\}?|(?<=\d)\^o(?![A-Za-z])"
)
_FUNCTION = re.compile(
    r"\\text\s*\{\s*((?:ar)?(?:sin|cos|tan)h|(?:arc)?(?:sin|cos|tan)|tg|cot|sec|csc|ln|log|lg|exp)\s*\}"
)
_PRIMES = re.compile(r"\s*\^\s*(?:\{((?:\s*\\prime)+)\s*\}|\\prime(?![A-Za-z]))")
_EMPTY_TEXT = re.compile(r"\\text\s*\{\s*[.~]?\s*\}")
_LONE_LETTER = re.compile(r"\\text\s*\{\s*([eid])\s*\}")
_UNIT_VECTOR = re.compile(r"\\text\s*\{\s*[jk]\s*\}")
_INFIX = re.compile(r"\{([^{}]*?)\\(over|choose)(?![A-Za-z])([^{}]*)\}")
_LOOSE_SIGN = re.compile(r"\{\s*([-+:])\s*\}")
_ROOT_OF_GROUP = re.compile(r"\\sqrt\s*\(([^()]*)\)")
_PLAIN_ROOT = re.compile(r"(?<![A-Za-z\\])sqrt\s*\(")
_TIMES_TEN = re.compile(r"(?<=\d)\s*[xX]\s*(?=10\s*\^)")
_COMBINATIONS = re.compile(
    r"(?<![A-Za-z])C_\{?(\d+)\}?\^\{?(\d+)\}?|(?<![A-Za-z\d])(?:\{\})?(?:_\{?)?(\d+)\}?\s*C_\{?(\d+)\}?"
    r"|(?<![A-Za-z])C\((\d+),\s*(\d+)\)"
)
_ROOT_SIGN = re.compile(r"√\s*(\d+|[a-z]|\([^()]*\))")

_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}(?:\\!)?|,?\\!|\\[,:; ])\s*(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<=\d)\{,\}(?=\d{1,2}(?!\d))")
_SIZES = re.compile(
    r"\\(?:left|right|bigl|bigr|Bigl|Bigr|biggl|biggr|big|Big|bigg|Bigg"
    r"|displaystyle|textstyle|limits)(?![A-Za-z])"
)
_SPACES = re.compile(r"(?<!\\)\\[,!:;>\s]|~|\\(?:quad|qquad|thinspace)(?![A-Za-z])|\\(?=$)")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]|(?<!\\)\$")
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
    "tg": "tan",
    "ctg": "cot",
    "arctg": "arctan",
    "varnothing": "emptyset",
    "mathbf": "text",
    "colon": ":",
    "langle": "(",
    "rangle": ")",
    "land": "text{and}",
    "lor": "text{or}",
    "wedge": "text{and}",
    "vee": "text{or}",
    "infin": "infty",
    "bar": "overline",
}
_SIGNS = frozenset(":()|[]")
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_SHORT_FRACTION = re.compile(r"\\frac\s*(\d|[a-z]|\{[^{}]*\})\s*(\d|[a-z]|\{[^{}]*\})")
_SHORT_ROOT = re.compile(r"\\sqrt\s*(\d|[a-z](?![a-z]))")
_BOLD_NUMBER = re.compile(r"\\text\s*\{([-+\d\s.,/]*\d[-+\d\s.,/]*)\}")
_ONE_SIGN = re.compile(r"([\^_])\{([A-Za-z0-9])\}")
_VECTORS = re.compile(
    r"\\(?:nabla|vec|hat|overrightarrow)|\\text\s*\{\s*[A-Za-z]\s*\}|[A-Za-z)}]\s*\\times\s*[A-Za-z(\\]"
)
"""What makes a cross other than a dot: vectors, or letters that may be such."""
_DERIVATIVE = re.compile(r"(?<![A-Za-z\\])d(\^\d)?([A-Za-z]?)/d([A-Za-z])(\^\d)?(?![A-Za-z])")
_GAP = re.compile(r"(\\[A-Za-z]+) (?=[A-Za-z])| ")

OPENING, CLOSING = "([{", ")]}"


def tidy(text: str) -> str:
    r"""The text with one spelling of fractions, roots, spaces, delimiters and look-alikes.

    Example:
        >>> tidy(r"$\left( 3, \dfrac12 \right)$.")
        '( 3, \\frac{1}{2} )'
    """
    if not text.isascii():
        text = _latin(text)
    if found := _MARKDOWN.match(text):
        text = found[2]
    if "color" in text or "phantom" in text:
        text = _COLOUR.sub("", text)
    text = _WRAPPED.sub("", _BACKSLASHES.sub(r"\\", text))
    text = _DECIMAL_COMMA.sub(".", _THOUSANDS.sub("", text).replace(r"\!", ""))
    text = _SIZES.sub("", text)
    text = _DELIMITERS.sub(" ", text)
    text = _SPACES.sub(" ", text)
    if "\\" in text:
        text = _COMMAND.sub(_command, text)
        text = _BOLD_NUMBER.sub(lambda m: "".join(m[1].split()), text)
        text = _EMPTY_TEXT.sub(" ", text)
        if not _UNIT_VECTOR.search(text):  # i beside a bold j is no root of -1
            text = _LONE_LETTER.sub(r" \1 ", text)
        text = _FUNCTION.sub(lambda m: f"\\{_SYNONYMS.get(m[1], m[1])} ", text)
        text = _PRIMES.sub(lambda m: "'" * m[0].count("p"), text)
        text = _ROOT_OF_GROUP.sub(r"\\sqrt{\1}", text)
        text = _INFIX.sub(_prefixed, text)
        text = _SHORT_FRACTION.sub(_fraction, text)
        text = _SHORT_ROOT.sub(r"\\sqrt{\1}", text)
    text = _DEGREE.sub(r"^\\circ ", text)
    text = text.replace("**", "^")
    if "/d" in text:
        text = _DERIVATIVE.sub(r"\\frac{d\1 \2}{d\3\4}", text)
    if "sqrt" in text:
        text = _ROOT_OF_GROUP.sub(r"\\sqrt{\1}", _PLAIN_ROOT.sub(r"\\sqrt(", text))
    text = _LOOSE_SIGN.sub(r"\1", text)
    text = _TIMES_TEN.sub(r"\\times ", text)
    text = _COMBINATIONS.sub(_binomial, text)
    text = " ".join(text.split())
    while text and text[-1] in ".;,:" and not text.endswith("\\"):
        text = text[:-1].rstrip()
    return _unwrapped(text)


def _latin(text: str) -> str:
    """Look-alikes beyond ASCII as what they look like; other scripts stay."""
    text = _UNSEEN.sub("", unicodedata.normalize("NFC", text))
    text = _FULL_WIDTH.sub(lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = _RAISED.sub(lambda m: f"^{{{_digits(m[0])}}}", text)
    text = _LOWERED.sub(lambda m: f"_{{{_digits(m[0])}}}", text)
    if len(text.strip()) > 1:
        text = _LONE_CYRILLIC.sub(lambda m: m[0].translate(_CYRILLIC), text)
    text = "".join(unicodedata.normalize("NFKC", c) if c.isdecimal() else c for c in text)
    return _ROOT_SIGN.sub(r"\\sqrt{\1}", text.translate(_CHARACTERS))


def _digits(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\u2212", "-")


def _prefixed(match: re.Match[str]) -> str:
    name = "frac" if match[2] == "over" else "binom"
    return rf"\{name}{{{match[1].strip()}}}{{{match[3].strip()}}}"


def _binomial(match: re.Match[str]) -> str:
    n, k = [number for number in match.groups() if number]
    return rf"\binom{{{n}}}{{{k}}}"


def _command(match: re.Match[str]) -> str:
    name = _SYNONYMS.get(match[1], match[1])
    return name if name in _SIGNS else "\\" + name


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
    text = _ONE_SIGN.sub(r"\1\2", text)
    if "\\times" in text and not _VECTORS.search(text):
        text = text.replace(r"\times", r"\cdot")
    return _GAP.sub(_gap, text)


def _gap(match: re.Match[str]) -> str:
    r"""Spaces go, but not behind a command (``\pi r``) and not between digits (``3 1/2``)."""
    if match[1]:
        return f"{match[1]} "
    text, at = match.string, match.start()
    if re.match(r"\d, \d{3}(?!\d)", text[max(at - 2, 0) : at + 5]):
        return " "  # 2, 500 is not 2,500
    return " " if text[at - 1 : at].isdigit() and text[at + 1 : at + 2].isdigit() else ""


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
        if sign == "\\":
            depth += text.startswith("\\begin", i) - text.startswith("\\end", i)
        if depth < 0:
            return None
        i += 1
    parts.append(text[start:].strip())
    return parts if depth == 0 else None
