"""The two files of a log: what stands in them, how they are mended at open, how they are written.

``NAME.log`` holds payloads one after another; ``NAME.idx`` holds a record of 44 bytes for each: key
(16 bytes of SHA-256), ordinal, offset, length, outcome, CRC-32 of the payload. Payloads are written
before their records, so an index record never points at less than was written.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scalediff.core.errors import RunStateError
from scalediff.io.syncing import WINDOW_BYTES, WINDOW_RECORDS

_RECORD = struct.Struct("<16sQQIBxxxI")
_READ_RECORDS = 1 << 17


class Entry(NamedTuple):
    """A record that is to be written."""

    key: bytes
    ordinal: int
    outcome: int
    payload: bytes


class LogFiles:
    """Numbered records on the disk.

    Attributes:
        num_records: Whole records.
        size: Bytes of their payloads.
        handles: Payload and index, in the order in which they have to be safe.

    Args:
        path: Path without suffix; ``.log`` and ``.idx`` are added.

    Raises:
        RunStateError: Another process has it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT
        self._index = os.open(path.with_suffix(".idx"), flags, 0o644)
        try:
            fcntl.flock(self._index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._index)
            raise RunStateError(
                f"{path.parent} is in use by another scalediff process; wait for it to end or "
                "give this run another --out"
            ) from None
        self._payload = os.open(path.with_suffix(".log"), flags, 0o644)
        self.handles = (self._payload, self._index)
        self.num_records = self._whole()
        self.size = self._end(self.num_records - 1)
        self._cut()

    def _cut(self) -> None:
        """Leave nothing behind the last whole record."""
        os.ftruncate(self._index, self.num_records * _RECORD.size)
        os.ftruncate(self._payload, self.size)

    def _whole(self) -> int:
        """How many records are whole.

        Only what a power cut can hurt is looked at: the last records, as many as may not have been
        on the disk. Those before were there, payload first, when later ones were written.
        """
        payload_size = os.fstat(self._payload).st_size
        count = os.fstat(self._index).st_size // _RECORD.size
        while count:
            start = max(0, count - 2 * WINDOW_RECORDS)
            sound = self._sound(start, count, payload_size)
            if sound > start or start == 0:
                return sound
            # more is gone than a power cut takes: somebody cut the payloads
            count = bisect_right(range(start), payload_size, key=self._end)
        return 0

    def _sound(self, start: int, stop: int, payload_size: int) -> int:
        """The first record of some that is not whole, or ``stop``."""
        raw = os.pread(self._index, (stop - start) * _RECORD.size, start * _RECORD.size)
        end = self._end(start - 1)
        for number, record in enumerate(_RECORD.iter_unpack(raw), start):
            _, _, offset, length, _, crc = record
            if offset != end or offset + length > payload_size:
                return number
            end = offset + length
            doubtful = end > payload_size - 2 * WINDOW_BYTES
            if doubtful and zlib.crc32(os.pread(self._payload, length, offset)) != crc:
                return number
        return stop

    def _end(self, number: int) -> int:
        """Where the payload of a record ends; 0 for the one before the first."""
        if number < 0:
            return 0
        _, _, offset, length, _, _ = self._record(number)
        return int(offset + length)

    def _record(self, number: int) -> tuple[Any, ...]:
        return _RECORD.unpack(os.pread(self._index, _RECORD.size, number * _RECORD.size))

    def key(self, number: int) -> bytes:
        """The key of a record."""
        return os.pread(self._index, 16, number * _RECORD.size)

    def prefixes(self) -> Any:
        """The first 64 bits of every record's key, as an array."""
        import numpy as np

        layout = np.dtype([("prefix", "<u8"), ("rest", f"V{_RECORD.size - 8}")])
        prefixes: Any = np.empty(self.num_records, np.uint64)
        for at in range(0, self.num_records, _READ_RECORDS):
            num = min(_READ_RECORDS, self.num_records - at)
            raw = os.pread(self._index, num * _RECORD.size, at * _RECORD.size)
            prefixes[at : at + num] = np.frombuffer(raw, layout)["prefix"]
        return prefixes

    def read(self, number: int) -> tuple[int, bytes]:
        """Outcome and payload of a record."""
        _, _, offset, length, outcome, _ = self._record(number)
        return outcome, os.pread(self._payload, length, offset)

    def write(self, entries: Sequence[Entry]) -> None:
        """Add records, all of them or none.

        Raises:
            OSError: The disk is full or read-only.
        """
        size, records = self.size, bytearray()
        for key, ordinal, outcome, payload in entries:
            crc = zlib.crc32(payload)
            records += _RECORD.pack(key, ordinal, size, len(payload), outcome, crc)
            size += len(payload)
        try:
            _write_at(self._payload, b"".join(entry.payload for entry in entries), self.size)
            _write_at(self._index, records, self.num_records * _RECORD.size)
        except OSError:
            self._cut()  # half of it may be there
            raise
        self.num_records += len(entries)
        self.size = size

    def close(self) -> None:
        """Give back the files."""
        os.close(self._payload)
        os.close(self._index)


def _write_at(handle: int, data: bytes | bytearray, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written
