"""Files that appear whole or not at all, under names that are nobody else's until then.

A temporary name stands beside the final one and is made anew: nothing that exists is opened, no
link is followed. Its writer holds a lock on it, so that what a killed one left is known as such and
removed when the same file is written again.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO

_MARK = ".scalediff-"
_END = ".tmp"
_YOUNG_S = 10.0
"""Seconds for which another writer's file is left alone: it may not have locked it yet."""


def is_temporary(name: str) -> bool:
    """Whether a name is one of these; those of earlier versions ended in ``.tmp`` alone."""
    return name.endswith(_END) and (_MARK in name or name in ("manifest.json.tmp", "lock.tmp"))


def _stem(path: Path) -> str:
    return f".{path.name.encode()[:100].decode(errors='ignore')}{_MARK}"


def new_name(path: Path) -> Path:
    """A name beside ``path`` that nobody else has."""
    return path.with_name(f"{_stem(path)}{secrets.token_hex(8)}{_END}")


class Temporary:
    """A file beside its final place, until it is kept or discarded.

    Args:
        final: Where it will be.

    Attributes:
        path: Where it is until then.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, final: Path) -> None:
        _clear(final)
        self._final = final
        self.path = new_name(final)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._handle = os.open(self.path, flags, 0o666)
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(self._handle, fcntl.LOCK_EX)

    def keep(self) -> None:
        """Have its bytes on the disk and put it in its place."""
        os.fsync(self._handle)
        os.replace(self.path, self._final)
        os.close(self._handle)

    def discard(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self._handle)

    def open(self) -> IO[bytes]:
        """Open it for writing; close that before ``keep``."""
        return open(os.dup(self._handle), "wb", buffering=1 << 20)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that stands at ``path`` once the block has ended well; else the old one stays."""
    temporary = Temporary(path)
    try:
        file = temporary.open()
        try:
            yield file
            file.flush()
        finally:
            with suppress(OSError):  # a full disk fails once more at closing
                file.close()
        temporary.keep()
    except BaseException:
        temporary.discard()
        raise


def temporary_folder(final: Path) -> Path:
    """A new empty folder beside its final place; what killed writers left there is removed.

    For folders within a run directory, in which one process works at a time.
    """
    for old in (*final.parent.glob(f"{escape(_stem(final))}*{_END}"), _before(final)):
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old, ignore_errors=True)
    folder = new_name(final)
    folder.mkdir(parents=True)
    return folder


def _before(final: Path) -> Path:
    """The name that earlier versions used."""
    return final.with_name(final.name + _END)


def _clear(final: Path) -> None:
    """Remove what writers of this file left that are not there any more."""
    for old in final.parent.glob(f"{escape(_stem(final))}*{_END}"):
        with suppress(OSError):
            handle = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if time.time() - os.fstat(handle).st_mtime > _YOUNG_S:
                    old.unlink()
            finally:
                os.close(handle)
