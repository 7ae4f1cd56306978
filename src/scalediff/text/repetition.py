"""Whether a text has run into a loop, in time linear in its length.

Three signs, each with evidence for people:

* a **run**: the same stretch of tokens again and again without a gap. A stretch with a word in it
  is a loop from ``min_repeats`` times and ``min_run`` tokens, a formula from twice as many; one of
  few numbers and symbols only from ``min_symbol_run`` tokens, since sums, tables and matrices of
  equal entries are healthy.
* a **counting run**: the same stretch, thirty times and more, but for its numbers, which are few in
  it ("attempt 7 failed, so let me try once more"). Cases that are gone through are fewer, or have
  numbers in every clause.
* **stale** text: most of its 20-grams hold a word and stood in it before. It finds loops that
  change a word each time round. Long arithmetic stays far below: its steps differ in their numbers.

Whatever loops repeats many 12-grams, so a healthy text is done after counting those. The paper
names repetition as a ground for leaving a response out but gives no detector; the defaults here are
ours.
A loop that says little but a number that counts up ("Wait, 23. Wait, 24.") is not found: healthy
enumerations look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_TOKEN = re.compile(r"\\?[^\W_]+|[^\w\s]|_")
"""Coarser than the tokens of ``ngrams``, and faster: a thought has tens of thousands of them."""
_LONG = 64
"""Characters from which a token is a loop without spaces."""
_SEED_GRAM = 4
_WORDED = 6
"""Different tokens that make a stretch with a word in it more than a list ("odd, odd, even")."""
_FEWEST_COUNTED = 30
"""Times that a counting run repeats at least: shorter ones may be cases that are gone through."""
_VARIED = 12
"""Different tokens that make a stretch of symbols a formula rather than a row of a table."""
_COUNT_GRAM = 12
_COUNTED_NUMBERS = 0.08
"""Numbers are at most this share of the tokens of a counting run."""
_STALE_GRAM = 20


def loop(
    text: str,
    *,
    min_repeats: int = 4,
    min_run: int = 120,
    min_symbol_run: int = 1000,
    max_stale: float = 0.6,
    min_stale_tokens: int = 400,
) -> str | None:
    """What shows that a text repeats itself, or None.

    Args:
        text: A thought or a response.
        min_repeats: A run repeats its stretch at least so many times.
        min_run: Tokens that a run with a word in it spans at least.
        min_symbol_run: Tokens that a run without a word spans at least.
        max_stale: Share of 20-grams that may have occurred before.
        min_stale_tokens: Texts with fewer tokens are not judged by their stale share.

    Example:
        >>> loop("So the answer is 4. " + "Wait, let me check that again. " * 40)
        "8 tokens 40 times in a row: '. Wait , let me check that again'"
        >>> loop("1 + 2 = 3. 3 + 3 = 6. 6 + 4 = 10.") is None
        True
    """
    words = _tokens(text)
    least = _fewest_repeats(min_repeats, min_run)
    exact = _repeated(words)
    # of a counting run the words alone repeat; they are at least half of what is not a symbol
    counting = _repeated([word for word in words if _is_word(word)]) >= least / 2
    if exact < least and not counting:
        return None
    found = _longest_run(words, min_repeats, min_run, min_symbol_run)
    if found is None and counting:
        masked = ["#" if word[0].isdigit() else word for word in words]
        found = _counting_run(masked, min_repeats, 2 * min_run)
        words = words if found is None else masked
    if found is not None:
        start, period, length = found
        sample = " ".join(words[start : start + min(period, 20)])
        return f"{period} tokens {length // period} times in a row: {sample!r}"
    if len(words) < min_stale_tokens:
        return None
    share, sample = _stale(words)
    return f"{share:.0%} of its 20-grams stood before: {sample!r}" if share > max_stale else None


def _fewest_repeats(min_repeats: int, min_run: int) -> float:
    """How many 12-grams a run repeats at least.

    A run of L tokens with period p repeats L - p - 11, and p is at most L / min_repeats.
    """
    return max(1.0, min_run - min_run / min_repeats - _COUNT_GRAM)


def _repeated(words: list[str]) -> int:
    """How many 12-grams occur again."""
    total = len(words) - _COUNT_GRAM + 1
    if total < 1:
        return 0
    return total - len(set(zip(*(words[k:] for k in range(_COUNT_GRAM)), strict=False)))


def _counting_run(
    masked: Sequence[str], min_repeats: int, min_run: int
) -> tuple[int, int, int] | None:
    """Start, period and length of the longest run that repeats but for a few numbers."""
    best = (0, 0, 0)
    for start, period, length in _runs(masked):
        if length < max(min_run, min_repeats * period, best[2] + 1):
            continue
        stretch = masked[start : start + period]
        numbers = stretch.count("#")
        if length < _FEWEST_COUNTED * period:
            continue
        if 0 < numbers <= _COUNTED_NUMBERS * period and any(_is_word(word) for word in stretch):
            best = (start, period, length)
    return best if best[2] else None


def _tokens(text: str) -> list[str]:
    """Tokens, where very long ones (a loop without spaces) fall into characters."""
    words = _TOKEN.findall(text)
    if not words or max(map(len, words)) < _LONG:
        return words
    return [part for word in words for part in (word if len(word) >= _LONG else (word,))]


def _longest_run(
    words: Sequence[str], min_repeats: int, min_run: int, min_symbol_run: int
) -> tuple[int, int, int] | None:
    """Start, period and length of the longest run that is a loop."""
    best = (0, 0, 0)
    for start, period, length in _runs(words):
        if length < max(min_run, min_repeats * period, best[2] + 1):
            continue
        stretch = words[start : start + period]
        varied = length >= 2 * min_run and len(set(stretch)) >= _VARIED
        worded = len(set(stretch)) >= _WORDED and any(_is_word(word) for word in stretch)
        if length >= min_symbol_run or varied or worded:
            best = (start, period, length)
    return best if best[2] else None


def _runs(words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Start, period and length of every periodic stretch.

    At each position the last place of the four tokens that end here proposes a period; it is kept
    for as long as each token equals the one a period before it.
    """
    last: dict[tuple[str, ...], int] = {}
    period = start = 0
    shifted = [words[k:] for k in range(_SEED_GRAM)]
    for i, gram in enumerate(zip(*shifted, strict=False), start=_SEED_GRAM - 1):
        if period and gram[-1] != words[i - period]:
            yield start, period, i - start
            period = 0
        if not period and gram in last:
            period = i - last[gram]
            start = last[gram] - _SEED_GRAM + 1
        last[gram] = i
    if period:
        yield start, period, len(words) - start


def _is_word(token: str) -> bool:
    return len(token) > 1 and token[0].isalpha()


def _stale(words: Sequence[str]) -> tuple[float, str]:
    """Share of 20-grams with a word that occurred before, and the longest stretch's beginning."""
    seen: set[tuple[str, ...]] = set()
    num_stale = stretch = longest = at = 0
    worded = [_is_word(word) for word in words]
    last_word = max((i for i in range(_STALE_GRAM - 1) if worded[i]), default=-1)
    shifted = [words[k:] for k in range(_STALE_GRAM)]
    for i, gram in enumerate(zip(*shifted, strict=False)):
        if worded[i + _STALE_GRAM - 1]:
            last_word = i + _STALE_GRAM - 1
        if gram in seen and last_word >= i:
            num_stale += 1
            stretch += 1
            if stretch > longest:
                longest, at = stretch, i - stretch + 1
        else:
            stretch = 0
            seen.add(gram)
    total = len(words) - _STALE_GRAM + 1
    return num_stale / total, " ".join(words[at : at + _STALE_GRAM])
