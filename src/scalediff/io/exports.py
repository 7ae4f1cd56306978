"""Writing rows for people: JSON Lines, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import orjson

from scalediff.core.errors import RunStateError
from scalediff.core.records import Row


def write_jsonl(path: Path, rows: Iterable[Row], *, overwrite: bool = False) -> int:
    """Write rows to a file and return how many.

    Raises:
        RunStateError: The file exists and may not be replaced.
        OSError: The disk is full or read-only; an old file stays as it was.
    """
    if path.exists() and not overwrite:
        raise RunStateError(f"{path} exists; remove it or give another path")
    temporary = path.with_name(path.name + ".tmp")
    count = 0
    try:
        with open(temporary, "wb") as file:
            for row in rows:
                file.write(orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")
                count += 1
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return count
