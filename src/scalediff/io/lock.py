"""The lock of a run directory: one process works in it, and the others can say which."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from scalediff.core.errors import RunStateError

_TRIES, _PAUSE_S = 10, 0.05
"""Who only looks holds the lock for an instant: a refusal is for good after half a second."""


class RunLock:
    """``RUN/lock``, locked by the system for as long as this process holds it.

    What stands in the file (JSON: ``pid``, ``host``, ``since``) says who holds it; after a kill it
    stays and means nothing.

    Args:
        folder: The run directory, which exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "lock"
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds it."""
        return self._handle is not None

    def take(self) -> None:
        """Take it; a second call is without effect.

        Raises:
            RunStateError: Another process holds it; nothing has been changed.
        """
        if self._handle is not None:
            return
        for attempt in range(_TRIES):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
            if _lock(handle, fcntl.LOCK_EX):
                # a file that was deleted meanwhile locks nobody out
                if _is_same(handle, self._path):
                    break
            elif attempt == _TRIES - 1:
                holder = _told(handle)
                os.close(handle)
                raise RunStateError(
                    f"{self._folder} is at work in another process{holder}; wait for it, or give "
                    "another --out"
                )
            os.close(handle)
            time.sleep(_PAUSE_S)
        else:
            raise RunStateError(f"{self._path} comes and goes; see what removes it")
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        self._handle = handle
        with suppress(OSError):  # a full disk: then it says nothing
            os.ftruncate(handle, 0)
            os.pwrite(handle, orjson.dumps(about) + b"\n", 0)

    def release(self) -> None:
        """Give it back."""
        if self._handle is not None:
            with suppress(OSError):
                os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


@dataclass(frozen=True)
class Holder:
    """Who works in a run directory, as far as the lock says.

    Attributes:
        pid: The process.
        host: Its machine.
        since: Seconds since the epoch.
    """

    pid: int | None = None
    host: str = ""
    since: float | None = None

    def __str__(self) -> str:
        if self.pid is None or self.since is None:
            return ""
        since = time.strftime("%H:%M", time.localtime(self.since))
        return f" (process {self.pid} on {self.host}, since {since})"


def holder_of(folder: Path) -> Holder | None:
    """Who works in a run directory, or None."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return None if _lock(handle, fcntl.LOCK_SH) else _told(handle)
    finally:
        os.close(handle)


def _lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _told(handle: int) -> Holder:
    try:
        about = orjson.loads(os.pread(handle, 1000, 0))
        return Holder(int(about["pid"]), str(about["host"]), float(about["since"]))
    except (ValueError, TypeError, KeyError, OSError, OverflowError):
        return Holder()
