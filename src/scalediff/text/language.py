"""Which language a text is in, well enough to keep out what a recipe does not allow.

By script first (Han, Cyrillic, Hangul, ...), then, among languages in Latin letters, by their
commonest short words. Mathematics is left out of the count: Greek letters in formulas are no Greek.
A text with too few letters or short words to tell is in no language and always allowed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

_SCRIPTS: dict[str, str] = {
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
    "Kana": "\u3040-\u30ff",
    "Hangul": "\u1100-\u11ff\uac00-\ud7af",
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f",
    "Hebrew": "\u0590-\u05ff",
    "Devanagari": "\u0900-\u097f",
    "Thai": "\u0e00-\u0e7f",
    "Latin": "A-Za-z\u00c0-\u024f",
}
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_LONE_GREEK = re.compile("(?<![\u0370-\u03ff])[\u0370-\u03ff]{1,2}(?![\u0370-\u03ff])")
"""Angles and constants, not words."""
_BY_SCRIPT = {
    "zh": ("Han",),
    "ja": ("Han", "Kana"),
    "ko": ("Hangul", "Han"),
    "ru": ("Cyrillic",),
    "uk": ("Cyrillic",),
    "el": ("Greek",),
    "ar": ("Arabic",),
    "he": ("Hebrew",),
    "hi": ("Devanagari",),
    "th": ("Thai",),
}
_SHORT_WORDS = {
    "en": "the of and is in to that how what for are with find if has each many be it from by",
    "fr": "le la les des et est une du que dans pour un qui sont par si sur avec combien au",
    "de": "der die das und ist ein eine von den mit wie dem zu im sind wenn nicht auf für sich",
    "es": "el la los las de y es una un que en por con se si del cuántos para como su",
    "it": "il di e è una un che la in per con sono se del della quanti le i gli si",
    "pt": "o a os de e é uma um que em por com se do da para quantos as são no",
    "nl": "de het een van en is in dat hoe voor zijn met als op te niet er aan bij worden",
}
_ALSO_ENGLISH = "a an as at die do e i in is me met no o of on per si so to van y"
_ENGLISH_TOO = frozenset(_ALSO_ENGLISH.split())
"""Words of other languages that stand in English problems as well, so that they tell nothing."""
_WORDS = {
    name: frozenset(words.split()) - (_ENGLISH_TOO if name != "en" else frozenset())
    for name, words in _SHORT_WORDS.items()
}
_MATHS = re.compile(
    r"\$\$?[^$]{0,2000}\$\$?|\\\([^\\]{0,500}?\\\)|\\\[[^\]]{0,2000}?\\\]|\\[A-Za-z]+"
)
_WORD = re.compile(r"[^\W\d_]+")
_FEWEST_LETTERS = 20
_FEWEST_WORDS = 4
_FOREIGN_SHARE = 0.2
"""Share of letters in scripts that no allowed language is written in."""

LANGUAGES = tuple(sorted((*_BY_SCRIPT, *_WORDS)))


def check_languages(languages: Sequence[str]) -> None:
    """Refuse a language that cannot be told.

    Raises:
        ValueError: A code is not known; the message names the nearest.
    """
    for language in languages:
        if language not in LANGUAGES:
            near = get_close_matches(language, LANGUAGES, n=1, cutoff=0.3)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"{language!r} is not known; {hint}there are {', '.join(LANGUAGES)}")


def scripts(text: str) -> Counter[str]:
    r"""Letters of each script outside of formulas.

    Example:
        >>> scripts("Find 求 $\\alpha$")
        Counter({'Latin': 4, 'Han': 1})
    """
    text = _LONE_GREEK.sub(" ", _MATHS.sub(" ", text))
    found = ((name, len(letters.findall(text))) for name, letters in _LETTERS.items())
    return Counter({name: n for name, n in found if n})


def foreign(text: str, allowed: Sequence[str]) -> str:
    """What shows that a text is in none of the allowed languages; empty where it may be in one.

    Example:
        >>> foreign("Combien de nombres premiers sont dans la liste des entiers ?", ["en"])
        'reads as fr'
        >>> foreign("How many primes are in the list?", ["en"])
        ''
    """
    found = scripts(text)
    total = found.total()
    if total < _FEWEST_LETTERS and found["Latin"] > total / 2:
        return ""
    home = {script for language in allowed for script in _BY_SCRIPT.get(language, ("Latin",))}
    # names of points and units are Latin in every language
    away = {script: n for script, n in found.items() if script not in home and script != "Latin"}
    if total and sum(away.values()) > _FOREIGN_SHARE * total:
        script, n = max(away.items(), key=lambda item: item[1])
        return f"{n / total:.0%} of its letters are {script}"
    if "Latin" not in home:
        alone = found.get("Latin", 0) == total
        return "none of its letters are of an allowed language" if alone and total else ""
    return _other_latin(text, allowed)


def _other_latin(text: str, allowed: Sequence[str]) -> str:
    words = [word.lower() for word in _WORD.findall(_MATHS.sub(" ", text))]
    hits = {name: sum(word in known for word in words) for name, known in _WORDS.items()}
    best = max(hits, key=lambda name: hits[name])
    home = max((hits[name] for name in allowed if name in hits), default=0)
    different = len(_WORDS[best].intersection(words))
    if hits[best] >= _FEWEST_WORDS and different > 2 and hits[best] > 2 * home:
        return f"reads as {best}"
    return ""
