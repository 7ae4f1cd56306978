"""An append-only log of payloads with a fixed-width index: ledgers and attempts stand on it.

Two files side by side (``log_files.py``): payloads one after another, and an index that is small
enough to be read at open. Opening reads the index alone, and checks the last payloads against their
CRC, as many as a power cut can have hurt; the others are checked when they are read. A record that
fails is not there, and those behind it are; an index that is wrong is made again.

Durability: what is appended reaches the operating system at the end of the running event loop's
turn, or at once where no loop runs, so ``kill -9`` loses at most the answers that came in during
one turn. The disk is told (``syncing.py``) after 1024 records or 16 MB, and with the first write
that is a second after the last time, from another thread, so a power cut loses at most 2048 records
or 32 MB. All that is lost is owed again.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from scalediff.io.key_index import MERGE_FROM, KeyIndex
from scalediff.io.log_files import LogFiles, Report, say
from scalediff.io.log_records import NOBODY, Entry
from scalediff.io.syncing import Syncer

_BATCH_RECORDS = 256
_BATCH_BYTES = 1 << 20


def _short(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:16]


class KeyedLog:
    """A durable mapping of string keys to payloads; a later append of a key replaces the earlier.

    Threads may read while one appends. An append that the disk has no room for raises ``OSError``
    there or, where it failed at the end of a turn, at the next call; what was written before stays
    whole, and what was not is kept and tried again at the next call.

    Args:
        path: Path without suffix; ``.log`` and ``.idx`` are added.
        vouches_for: A log whose records this one's speak of: it is written and synced before this
            one, so that no record on the disk speaks of one that is not.
        report: Given a sentence for each damage found.
        read_only: True to look at it as it is now, also while another process writes.
        doubt_all: True to check every payload at open.

    Raises:
        RunStateError: Another process has it open.
    """

    def __init__(
        self,
        path: Path,
        vouches_for: KeyedLog | None = None,
        *,
        report: Report = say,
        read_only: bool = False,
        doubt_all: bool = False,
    ) -> None:
        self._files = LogFiles(path, report, read_only=read_only, doubt_all=doubt_all)
        self.report = report
        self._vouches_for = vouches_for
        first = vouches_for._syncer if vouches_for is not None else None
        self._syncer: Syncer = Syncer(self._files.handles, first)
        self._lock = threading.RLock()
        self._buffer: list[Entry] = []
        self._buffered = 0
        self._flushes_on: asyncio.AbstractEventLoop | None = None
        self._failed = self._closed = False
        self._numbers = KeyIndex(self._key_at)
        if self._files.num_records:
            self._numbers.load(self._files.prefixes())

    def _key_at(self, number: int) -> bytes:
        ahead = number - self._files.num_records
        return self._buffer[ahead].key if ahead >= 0 else self._files.key(number)

    def __len__(self) -> int:
        with self._lock:
            num_damaged = int(self._numbers.find(NOBODY) is not None)  # all stretches have one key
            return len(self._numbers) - num_damaged

    @property
    def num_lost(self) -> int:
        """Records found damaged since it was opened."""
        return self._files.num_lost

    def __contains__(self, key: str) -> bool:
        with self._lock:
            return self._numbers.find(_short(key)) is not None

    def num_missing(self, keys: Sequence[str]) -> int:
        """How many of some keys it does not have; a million take about a second."""
        import numpy as np

        shorts = [_short(key) for key in keys]
        with self._lock:
            if self._files.num_lost:  # their prefixes are still known
                return sum(self._numbers.find(short) is None for short in shorts)
            prefixes = np.frombuffer(b"".join(short[:8] for short in shorts), "<u8")
            return int((~self._numbers.has_prefixes(prefixes)).sum())

    def get(self, key: str) -> tuple[int, bytes] | None:
        """Outcome and payload of a key; None where there is none, or none that is whole."""
        with self._lock:
            number = self._numbers.find(_short(key))
            if number is None:
                return None
            ahead = number - self._files.num_records
            if ahead >= 0:
                return self._buffer[ahead].outcome, self._buffer[ahead].payload
            return self._files.read(number)

    def append(self, key: str, payload: bytes, *, outcome: int = 0, ordinal: int = 0) -> None:
        """Take one record; it is written by the end of the loop's turn.

        Args:
            key: What it is found by.
            payload: Its bytes.
            outcome: A small number the caller gives meaning to (0 to 255).
            ordinal: Position among the inputs, for people who read the index.

        Raises:
            OSError: The disk is full or read-only.
        """
        entry = Entry(_short(key), ordinal, outcome, payload)
        with self._lock:
            if self._failed or self._buffered + len(payload) > _BATCH_BYTES:
                self.flush()
            self._numbers.add(entry.key, self._files.num_records + len(self._buffer))
            self._buffer.append(entry)
            self._buffered += len(payload)
            if len(self._buffer) >= _BATCH_RECORDS or self._buffered >= _BATCH_BYTES:
                self.flush()
            else:
                self._flush_soon()

    def _flush_soon(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._flushes_on is not loop:
            self._flushes_on = loop
            loop.call_soon(self._flush_late)

    def _flush_late(self) -> None:
        """At the end of a turn there is nobody to raise to: the next call does."""
        self._flushes_on = None
        with suppress(OSError):
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system.

        Raises:
            OSError: The disk is full or read-only, or did not keep what it was given before.
        """
        with self._lock:
            if self._closed:
                return
            self._failed = True
            if self._vouches_for is not None:
                self._vouches_for.flush()
            num_records, num_bytes = len(self._buffer), self._buffered
            self._syncer.make_room(num_records, num_bytes)
            if num_records:
                self._files.write(self._buffer)
                self._buffer, self._buffered = [], 0
                self._syncer.wrote(num_records, num_bytes)
                if self._numbers.num_new >= MERGE_FROM:
                    self._numbers.merge()
            self._failed = False

    def sync(self) -> None:
        """Have everything on the disk; payloads before the index that points at them."""
        with self._lock:
            self.flush()
            self._syncer.finish()

    def close(self) -> None:
        """Sync and give back the files, also where that fails."""
        if self._closed:
            return
        try:
            self.sync()
        finally:
            self._closed = True
            self._syncer.close()
            self._files.close()
