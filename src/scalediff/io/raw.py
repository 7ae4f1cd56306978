"""What a file holds before it is understood: one JSON value a row, in bounded memory.

The form is told from the first bytes and then from the name, so that a compressed file or a
Parquet file under another name is read all the same. A row that cannot be read is ``Unreadable``
and the rest goes on; a file that cannot be read is an ``InputError``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import orjson

from scalediff.core.errors import InputError
from scalediff.io.elements import elements
from scalediff.io.places import HUB, SUFFIXES, check_regular
from scalediff.io.unpack import open_unpacked
from scalediff.io.values import (
    MAX_LINE,
    Numbered,
    Unreadable,
    is_deep,
    parse,
    shown,
    too_deep,
)

_CHUNK = 1 << 20
_HEAD = 1024
_BOM = b"\xef\xbb\xbf"
_PARQUET = b"PAR1"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def raw_rows(path: str) -> Iterator[Numbered]:
    """Every row of a file (or ``hf://`` data set), as it is there.

    Raises:
        InputError: The file is empty, binary, damaged or may not be read.
        PrerequisiteError: A data set of the hub needs a package.
    """
    if path.startswith(HUB):
        from scalediff.io.hub import hub_rows

        for number, value in enumerate(hub_rows(path), 1):
            yield number, too_deep(value) if is_deep(value) else value
        return
    number = 0
    try:
        for number, value in _values_of(path):
            yield number, too_deep(value) if is_deep(value) else value
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f" after row {number:,}" if number else ""
        raise InputError(
            f"{path} cannot be read{where} ({reason}); mend the file or its permissions"
        ) from None


def _values_of(path: str) -> Iterator[Numbered]:
    check_regular(Path(path))
    with open(path, "rb") as file:
        magic = file.read(4)
    if not magic:
        raise InputError(f"{path} is empty; remove it or write it again")
    if magic == _PARQUET or path.endswith(".parquet"):
        from scalediff.io.parquet_in import parquet_rows

        return parquet_rows(path)
    with open_unpacked(path) as unpacked:
        head = unpacked.peek(_HEAD)[:_HEAD]
    _check_text(head, path)
    return elements(path) if _is_array(path, head) else _lines(path)


def _check_text(head: bytes, path: str) -> None:
    """One clear error for a file that holds no rows at all, rather than a million bad lines."""
    if not head:
        raise InputError(f"{path} is empty; remove it or write it again")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8")
    opens = head.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[")
    if len(_CONTROL.findall(head)) > (8 if opens else 0):
        raise InputError(
            f"{path} is a binary file of an unknown kind; these are read: {', '.join(SUFFIXES)}"
        )
    known = path.removesuffix(".gz").removesuffix(".zst").endswith(SUFFIXES)
    if not known and not opens:
        raise InputError(
            f"{path} is of an unknown kind; turn it into one of these: {', '.join(SUFFIXES)}"
        )


def _is_array(path: str, head: bytes) -> bool:
    """Whether the values span lines: an array, or objects spread over several lines."""
    text = head.removeprefix(_BOM).lstrip()
    first, newline, _ = text.partition(b"\n")
    if not path.removesuffix(".gz").removesuffix(".zst").endswith(".json"):
        return bool(newline) and first.strip() in (b"[", b"{", b"[{")
    if text[:1] != b"{":
        return True
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return bool(newline)
    return False


def _lines(path: str) -> Iterator[Numbered]:
    with open_unpacked(path) as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                    pass
                yield number, Unreadable(f"the line is over {MAX_LINE >> 20} MB", shown(line))
                continue
            line = line.removeprefix(_BOM) if number == 1 else line
            if line.strip():
                yield number, parse(line)
