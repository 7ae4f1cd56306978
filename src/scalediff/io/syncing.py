"""Telling the disk, from a thread of its own, so that nobody waits for it but whoever is far ahead.

What has not been told can be lost to a power cut. It is never more than twice a window
(``WINDOW_RECORDS`` or ``WINDOW_BYTES``): one window on its way to the disk and one behind it; a
writer that is further ahead waits. Whoever opens a log after a power cut has to doubt no more.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

WINDOW_RECORDS = 1024
WINDOW_BYTES = 16 << 20
WINDOW_SECONDS = 1.0


class Syncer:
    """Has a log's files on the disk after a window, or the first write a second after the last.

    An error of the disk is raised at the next call, and at every one after it: what the system gave
    up to write, it does not write at the next attempt either.

    Args:
        files: The handles, in the order in which they have to be safe.
        first: What vouches for less than these files and has to be on the disk before them.
    """

    def __init__(self, files: Sequence[int], first: Syncer | None = None) -> None:
        self._files = files
        self._first = first
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: Future[None] | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._error: OSError | None = None
        self._began = time.monotonic()
        self._going = self._behind = (0, 0)  # records and bytes on their way, and behind them

    def make_room(self, num_records: int, num_bytes: int) -> None:
        """Wait as long as so much more would be over twice the window."""
        self._look()
        while any(self._going + self._behind) and not self._has_room(num_records, num_bytes):
            if self._under_way is None:
                self._begin()
            self._look(wait=True)

    def _has_room(self, num_records: int, num_bytes: int) -> bool:
        records = self._going[0] + self._behind[0] + num_records
        size = self._going[1] + self._behind[1] + num_bytes
        return records <= 2 * WINDOW_RECORDS and size <= 2 * WINDOW_BYTES

    def wrote(self, num_records: int, num_bytes: int) -> None:
        """Told of each write; the disk is told when it is due."""
        records, size = self._behind[0] + num_records, self._behind[1] + num_bytes
        self._behind = (records, size)
        late = time.monotonic() - self._began > WINDOW_SECONDS
        if (late or records >= WINDOW_RECORDS or size >= WINDOW_BYTES) and not self._under_way:
            self._begin()

    def finish(self) -> None:
        """Have all on the disk before this returns."""
        self._look(wait=True)
        if any(self._behind):
            self._begin()
            self._look(wait=True)

    def now(self) -> None:
        """Tell the disk, in the thread that calls."""
        if self._first is not None:
            self._first.now()
        with self._lock:  # the number of a closed handle may be another file's by now
            for handle in () if self._closed else self._files:
                os.fdatasync(handle)

    def close(self) -> None:
        """End the thread; the files may be closed after it."""
        if self._pool is not None:
            self._pool.shutdown()
        with self._lock:
            self._closed = True

    def _begin(self) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._going, self._behind = self._behind, (0, 0)
        self._began = time.monotonic()
        self._under_way = self._pool.submit(self.now)

    def _look(self, *, wait: bool = False) -> None:
        """Take note of a sync that has ended; raises what went wrong."""
        if self._under_way is not None and (wait or self._under_way.done()):
            try:
                self._under_way.result()
            except OSError as error:
                self._error = error
            self._under_way = None
            self._going = (0, 0)
        if self._error is not None:
            raise self._error
