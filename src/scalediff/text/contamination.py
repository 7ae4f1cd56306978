r"""Whether a text holds a benchmark problem, by the n-grams they share.

A text holds a benchmark problem (a *copy*) when their tokens are the same, or when at least
``share`` of the problem's counted n-grams are in the text. 13-grams are counted (the customary
length for decontamination since GPT-3, arXiv 2005.14165, appendix C), 8-grams for problems under 26
tokens, and under 12 tokens only equality. Line breaks, quotation and a story around the problem
change nothing. A reworded copy breaks many n-grams of a short problem; it is found by its
mathematics (``ngrams.mathematics``), where that is the same from four items on and half of the
3-grams are. What keeps innocent rows:

* an n-gram that occurs in more than ``max_sharing`` different benchmark problems is an instruction
  or a template, not a problem, and is not counted; nor is one of the common phrases and standard
  identities (``text/common.py``), whatever its letters;
* where a problem has words enough, at least a third of them must be in what is shared: a formula
  alone is not the problem;
* a *twin* (the same problem with other numbers) is another problem: where masking the numbers makes
  more n-grams match than before, the text is a twin and says so.

What is reported is confirmed on the n-grams themselves. Memory: about 20 kB a benchmark problem.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from scalediff.text.common import is_common
from scalediff.text.ngrams import jaccard, masked, mathematics, ngrams, tokens

_LONG, _SHORT = 13, 8
_MIN_TOKENS = 12
_ENOUGH_WORDS = 6
_DRAWING = re.compile(
    r"[\[<]asy[\]>].*?[\[<]/asy[\]>]|\\begin\{(tikzpicture|asy)\}.*?\\end\{\1\}", re.DOTALL
)
_SHARED_WORDS = 1 / 3
_ENOUGH_MATHEMATICS = 4
_REWORDED = 0.5
"""Jaccard similarity of 3-grams from which two texts with the same mathematics are one problem."""


@dataclass(frozen=True, slots=True)
class Leak:
    """The benchmark problem that a text holds.

    Attributes:
        name: Where the problem is from, such as ``math500 row 17``.
        head: Its beginning.
        share: Share of its counted n-grams that the text holds; 1 for equal tokens.
        n: Length of the n-grams; 0 for equal tokens.
        twin: True where the numbers differ: the same problem in other numbers.
    """

    name: str
    head: str
    share: float
    n: int
    twin: bool = False

    def __str__(self) -> str:
        how = f"{self.share:.0%} of its {self.n}-grams" if self.n else "same text"
        return f"{self.name} ({how}{', other numbers' if self.twin else ''}): {self.head}"


@dataclass(frozen=True, slots=True)
class _Problem:
    name: str
    head: str
    words: list[str]
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
        self._where: dict[str, set[int]] = {}
        self._holders: Counter[str] = Counter()
        self._shelves: dict[tuple[str, ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, name: str, text: str) -> None:
        """Put a problem in; one that is there already is kept under its first name.

        Its drawing counts for nothing: copies often lack it.
        """
        if (bare := _DRAWING.sub(" ", text)) != text:
            self._exact.setdefault(" ".join(tokens(text)), len(self._problems))
        words = tokens(bare)
        at = len(self._problems)
        if not words or self._exact.setdefault(" ".join(words), at) != at:
            return
        n = _length(len(words))
        self._problems.append(_Problem(name, " ".join(text[:320].split())[:160], words, n))
        hidden = masked(words)
        content = mathematics(words)
        if len(content) >= _ENOUGH_MATHEMATICS:
            self._shelves.setdefault(content, []).append(at)
        if n:
            for gram, numbered in zip(
                _in_order(hidden, _SHORT), _in_order(words, _SHORT), strict=True
            ):
                self._where.setdefault(gram, set()).add(at)
                self._where.setdefault(numbered, set()).add(at)
            # a gram without a number is the same with and without the mask: counted once
            self._holders.update(ngrams(words, n) | ngrams(hidden, n))

    def find(self, text: str, words: list[str] | None = None) -> Leak | None:
        """The copy that a text holds the most of, else the twin; None where it holds none.

        Args:
            text: The text.
            words: Its tokens, where they are known already.
        """
        words = tokens(text) if words is None else words
        at = self._exact.get(" ".join(words))
        if at is not None:
            return Leak(self._problems[at].name, self._problems[at].head, 1.0, 0)
        if len(words) < _SHORT:
            return None
        hidden = masked(words)
        leaks = [
            leak
            for at in self._candidates(words, hidden)
            if (leak := self._held(at, words, hidden))
        ]
        best = max(leaks, key=lambda leak: (not leak.twin, leak.share), default=None)
        if best is None or best.twin:
            return self._reworded(words) or best
        return best

    def _reworded(self, words: list[str]) -> Leak | None:
        """The problem with the same mathematics that is worded much alike."""
        shelf = self._shelves.get(mathematics(words))
        if shelf is None:
            return None
        best: Leak | None = None
        grams = ngrams(words, 3)
        for at in shelf:
            problem = self._problems[at]
            share = jaccard(grams, ngrams(problem.words, 3))
            told = {word for word in problem.words if len(word) > 1 and word[0].isalpha()}
            if len(told) >= _ENOUGH_WORDS and 2 * len(told.intersection(words)) < len(told):
                continue  # the formula alone is not the problem
            if share >= _REWORDED and (best is None or share > best.share):
                best = Leak(problem.name, problem.head, share, 3)
        return best

    def _candidates(self, words: list[str], hidden: list[str]) -> list[int]:
        """Problems of which the text seems to hold enough, in order."""
        hits: Counter[int] = Counter()
        for i in range(len(words) - _SHORT + 1):
            holders = self._where.get(" ".join(hidden[i : i + _SHORT]), ())
            if len(holders) > self._max_sharing:  # a template: the numbers have to tell
                holders = self._where.get(" ".join(words[i : i + _SHORT]), ())
            if holders and len(holders) <= self._max_sharing:
                hits.update(holders)
        return sorted(
            at
            for at, found in hits.items()
            if 4 * found >= self._share * (len(self._problems[at].words) - _LONG)
        )

    def _held(self, at: int, words: list[str], hidden: list[str]) -> Leak | None:
        """What a text holds of a problem: a copy, a twin or too little."""
        problem = self._problems[at]
        n, own = problem.n, problem.words
        plain, numbered = self._shared(own, words, n)
        veiled, without = self._shared(masked(own), hidden, n)
        copy = plain >= self._share and without <= numbered
        if not copy and veiled < self._share:
            return None
        if not _says_it(own if copy else masked(own), words if copy else hidden, n):
            return None
        share = plain if copy else veiled
        return Leak(problem.name, problem.head, share, n, twin=not copy)

    def _shared(self, own: list[str], words: list[str], n: int) -> tuple[float, int]:
        """Share of a problem's counted n-grams that a text holds, and how many of all it holds.

        The number is over every n-gram, repeated ones too, so that masking changes no count by
        making n-grams equal.
        """
        grams = ngrams(words, n)
        counted = {
            gram
            for gram in _in_order(own, n)
            if self._holders[gram] <= self._max_sharing and not is_common(gram)
        }
        share = len(counted & grams) / len(counted) if counted else 0.0
        return share, sum(gram in grams for gram in _in_order(own, n))


def _says_it(own: list[str], words: list[str], n: int) -> bool:
    """Whether enough of a problem's words, where it has enough, stand in what is shared."""
    grams = ngrams(words, n)
    shared: set[int] = set()
    for i, gram in enumerate(_in_order(own, n)):
        if gram in grams:
            shared.update(range(i, i + n))
    worded = [i for i, word in enumerate(own) if len(word) > 1 and word[0].isalpha()]
    if len(worded) < _ENOUGH_WORDS:
        return True
    return sum(i in shared for i in worded) >= _SHARED_WORDS * len(worded)


def _in_order(words: list[str], n: int) -> Iterator[str]:
    """Every n-gram in order, repeated ones too."""
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))


def _length(num_tokens: int) -> int:
    if num_tokens < _MIN_TOKENS:
        return 0
    return _SHORT if num_tokens < 2 * _LONG else _LONG
