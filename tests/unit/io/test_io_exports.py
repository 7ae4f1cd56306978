import errno
import json
import os

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io import exports
from scalediff.io.exports import line_of, open_jsonl, write_jsonl

ROWS = [{"key": "a", "problem": "Find $x$.", "π": [1, {"b": None}]}, {"key": "b", "extra": "{}"}]


def test_a_row_leaves_with_every_column(tmp_path):
    path = tmp_path / "out.jsonl"
    assert write_jsonl(path, iter(ROWS)) == 2
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == ROWS
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_no_rows_make_an_empty_file(tmp_path):
    assert write_jsonl(tmp_path / "out.jsonl", []) == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_an_existing_file_stays_unless_told(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("mine\n")
    with pytest.raises(RunStateError, match=r"out.jsonl exists; remove it"):
        write_jsonl(path, ROWS)
    assert path.read_text() == "mine\n"
    write_jsonl(path, ROWS, overwrite=True)
    assert len(path.read_text("utf-8").splitlines()) == 2


def test_a_failure_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("mine\n")

    def rows():
        yield ROWS[0]
        raise KeyError("bad")

    with pytest.raises(KeyError):
        write_jsonl(path, rows(), overwrite=True)
    assert path.read_text() == "mine\n"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exports.os, "fsync", full)
    with pytest.raises(RunStateError, match=r"out.jsonl cannot be written \(No space left"):
        write_jsonl(tmp_path / "out.jsonl", ROWS)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_device_that_is_full_is_one_sentence(tmp_path):
    os.symlink("/dev/full", tmp_path / "out.jsonl.tmp")
    rows = ({"text": "x" * 100_000} for _ in range(100))
    with pytest.raises(RunStateError, match=r"out.jsonl cannot be written \(No space left"):
        write_jsonl(tmp_path / "out.jsonl", rows)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("make", ["missing", "file", "folder"])
def test_a_place_that_cannot_be_written(tmp_path, make):
    if make == "missing":
        path = tmp_path / "no" / "out.jsonl"
    elif make == "file":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "out.jsonl"
    else:
        path = tmp_path
    with pytest.raises(RunStateError):
        write_jsonl(path, ROWS, overwrite=True)


def test_rows_can_be_written_one_by_one(tmp_path):
    path = tmp_path / "out.jsonl"
    with open_jsonl(path) as write:
        write({"a": 1})
        assert not path.exists()
    assert path.read_text() == '{"a":1}\n'


@pytest.mark.parametrize("value", ["half \ud83d", 2**70, "\x00", 0.1, {1: 2}])
def test_every_value_can_be_written(value):
    line = line_of({"v": value})
    assert line.count(b"\n") == 1
    assert json.loads(line)["v"] == (value if not isinstance(value, dict) else {"1": 2})
