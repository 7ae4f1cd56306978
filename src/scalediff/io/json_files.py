"""JSON files of a run, written whole; those that a run stands on carry a checksum.

The checksum is the entry ``check``: CRC-32 of the rest as compact JSON with sorted keys. A file
without it (of an earlier version, or made by hand) is taken as it is.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import DamagedError
from scalediff.core.secrets import mask
from scalediff.io.atomic import replacing

_CHECK = "check"
CHECKED = {_CHECK: ""}
"""Merged into a value that is to be written with a checksum."""

_PLAIN = orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole: a reader sees the old one or the new one.

    A checksum that the value brings is made anew (``{**value, **CHECKED}`` asks for one).
    """
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    text = mask(orjson.dumps(value, option=options, default=str).decode())
    if isinstance(value, dict) and _CHECK in value:
        plain = orjson.loads(text)  # as a reader will find it
        plain.pop(_CHECK, None)
        text = orjson.dumps({**plain, _CHECK: _sum(plain)}, option=options).decode()
    with replacing(path) as file:
        file.write(text.encode() + b"\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file without its checksum, or None where there is none.

    Raises:
        DamagedError: It is no JSON, or not as it was written.
    """
    try:
        value = orjson.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (orjson.JSONDecodeError, IsADirectoryError) as error:
        raise DamagedError(f"{path} is not valid JSON ({error})", path) from None
    if isinstance(value, dict) and _CHECK in value:
        told = value.pop(_CHECK)
        if told != _sum(value):
            raise DamagedError(f"{path} is not as it was written (its checksum differs)", path)
    return value


def _sum(value: dict[str, Any]) -> str:
    return f"{zlib.crc32(orjson.dumps(value, option=_PLAIN)):08x}"
