"""Answers of no use, counted: where there are only these, no row is to blame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from scalediff.core.errors import EndpointError


class Useless:
    """Counts answers of no use, and ends the run where there is nothing else.

    Args:
        model: Name of the model, for people.
        most: So many one after another end it; two fifths of these where none was ever of use.

    A request counts once among answers that are of use, since it may be its own fault; before the
    first good answer each of its tries does.
    """

    def __init__(self, model: str, most: int) -> None:
        self._model = model
        self._most = most
        self._known: set[int] = set()
        self._kinds: Counter[str] = Counter()
        self._in_a_row = 0
        self.has_answered = False

    def good(self) -> None:
        """An answer was of use."""
        self.has_answered = True
        if self._in_a_row:
            self._in_a_row = 0
            self._kinds.clear()

    def bad(self, request: Hashable, why: str) -> None:
        """One was not.

        Args:
            request: Something hashable that is the same for all tries of a request.
            why: What is wrong with it.

        Raises:
            EndpointError: There were too many.
        """
        mark = hash(request)
        if self.has_answered and mark in self._known:
            return
        self._known.add(mark)
        self._in_a_row += 1
        self._kinds[why] += 1
        most = self._most if self.has_answered else max(2, self._most * 2 // 5)
        if self._in_a_row < most:
            return
        told = "; ".join(f"{n} times: {kind}" for kind, n in self._kinds.most_common(3))
        which = "last" if self.has_answered else "first"
        raise EndpointError(
            f"{self._model}: the {which} {self._in_a_row} answers are all of no use ({told}); see "
            "to the server or the settings and run the same command again, no row is dropped for "
            "it; where the rows are to blame, --engine http.useless_in_a_row=1000 goes on"
        )
