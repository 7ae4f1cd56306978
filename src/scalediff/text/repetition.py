"""Whether a text has run into a loop, in time linear in its length.

Two signs, each with evidence for people:

* a **run**: the same stretch of tokens again and again without a gap. A stretch with a word in it
  is a loop from ``min_repeats`` times and ``min_run`` tokens; one of numbers and symbols alone only
  from ``min_symbol_run`` tokens, since sums, tables and matrices of equal entries are healthy.
* **stale** text: most of its 20-grams hold a word and stood in it before. It finds loops that
  change a word each time round. Long arithmetic stays far below: its steps differ in their numbers.

The paper names repetition as a ground for leaving a response out but gives no detector; the
defaults here are ours. A loop that only counts up ("Wait, 23. Wait, 24.") is not found: healthy
enumerations look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scalediff.text.ngrams import split_tokens

_LONG_TOKEN = re.compile(r"\S{64,}")
_SEED_GRAM = 4
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
    found = _longest_run(words, min_repeats, min_run, min_symbol_run)
    if found is not None:
        start, period, length = found
        sample = " ".join(words[start : start + min(period, 20)])
        return f"{period} tokens {length // period} times in a row: {sample!r}"
    if len(words) < min_stale_tokens:
        return None
    share, sample = _stale(words)
    return f"{share:.0%} of its 20-grams stood before: {sample!r}" if share > max_stale else None


def _tokens(text: str) -> list[str]:
    """Tokens, where very long ones (a loop without spaces) fall into characters."""
    words: list[str] = []
    for word in split_tokens(text):
        words.extend(word if _LONG_TOKEN.match(word) else (word,))
    return words


def _longest_run(
    words: Sequence[str], min_repeats: int, min_run: int, min_symbol_run: int
) -> tuple[int, int, int] | None:
    """Start, period and length of the longest run that is a loop."""
    best = (0, 0, 0)
    for start, period, length in _runs(words):
        if length < max(min_run, min_repeats * period, best[2] + 1):
            continue
        stretch = words[start : start + period]
        if length >= min_symbol_run or any(_is_word(word) for word in stretch):
            best = (start, period, length)
    return best if best[2] else None


def _runs(words: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Start, period and length of every periodic stretch.

    At each position the last place of the four tokens that end here proposes a period; it is kept
    for as long as each token equals the one a period before it.
    """
    last: dict[tuple[str, ...], int] = {}
    period = start = 0
    for i, word in enumerate(words):
        if period and word != words[i - period]:
            yield start, period, i - start
            period = 0
        gram = tuple(words[max(0, i - _SEED_GRAM + 1) : i + 1])
        if not period and gram in last:
            period = i - last[gram]
            start = last[gram] - len(gram) + 1
        last[gram] = i
    if period:
        yield start, period, len(words) - start


def _is_word(token: str) -> bool:
    return len(token) > 1 and token[0].isalpha()


def _stale(words: Sequence[str]) -> tuple[float, str]:
    """Share of 20-grams with a word that occurred before, and the longest stretch's beginning."""
    seen: set[tuple[str, ...]] = set()
    num_stale = stretch = longest = at = 0
    last_word = -_STALE_GRAM
    total = len(words) - _STALE_GRAM + 1
    for end, word in enumerate(words):
        if _is_word(word):
            last_word = end
        i = end - _STALE_GRAM + 1
        if i < 0:
            continue
        gram = tuple(words[i : end + 1])
        if gram in seen and last_word >= i:
            num_stale += 1
            stretch += 1
            if stretch > longest:
                longest, at = stretch, i - stretch + 1
        else:
            stretch = 0
            seen.add(gram)
    return num_stale / total, " ".join(words[at : at + _STALE_GRAM])
