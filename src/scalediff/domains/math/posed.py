r"""Problems that cannot be answered as they stand, where that can be decided from the text alone.

A symbol that is asked for and never introduced, a figure that is not there, conditions that
contradict each other. Each finding is certain enough to be evidence; whatever needs reading is left
alone. Few problems are caught: an ill-posed text mostly looks like any other.
"""

from __future__ import annotations

import re
from fractions import Fraction

from scalediff.domains.math.grading.arithmetic import value

_MATHS = re.compile(r"\$\$?([^$]+)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_ASKED = re.compile(
    r"\b(?:find|compute|determine|calculate|what is)\s+(?:the\s+(?:exact\s+)?value\s+of\s+)?"
    r"(?:\$([^$]{1,40})\$|\\\((.{1,40}?)\\\))\s*[.?]?\s*$",
    re.IGNORECASE,
)
_SIMPLE = re.compile(r"[A-Za-z](?:_\{?\w+\}?)?(?:\(\d+\))?(?:\s*[-+]\s*[A-Za-z](?:_\{?\w+\}?)?)*")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_CONSTANTS = frozenset({"e", "i"})

_FIGURE = re.compile(
    r"\bin the (?:following )?(?:figure|diagram)"
    r"(?: (?:below|above|shown|to the right|at right))?[ ]?,"
    r"|\b(?:figure|diagram|picture|image|graph)[^.?]{0,40}? (?:is )?(?:shown|pictured) "
    r"(?:below|above|here|at (?:the )?right|to the right)\b"
    r"|\b(?:figure|diagram) (?:below|above|at (?:the )?right|to the right)\b"
    r"|\b(?:refer(?:ring)? to|using|use|from) the (?:figure|diagram)\b"
    r"|\bshaded (?:region|area|part)\b",
    re.IGNORECASE,
)
_DRAWN = re.compile(
    r"[\[<]/?asy[\]>]|\\begin\{(?:tikz|array|tabular|picture|asy|[a-z]?matrix|align)|\\includegraphics"
    r"|!\[|<img|https?://|\n[ \t]*\|.*\||(?:\d+[ ]*[|&][ ]*){2}",
)
_ENDS_HERE = r"\$?(?=[ ]*(?:[.,;?]|$|and\b|units|respectively))"
_NUMBER = r"\$?(\d+(?:\.\d+)?)"
_SIDES = re.compile(
    r"\btriangle\b[^.?]{0,60}?\bsides?[ ]+(?:lengths?[ ]+|of[ ]+lengths?[ ]+|are[ ]+|is[ ]+)?"
    rf"(?:of[ ]+)?{_NUMBER}\$?,[ ]*{_NUMBER}\$?,?[ ]*(?:and|,)[ ]*{_NUMBER}(?!\.?\d){_ENDS_HERE}",
    re.IGNORECASE,
)
_ASKS_WHETHER = re.compile(
    r"\b(?:how many|exist|can|could|possible|degenerate|whether|no such)\b", re.IGNORECASE
)
_MARK = r"(?:\^\\circ|\^\{\\circ\}|°|[ ]*degrees)?\$?"
_ANGLES = re.compile(
    r"\bangles?[ ]+(?:of|in)[ ]+(?:a|the)[ ]+triangle[ ]+(?:are|measure|have measures)[ ]+"
    rf"\$?(\d+){_MARK},[ ]*\$?(\d+){_MARK},?[ ]*(?:and|,)[ ]*\$?(\d+)(?!\d){_MARK}"
    r"(?=[ ]*(?:[.,;?]|$))",
    re.IGNORECASE,
)
_CHANCE = re.compile(
    r"(?<!what is )(?<!ratio of )\bthe[ ]+probability[ ]+of[ ]+[^.?,]{1,60}?\bis[ ]+"
    r"\$?(\\frac\{\d+\}\{\d+\}|\d+/\d+|\d+(?:\.\d+)?)(?!\.?\d)\$?(?=[.,;?](?:\s|$)|[ ]+and\b)",
    re.IGNORECASE,
)


def ill_posed(text: str) -> str:
    """What makes a problem unanswerable, or an empty text.

    Example:
        >>> ill_posed("A fair die is thrown. Find $m+n$.")
        'asks for m + n, which is never introduced'
    """
    for fault in (_undefined, _no_figure, _sides, _angles, _chance):
        if evidence := fault(text):
            return evidence
    return ""


def _undefined(text: str) -> str:
    found = _ASKED.search(text)
    if not found:
        return ""
    asked = (found[1] or found[2]).strip()
    if not _SIMPLE.fullmatch(asked) or "+" not in asked:
        return ""  # R, S_n and p(3) are often meant without a word
    letters = set(re.findall(r"[A-Za-z]", re.sub(r"_\{?\w+\}?|\(\d+\)", "", asked))) - _CONSTANTS
    before = text[: found.start()]
    if not letters or len(before) < 20:
        return ""
    known = {letter for letter in letters if re.search(rf"(?<![A-Za-z]){letter}(?![a-z])", before)}
    known |= {letter for letter in letters if _in_maths(letter, before)}
    missing = sorted(letters - known)
    if len(missing) < len(letters):  # one of several may be explained by the others
        return ""
    return f"asks for {' + '.join(missing)}, which is never introduced"


def _in_maths(letter: str, text: str) -> bool:
    """Whether a letter stands in a formula, glued to others too (``2xy``)."""
    formulas = (next(g for g in found.groups() if g) for found in _MATHS.finditer(text))
    return any(letter in re.sub(r"\\[A-Za-z]+", " ", formula) for formula in formulas)


def _no_figure(text: str) -> str:
    found = _FIGURE.search(text)
    if not found or _DRAWN.search(text):
        return ""
    return f"speaks of a figure that is not there: {found[0]!r}"


def _sides(text: str) -> str:
    if _ASKS_WHETHER.search(text):
        return ""
    for found in _SIDES.finditer(text):
        a, b, c = sorted(Fraction(side) for side in found.groups())
        if a + b < c:
            return f"no triangle has sides {', '.join(found.groups())}"
    return ""


def _angles(text: str) -> str:
    for found in _ANGLES.finditer(text):
        if sum(int(angle) for angle in found.groups()) != 180:
            return f"no triangle has angles {', '.join(found.groups())}"
    return ""


def _chance(text: str) -> str:
    for found in _CHANCE.finditer(text):
        chance = value(found[1])
        if chance is not None and chance > 1:
            return f"a probability of {found[1]}"
    return ""
