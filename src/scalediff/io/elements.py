"""The elements of one large JSON array, in bounded memory."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from scalediff.io.unpack import open_unpacked
from scalediff.io.values import DECODER, MAX_LINE, Numbered, Unreadable, shown

_CHUNK = 1 << 20
_KEPT = 200
_BETWEEN = re.compile(r"[\s,]*")
_NEXT_OBJECT = re.compile(r"\}\s*,\s*(?=\{)")
_LITERAL = 12
"""Characters of the longest literal that the end of a buffer may cut in two."""


def elements(path: str) -> Iterator[Numbered]:
    """The elements of one large array, or objects one after another, through a sliding buffer.

    After a broken element reading goes on at the next object; what lies between is one bad row.
    """
    window = _Window(path)
    number = 0
    value: Any = None
    with window:
        inside = window.opens_array()
        while window.more():
            number += 1
            if inside and window.closes_array():
                if window.more():
                    yield number, Unreadable("more text after the end of the array")
                return
            value = window.element()
            yield number, value
        if inside and not isinstance(value, Unreadable):
            yield number + 1, Unreadable("broken JSON: the array is never closed")


class _Window:
    """The part of a text file that is being read, and where in it.

    Bytes that are no UTF-8 become lone surrogates, which mark the row that holds them as bad.
    """

    def __init__(self, path: str) -> None:
        self._file = io.TextIOWrapper(open_unpacked(path), "utf-8-sig", "surrogateescape", "")
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
                value, end = DECODER.raw_decode(self._text, self._at)
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
        text = shown(self._text[self._at : self._at + _KEPT])
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
            self._at = max(self._at, len(self._text) - _KEPT)
            if not self._grow():
                end = len(self._text.rstrip())
                self._at = end - self._text[:end].endswith("]")
                return
        self._at = found.end()
