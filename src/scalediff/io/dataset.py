"""A dataset folder that ``datasets.load_dataset`` reads: Parquet shards, card, provenance.

Rows are written as they come, so a set may be larger than memory; the folder appears when it is
whole. ``key``, ``problem_id`` and the like are typed columns, foreign ones travel in ``extra``.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from scalediff import __version__
from scalediff.core.records import Row
from scalediff.io.atomic import temporary_folder
from scalediff.io.card import write_card
from scalediff.io.json_files import write_json
from scalediff.io.parquet import open_writer, sync_file

FIRST = ("problem", "solution", "answer")
"""Columns of the published set; ours follow."""

_TYPES: dict[str, pa.DataType] = {
    **dict.fromkeys(FIRST, pa.string()),
    "key": pa.string(),
    "problem_id": pa.string(),
    "solution_from": pa.string(),
    "flagged": pa.bool_(),
    "confidence": pa.float64(),
    "num_agree": pa.int64(),
    "num_graded": pa.int64(),
    "num_counted": pa.int64(),
    "p_think": pa.float64(),
}
_PYTHON: dict[pa.DataType, type] = {pa.string(): str, pa.bool_(): bool, pa.float64(): float,
                                     pa.int64(): int}  # fmt: skip
_SCHEMA = pa.schema([*_TYPES.items(), ("extra", pa.string())])
_GROUP_ROWS = 2_000
_GROUP_BYTES = 32 << 20


SPLITS = ("generated", "original")
FORMATS = ("messages", "prompt-completion", "sharegpt")
"""Further exports of the same rows, as JSON Lines."""


class DatasetWriter:
    """Writes a dataset folder, whole or not at all.

    Args:
        folder: Where it will be once ``close`` has returned; an older one is replaced.
        formats: Those of ``FORMATS`` to write beside the shards.
        rows_per_shard: Rows of one Parquet file.
        prompt: The user turn of a problem, for the further formats.

    Example:
        writer = DatasetWriter(folder, prompt=str)
        writer.write({"split": "original", "key": "a", "problem": "1+1?", "solution": "2"})
        writer.close({"step": "assemble"})
    """

    def __init__(
        self,
        folder: Path,
        *,
        formats: Sequence[str] = (),
        rows_per_shard: int = 50_000,
        prompt: Callable[[str], str] = str,
    ) -> None:
        self._folder = folder
        self._temporary = temporary_folder(folder)
        (self._temporary / "data").mkdir()
        self._formats = formats
        self._rows_per_shard = rows_per_shard
        self._prompt = prompt
        self._shards: dict[str, _Shards] = {}
        self._exports: dict[tuple[str, str], IO[bytes]] = {}
        self._rows: Counter[str] = Counter()
        self._solutions: Counter[str] = Counter()
        self._flagged = 0

    def write(self, row: Row) -> None:
        """Add a row that has ``split``, ``problem`` and ``solution``, and maybe more."""
        split = row["split"]
        if split not in self._shards:
            folder = self._temporary / "data"
            self._shards[split] = _Shards(folder, split, self._rows_per_shard)
        self._shards[split].write(_flat(row))
        for name in self._formats:
            shaped = shape(row, name, self._prompt)
            self._export(name, split).write(orjson.dumps(shaped) + b"\n")
        self._rows[split] += 1
        self._solutions[str(row.get("solution_from"))] += 1
        self._flagged += bool(row.get("flagged"))

    def _export(self, name: str, split: str) -> IO[bytes]:
        if (name, split) not in self._exports:
            path = self._temporary / "formats" / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._exports[name, split] = open(path, "wb")  # noqa: SIM115, closed by close or discard
        return self._exports[name, split]

    def close(self, about: Mapping[str, Any]) -> None:
        """Write the card and ``provenance.json`` and put the folder in its place.

        Args:
            about: What made the set: at least ``step`` and ``domain``.
        """
        for shards in self._shards.values():
            shards.close()
        self._close_exports()
        told = {
            **about,
            "scalediff": __version__,
            "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "rows": {split: self._rows[split] for split in SPLITS},
            "solutions": dict(self._solutions),
            "flagged": self._flagged,
        }
        write_card(self._temporary / "README.md", told)
        write_json(self._temporary / "provenance.json", told)
        for path in self._temporary.rglob("*"):
            if path.is_file():
                sync_file(path)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.replace(self._temporary, self._folder)

    def discard(self) -> None:
        """Leave no half a folder behind; an older one stays."""
        for shards in self._shards.values():
            shards.discard()
        self._close_exports()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _close_exports(self) -> None:
        for file in self._exports.values():
            file.close()


class _Shards:
    """The Parquet files of one split; their number is in their names, so they get them last."""

    def __init__(self, folder: Path, split: str, rows_per_shard: int) -> None:
        self._folder = folder
        self._split = split
        self._rows_per_shard = rows_per_shard
        self._paths: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[Row] = []
        self._bytes = 0
        self._in_shard = 0

    def write(self, row: Row) -> None:
        if self._in_shard == self._rows_per_shard:
            self._end_shard()
        self._waiting.append(row)
        self._in_shard += 1
        self._bytes += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._waiting) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._paths.append(self._folder / f"{self._split}-{len(self._paths):05d}.parquet")
            self._writer = open_writer(self._paths[-1], _SCHEMA)
        self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=_SCHEMA))
        self._waiting = []
        self._bytes = 0

    def _end_shard(self) -> None:
        if self._waiting:
            self._flush()
        self.discard()
        self._in_shard = 0

    def close(self) -> None:
        self._end_shard()
        for number, path in enumerate(self._paths):
            name = f"{self._split}-{number:05d}-of-{len(self._paths):05d}.parquet"
            path.rename(path.with_name(name))

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def _flat(row: Row) -> Row:
    """Our columns typed, the rest in one JSON column; a value of another type travels there too."""
    flat: Row = {}
    extra: Row = {}
    for name, value in row.items():
        kind = _TYPES.get(name)
        if name == "answer" and value is not None and not isinstance(value, str):
            flat[name] = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        elif kind is not None and (value is None or type(value) is _PYTHON[kind]):
            flat[name] = value
        elif name != "split":
            extra[name] = value
    if extra:
        flat["extra"] = orjson.dumps(extra, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return flat


def shape(row: Row, name: str, prompt: Callable[[str], str] = str) -> Row:
    """A row in one of the further formats.

    Example:
        >>> row = {"key": "a", "problem": "1+1?", "solution": "2"}
        >>> shape(row, "prompt-completion")
        {'key': 'a', 'prompt': '1+1?', 'completion': '2'}
    """
    user, solution = prompt(row["problem"]), row["solution"]
    if name == "messages":
        turns = [("user", user), ("assistant", solution)]
        return {"key": row["key"], name: [{"role": who, "content": text} for who, text in turns]}
    if name == "sharegpt":
        turns = [("human", user), ("gpt", solution)]
        said = [{"from": who, "value": text} for who, text in turns]
        return {"key": row["key"], "conversations": said}
    return {"key": row["key"], "prompt": user, "completion": solution}
