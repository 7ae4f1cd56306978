r"""Near-duplicates of short mathematical texts, in one pass.

A text is a near-duplicate of an earlier one when

* their tokens are the same but for letters' case (``exact``), or
* both have at least ``min_tokens`` tokens, their mathematics (numbers, operators, commands and
  words such as ``odd`` and ``three``, in order: ``ngrams.mathematics``) is the same, they ask for
  the same (``ngrams.asked``), and the Jaccard similarity of their 3-grams reaches ``jaccard``.

The second condition is what sets problems apart from prose: in a text of 80 tokens a changed number
or sign leaves the similarity at 0.93, yet it is another problem with another answer. Such
*twins* are never near-duplicates unless ``twin_jaccard`` allows it. The price: a copy that writes
``0.5`` for ``\frac{1}{2}``, ``greatest`` for ``largest``, or words its question otherwise, is not
found; and a long text in which a word turns the meaning that is not on the list of such words
counts as a duplicate. Letters' case is no difference, unless both texts tell ``c`` from ``C`` and
differ in which they say where: ``find $c$`` and ``find $C$`` of one triangle are two problems.

Texts are shelved by their mathematics. Most shelves hold one text or a few, which are compared one
by one; only from ``_CROWD`` texts on (a set made from few templates, or twins that count) does a
shelf get a MinHash index (rensa). It only proposes; every candidate is confirmed by the true
Jaccard similarity, so its errors can miss a pair but never invent one. The bands are chosen so that
a pair at the threshold is missed with a probability under 0.1 %. Only what is ``add``ed is compared
with, so a caller that adds kept rows alone gets no chains (a near b, b near c, c dropped for b that
is itself dropped).

Memory: about 1.3 kB a text that is added, at 250 bytes a text; 6 kB where it is in a MinHash index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scalediff.text.ngrams import asked, cased_tokens, jaccard, mathematics, ngrams, small

_N = 3
_NUM_PERM = 128
_SEED = 1
_HEAD = 160
_CROWD = 12
"""Texts of one shelf that are compared one by one; a comparison costs as much as a MinHash."""


class Prepared(NamedTuple):
    """A text made ready for comparing; a tuple, since millions go between processes.

    Attributes:
        joined: Its tokens joined by spaces, in small letters but for capitals that it tells from
            them; equal for exact duplicates.
        head: The beginning of the text as it came, for evidence.
        shelf: Which texts it can be a near-duplicate of; None where it is too short for any.
    """

    joined: str
    head: str
    shelf: int | None


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


def prepare(
    text: str, min_tokens: int = 12, twins: bool = False, words: Sequence[str] | None = None
) -> Prepared:
    """Tokens and shelf of a text.

    Args:
        text: The text.
        min_tokens: With fewer tokens it is a duplicate by equality alone.
        twins: Whether texts with other mathematics may be its duplicates.
        words: Its ``cased_tokens``, where they are known already.
    """
    words = cased_tokens(text) if words is None else words
    shelf = None
    if len(words) >= min_tokens:
        shelf = 0 if twins else _shelf(small(words))
    return Prepared(_joined(words), " ".join(text[: 2 * _HEAD].split())[:_HEAD], shelf)


def _joined(words: Sequence[str]) -> str:
    letters = {word for word in words if len(word) == 1 and word.isalpha()}
    told = {letter for letter in letters if letter.isupper() and letter.lower() in letters}
    if not told:
        return " ".join(words).lower()
    after = [*words[1:], ""]
    return " ".join(
        [
            word if word in told and not (word == "A" and len(next_) > 1 and next_.isalpha())
            else word.lower()
            for word, next_ in zip(words, after, strict=True)
        ]
    )  # fmt: skip


def _told_apart(one: str, other: str) -> bool:
    """Whether two texts differ in nothing but which of ``c`` and ``C`` they say where."""
    small_one, small_other = one.lower(), other.lower()
    return small_one == small_other and one != small_one and other != small_other


def _shelf(words: list[str]) -> int:
    content = "\x1f".join((*mathematics(words), "\x1e", *asked(words))).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


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
        self._jaccard = jaccard
        self._twin_jaccard = twin_jaccard
        self._min_tokens = min_tokens
        self._exact: dict[str, int] = {}
        self._texts: list[tuple[str, str, str]] = []
        self._shelves: dict[int, int | _Shelf] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def prepare(self, text: str) -> Prepared:
        """``prepare`` with this index's settings; good for every index that shares them."""
        return prepare(text, self._min_tokens, self._twin_jaccard is not None)

    def find(self, text: Prepared) -> Match | None:
        """The most similar text that this one duplicates; the earliest among equals."""
        at = self._exact.get(text.joined)
        if at is not None:
            key, head, _ = self._texts[at]
            return Match(key, head, 1.0, exact=True)
        shelf = None if text.shelf is None else self._shelves.get(text.shelf)
        if shelf is None:
            return None
        words = text.joined.lower().split(" ")
        grams = ngrams(words, _N)
        best: Match | None = None
        for at in (shelf,) if isinstance(shelf, int) else shelf.candidates(grams):
            key, head, joined = self._texts[at]
            if _told_apart(text.joined, joined):
                continue
            similarity = self._similarity(words, grams, joined.lower().split(" "))
            if similarity is not None and (best is None or similarity > best.similarity):
                best = Match(key, head, similarity, exact=False)
        return best

    def _similarity(self, words: list[str], grams: set[str], other: list[str]) -> float | None:
        similarity = jaccard(grams, ngrams(other, _N))
        bar = self._jaccard
        if self._twin_jaccard is not None and mathematics(words) != mathematics(other):
            bar = self._twin_jaccard
        return similarity if similarity >= bar else None

    def add(self, key: str, text: Prepared) -> None:
        """Put a text in; one with equal tokens is kept once, under its first key."""
        at = len(self._texts)
        if self._exact.setdefault(text.joined, at) != at:
            return
        self._texts.append((key, text.head, text.joined))
        if text.shelf is None:
            return
        shelf = self._shelves.setdefault(text.shelf, at)
        if shelf == at:
            return  # alone on its shelf, as most texts are: no object for it
        if isinstance(shelf, int):
            shelf = self._shelves[text.shelf] = _Shelf([shelf], self._lowest)
        shelf.add(at, self._grams)

    @property
    def _lowest(self) -> float:
        return min(self._jaccard, self._twin_jaccard or self._jaccard)

    def _grams(self, at: int) -> set[str]:
        return ngrams(self._texts[at][2].lower().split(" "), _N)


class _Shelf:
    """Texts with the same mathematics, by their place in the index.

    Args:
        members: The first of them.
        threshold: Similarity from which a MinHash index, once there is one, proposes.
    """

    __slots__ = ("_lsh", "_members", "_threshold")

    def __init__(self, members: list[int], threshold: float) -> None:
        self._members = members
        self._threshold = threshold
        self._lsh: Any = None

    def candidates(self, grams: set[str]) -> list[int]:
        """Places of the texts that may be similar, in order."""
        return self._members if self._lsh is None else sorted(self._lsh.query(_sketch(grams)))

    def add(self, at: int, grams_of: Any) -> None:
        """Put a text in; ``grams_of`` gives the n-grams of one that is in the index."""
        self._members.append(at)
        new = [at]
        if self._lsh is None:
            if len(self._members) <= _CROWD:
                return
            from rensa import RMinHashLSH

            self._lsh = RMinHashLSH(self._threshold, _NUM_PERM, num_bands(self._threshold))
            new = self._members
        for member in new:
            self._lsh.insert(member, _sketch(grams_of(member)))
        self._members = []


def _sketch(grams: set[str]) -> Any:
    from rensa import RMinHash

    sketch = RMinHash(_NUM_PERM, _SEED)
    sketch.update(list(grams))
    return sketch


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
