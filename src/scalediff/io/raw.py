"""What a file holds before it is understood: one JSON value a row, in bounded memory.

The form is told from the first bytes and then from the name, so that a compressed file or a
Parquet file under another name is read all the same. A row that cannot be read is ``Unreadable``
and the rest goes on; a file that cannot be read is an ``InputError``.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import InputError
from scalediff.io.places import HUB, SUFFIXES

MAX_LINE = 64 << 20
"""Bytes of one row; a longer one is set aside unread. Ours: rows with 32 long attempts fit."""

_CHUNK = 1 << 20
_HEAD = 1024
_SHOWN = 200
_BOM = b"\xef\xbb\xbf"
_GZIP, _ZSTD, _PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_BETWEEN = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r"\}\s*,\s*(?=\{)")
_LITERAL = 12
"""Characters of the longest literal that the end of a buffer may cut in two."""

Numbered = tuple[int, Any]
"""A row's number from 1 (line, array element, Parquet row) and its value."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is no JSON value: why, and how it begins."""

    reason: str
    text: str = ""


def values(path: str) -> Iterator[Numbered]:
    """Every row of a file (or ``hf://`` data set), as it is there.

    Raises:
        InputError: The file is empty, binary, damaged or may not be read.
        PrerequisiteError: A data set of the hub needs a package.
    """
    if path.startswith(HUB):
        from scalediff.io.hub import hub_rows

        yield from enumerate(hub_rows(path), 1)
        return
    number = 0
    try:
        for number, value in _values_of(path):
            yield number, value
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = f" after row {number:,}" if number else ""
        raise InputError(
            f"{path} cannot be read{where} ({reason}); mend the file or its permissions"
        ) from None


def _values_of(path: str) -> Iterator[Numbered]:
    place = Path(path)
    if not place.is_file():
        raise InputError(f"{path} is no regular file; write its rows to a file and name that")
    with open(path, "rb") as file:
        magic = file.read(4)
    if not magic:
        raise InputError(f"{path} is empty; remove it or write it again")
    if magic == _PARQUET or path.endswith(".parquet"):
        from scalediff.io.parquet_in import parquet_rows

        return parquet_rows(path)
    with _open(path) as unpacked:
        head = unpacked.peek(_HEAD)[:_HEAD]
    _check_text(head, path)
    return _elements(path) if _is_array(path, head) else _lines(path)


def _open(path: str) -> Any:
    """The unpacked bytes, with ``peek``."""
    file = open(path, "rb")
    magic = file.peek(4)[:4]
    if magic[:2] == _GZIP:
        return gzip.GzipFile(fileobj=file, mode="rb")
    if magic == _ZSTD:
        return io.BufferedReader(_Zstd(file), _CHUNK)
    return file


class _Zstd(io.RawIOBase):
    """Unpacked bytes of zstd frames; a frame that is cut is an error, never a short file."""

    def __init__(self, file: io.BufferedReader) -> None:
        import zstandard

        self._file = file
        self._start = zstandard.ZstdDecompressor().decompressobj
        self._failure = zstandard.ZstdError
        self._frame: Any = None
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._ready:
            packed = self._file.read(4096)  # small: a few bytes may unpack to megabytes
            if not packed:
                if self._frame is not None:
                    raise EOFError("the zstd file is cut")
                return 0
            self._ready = memoryview(self._unpacked(packed))
        count = min(len(into), len(self._ready))
        into[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpacked(self, packed: bytes) -> bytes:
        parts = []
        while packed:
            self._frame = self._frame or self._start()
            try:
                parts.append(self._frame.decompress(packed))
            except self._failure as error:
                raise EOFError(str(error)) from None
            packed = self._frame.unused_data if self._frame.eof else b""
            self._frame = None if self._frame.eof else self._frame
        return b"".join(parts)

    def close(self) -> None:
        self._file.close()
        super().close()


def _check_text(head: bytes, path: str) -> None:
    """One clear error for a file that holds no rows at all, rather than a million bad lines."""
    if not head:
        raise InputError(f"{path} is empty; remove it or write it again")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16 text; save it as UTF-8")
    if b"\x00" in head or len(_CONTROL.findall(head)) > 8:
        raise InputError(
            f"{path} is a binary file of an unknown kind; these are read: {', '.join(SUFFIXES)}"
        )
    known = path.removesuffix(".gz").removesuffix(".zst").endswith(SUFFIXES)
    if not known and head.removeprefix(_BOM).lstrip()[:1] not in (b"{", b"["):
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
    with _open(path) as file:
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


def parse(line: bytes) -> Any:
    """The value of one line, or ``Unreadable``.

    Whole numbers beyond 64 bits come out as text, since an answer must not be rounded; NaN, which
    Python writes and JSON lacks, as null.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _parse_again(line, error.msg)
    if isinstance(value, dict) and any(_is_rounded(v) for v in value.values()):
        return _parse_again(line, "")
    return value


def _is_rounded(value: Any) -> bool:
    return isinstance(value, float) and abs(value) >= 2**63


def _parse_again(line: bytes, reason: str) -> Any:
    try:
        return _DECODER.decode(line.decode())
    except UnicodeDecodeError:
        return Unreadable("invalid UTF-8", shown(line))
    except (json.JSONDecodeError, RecursionError) as error:
        return Unreadable(f"broken JSON: {reason or error}", shown(line))


def _whole(digits: str) -> int | str:
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**63 else digits


_DECODER = json.JSONDecoder(parse_int=_whole, parse_constant=lambda name: None)


def shown(text: bytes | str) -> str:
    """How a row begins, for people."""
    text = text[: _SHOWN * 4]
    read = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(read.encode("utf-8", "replace").decode().split())[:_SHOWN]


def _elements(path: str) -> Iterator[Numbered]:
    """The elements of one large array, or objects one after another, through a sliding buffer.

    After a broken element reading goes on at the next object; what lies between is one bad row.
    """
    window = _Window(path)
    number = 0
    with window:
        inside = window.opens_array()
        while window.more():
            number += 1
            if inside and window.closes_array():
                if window.more():
                    yield number, Unreadable("more text after the end of the array")
                return
            yield number, window.element()
        if inside:
            yield number + 1, Unreadable("broken JSON: the array is never closed")


class _Window:
    """The part of a text file that is being read, and where in it.

    Bytes that are no UTF-8 become lone surrogates, which mark the row that holds them as bad.
    """

    def __init__(self, path: str) -> None:
        self._file = io.TextIOWrapper(_open(path), "utf-8-sig", "surrogateescape", newline="")
        self._text = ""
        self._at = 0

    def __enter__(self) -> _Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _grow(self) -> bool:
        """Read on, at least doubling what is not yet read, so that long rows cost linear time."""
        rest = self._text[self._at :]
        more = self._file.read(max(_CHUNK, len(rest)))
        self._text, self._at = rest + more, 0
        return bool(more)

    def more(self) -> bool:
        """Skip what is between elements; False at the end of the file."""
        while True:
            self._at = _BETWEEN.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return True
            if not self._grow():
                return False

    def opens_array(self) -> bool:
        """Step into an array where the file is one."""
        opens = self.more() and self._text[self._at] == "["
        self._at += opens
        return opens

    def closes_array(self) -> bool:
        """Step out of the array where it ends here."""
        closes = self._text[self._at] == "]"
        self._at += closes
        return closes

    def element(self) -> Any:
        """The next value, or ``Unreadable``."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                waiting = len(self._text) - self._at
                if self._is_cut(error) and waiting < MAX_LINE and self._grow():
                    continue
                return self._broken(error, waiting)
            if end == len(self._text) and not isinstance(value, dict | list | str) and self._grow():
                continue  # a number may go on
            self._at = end
            return value

    def _is_cut(self, error: Exception) -> bool:
        """Whether the value may only lack what is not yet in the window."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        near_end = error.pos >= len(self._text) - _LITERAL
        return near_end or error.msg.startswith("Unterminated string")

    def _broken(self, error: Exception, waiting: int) -> Unreadable:
        """Say what is wrong and go to the next object."""
        text = shown(self._text[self._at : self._at + _SHOWN])
        why, place = "it is nested too deep", self._at + 1
        if isinstance(error, json.JSONDecodeError):
            why, place = error.msg, min(max(error.pos, place), len(self._text))
        if waiting >= MAX_LINE:
            why = f"the row is over {MAX_LINE >> 20} MB"
        elif self._is_cut(error):
            why = "the file ends in it"
        self._at = place
        self._skip_to_object()
        return Unreadable(f"broken JSON: {why}", text)

    def _skip_to_object(self) -> None:
        """Go to the next object after a comma, else to the end of the array or of the file."""
        while (found := _NEXT_OBJECT.search(self._text, self._at)) is None:
            self._at = max(self._at, len(self._text) - _SHOWN)
            if not self._grow():
                end = len(self._text.rstrip())
                self._at = end - self._text[:end].endswith("]")
                return
        self._at = found.end()
