r"""Whether a text holds a benchmark problem, by the n-grams they share.

A text holds a benchmark problem (a *copy*) when their tokens are the same, or when at least
``share`` of the problem's counted n-grams are in the text. 13-grams are counted (the customary
length for decontamination since GPT-3, arXiv 2005.14165, appendix C), 8-grams for problems under 26
tokens, and under 10 tokens only equality. Line breaks, quotation and a story around the problem
change nothing. A reworded copy breaks many n-grams of a short problem; it is found by its
mathematics (``ngrams.mathematics``), where that is the same from four items on and half of the
3-grams are; where proper names alone hide that, it is a twin. What keeps innocent rows:

* an n-gram that occurs in more than ``max_sharing`` different benchmark problems is an instruction
  or a template, not a problem, and is not counted; nor is one of the common phrases and standard
  identities (``text/common.py``), whatever its letters;
* where a problem has words enough, at least a third of them must be in what is shared: a formula
  alone is not the problem; where it has few words, a twin has to be most of the text;
* a *twin* (the same problem with other numbers, or with other names for its variables, points and
  people throughout) is another problem: where masking numbers makes more n-grams match than before,
  or enough match only where names are masked, the text is a twin and says so. One that is the same
  text but for its names is a twin however short it is.

What is reported is confirmed on the n-grams themselves. Memory: 30 to 50 kB a problem.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from scalediff.text.common import is_common
from scalediff.text.ngrams import (
    cased_tokens,
    jaccard,
    masked,
    mathematics,
    ngrams,
    renamed,
    small,
    tokens,
    without_names,
)

_Mask = Literal["", "numbers", "names"]
"""What is masked; names are so together with numbers."""
_LONG, _SHORT = 13, 8
_MIN_TOKENS = 10
_ENOUGH_WORDS = 6
_DRAWING = re.compile(
    r"[\[<]asy[\]>].*?[\[<]/asy[\]>]|\\begin\{(tikzpicture|asy)\}.*?\\end\{\1\}",
    re.DOTALL | re.IGNORECASE,
)
_SHARED_WORDS = 1 / 3
_ENOUGH_MATHEMATICS = 4
_REWORDED = 0.5
"""Jaccard similarity of 3-grams from which two texts with the same mathematics are one problem."""
_UNNAMED = 0.7
"""The same where proper names are masked, from which they are twins."""


@dataclass(frozen=True, slots=True)
class Leak:
    """The benchmark problem that a text holds.

    Attributes:
        name: Where the problem is from, such as ``math500 row 17``.
        head: Its beginning.
        share: Share of its counted n-grams that the text holds; 1 for equal tokens.
        n: Length of the n-grams; 0 for equal tokens.
        twin: True where it is the same problem in other numbers or names.
        differs: What is other: ``numbers`` or ``names`` (of variables, points, people); empty for a
            copy.
    """

    name: str
    head: str
    share: float
    n: int
    twin: bool = False
    differs: str = ""

    def __str__(self) -> str:
        how = f"{self.share:.0%} of its {self.n}-grams" if self.n else "same text"
        return f"{self.name} ({how}{f', other {self.differs}' if self.twin else ''}): {self.head}"


class _Text:
    """A text as it is compared: its tokens, plain and masked, and their n-grams once asked for."""

    __slots__ = ("_grams", "found", "hidden", "words")

    def __init__(self, found: list[str]) -> None:
        self.found = found
        self.words, self.hidden = small(found), masked(found)
        self._grams: dict[tuple[int, _Mask], Counter[str]] = {}

    def form(self, mask: _Mask) -> list[str]:
        """The tokens, with nothing masked, numbers, or names as well."""
        if mask == "numbers":
            return ["#" if word[0].isdigit() else word for word in self.words]
        return self.hidden if mask == "names" else self.words

    def unnamed(self) -> set[str]:
        """The 3-grams with ``@`` for every proper name."""
        return ngrams(without_names(self.found, variables=False), 3)

    def grams(self, n: int, mask: _Mask) -> Counter[str]:
        """The n-grams of a form and how often each is there."""
        if (n, mask) not in self._grams:
            self._grams[n, mask] = Counter(_in_order(self.form(mask), n))
        return self._grams[n, mask]

    @property
    def told(self) -> list[int]:
        """The places of its words, masked ones aside."""
        return [i for i, word in enumerate(self.hidden) if len(word) > 1 and word[0].isalpha()]


@dataclass(frozen=True, slots=True)
class _Problem:
    name: str
    head: str
    text: _Text
    n: int


class Benchmarks:
    """An index of benchmark problems.

    Args:
        share: Share of a problem's counted n-grams from which a text holds it.
        max_sharing: An n-gram in more benchmark problems than this is not counted.

    Example:
        >>> index = Benchmarks()
        >>> index.add("exam row 1", "How many positive integers under 50 are sums of two cubes?")
        >>> print(index.find("how many positive integers under $50$ are sums of two cubes?"))
        exam row 1 (same text): How many positive integers under 50 are sums of two cubes?
        >>> index.find("How many positive integers under 70 are sums of two cubes?").twin
        True
    """

    def __init__(self, share: float = 0.6, max_sharing: int = 3) -> None:
        self._share = share
        self._max_sharing = max_sharing
        self._problems: list[_Problem] = []
        self._exact: dict[str, int] = {}
        self._renamed: dict[str, int] = {}
        self._where: dict[str, set[int]] = {}
        self._holders: Counter[str] = Counter()
        self._shelves: dict[tuple[str, ...], list[int]] = {}
        self._counted: dict[tuple[int, _Mask], set[str]] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, name: str, text: str) -> None:
        """Put a problem in; one that is there already is kept under its first name.

        Its drawing counts for nothing: copies often lack it.
        """
        at = len(self._problems)
        if (bare := _DRAWING.sub(" ", text)) != text:
            self._exact.setdefault(" ".join(tokens(text)), at)
        own = _Text(cased_tokens(bare))
        words, hidden = own.words, own.hidden
        if not words or self._exact.setdefault(" ".join(words), at) != at:
            return
        self._counted.clear()
        self._renamed.setdefault(renamed(own.found), at)
        n = _length(len(words))
        self._problems.append(_Problem(name, " ".join(text[:320].split())[:160], own, n))
        content = mathematics(words)
        if len(content) >= _ENOUGH_MATHEMATICS:
            self._shelves.setdefault(content, []).append(at)
        if n:
            for gram, numbered in zip(
                _in_order(hidden, _SHORT), _in_order(words, _SHORT), strict=True
            ):
                self._where.setdefault(gram, set()).add(at)
                self._where.setdefault(numbered, set()).add(at)
            # a gram without a number or a name is the same with and without the mask: counted once
            self._holders.update(ngrams(words, n) | ngrams(hidden, n))

    def find(self, text: str, words: list[str] | None = None) -> Leak | None:
        """The copy that a text holds the most of, else the twin; None where it holds none.

        Args:
            text: The text.
            words: Its ``cased_tokens``, where they are known already.
        """
        row = _Text(cased_tokens(text) if words is None else words)
        at = self._exact.get(" ".join(row.words))
        if at is not None:
            return Leak(self._problems[at].name, self._problems[at].head, 1.0, 0)
        if (bare := _DRAWING.sub(" ", text)) != text:
            row = _Text(cased_tokens(bare))
        return self._nearly(row) or self._otherwise_named(row)

    def _nearly(self, row: _Text) -> Leak | None:
        """The copy or twin that a text holds by shared n-grams."""
        if len(row.words) < _SHORT:
            return None
        leaks = [leak for at in self._candidates(row) if (leak := self._held(at, row))]
        best = max(leaks, key=lambda leak: (not leak.twin, leak.share), default=None)
        if best is None or best.twin:
            return self._reworded(row) or best
        return best

    def _otherwise_named(self, row: _Text) -> Leak | None:
        """The problem that is the same text but for the names of variables, points and people."""
        at = self._renamed.get(renamed(row.found)) if row.words else None
        if at is None:
            return None
        return Leak(self._problems[at].name, self._problems[at].head, 1.0, 0, True, "names")

    def _reworded(self, row: _Text) -> Leak | None:
        """The problem with the same mathematics that is worded much alike, names aside a twin."""
        shelf = self._shelves.get(mathematics(row.words))
        if shelf is None:
            return None
        best: Leak | None = None
        for at in shelf:
            problem = self._problems[at]
            share = jaccard(ngrams(row.words, 3), ngrams(problem.text.words, 3))
            unnamed = 0.0
            if share < _REWORDED:
                unnamed = jaccard(row.unnamed(), problem.text.unnamed())
            told = {word for word in problem.text.words if len(word) > 1 and word[0].isalpha()}
            if len(told) >= _ENOUGH_WORDS and 2 * len(told.intersection(row.words)) < len(told):
                continue  # the formula alone is not the problem
            if share >= _REWORDED and (best is None or best.twin or share > best.share):
                best = Leak(problem.name, problem.head, share, 3)
            elif unnamed >= _UNNAMED and best is None:
                best = Leak(problem.name, problem.head, unnamed, 3, True, "names")
        return best

    def _candidates(self, row: _Text) -> list[int]:
        """Problems of which the text seems to hold enough, in order."""
        hits: Counter[int] = Counter()
        for i, gram in enumerate(_in_order(row.hidden, _SHORT)):
            holders = self._where.get(gram, ())
            if len(holders) > self._max_sharing:  # a template: the numbers have to tell
                holders = self._where.get(" ".join(row.words[i : i + _SHORT]), ())
            if holders and len(holders) <= self._max_sharing:
                hits.update(holders)
        return sorted(
            at
            for at, found in hits.items()
            if 4 * found >= self._share * (len(self._problems[at].text.words) - _LONG)
        )

    def _held(self, at: int, row: _Text) -> Leak | None:
        """What a text holds of a problem: a copy, a twin or too little."""
        problem = self._problems[at]
        own = problem.text
        plain, numbered = self._shared(at, row, "")
        veiled, without = self._shared(at, row, "names")
        same_numbers = without <= numbered or self._shared(at, row, "numbers")[1] <= numbered
        if plain >= self._share and same_numbers:
            held = _says_it(problem, row, "")
            return Leak(problem.name, problem.head, plain, problem.n) if held else None
        if veiled < self._share or not _says_it(problem, row, "names"):
            return None
        if len(own.told) < _ENOUGH_WORDS and len(row.words) > 2 * len(own.words):
            return None  # a masked formula is in many problems
        differs = "names" if same_numbers else "numbers"
        return Leak(problem.name, problem.head, veiled, problem.n, True, differs)

    def _shared(self, at: int, row: _Text, mask: _Mask) -> tuple[float, int]:
        """Share of a problem's counted n-grams that a text holds, and how many of all it holds.

        The number is over every n-gram, as often as both have it, so that masking changes no count
        by making n-grams equal.
        """
        problem = self._problems[at]
        own, grams = problem.text.grams(problem.n, mask), row.grams(problem.n, mask)
        counted = self._counted.get((at, mask))
        if counted is None:
            counted = self._counted[at, mask] = {
                gram
                for gram in own
                if self._holders[gram] <= self._max_sharing and not is_common(gram)
            }
        share = len(counted & grams.keys()) / len(counted) if counted else 0.0
        return share, sum(min(times, grams[gram]) for gram, times in own.items() if gram in grams)


def _says_it(problem: _Problem, row: _Text, mask: _Mask) -> bool:
    """Whether enough of a problem's words, where it has enough, stand in what is shared."""
    own, n = problem.text, problem.n
    if len(own.told) < _ENOUGH_WORDS:
        return True
    grams = row.grams(n, mask)
    shared: set[int] = set()
    for i, gram in enumerate(_in_order(own.form(mask), n)):
        if gram in grams:
            shared.update(range(i, i + n))
    return len(shared.intersection(own.told)) >= _SHARED_WORDS * len(own.told)


def _in_order(words: list[str], n: int) -> Iterator[str]:
    """Every n-gram in order, repeated ones too."""
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))


def _length(num_tokens: int) -> int:
    if num_tokens < _MIN_TOKENS:
        return 0
    return _SHORT if num_tokens < 2 * _LONG else _LONG
