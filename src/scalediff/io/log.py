"""An append-only log of payloads with a fixed-width index: ledgers and attempts stand on it.

Two files side by side. ``NAME.log`` holds payloads one after another; ``NAME.idx`` holds a record
of 44 bytes for each: key (16 bytes of SHA-256), ordinal, offset, length, outcome, CRC-32 of the
payload. The payload is written first, so an index record never points at less than was written.
Opening reads the index alone: a torn last record, a record that points past the end of the
payloads, or (after a power cut) one of the last records whose payload does not match its CRC, ends
the log there, and both files are cut to that point.

Durability: every record reaches the operating system when ``append`` returns, so ``kill -9`` loses
nothing; the disk is told (``fdatasync``) every 256 records or every second, so a power cut loses at
most that much, all of it owed again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import struct
import time
import zlib
from pathlib import Path

from scalediff.core.errors import RunStateError

_RECORD = struct.Struct("<16sQQIBxxxI")
_SYNC_RECORDS = 256
_SYNC_SECONDS = 1.0
_CHECKED_TAIL = 2 * _SYNC_RECORDS
"""How many of the last records have their payload checked at open: what a power cut can hurt."""


def _short(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]


class KeyedLog:
    """A durable mapping of string keys to payloads; a later append of a key replaces the earlier.

    Args:
        path: Path without suffix; ``.log`` and ``.idx`` are added.

    Raises:
        RunStateError: Another process has it open.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
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
        self._entries: dict[bytes, tuple[int, int, int, int]] = {}
        self._unsynced = 0
        self._synced_at = time.monotonic()
        self._size = self._recover()

    def _recover(self) -> int:
        """Read the index, cut what is torn, and return the size of the payload file."""
        payload_size = os.fstat(self._payload).st_size
        raw = self._read_index()
        count = len(raw) // _RECORD.size
        records = list(_RECORD.iter_unpack(raw[: count * _RECORD.size]))
        good = 0
        end = 0
        for key, ordinal, offset, length, outcome, crc in records:
            if offset != end or offset + length > payload_size:
                break
            if good >= count - _CHECKED_TAIL:
                data = os.pread(self._payload, length, offset)
                if zlib.crc32(data) != crc:
                    break
            self._entries[key] = (ordinal, offset, length, outcome)
            end = offset + length
            good += 1
        if good * _RECORD.size != len(raw):
            os.ftruncate(self._index, good * _RECORD.size)
        if end != payload_size:
            os.ftruncate(self._payload, end)
        os.lseek(self._index, 0, os.SEEK_END)
        os.lseek(self._payload, 0, os.SEEK_END)
        return end

    def _read_index(self) -> bytes:
        size = os.fstat(self._index).st_size
        chunks = []
        offset = 0
        while offset < size:
            chunk = os.pread(self._index, min(size - offset, 1 << 24), offset)
            if not chunk:
                break
            chunks.append(chunk)
            offset += len(chunk)
        return b"".join(chunks)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        return _short(key) in self._entries

    def append(self, key: str, payload: bytes, *, outcome: int = 0, ordinal: int = 0) -> None:
        """Write one record.

        Args:
            key: What it is found by.
            payload: Its bytes.
            outcome: A small number the caller gives meaning to (0 to 255).
            ordinal: Position among the inputs, for people who read the index.

        Raises:
            OSError: The disk is full or read-only; what was written before stays whole.
        """
        short = _short(key)
        record = _RECORD.pack(
            short, ordinal, self._size, len(payload), outcome, zlib.crc32(payload)
        )
        try:
            _write_all(self._payload, payload)
            _write_all(self._index, record)
        except OSError:
            self._cut_back()
            raise
        self._entries[short] = (ordinal, self._size, len(payload), outcome)
        self._size += len(payload)
        self._unsynced += 1
        now = time.monotonic()
        if self._unsynced >= _SYNC_RECORDS or now - self._synced_at > _SYNC_SECONDS:
            self.sync()

    def _cut_back(self) -> None:
        """Undo a half-written record, so that later appends stay aligned."""
        os.ftruncate(self._payload, self._size)
        os.lseek(self._payload, 0, os.SEEK_END)
        whole = os.fstat(self._index).st_size // _RECORD.size * _RECORD.size
        os.ftruncate(self._index, whole)
        os.lseek(self._index, 0, os.SEEK_END)

    def get(self, key: str) -> tuple[int, bytes] | None:
        """Outcome and payload of a key, or None."""
        entry = self._entries.get(_short(key))
        if entry is None:
            return None
        _, offset, length, outcome = entry
        return outcome, os.pread(self._payload, length, offset)

    def sync(self) -> None:
        """Tell the disk; payloads before the index that points at them."""
        if self._unsynced:
            os.fdatasync(self._payload)
            os.fdatasync(self._index)
        self._unsynced = 0
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Sync and give back the files."""
        if self._payload >= 0:
            self.sync()
            os.close(self._payload)
            os.close(self._index)
            self._payload = self._index = -1


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
