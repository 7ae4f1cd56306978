"""What stands in the two files of a log, byte by byte; ``docs/formats.md`` has the same as a table.

``NAME.log``: a header of 44 bytes and the payload, one record after another. The header holds all
that the index says of the record and has a checksum of its own, and no JSON text holds its first
byte, so the index can be made again from the payloads, also behind a stretch that is damaged.

``NAME.idx``: 44 bytes a record. Three of them, padding before, hold a checksum; zero is a record
of the time before headers, whose payload follows the one before without a gap. A key of zeros is
a stretch of the payloads that is damaged and stays where it is.
"""

from __future__ import annotations

import os
import struct
import zlib
from functools import cached_property
from operator import mul
from typing import Any, NamedTuple

MAGIC = b"\xffsd1"
HEADER = struct.Struct("<4s16sQIBxxxII")  # magic, key, ordinal, length, outcome, CRC, header's CRC
_HEAD = struct.Struct("<4s16sQIBxxxI")
RECORD = struct.Struct("<16sQQIBxxxI")  # key, ordinal, offset, length, outcome, CRC
NOBODY = bytes(16)
LOST = 255
"""Outcome of a damaged stretch."""

_WORDS = struct.Struct("<11I")
_PRIME = 16_777_213  # the largest below 2^24: a flipped bit always changes the remainder
_FACTORS = tuple(pow(65_599, place + 1, _PRIME) for place in range(11))
_UNSUMMED = bytes(3)
_SUM_AT = 9  # the word whose upper three bytes are the checksum


class Entry(NamedTuple):
    """A record that is to be written."""

    key: bytes
    ordinal: int
    outcome: int
    payload: bytes


class Place(NamedTuple):
    """A record's line in the index; one from before headers has no checksum of its own."""

    key: bytes
    ordinal: int
    offset: int
    length: int
    outcome: int
    crc: int
    has_header: bool = True

    @classmethod
    def unpack(cls, raw: bytes) -> Place:
        """What ``pack`` gave."""
        key, ordinal, offset, length, outcome, crc = RECORD.unpack(raw)
        return cls(key, ordinal, offset, length, outcome, crc, raw[37:40] != _UNSUMMED)

    @property
    def end(self) -> int:
        """Where its payload ends."""
        return self.offset + self.length

    @property
    def is_lost(self) -> bool:
        """Whether it stands for a damaged stretch."""
        return self.key == NOBODY

    def pack(self) -> bytes:
        """The 44 bytes."""
        raw = RECORD.pack(*self[:6])
        if not self.has_header:
            return raw
        words = _WORDS.unpack(raw)
        total: int = sum(map(mul, words, _FACTORS))
        return raw[:37] + (total % _PRIME + 1).to_bytes(3, "little") + raw[40:]


def header(place: Place) -> bytes:
    """What stands before a record's payload."""
    key, ordinal, _, length, outcome, crc, _ = place
    raw: bytes = _HEAD.pack(MAGIC, key, ordinal, length, outcome, crc)
    return raw + zlib.crc32(raw).to_bytes(4, "little")


def place_at(raw: bytes, start: int, size: int) -> Place | None:
    """The record whose header these bytes begin with; None where they are no sound header.

    Args:
        raw: Bytes of the payload file.
        start: Where in the file they stand.
        size: Bytes of the file: a record that would reach beyond it is torn.
    """
    if len(raw) < HEADER.size or not raw.startswith(MAGIC):
        return None
    _, key, ordinal, length, outcome, crc, own = HEADER.unpack_from(raw)
    offset = start + HEADER.size
    if zlib.crc32(raw[: HEADER.size - 4]) != own or offset + length > size:
        return None
    return Place(key, ordinal, offset, length, outcome, crc)


class IndexPart:
    """Some records of an index, as arrays.

    Args:
        raw: Their bytes; what follows the last whole record is left out.

    Attributes:
        prefixes: The first 64 bits of each key.
        offsets: Where each payload begins.
        ends: Where it ends.
        sums: The checksums as they stand; 0 in records from before headers.
    """

    def __init__(self, raw: bytes) -> None:
        import numpy as np

        names = ["prefix", "rest", "offset", "length"]
        forms = ["<u8", "<u8", "<u8", "<u4"]
        layout = np.dtype(
            {"names": names, "formats": forms, "offsets": [0, 8, 24, 32], "itemsize": RECORD.size}
        )
        raw = raw[: len(raw) // RECORD.size * RECORD.size]
        self._raw = raw
        fields: Any = np.frombuffer(raw, layout)
        words: Any = np.frombuffer(raw, "<u4").reshape(-1, 11)
        self.prefixes: Any = fields["prefix"]
        self.offsets: Any = fields["offset"].astype(np.int64)
        self.ends: Any = self.offsets + fields["length"]
        self.sums: Any = words[:, _SUM_AT] >> 8
        self._words = words
        self._rests: Any = fields["rest"]

    @cached_property
    def is_sound(self) -> Any:
        """Whether each agrees with its checksum."""
        import numpy as np

        total: Any = np.zeros(len(self), np.uint64)
        for place, factor in enumerate(_FACTORS):
            column = self._words[:, place]
            column = column & 0xFF if place == _SUM_AT else column
            total += column.astype(np.uint64) * np.uint64(factor)
        of_old = (self.sums == 0) & ((self.prefixes != 0) | (self._rests != 0))
        return of_old | (total % np.uint64(_PRIME) + 1 == self.sums)

    def __len__(self) -> int:
        return len(self.ends)

    def place(self, number: int) -> Place:
        """One record."""
        return Place.unpack(self._raw[number * RECORD.size : (number + 1) * RECORD.size])

    def num_chained(self, end: int, size: int) -> int:
        """How many records from the first follow one another without a fault.

        Args:
            end: Where the payload before the first ends.
            size: Bytes of the payload file.
        """
        import numpy as np

        if not len(self):
            return 0
        gaps = self.offsets - np.concatenate(([end], self.ends[:-1]))
        follows = (gaps == HEADER.size) & (self.sums != 0)
        follows |= (gaps == 0) & ((self.sums == 0) | (self.prefixes == 0))
        good = follows & self.is_sound & (self.ends <= size)
        return len(self) if good.all() else int(good.argmin())

    @property
    def starts(self) -> Any:
        """Where each record begins: at its header, where it has one."""
        return self.offsets - HEADER.size * ((self.sums != 0) & (self.prefixes != 0))


class Check(NamedTuple):
    """Whether a record is as it was written: its payload, and what stands before it."""

    payload: bool
    header: bool


def check(handle: int, place: Place) -> Check:
    """Compare a record in the payload file with its line in the index."""
    before = HEADER.size if place.has_header else 0
    raw = os.pread(handle, before + place.length, place.offset - before)
    payload = zlib.crc32(raw[before:]) == place.crc
    return Check(payload, not before or raw[:before] == header(place))
