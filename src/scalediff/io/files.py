"""Reading the files that people have, one row at a time, in bounded memory.

A row that cannot be used is set aside with its line and the reason, and the rest goes on; a file
that cannot be used at all is an ``InputError`` of one sentence.
"""

from __future__ import annotations

import glob
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from scalediff.core.errors import InputError, PrerequisiteError, RecordError
from scalediff.core.keys import RowKeys, problem_id
from scalediff.core.records import Row
from scalediff.io.layouts import attempts_in, to_row

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet")
MAX_LINE = 64 << 20
"""Bytes of one line; a longer one is set aside."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Rejected:
    """A row that could not be used.

    Attributes:
        path: The file.
        line: Its line (row of a Parquet file, element of an array), from 1.
        reason: What is wrong with it.
    """

    path: str
    line: int
    reason: str


def read_rows(
    paths: Sequence[str],
    *,
    problem_column: str | None = None,
    max_problem_chars: int = 20_000,
    need_problem: bool = True,
    attempts: bool = False,
) -> Iterator[Row | Rejected]:
    """Rows in our form, and what was set aside, in order.

    Args:
        paths: Files, folders, patterns or ``hf://ID``.
        problem_column: Column of the problem, where it is none of the known ones.
        max_problem_chars: Longer problems are set aside.
        need_problem: False for rows that are only graded.
        attempts: True to take attempts made elsewhere into ``attempts``.

    Raises:
        InputError: A path is missing, unreadable, empty, binary, or holds no usable row.
    """
    keys = RowKeys()
    usable = 0
    first_reason = "they are empty"
    taken: set[str] = set()
    for path in expand(paths):
        for line, value in _raw_rows(path):
            outcome = _one(
                value, line, path, problem_column, max_problem_chars, need_problem, attempts
            )
            if isinstance(outcome, Rejected):
                if usable == 0 and first_reason == "they are empty":
                    first_reason = f"line {outcome.line}: {outcome.reason}"
            else:
                usable += 1
                _identify(outcome, keys, taken)
            yield outcome
    if usable == 0:
        raise InputError(
            f"no usable row in {', '.join(map(str, paths))} ({first_reason}); "
            "`scalediff look` shows what is there"
        )


def _identify(row: Row, keys: RowKeys, taken: set[str]) -> None:
    """A key of ours that a row came with stays its key where it is unique."""
    text = str(row.get("problem", ""))
    row["problem_id"] = problem_id(text)
    own = row.get("key")
    if not (isinstance(own, str) and own and own not in taken):
        own = keys.next(text or orjson.dumps(row, default=str).decode())
        while own in taken:
            own = keys.next(text)
    taken.add(own)
    row["key"] = own


def _one(
    value: Any,
    line: int,
    path: str,
    problem_column: str | None,
    max_chars: int,
    need_problem: bool,
    attempts: bool,
) -> Row | Rejected:
    if isinstance(value, Rejected):
        return value
    if not isinstance(value, dict):
        return Rejected(path, line, f"not an object but {type(value).__name__}")
    try:
        _, row = to_row(value, problem_column)
    except RecordError as error:
        if need_problem:
            return Rejected(path, line, error.evidence or error.reason)
        row = dict(value)
    if len(str(row.get("problem", ""))) > max_chars:
        length = len(row["problem"])
        return Rejected(path, line, f"the problem has {length:,} characters, over {max_chars:,}")
    if attempts:
        found = attempts_in(row)
        if found:
            row["attempts"] = found
    return row


def expand(paths: Sequence[str]) -> list[str]:
    """Files of folders and patterns, sorted; ``hf://`` stays as it is.

    Raises:
        InputError: A path is missing, or a folder or pattern holds no data file.
    """
    found: list[str] = []
    for given in paths:
        text = str(given)
        if text.startswith("hf://"):
            found.append(text)
            continue
        path = Path(text).expanduser()
        if path.is_dir():
            files = sorted(str(p) for p in path.rglob("*") if p.name.endswith(SUFFIXES))
            if not files:
                raise InputError(
                    f"the folder {text} holds no data file ({', '.join(SUFFIXES)})"
                )
            found += files
        elif path.exists():
            found.append(str(path))
        else:
            matches = sorted(glob.glob(text, recursive=True))
            if not matches:
                raise InputError(f"{text} does not exist; check the path")
            found += matches
    if not found:
        raise InputError("no input is given; name a file")
    return found


def _raw_rows(path: str) -> Iterator[tuple[int, Any]]:
    """Line number and JSON value (or ``Rejected``) of everything in a file."""
    if path.startswith("hf://"):
        yield from enumerate(_hub_rows(path), 1)
        return
    try:
        if Path(path).stat().st_size == 0:
            raise InputError(f"{path} is empty")
        if path.endswith(".parquet"):
            yield from enumerate(_parquet_rows(path), 1)
        elif path.endswith(".json"):
            yield from _array_rows(path)
        else:
            yield from _line_rows(path)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path} cannot be read: {reason}") from None


def _open(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    if path.endswith(".zst"):
        import zstandard

        reader = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"))
        return io.BufferedReader(reader)  # type: ignore[arg-type]
    return open(path, "rb")


def _line_rows(path: str) -> Iterator[tuple[int, Any]]:
    with _open(path) as file:
        head = file.peek(1024)[:1024]  # type: ignore[attr-defined]
        if b"\x00" in head:
            raise InputError(f"{path} is a binary file, not JSON Lines; give {', '.join(SUFFIXES)}")
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                    pass
                yield number, Rejected(path, number, f"the line is over {MAX_LINE >> 20} MB")
            elif line.strip():
                yield number, _parse(line, path, number)


def _parse(line: bytes, path: str, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return Rejected(path, number, "invalid UTF-8")
        return Rejected(path, number, f"broken JSON: {error.msg}")


def _array_rows(path: str) -> Iterator[tuple[int, Any]]:
    """The elements of one large array, or JSON Lines under another name, in bounded memory."""
    with open(path, encoding="utf-8", errors="strict") as file:
        decoder = json.JSONDecoder()
        try:
            buffer = file.read(_CHUNK).lstrip("\ufeff \t\r\n")
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8 text; give {', '.join(SUFFIXES)}") from None
        if not buffer.startswith("["):
            if buffer.startswith("{"):
                yield from _object_or_lines(path)
                return
            raise InputError(f"{path} holds no JSON array of rows")
        buffer = buffer[1:]
        number = 0
        while True:
            buffer = buffer.lstrip(", \t\r\n")
            if buffer.startswith("]"):
                return
            try:
                value, end = decoder.raw_decode(buffer)
                if end == len(buffer) and not buffer.endswith(("}", "]", '"')):
                    raise json.JSONDecodeError("cut", buffer, end)
            except json.JSONDecodeError:
                more = file.read(max(_CHUNK, len(buffer)))
                if not more or len(buffer) > MAX_LINE:
                    yield number + 1, Rejected(path, number + 1, "broken JSON: the array is cut")
                    return
                buffer += more
                continue
            number += 1
            buffer = buffer[end:]
            yield number, value


def _object_or_lines(path: str) -> Iterator[tuple[int, Any]]:
    """A ``.json`` file that begins with an object: one row a line, or one object with rows."""
    lines = list(_line_rows(path))
    if lines and isinstance(lines[0][1], dict):
        yield from lines
        return
    raise InputError(f"{path} is one JSON object, not an array of rows; give an array or .jsonl")


def _parquet_rows(path: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1_000):
                for row in batch.to_pylist():
                    extra = row.pop("extra", None)
                    if isinstance(extra, str) and extra.startswith("{"):
                        row |= orjson.loads(extra)
                    yield {name: value for name, value in row.items() if value is not None}
    except (pa.ArrowInvalid, pa.ArrowIOError) as error:
        raise InputError(f"{path} is no readable Parquet file: {error}") from None


def _hub_rows(path: str) -> Iterator[Any]:
    """``hf://ID?split=train&config=NAME`` by way of ``datasets``, streamed."""
    from urllib.parse import parse_qs, urlparse

    try:
        from datasets import load_dataset
    except ImportError:
        raise PrerequisiteError(
            f'reading {path} needs datasets: pip install "scalediff[hub]"'
        ) from None
    parts = urlparse(path)
    query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    name = f"{parts.netloc}{parts.path}"
    try:
        yield from load_dataset(
            name, query.get("config"), split=query.get("split", "train"), streaming=True
        )
    except (OSError, ValueError, ConnectionError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"{path} cannot be fetched from the hub: {first}") from None


def read_jsonl_plain(path: Path) -> Iterator[Row]:
    """The objects of a JSON Lines file of our own."""
    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)
