"""What a server was asked and what it served, counted in memory and in a file that outlives it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

SERVED = "served"
"""The outcome of a try that was answered with 200 and wholly."""


class Counts:
    """Counts of tries; with a file, of all servers that ever wrote to it.

    Each try is one line, appended by one system call when the try ends, so a server that is killed
    loses the tries that were under way and nothing else.

    Attributes:
        in_flight: Tries that are worked on now.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.in_flight = 0
        self._max_in_flight = 0
        self._tries: Counter[str] = Counter()
        self._served: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._tokens = self._wasted_tokens = 0
        self._file = -1
        if path is not None:
            for line in read_lines(path):
                self._tries[line["key"]] += 1
                self._add(line["key"], line["outcome"], line["tokens"])
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def begin(self, key: str) -> int:
        """A try came in; its number among those of its key, from 1 on."""
        self._tries[key] += 1
        return self._tries[key]

    def work(self) -> None:
        """It is worked on from now on."""
        self.in_flight += 1
        self._max_in_flight = max(self._max_in_flight, self.in_flight)

    def end(self, key: str, seed: int | None, outcome: str, tokens: int) -> None:
        """A try ended; ``outcome`` is ``served``, ``abandoned``, a status or the fault it met."""
        self._add(key, outcome, tokens)
        if self._file >= 0:
            line = {"key": key, "seed": seed, "outcome": outcome, "tokens": tokens}
            os.write(self._file, orjson.dumps(line) + b"\n")

    def totals(self) -> dict[str, Any]:
        """What ``GET /counts`` answers."""
        return {
            "tries": sum(self._tries.values()),
            "served": self._outcomes[SERVED],
            "served_keys": len(self._served),
            "served_again": self._outcomes[SERVED] - len(self._served),
            "faults": {kind: n for kind, n in self._outcomes.items() if kind != SERVED},
            "in_flight": self.in_flight,
            "max_in_flight": self._max_in_flight,
            "tokens": self._tokens,
            "wasted_tokens": self._wasted_tokens,
        }

    def _add(self, key: str, outcome: str, tokens: int) -> None:
        self._outcomes[outcome] += 1
        if outcome == SERVED:
            self._served[key] += 1
            self._tokens += tokens
        else:
            self._wasted_tokens += tokens


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a counts file; a torn last one is left out."""
    if not path.exists():
        return []
    *whole, _torn = path.read_bytes().split(b"\n")
    return [orjson.loads(line) for line in whole]
