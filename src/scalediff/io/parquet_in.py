"""Rows of other people's Parquet files, and of ours with ``extra`` unfolded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from scalediff.core.errors import InputError
from scalediff.io.values import Unreadable

_BATCH = 100
"""Rows decoded at once: a row with many long attempts may hold megabytes."""


def parquet_rows(path: str) -> Iterator[tuple[int, Any]]:
    """Row number from 1 and the row, or ``Unreadable`` for values that Python cannot hold.

    Raises:
        InputError: The file is no Parquet file or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            names = file.schema_arrow.names
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise InputError(f"{path} has two columns {min(twice)}; rename one")
            is_ours = "key" in names and "extra" in names
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in _rows(batch):
                    number += 1
                    yield number, _unfolded(row) if is_ours and isinstance(row, dict) else row
    except (pa.ArrowException, OSError) as error:
        where = f" after row {number:,}" if number else ""
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{path} is no readable Parquet file{where} ({reason}); download or write it again"
        ) from None


def _rows(batch: Any) -> Iterator[Any]:
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for place in range(batch.num_rows):
            try:
                yield batch.slice(place, 1).to_pylist()[0]
            except UnicodeDecodeError:
                yield Unreadable("invalid UTF-8")
            except (ValueError, OverflowError) as error:
                yield Unreadable(f"a value that cannot be read: {error}")


def _unfolded(row: dict[str, Any]) -> dict[str, Any]:
    """A row of our own tables: empty columns are absent and foreign ones come out of ``extra``."""
    extra = row.get("extra")
    try:
        inner = orjson.loads(extra) if isinstance(extra, str) else {}
    except orjson.JSONDecodeError:
        inner = None
    if not isinstance(inner, dict):
        return row
    present = {name: v for name, v in row.items() if v is not None and name != "extra"}
    return present | inner
