"""Sealed tables: our columns typed, foreign ones in one JSON column ``extra``.

Mixed types in a foreign column break Parquet long after the first shard, so nothing foreign gets a
column of its own; a value of ours with an unexpected type travels in ``extra`` as well and comes
back as it was.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from scalediff.core.errors import DamagedError
from scalediff.core.records import Row
from scalediff.io.atomic import Temporary

_TEXT, _WHOLE, _REAL, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()

COLUMNS: dict[str, pa.DataType] = {
    "key": _TEXT,
    # a problem, as it came or was born
    "problem": _TEXT,
    "problem_id": _TEXT,
    "answer": _TEXT,
    "solution": _TEXT,
    "slot": _WHOLE,
    "finish_reason": _TEXT,
    "num_tokens": _WHOLE,
    "benchmark": _TEXT,
    # score, select
    "p_think": _REAL,
    "is_greedy": _FLAG,
    "score_method": _TEXT,
    "p_think_low": _REAL,
    "p_think_high": _REAL,
    "difficult": _FLAG,
    # grade, agree, decide
    "pass_rate": _REAL,
    "label": _TEXT,
    "confidence": _REAL,
    "num_agree": _WHOLE,
    "num_counted": _WHOLE,
    "num_graded": _WHOLE,
    "num_undecided": _WHOLE,
    "p_right": _REAL,
    "student_outcome": _TEXT,
    # screen
    "twin_of": _TEXT,
    # canaries
    "hidden_gold": _TEXT,
    "canary_verdict": _TEXT,
    "canary_reason": _TEXT,
    "solution_index": _WHOLE,
    "review": _FLAG,
    # assemble, tally
    "split": _TEXT,
    "source_solution": _TEXT,
    "source_answer": _TEXT,
    "solution_from": _TEXT,
    "flagged": _FLAG,
    "score": _REAL,
    # an attempt
    "role": _TEXT,
    "sample_index": _WHOLE,
    "reasoning": _TEXT,
    "content": _TEXT,
    "unread": _TEXT,
    "sample_seed": _WHOLE,
    "model": _TEXT,
    "attempt_id": _TEXT,
    "verdict": _TEXT,
    "verdict_rule": _TEXT,
    "verdict_reason": _TEXT,
    "rejected": _TEXT,
    "rejected_evidence": _TEXT,
    # a drop
    "reason": _TEXT,
    "evidence": _TEXT,
}
"""Type of each column of ours; the documented schema of a run's tables."""

ATTEMPT_COLUMNS = (
    "key",
    "role",
    "sample_index",
    "answer",
    "unread",
    "finish_reason",
    "num_tokens",
    "sample_seed",
    "model",
    "attempt_id",
    "verdict",
    "verdict_rule",
    "verdict_reason",
    "rejected",
    "rejected_evidence",
)
"""An attempt without its text, which is kept once, in the attempt store."""

DROP_COLUMNS = ("key", "reason", "evidence")

_PYTHON: dict[pa.DataType, type] = {_TEXT: str, _WHOLE: int, _REAL: float, _FLAG: bool}
_GROUP_BYTES = 64 << 20
_GROUP_ROWS = 20_000


class TableWriter:
    """Writes rows to one Parquet file, whole or not at all.

    Args:
        path: Where the file will be once ``close`` has returned.
        columns: Columns of ours that it may hold; the rest goes to ``extra``.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._temporary = Temporary(path)
        names = list(dict.fromkeys(["key", *(c for c in columns if c in COLUMNS)]))
        self._types = {name: COLUMNS[name] for name in names}
        self._schema = pa.schema([*self._types.items(), ("extra", _TEXT)])
        self._writer = open_writer(self._temporary.path, self._schema)
        self._rows: list[Row] = []
        self._bytes = 0
        self.num_rows = 0

    def write(self, row: Row, size: int = 200) -> None:
        """Add a row; ``size`` is about its bytes, which bounds the row groups."""
        self._rows.append(self._split(row))
        self._bytes += size
        self.num_rows += 1
        if self._bytes >= _GROUP_BYTES or len(self._rows) >= _GROUP_ROWS:
            self._flush()

    def _split(self, row: Row) -> Row:
        known: Row = {}
        extra: Row = {}
        for name, value in row.items():
            kind = self._types.get(name)
            if kind is None or (value is not None and type(value) is not _PYTHON[kind]):
                extra[name] = value
            else:
                known[name] = value
        known["extra"] = orjson.dumps(extra, default=str).decode() if extra else None
        return known

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []
        self._bytes = 0

    def close(self) -> None:
        """Write what is buffered and put the file in its place."""
        self._flush()
        self._writer.close()
        self._temporary.keep()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._writer.close()
        self._temporary.discard()


def sync_file(path: Path) -> None:
    """Have a file's bytes on the disk, so that what is said of it later outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of compressed tables whose pages carry checksums."""
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)


def read_table(path: Path) -> Iterator[Row]:
    """Stream the rows of a sealed table; empty columns are absent, ``extra`` is unfolded.

    Raises:
        DamagedError: The file is gone, or not as it was written.
    """
    with _damage_said(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=2_000):
            for row in batch.to_pylist():
                extra = row.pop("extra")
                present: Row = {name: value for name, value in row.items() if value is not None}
                if extra:
                    present.update(orjson.loads(extra))
                yield present


def read_column(path: Path, name: str) -> Iterator[list[Any]]:
    """The values of one column, some thousands at a time.

    Raises:
        DamagedError: As ``read_table``.
    """
    with _damage_said(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=10_000, columns=[name]):
            yield batch.column(0).to_pylist()


def count_rows(path: Path) -> int:
    """Rows of a table, from its footer alone.

    Raises:
        DamagedError: As ``read_table``.
    """
    with _damage_said(path):
        return int(pq.read_metadata(path).num_rows)


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing", path) from None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if getattr(error, "errno", None) not in (None, errno.EIO):
            raise  # no file handles left, no leave to read: not the file's fault
        first = str(error).strip().partition("\n")[0]
        raise DamagedError(f"{path} is damaged ({first or type(error).__name__})", path) from None
