"""Loops in a text that is still being written: stricter than the rules, for it ends the response.

A response that has run into a loop rarely leaves it and pays for tokens up to its cap. The rules
judge a finished attempt by the whole of its text and may be wrong at little cost; this watch looks
at the end of the text alone, and only a run that fills a good part of it counts.
"""

from __future__ import annotations

from scalediff.text.repetition import loop

_TAIL = 8_000
_EVERY = 1_000
_MIN_REPEATS = 8
_MIN_RUN = 500
_MIN_SYMBOL_RUN = 1_500


class LoopWatch:
    """Called with the text so far; true once its end repeats itself.

    One watch serves one response. It looks when a thousand characters have come since its last
    look, at the last 8,000: a stretch has to stand there 8 times in a row and over 500 words and
    symbols. Ours: chosen so that it stops no healthy attempt of the golden set nor any real
    solution of the data sets in ``bench/filter/loops.py``, which prints both.

    Attributes:
        evidence: What it found.

    Example:
        >>> LoopWatch()("So it is 4. " + "Wait, let me check that again. " * 200)
        True
    """

    def __init__(self) -> None:
        self.evidence: str | None = None
        self._looked_at = 0

    def __call__(self, text: str) -> bool:
        """Whether the text has run into a loop."""
        if len(text) - self._looked_at < _EVERY:
            return False
        self._looked_at = len(text)
        self.evidence = loop(
            text[-_TAIL:],
            min_repeats=_MIN_REPEATS,
            min_run=_MIN_RUN,
            min_symbol_run=_MIN_SYMBOL_RUN,
            max_stale=1.0,
        )
        return self.evidence is not None
