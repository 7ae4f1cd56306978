"""Identity: what makes two texts, rows, settings or samples the same.

Everything that must survive resuming, re-splitting or growing a run hangs on these few hashes, so
they use nothing but the standard library and never change without a version.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
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
        self._seen: Counter[str] = Counter()

    def next(self, text: str) -> str:
        """The key of the next row that has this text (32 hex digits, ``-n`` from the second on)."""
        identity = problem_id(text)[:32]
        occurrence = self._seen[identity]
        self._seen[identity] += 1
        return identity if occurrence == 0 else f"{identity}-{occurrence}"


def sample_seed(sampling_seed: int, role: str, row_key: str, sample_index: int) -> int:
    """The seed of one sample: 53 bits (exact in JSON), by identity and never by order."""
    text = f"{sampling_seed}\x1f{role}\x1f{row_key}\x1f{sample_index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11


def unit_key(row_key: str, sample_index: int) -> str:
    """The ledger key of one sample of one row."""
    return f"{row_key}#{sample_index}"
