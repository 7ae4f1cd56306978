r"""Near-duplicates of short mathematical texts, in one pass.

A text is a near-duplicate of an earlier one when

* their tokens are the same (``exact``), or
* both have at least ``min_tokens`` tokens, their mathematics (numbers, operators, commands and
  words such as ``odd`` and ``three``, in order: ``ngrams.mathematics``) is the same, and the
  Jaccard similarity of their 3-grams reaches ``jaccard``.

The second condition is what sets problems apart from prose: in a text of 80 tokens a changed number
or sign leaves the similarity at 0.93, yet it is another problem with another answer. Such
*twins* are never near-duplicates unless ``twin_jaccard`` allows it. The price: a copy that writes
``1/2`` for ``\frac{1}{2}``, or ``greatest`` for ``largest``, is not found; and a long text in which
a word turns the meaning that is not on the list of such words counts as a duplicate.

MinHash (rensa) only proposes; every candidate is confirmed by the true Jaccard similarity, so its
errors can miss a pair but never invent one. The bands are chosen so that a pair at the threshold is
missed with a probability under 0.1 %. Only what is ``add``ed is compared with, so a caller that
adds kept rows alone gets no chains (a near b, b near c, c dropped for b that is itself dropped).

Memory: about 4 kB a text that is added, at 400 bytes a text.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from scalediff.text.ngrams import jaccard, mathematics, ngrams, tokens

_N = 3
_NUM_PERM = 128
_SEED = 1
_HEAD = 160


@dataclass(frozen=True, slots=True)
class Prepared:
    """A text made ready for comparing.

    Attributes:
        words: Its tokens.
        joined: The tokens joined by spaces; equal for exact duplicates.
        head: The beginning of the text as it came, for evidence.
        sketch: Its MinHash; None where the text is too short for near-duplicates.
    """

    words: list[str]
    joined: str
    head: str
    sketch: Any


@dataclass(frozen=True, slots=True)
class Match:
    """The earlier text that a text is a duplicate of.

    Attributes:
        key: Its row's key.
        head: Its beginning as it came.
        similarity: True Jaccard similarity; 1 for equal tokens.
        exact: True where the tokens are equal.
    """

    key: str
    head: str
    similarity: float
    exact: bool

    def __str__(self) -> str:
        how = "same text" if self.exact else f"similarity {self.similarity:.2f}"
        return f"{self.key} ({how}): {self.head}"


class NearDuplicates:
    """An index of texts; asks of each new one whether it is a duplicate of one in it.

    Args:
        jaccard: Similarity from which two texts with the same mathematics are one.
        twin_jaccard: Similarity from which two texts with different numbers or operators are one;
            None is never.
        min_tokens: Texts with fewer tokens are duplicates by equality alone.

    Example:
        >>> index = NearDuplicates()
        >>> index.add("a", index.prepare("Find $x$ where $x+1=3$."))
        >>> index.find(index.prepare("Find  $x$ where $x + 1 = 3$")).key
        'a'
        >>> index.find(index.prepare("Find $x$ where $x+1=4$.")) is None
        True
    """

    def __init__(
        self, jaccard: float = 0.8, twin_jaccard: float | None = None, min_tokens: int = 12
    ) -> None:
        from rensa import RMinHashLSH

        self._jaccard = jaccard
        self._twin_jaccard = twin_jaccard
        self._min_tokens = min_tokens
        lowest = jaccard if twin_jaccard is None else min(jaccard, twin_jaccard)
        self._lsh = RMinHashLSH(lowest, _NUM_PERM, num_bands(lowest))
        self._exact: dict[str, int] = {}
        self._texts: list[tuple[str, str, str]] = []

    def __len__(self) -> int:
        return len(self._texts)

    def prepare(self, text: str) -> Prepared:
        """Tokens and sketch of a text; good for every index with the same settings."""
        from rensa import RMinHash

        words = tokens(text)
        sketch = None
        if len(words) >= self._min_tokens:
            sketch = RMinHash(_NUM_PERM, _SEED)
            sketch.update(list(self._shingles(words)))
        head = " ".join(text[: 2 * _HEAD].split())[:_HEAD]
        return Prepared(words, " ".join(words), head, sketch)

    def _shingles(self, words: list[str]) -> set[str]:
        """What the MinHash sees: 3-grams, marked by the mathematics where twins never count.

        Texts with different mathematics then share nothing, so that a set made from few templates
        (all its problems alike but for the numbers) does not drown in candidates.
        """
        grams = ngrams(words, _N)
        if self._twin_jaccard is not None:
            return grams
        content = "\x1f".join(mathematics(words)).encode("utf-8")
        mark = hashlib.blake2b(content, digest_size=8).hexdigest()
        return {mark + gram for gram in grams}

    def find(self, text: Prepared) -> Match | None:
        """The most similar text that this one duplicates; the earliest among equals."""
        at = self._exact.get(text.joined)
        if at is not None:
            key, head, _ = self._texts[at]
            return Match(key, head, 1.0, exact=True)
        if text.sketch is None:
            return None
        best: Match | None = None
        for at in sorted(self._lsh.query(text.sketch)):
            key, head, joined = self._texts[at]
            similarity = self._similarity(text.words, joined.split(" "))
            if similarity is not None and (best is None or similarity > best.similarity):
                best = Match(key, head, similarity, exact=False)
        return best

    def _similarity(self, a: list[str], b: list[str]) -> float | None:
        same = mathematics(a) == mathematics(b)
        bar = self._jaccard if same else self._twin_jaccard
        if bar is None:
            return None
        similarity = jaccard(ngrams(a, _N), ngrams(b, _N))
        return similarity if similarity >= bar else None

    def add(self, key: str, text: Prepared) -> None:
        """Put a text in; one with equal tokens is kept once, under its first key."""
        at = len(self._texts)
        if self._exact.setdefault(text.joined, at) != at:
            return
        self._texts.append((key, text.head, text.joined))
        if text.sketch is not None:
            self._lsh.insert(at, text.sketch)


def num_bands(threshold: float) -> int:
    """Bands of 128 permutations: the fewest that miss a pair at the threshold under once in 1,000.

    A pair of similarity s shares one of b bands of r rows with probability 1 - (1 - s^r)^b
    (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, section 3.4).

    Example:
        >>> num_bands(0.8), num_bands(0.9)
        (32, 16)
    """
    for rows in (16, 8, 4, 2):
        bands = _NUM_PERM // rows
        if (1 - threshold**rows) ** bands < 1e-3:
            return bands
    return _NUM_PERM
