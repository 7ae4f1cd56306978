"""Bytes changed anywhere in a file give bad rows or one sentence, never another exception."""

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from scalediff.core.errors import InputError
from scalediff.io.exports import line_of
from scalediff.io.files import Found, Reader, Rejected

ROWS = [
    {
        "problem": f"Find $x_{i}$ when π = {i} \U0001f600.",
        "answer": i,
        "generations": [f"<think>{i}</think>4", None],
        "messages": [{"role": "user", "content": "x"}],
    }
    for i in range(40)
]
SNIPPETS = [b"", b"\x00", b"\xff", b'"', b"{", b"}", b"[", b"]", b",", b"\n", b"\\ud800", b"9" * 30]


def whole(tmp_path, name):
    text = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    if name.endswith(".gz"):
        return gzip.compress(text, 1)
    if name.endswith(".zst"):
        return zstandard.compress(text)
    if name.endswith(".json"):
        return json.dumps(ROWS, ensure_ascii=False).encode()
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "whole")
        return (tmp_path / "whole").read_bytes()
    return text


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_damage_is_told(tmp_path, monkeypatch, name):
    monkeypatch.setattr("scalediff.io.elements._CHUNK", 512)
    content, rng = whole(tmp_path, name), random.Random(name)
    path = tmp_path / name
    told = read = 0
    errors = []
    for _ in range(120):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5])):
            place = rng.randrange(len(damaged))
            damaged[place : place + rng.choice([0, 1, 3])] = rng.choice(SNIPPETS)
        if rng.random() < 0.2:
            del damaged[rng.randrange(1, len(damaged)) :]
        path.write_bytes(damaged)
        try:
            for found in Reader(attempts=True).scan([str(path)]):
                assert isinstance(found, Found | Rejected)
                if isinstance(found, Found):
                    assert found.row["key"]
                    line_of(found.row)
                    read += 1
                else:
                    told += 1
        except InputError as error:
            errors.append(str(error))
    assert all(name in error and "\n" not in error for error in errors)
    assert told + len(errors) > 20
    assert read > 100 or name.endswith((".parquet", ".gz", ".zst"))
