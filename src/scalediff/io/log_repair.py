"""Making an index again from its payloads, without deleting a byte.

From the first record on that the index does not tell right, the payloads are walked from header to
header (where a header is damaged, an index record that is sound helps). What can be read by neither
stays where it is as a damaged stretch; what stands behind the last record is set aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scalediff.io.log_records import (
    HEADER,
    LOST,
    MAGIC,
    NOBODY,
    RECORD,
    IndexPart,
    Place,
    check,
    place_at,
)

_CHUNK = 1 << 20


class Repaired(NamedTuple):
    """What a repair came to.

    Attributes:
        lines: The index from there on, damaged stretches among its records.
        num_damaged: Bytes of those stretches.
        end: Where the last of them ends; what follows is torn.
        num_gone: Records that the index named and that are not there any more.
        num_new: Records that are there and that the index did not name.
    """

    lines: bytearray
    num_damaged: int
    end: int
    num_gone: int
    num_new: int


class _Known:
    """The sound records of what an index says, by where they begin."""

    def __init__(self, raw: bytes, payload: int, size: int) -> None:
        import numpy as np

        self._part = IndexPart(raw)
        self._payload = payload
        part = self._part
        sound = part.is_sound & (part.starts >= 0) & (part.ends <= size) & (part.offsets <= size)
        self._numbers = np.flatnonzero(sound)
        self._numbers = self._numbers[part.starts[self._numbers].argsort(kind="stable")]
        self._starts = part.starts[self._numbers]
        self.num_live = int(((part.prefixes != 0) & part.is_sound).sum())

    def at(self, start: int) -> Place | None:
        """The record that begins there."""
        first = self._first(start)
        if first == len(self._starts) or self._starts[first] != start:
            return None
        return self._checked(first)

    def after(self, start: int) -> int | None:
        """Where the first begins that begins later."""
        for number in range(self._first(start + 1), len(self._starts)):
            if self._checked(number) is not None:
                return int(self._starts[number])
        return None

    def _first(self, start: int) -> int:
        return int(self._starts.searchsorted(start))

    def _checked(self, number: int) -> Place | None:
        at = int(self._numbers[number])
        place = self._part.place(at)
        if self._part.sums[at] == 0 and not check(self._payload, place).payload:
            return None  # without a checksum of its own it has to be right about its payload
        return place


def repaired(payload: int, size: int, index_tail: bytes, end: int) -> Repaired:
    """The records of a payload file from ``end`` on.

    Args:
        payload: Handle of the payload file.
        size: Its bytes.
        index_tail: What the index says of that part.
        end: Where the records end that are whole.
    """
    known = _Known(index_tail, payload, size)
    index, num_damaged, num_live = bytearray(), 0, 0
    torn_from = end
    for start, place in _walk(payload, size, end, known):
        num_damaged += start - torn_from
        while torn_from < start:
            length = min(start - torn_from, (1 << 32) - 1)  # a length has 32 bits
            index += Place(NOBODY, 0, torn_from, length, LOST, 0).pack()
            torn_from += length
        index += place.pack()
        num_live += not place.is_lost
        torn_from = place.end
    num_gone = max(0, known.num_live - num_live)
    return Repaired(index, num_damaged, torn_from, num_gone, max(0, num_live - known.num_live))


def _walk(payload: int, size: int, at: int, known: _Known) -> Iterator[tuple[int, Place]]:
    """Records with where they begin."""
    while at < size:
        place = place_at(os.pread(payload, HEADER.size, at), at, size) or known.at(at)
        if place is not None:
            yield at, place
            at = max(place.end, at + 1)
            continue
        starts = (_next_header(payload, at + 1, size), known.after(at))
        at = min((start for start in starts if start is not None), default=size)


def _next_header(payload: int, at: int, size: int) -> int | None:
    """Where the next sound header begins."""
    while at < size:
        block = os.pread(payload, _CHUNK + HEADER.size, at)
        found = block.find(MAGIC)
        while 0 <= found < _CHUNK:
            if place_at(block[found : found + HEADER.size], at + found, size) is not None:
                return at + found
            found = block.find(MAGIC, found + 1)
        at += _CHUNK
    return None


def set_aside(handle: int, path: Path, start: int) -> Path:
    """Copy what a file holds from ``start`` on to ``NAME.torn-N`` beside it.

    Raises:
        OSError: There is no room; the file is as it was.
    """
    aside = free_name(path, "torn")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(aside, flags, 0o666), "wb") as file:
        try:
            while block := os.pread(handle, _CHUNK, start):
                file.write(block)
                start += len(block)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            aside.unlink()
            raise
    return aside


def free_name(path: Path, why: str) -> Path:
    """``NAME.WHY-N`` with the first N that is free."""
    number = 1
    while (aside := path.with_name(f"{path.name}.{why}-{number}")).exists() or aside.is_symlink():
        number += 1
    return aside


assert HEADER.size == RECORD.size
