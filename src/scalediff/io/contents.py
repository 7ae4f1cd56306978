"""What a path stands for, as a hash: a changed file is another input."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from scalediff.core.errors import InputError
from scalediff.io.places import HUB, expand, is_pattern

_EMBEDDED = re.compile(r"[A-Za-z_][\w.-]+:[^/]")


def is_embedded(location: str) -> bool:
    """Whether it has the form ``nano:sources`` and is no file of that name."""
    return bool(_EMBEDDED.match(location)) and not Path(location).exists()


def fingerprint(locations: Iterable[str]) -> str:
    """A hash of the files' contents; what only the domain or the hub knows counts by name.

    Raises:
        InputError: A file, folder or pattern cannot be read.
    """
    total = hashlib.sha256()
    for location in locations:
        if not _is_local(location):
            total.update(location.encode("utf-8", "surrogatepass"))
            continue
        for file in expand([location]):
            total.update(file_digest(file).encode())
    return total.hexdigest()


def _is_local(location: str) -> bool:
    """Whether it names files, rather than something only the domain or the hub knows."""
    if location.startswith(HUB) or is_embedded(location):
        return False
    return is_pattern(location) or Path(location).expanduser().exists()


def file_digest(path: str) -> str:
    """SHA-256 of a file's bytes; remembered while its size and time stay as they are.

    Raises:
        InputError: It cannot be read.
    """
    try:
        stat = Path(path).stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); mend the file or its permissions"
        ) from None


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
