"""Phrases that most texts of a set begin or end with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_SHARED_FROM = 0.5
"""A phrase is told when more than this share of the problems begins or ends with it."""

_PHRASE_WORDS = 4
_FEWEST_PROBLEMS = 4


@dataclass(frozen=True)
class Phrase:
    """Words that most problems begin or end with, and the share of the sample that does."""

    place: str
    text: str
    share: float


def shared_phrases(problems: Sequence[str]) -> list[Phrase]:
    """The longest beginning and the longest end that more than half of the problems share.

    Phrases have at least four words; a wrapper such as an instruction to box the answer shows up
    here and is never stripped silently.
    """
    if len(problems) < _FEWEST_PROBLEMS:
        return []
    forward = [problem.split() for problem in problems]
    found = []
    for place, texts in (("begin", forward), ("end", [words[::-1] for words in forward])):
        words, share = _longest_shared(texts)
        if len(words) >= _PHRASE_WORDS:
            found.append(Phrase(place, " ".join(words if place == "begin" else words[::-1]), share))
    return found


def _longest_shared(texts: list[list[str]]) -> tuple[list[str], float]:
    """Go down word by word as long as one word carries the majority of all texts."""
    group, depth = texts, 0
    while True:
        going_on = [words for words in group if len(words) > depth]
        nexts = Counter(words[depth] for words in going_on).most_common(1)
        if not nexts or nexts[0][1] <= _SHARED_FROM * len(texts):
            return group[0][:depth], len(group) / len(texts)
        group = [words for words in going_on if words[depth] == nexts[0][0]]
        depth += 1
