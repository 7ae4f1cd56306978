"""Writing rows for people: JSON Lines, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import RunStateError
from scalediff.core.records import Row
from scalediff.io.atomic import replacing


def write_jsonl(path: Path, rows: Iterable[Row], *, overwrite: bool = False) -> int:
    """Write rows, each with every column it has, to a file and return how many.

    Raises:
        RunStateError: The file exists and may not be replaced, or cannot be written; an old file
            stays as it was.
    """
    count = 0
    with open_jsonl(path, overwrite=overwrite) as write:
        for row in rows:
            write(row)
            count += 1
    return count


@contextmanager
def open_jsonl(path: Path, *, overwrite: bool = False) -> Iterator[Callable[[Row], None]]:
    """A function that writes one row; the file is in its place once the block has ended well.

    Raises:
        RunStateError: As ``write_jsonl``.
    """
    if path.is_dir():
        raise RunStateError(f"{path} is a folder; give the name of a file")
    if not overwrite and path.exists():
        raise RunStateError(f"{path} exists; remove it or give another name")
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(path))
        except OSError as error:
            raise _refused(path, error) from None

        def write(row: Row) -> None:
            line = line_of(row)
            try:
                file.write(line)
            except OSError as error:
                raise _refused(path, error) from None

        yield write
        try:
            stack.close()
        except OSError as error:
            raise _refused(path, error) from None


def line_of(row: Any) -> bytes:
    """A row as one line of JSON.

    What ``orjson`` does not write (half a character of a model's output, whole numbers beyond 64
    bits) is written by the standard library, escaped.
    """
    try:
        return orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n"
    except TypeError:
        return json.dumps(row, default=str).encode() + b"\n"


def _refused(path: Path, error: OSError) -> RunStateError:
    return RunStateError(
        f"{path} cannot be written ({error.strerror or error}); free or mend the place, or give "
        "another, and run the same command again"
    )
