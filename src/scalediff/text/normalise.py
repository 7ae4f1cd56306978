r"""One form of a text for comparing it with others.

Two texts that a reader would call the same (letters' case, spacing, invisible characters, HTML and
Markdown around the words, ``$`` against ``\(``, ``\left(`` against ``(``, ``\dfrac12`` against
``1/2``, a heading such as ``Problem 12.``) get the same form; numbers, operators, letters and words
stay. Comparing form only: it is never written to a row.
"""

from __future__ import annotations

import re

from scalediff.text.characters import plain_characters
from scalediff.text.markup import without_entities, without_markup

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_SINGLE_BACKSLASH = re.compile(r"(?<!\\)\\(?!\\)")

_THOUSANDS = re.compile(r"(?<=\d)(?:,?\\[,! ;:]|\{,\})(?=\d{3}(?!\d))")
_SPACING = re.compile(
    r"\\\\(?:\[[\d.\s]*(?:pt|em|ex|cm|mm|in)\])?"  # a new line
    r"|\\[,!;:>\s\[\]()$/_-]"  # spacing, \( \) \[ \] and an escaped dollar
)
_ESCAPED = re.compile(r"\\([%&#])")
_LOOKS = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|sl|normal)?|math(?:rm|bf|it|sf|tt|bb|cal|frak|scr|normal)"
    r"|mbox|hbox|emph|operatorname\*?|underline|boldsymbol|bm|pmb)\s*(?:\{((?:[^{}]|\{[^{}]*\})*)\}|(?![A-Za-z]))",
    re.IGNORECASE,
)
_PRIME = re.compile(r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![A-Za-z]))", re.IGNORECASE)
_STACKED = re.compile(r"(\\(?:[dtc]?frac|[dt]?binom))\s*(\d)\s*(\d)", re.IGNORECASE)
_ALONE = re.compile(r"(?<!\\)\{\s*([-+]?(?:\\?[A-Za-z]+|\d+(?:\.\d+)?)|)\s*\}")
_SLASH = re.compile(
    r"(?<![\w.)\]}'])(\d+(?:\.\d+)?|[A-Za-z])\s*/\s*(\d+(?:\.\d+)?|[A-Za-z])(?!\w|\.\d|\s*[\^_'])"
)
_DEEPEST = 12
_LONG_DASH = re.compile(r"(?<=[A-Za-z]{2})-{2,3}(?=[A-Za-z])|(?<=\s)-{2,3}(?=\s)")

_SYNONYMS = r"""
\ratio frac dfrac tfrac cfrac
\binom dbinom tbinom choose
* cdot times ast cdotp bullet
<= le leq leqslant
>= ge geq geqslant
... ldots cdots dots dotsc dotsb dotso
| lvert rvert vert mid
/ div
< lt
> gt
: colon
\ne neq
\{ lbrace
\} rbrace
\phi varphi
\epsilon varepsilon
\theta vartheta
\rho varrho
\emptyset varnothing
\overline bar
\to rightarrow longrightarrow implies
\iff leftrightarrow
\wedge land
\vee lor
^\circ degree
"""
_INVISIBLE = """
left right middle displaystyle textstyle scriptstyle quad qquad enspace enskip thinspace medspace
thickspace limits nolimits big bigg bigl bigr bigm biggl biggr biggm rm bf it noindent par newline
linebreak hfill hfil smallskip medskip bigskip centering strut mathstrut ensuremath mathopen
mathclose mathrel mathbin mathord mathop nobreak
"""
_SAME = dict.fromkeys(_INVISIBLE.split(), " ") | {
    command: f" {one} " if one == "*" else f"{one} " if one[-1].isalpha() else one
    for one, *commands in map(str.split, _SYNONYMS.strip().splitlines())
    for command in commands
}
"""Lower-case name of a command → what stands for it."""
_COMMAND = re.compile(r"\\([A-Za-z]+)")

_HEADING = re.compile(
    r"^(?:(?:problem|question|exercise|example|q)\s*(?:no\s*\.?\s*)?\d+\s*(?:[.:)]+|(?=\())\s*"
    r"|(?:problem|question|exercise|task)\s*[:.]\s*|q\s*:\s*"
    r"|\d{1,3}\s*[.)]\s+(?=[^\W\d_])"
    r"|\(\s*\d{1,3}\s*(?:points?|pts|marks?)\s*\.?\s*\)\s*)",
    re.IGNORECASE,
)

_NUMBER = re.compile(r"\d+(?:,\d{3}(?!\d))*(?:\.\d+)?")


def normalise(text: str) -> str:
    r"""The comparing form of a text.

    Example:
        >>> normalise(r"Problem 3. FIND  $\left( X+1 \right)$ if $x\leq \dfrac12$.")
        'find ( x+1 ) if x<= \\ratio 1 2'
    """
    return cased(text).lower()


def cased(text: str) -> str:
    """The comparing form before letters are made small."""
    text = without_entities(text)
    text = _CONTROL.sub("", text) if text.isascii() else plain_characters(text)
    text = without_markup(text.replace("$", " ").replace("~", " "))
    if "\\" in text or "{" in text:
        text = _plain_latex(text)
    text = text.replace("''", '"')
    if "/" in text:
        text = _SLASH.sub(r" \\ratio \1 \2 ", text)
    if "--" in text:
        text = _LONG_DASH.sub(" - ", text)
    text = " ".join(text.split()).rstrip(" .?:")
    while heading := _HEADING.match(text):
        text = text[heading.end() :]
    return text


def _plain_latex(text: str) -> str:
    """Without commands of spacing and looks, synonyms as one, no braces around a single token."""
    if "\\\\" in text and not _SINGLE_BACKSLASH.search(text):
        text = text.replace("\\\\", "\\")  # escaped once too often
    text = _SPACING.sub(" ", _THOUSANDS.sub("", text))
    text = _ESCAPED.sub(r"\1", _PRIME.sub("'", text))
    for pattern in (_LOOKS, _ALONE):
        if pattern is _ALONE:
            text = _COMMAND.sub(_command, _STACKED.sub(r"\1 \2 \3 ", text))
        for _ in range(_DEEPEST):  # what stands within one another, from the inside
            text, count = pattern.subn(r" \1 ", text)
            if not count:
                break
    return text


def _command(match: re.Match[str]) -> str:
    return _SAME.get(match[1].lower(), match[0])


def numbers(text: str) -> tuple[str, ...]:
    """The numbers of a text in order, thousands separators removed.

    Example:
        >>> numbers("From 1,000 take 2.5 and 3")
        ('1000', '2.5', '3')
    """
    return tuple(found.replace(",", "") for found in _NUMBER.findall(text))
