"""The bytes of a file, unpacked where they are packed; told from the first bytes, not the name."""

from __future__ import annotations

import gzip
import io
from typing import Any

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BUFFER = 1 << 20


def open_unpacked(path: str) -> Any:
    """The unpacked bytes of a plain, gzip or zstd file, as a buffered reader with ``peek``."""
    file = open(path, "rb")  # noqa: SIM115 the caller closes it
    magic = file.peek(4)[:4]
    if magic[:2] == _GZIP:
        file.close()
        return gzip.open(path, "rb")
    return io.BufferedReader(_Zstd(file), _BUFFER) if magic == _ZSTD else file


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
