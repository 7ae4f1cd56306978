r"""Whether a text holds a benchmark problem, by the n-grams they share.

A text holds a benchmark problem when their tokens are the same, or when at least ``share`` of the
problem's counted n-grams are in the text. 13-grams are counted (the customary length for
decontamination since GPT-3, arXiv 2005.14165, appendix C), 8-grams for problems under 26 tokens,
and under 12 tokens only equality. Two things keep innocent rows:

* an n-gram that occurs in more than ``max_sharing`` different benchmark problems is an instruction
  or a template, not a problem, and is not counted;
* a *twin* (the same problem with other numbers) is another problem: where masking the numbers makes
  more n-grams match than before, the row is a twin and stays.

The index proposes by hash; what is reported is confirmed on the n-grams themselves. Memory: about
10 kB a benchmark problem.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from scalediff.text.ngrams import masked, ngrams, tokens

_LONG, _SHORT = 13, 8
_MIN_TOKENS = 12


@dataclass(frozen=True, slots=True)
class Leak:
    """The benchmark problem that a text holds.

    Attributes:
        name: Where the problem is from, such as ``math500 row 17``.
        head: Its beginning.
        share: Share of its counted n-grams that the text holds; 1 for equal tokens.
        n: Length of the n-grams; 0 for equal tokens.
    """

    name: str
    head: str
    share: float
    n: int

    def __str__(self) -> str:
        how = f"{self.share:.0%} of its {self.n}-grams" if self.n else "same text"
        return f"{self.name} ({how}): {self.head}"


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
    """

    def __init__(self, share: float = 0.6, max_sharing: int = 3) -> None:
        self._share = share
        self._max_sharing = max_sharing
        self._problems: list[_Problem] = []
        self._exact: dict[str, int] = {}
        self._where: dict[int, list[int]] = {}
        self._counted: dict[int, set[str]] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, name: str, text: str) -> None:
        """Put a problem in; one that is there already is kept under its first name."""
        words = tokens(text)
        at = len(self._problems)
        if not words or self._exact.setdefault(" ".join(words), at) != at:
            return
        self._counted.clear()
        n = _length(len(words))
        self._problems.append(_Problem(name, " ".join(text[:320].split())[:160], words, n))
        for gram in ngrams(words, n) if n else ():
            holders = self._where.setdefault(hash(gram), [])
            if len(holders) <= self._max_sharing:
                holders.append(at)

    def find(self, text: str, words: list[str] | None = None) -> Leak | None:
        """The benchmark problem that a text holds the most of; None where it holds none.

        Args:
            text: The text.
            words: Its tokens, where they are known already.
        """
        words = tokens(text) if words is None else words
        at = self._exact.get(" ".join(words))
        if at is not None:
            return Leak(self._problems[at].name, self._problems[at].head, 1.0, 0)
        grams = {n: ngrams(words, n) for n in (_SHORT, _LONG) if len(words) >= n}
        best: Leak | None = None
        for at in self._candidates(grams):
            problem = self._problems[at]
            share = self._held(at, grams[problem.n], words)
            if share >= self._share and (best is None or share > best.share):
                best = Leak(problem.name, problem.head, share, problem.n)
        return best

    def _candidates(self, grams: dict[int, set[str]]) -> list[int]:
        """Problems of which the text seems to hold enough, in order."""
        hits: Counter[int] = Counter()
        for n, of_length in grams.items():
            for gram in of_length:
                holders = self._where.get(hash(gram), ())
                if len(holders) <= self._max_sharing:
                    hits.update(at for at in holders if self._problems[at].n == n)
        return sorted(at for at in hits if hits[at] >= self._share * len(self._grams_of(at)))

    def _grams_of(self, at: int) -> set[str]:
        """The counted n-grams of a problem."""
        if at not in self._counted:
            own = ngrams(self._problems[at].words, self._problems[at].n)
            few = {g for g in own if len(self._where[hash(g)]) <= self._max_sharing}
            self._counted[at] = few
        return self._counted[at]

    def _held(self, at: int, grams: set[str], words: list[str]) -> float:
        """Share of a problem's counted n-grams in the text; 0 for a twin."""
        problem = self._problems[at]
        counted = self._grams_of(at)
        share = len(counted & grams) / len(counted)
        if share < self._share:
            return 0.0
        plain = sum(gram in grams for gram in _in_order(problem.words, problem.n))
        without = ngrams(masked(words), problem.n)
        hidden = sum(gram in without for gram in _in_order(masked(problem.words), problem.n))
        return 0.0 if hidden > plain else share


def _in_order(words: list[str], n: int) -> list[str]:
    """Every n-gram, repeated ones too, so that masking changes no count by making grams equal."""
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]


def _length(num_tokens: int) -> int:
    if num_tokens < _MIN_TOKENS:
        return 0
    return _SHORT if num_tokens < 2 * _LONG else _LONG
