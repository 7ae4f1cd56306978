"""Identity: what makes two texts, rows, settings or samples the same.

Everything that must survive resuming, re-splitting or growing a run hangs on these few hashes, so
they use nothing but the standard library and never change without a version.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from array import array
from collections import Counter
from typing import Any


def digest(*parts: Any) -> str:
    """SHA-256 (64 hex digits) of JSON-able parts, independent of the order of mapping keys."""
    return digest_of_json(to_json(parts))


to_json = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode
"""The one JSON text of a value that digests are made of."""


def digest_of_json(text: str) -> str:
    """The digest of parts whose JSON text (an array) is put together elsewhere, for speed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def problem_id(text: str) -> str:
    r"""Identity of a problem's text: SHA-256 of its NFC form with whitespace collapsed.

    Example:
        >>> problem_id("Find  $x$.\n") == problem_id("Find $x$.")
        True
    """
    collapsed = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(collapsed.encode("utf-8", "surrogatepass")).hexdigest()


class RowKeys:
    """Unique keys for source rows: ``problem_id`` and the occurrence among equal texts.

    Adding a file or splitting one moves no key of other texts.

    Example:
        >>> keys = RowKeys()
        >>> first, second = keys.next("Find $x$."), keys.next("Find $x$.")
        >>> first == second, second.endswith("-1")
        (False, True)
    """

    def __init__(self) -> None:
        self._seen = Marks()
        self._again: Counter[str] = Counter()

    def next(self, text: str) -> str:
        """The key of the next row that has this text (32 hex digits, ``-n`` from the second on)."""
        identity = problem_id(text)[:32]
        if self._seen.add(identity):
            return identity
        self._again[identity] += 1
        return f"{identity}-{self._again[identity]}"


class Marks:
    """Texts that were seen, in 12 to 24 bytes each: a tenth of what Python's set of them takes.

    Of a text only 64 bits of a hash are held, so in one of some ten million runs of a million rows
    a text is called seen that was not. A row then has a key that says ``-1`` without need.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 << 10))
        self._left = len(self._table) * 2 // 3

    def add(self, text: str) -> bool:
        """Note a text; False where it was seen before."""
        hashed = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        mark = int.from_bytes(hashed[:8], "big") or 1  # 0 is an empty place
        if not _enter(self._table, mark):
            return False
        self._left -= 1
        if not self._left:
            larger = array("Q", bytes(16 * len(self._table)))
            for each in filter(None, self._table):
                _enter(larger, each)
            self._left = len(larger) * 2 // 3 - len(self._table) * 2 // 3
            self._table = larger
        return True


def _enter(table: array[int], mark: int) -> bool:
    last = len(table) - 1  # a power of two less one
    at = mark & last
    while table[at]:
        if table[at] == mark:
            return False
        at = (at + 1) & last
    table[at] = mark
    return True


def sample_seed(sampling_seed: int, role: str, row_key: str, sample_index: int) -> int:
    """The seed of one sample: 53 bits (exact in JSON), by identity and never by order."""
    text = f"{sampling_seed}\x1f{role}\x1f{row_key}\x1f{sample_index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11


def unit_key(row_key: str, sample_index: int) -> str:
    """The ledger key of one sample of one row."""
    return f"{row_key}#{sample_index}"
