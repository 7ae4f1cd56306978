"""The two files of a log: how they are opened, repaired, read and written.

``log_records.py`` says what stands in them. A payload is written before its line in the index, so
the index never points at less than was written. Nothing that was paid for is deleted: a record that
fails its checksum is skipped, an index that is wrong is made again from the payloads
(``log_repair.py``), and a torn tail is set aside in a file of its own. Each is said.
"""

from __future__ import annotations

import fcntl
import os
import sys
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scalediff.core.errors import RunStateError
from scalediff.io.log_records import (
    HEADER,
    LOST,
    NOBODY,
    Check,
    Entry,
    IndexPart,
    Place,
    check,
    header,
)
from scalediff.io.log_records import RECORD as _RECORD
from scalediff.io.log_repair import repaired, set_aside
from scalediff.io.syncing import WINDOW_BYTES

_READ_RECORDS = 1 << 17
_BLOCK = 4 << 20

Report = Callable[[str], None]


def say(text: str) -> None:
    """Report damage to a person."""
    print(f"scalediff: {text}", file=sys.stderr, flush=True)


class LogFiles:
    """Numbered records on the disk.

    Opening reads the index alone, and of the payloads what a power cut can have hurt: the last
    ``2 * WINDOW_BYTES``.

    Attributes:
        num_records: Lines of the index, with those of damaged stretches.
        num_lost: Records found damaged since it was opened.
        size: Bytes of the payload file.
        end: Where, at open, the last record ended that the index told right.
        handles: Payload and index, in the order in which they have to be safe.

    Args:
        path: Path without suffix; ``.log`` and ``.idx`` are added.
        report: Given a sentence for each damage found.
        read_only: True to look while another process may write: nothing is locked or repaired, and
            what is not whole is not there.
        doubt_all: True to check every payload at open.

    Raises:
        RunStateError: Another process has it open.
    """

    def __init__(
        self,
        path: Path,
        report: Report = say,
        *,
        read_only: bool = False,
        doubt_all: bool = False,
    ) -> None:
        self._path = path
        self._report = report
        self._read_only = read_only
        self.num_lost = 0
        self._index, self._payload = _open(path, read_only=read_only)
        self.handles = (self._payload, self._index)
        try:
            self.size = os.fstat(self._payload).st_size
            self.num_records, self.end = self._num_whole()
            index_size = os.fstat(self._index).st_size
            if not read_only:
                if self.end != self.size or self.num_records * _RECORD.size != index_size:
                    self._repair(self.end, index_size)
                self._lose_bad(self.size + 1 if doubt_all else 2 * WINDOW_BYTES)
        except BaseException:
            self.close()
            raise

    def _num_whole(self) -> tuple[int, int]:
        """How many records from the first are told right, and where the last of them ends."""
        count, end = 0, 0
        for part in self._parts():
            num = part.num_chained(end, self.size)
            count += num
            end = int(part.ends[num - 1]) if num else end
            if num < len(part):
                break
        return count, end

    def _parts(self, start: int = 0) -> Iterator[IndexPart]:
        while raw := os.pread(self._index, _READ_RECORDS * _RECORD.size, start * _RECORD.size):
            part = IndexPart(raw)
            yield part
            start += len(part)
            if len(part) < _READ_RECORDS:
                return

    def _repair(self, end: int, index_size: int) -> None:
        """Make the index again from where it is wrong on; set a torn tail aside."""
        at = self.num_records * _RECORD.size
        tail = os.pread(self._index, max(0, index_size - at), at)
        found = repaired(self._payload, self.size, tail, end)
        name = self._path.with_suffix(".log")
        if found.num_gone:
            kept = set_aside(self._index, self._path.with_suffix(".idx"), at)
            self._report(
                f"{name}: {_records(found.num_gone)} named by its index and not there any more; "
                f"they are done again, and that part of the index is kept in {kept.name}"
            )
        if found.end < self.size:
            kept = set_aside(self._payload, name, found.end)
            self._report(
                f"{name}: {self.size - found.end:,} bytes at its end are no whole record and were "
                f"set aside in {kept.name}"
            )
        if found.num_damaged:
            self._report(
                f"{name}: {found.num_damaged:,} bytes in its midst are damaged and skipped; what "
                "was in there is done again"
            )
        if found.num_new or not (found.num_gone or found.num_damaged or found.end < self.size):
            num = _records(found.num_new)
            self._report(f"{name}: its index was not whole and was made again ({num} entered)")
        self.size = found.end
        os.ftruncate(self._index, at)
        _write_at(self._index, found.lines, at)
        self.num_records += len(found.lines) // _RECORD.size
        os.ftruncate(self._payload, self.size)

    def _lose_bad(self, num_bytes: int) -> None:
        """Look at the records among the last bytes: skip bad payloads, write bad headers again."""
        checked = self.checked(self.size - num_bytes)
        bad = [(number, found) for number, found in checked if not all(found)]
        lost = [number for number, found in bad if not found.payload]
        for number, found in bad:
            if found.payload:
                place = self.place(number)
                _write_at(self._payload, header(place), place.offset - HEADER.size)
            else:
                self.lose(number, say_so=False)
        name = self._path.with_suffix(".log")
        if lost:
            self._report(
                f"{name}: {_records(len(lost))} with a wrong checksum skipped; what was in there "
                "is done again"
            )
        if len(bad) > len(lost):
            num = _records(len(bad) - len(lost))
            self._report(f"{name}: the header of {num} was damaged and was written again")

    def checked(self, after: int = 0) -> Iterator[tuple[int, Check]]:
        """Numbers of the records that end behind a place, and whether each is as it was written."""
        first = bisect_right(range(self.num_records), after, key=lambda n: self.place(n).end)
        for part in self._parts(first):
            for at in range(min(len(part), self.num_records - first)):
                place = part.place(at)
                if not place.is_lost:
                    yield first + at, check(self._payload, place)
            first += len(part)

    def lose(self, number: int, *, say_so: bool = True) -> None:
        """Note that a record fails its checksum, so that it is not found any more."""
        if say_so and not self._read_only:
            self._report(
                f"{self._path.with_suffix('.log')}: 1 record with a wrong checksum skipped; "
                "what was in there is done again"
            )
        self.num_lost += 1
        if not self._read_only:
            place = self.place(number)
            lost = place._replace(key=NOBODY, outcome=LOST, has_header=True)
            _write_at(self._index, lost.pack(), number * _RECORD.size)

    def place(self, number: int) -> Place:
        """A record's line in the index."""
        raw = os.pread(self._index, _RECORD.size, number * _RECORD.size)
        return Place.unpack(raw)

    def key(self, number: int) -> bytes:
        """The key of a record."""
        return os.pread(self._index, 16, number * _RECORD.size)

    def prefixes(self) -> Any:
        """The first 64 bits of every record's key, as an array; 0 of damaged stretches."""
        import numpy as np

        prefixes: Any = np.empty(self.num_records, np.uint64)
        at = 0
        for part in self._parts():
            num = min(len(part), self.num_records - at)
            prefixes[at : at + num] = part.prefixes[:num]
            at += num
            if at == self.num_records:
                break
        return prefixes

    def read(self, number: int) -> tuple[int, bytes] | None:
        """Outcome and payload of a record; None where it fails its checksum."""
        place = self.place(number)
        payload = os.pread(self._payload, place.length, place.offset)
        if zlib.crc32(payload) != place.crc:
            self.lose(number)
            return None
        return place.outcome, payload

    def write(self, entries: Sequence[Entry]) -> None:
        """Add records, all of them or none.

        Raises:
            OSError: The disk is full or read-only.
        """
        size, records, payloads = self.size, bytearray(), []
        for entry in entries:
            crc, length = zlib.crc32(entry.payload), len(entry.payload)
            offset = size + HEADER.size
            place = Place(entry.key, entry.ordinal, offset, length, entry.outcome, crc)
            records += place.pack()
            payloads += [header(place), entry.payload]
            size = offset + length
        try:
            _write_at(self._payload, b"".join(payloads), self.size)
            _write_at(self._index, records, self.num_records * _RECORD.size)
        except OSError:
            # half of it may be there
            os.ftruncate(self._index, self.num_records * _RECORD.size)
            os.ftruncate(self._payload, self.size)
            raise
        self.num_records += len(entries)
        self.size = size

    def close(self) -> None:
        """Give back the files."""
        os.close(self._payload)
        os.close(self._index)


def _records(num: int) -> str:
    return f"{num:,} record{'s' * (num != 1)}"


def _open(path: Path, *, read_only: bool) -> tuple[int, int]:
    """Handles of index and payload, the index locked."""
    names = (path.with_suffix(".idx"), path.with_suffix(".log"))
    if read_only:
        index = os.open(names[0] if names[0].exists() else os.devnull, os.O_RDONLY)
        return index, os.open(names[1] if names[1].exists() else os.devnull, os.O_RDONLY)
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT
    index = os.open(names[0], flags, 0o644)
    try:
        fcntl.flock(index, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(index)
        raise RunStateError(
            f"{path.parent} is in use by another scalediff process; wait for it to end or "
            "give this run another --out"
        ) from None
    return index, os.open(names[1], flags, 0o644)


def _write_at(handle: int, data: bytes | bytearray, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written
