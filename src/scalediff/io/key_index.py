"""Which record of a log a key's last one is, in 12 bytes a record.

A dictionary of a million keys takes some 200 MB. Here the first 64 bits of the keys lie sorted in
one array and the numbers of their records in another; what was added since lies in a small
dictionary that is merged in at times. Only a prefix is held, so whoever finds one looks at the
whole key in the log's index, which also tells apart keys that share a prefix.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

MERGE_FROM = 1 << 16
"""New keys that are worth a merge: some 12 MB as a dictionary."""


class KeyIndex:
    """Numbers of records by 16-byte key; of a repeated key the later one counts.

    Args:
        key_at: Gives the key of a record by its number.
    """

    def __init__(self, key_at: Callable[[int], bytes]) -> None:
        self._key_at = key_at
        self._prefixes = memoryview(b"").cast("Q")
        self._numbers = memoryview(b"").cast("I")
        self._new: dict[bytes, int] = {}

    def __len__(self) -> int:
        self.merge()
        return len(self._prefixes)

    @property
    def num_new(self) -> int:
        """Keys that wait to be merged."""
        return len(self._new)

    def load(self, prefixes: Any) -> None:
        """Take over the prefixes (an array of unsigned 64 bits) of all records in order."""
        import numpy as np

        order = prefixes.argsort(kind="stable")
        self._keep(prefixes[order], order.astype(np.uint32))

    def find(self, key: bytes) -> int | None:
        """The number of the key's last record, or None."""
        number = self._new.get(key)
        if number is not None:
            return number
        prefix = int.from_bytes(key[:8], "little")
        at = bisect_right(self._prefixes, prefix) - 1
        while at >= 0 and self._prefixes[at] == prefix:
            number = self._numbers[at]
            if self._key_at(number) == key:
                return number
            at -= 1
        return None

    def has_prefixes(self, prefixes: Any) -> Any:
        """For each of some prefixes (an array), whether a key begins with it."""
        import numpy as np

        self.merge()
        known = np.asarray(self._prefixes)
        if not len(known):
            return np.zeros(len(prefixes), bool)
        at = known.searchsorted(prefixes)
        return known[np.minimum(at, len(known) - 1)] == prefixes

    def add(self, key: bytes, number: int) -> None:
        """Enter a record that is later than all before it."""
        self._new[key] = number

    def merge(self) -> None:
        """Move the new keys into the arrays."""
        if not self._new:
            return
        import numpy as np

        first = b"".join(key[:8] for key in self._new)
        prefixes = np.frombuffer(first, "<u8").astype(np.uint64)
        numbers = np.fromiter(self._new.values(), np.uint32, len(self._new))
        order = np.lexsort((numbers, prefixes))
        prefixes, numbers = prefixes[order], numbers[order]
        old = np.asarray(self._prefixes)
        at = old.searchsorted(prefixes, side="right")
        self._keep(np.insert(old, at, prefixes), np.insert(np.asarray(self._numbers), at, numbers))
        self._new = {}

    def _keep(self, prefixes: Any, numbers: Any) -> None:
        """Hold the arrays, without the earlier records of repeated keys."""
        import numpy as np

        equal = np.flatnonzero(prefixes[1:] == prefixes[:-1])
        if len(equal):
            keep: Any = np.ones(len(prefixes), bool)
            seen: set[bytes] = set()
            run_begins_at = -1
            for at in equal[::-1].tolist():  # from the latest, so that it is the one to stay
                if at + 1 != run_begins_at:
                    seen = {self._key_at(int(numbers[at + 1]))}
                key = self._key_at(int(numbers[at]))
                keep[at] = key not in seen
                seen.add(key)
                run_begins_at = at
            prefixes, numbers = prefixes[keep], numbers[keep]
        self._prefixes = memoryview(prefixes).cast("B").cast("Q")
        self._numbers = memoryview(numbers).cast("B").cast("I")
