import errno
import json
import os
import resource
import signal

import pytest

from scalediff.core.errors import RunStateError
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

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunStateError, match=r"out.jsonl cannot be written \(No space left"):
        write_jsonl(tmp_path / "out.jsonl", ROWS)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_while_rows_are_written_is_one_sentence(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows = ({"text": "x" * 100_000} for _ in range(100))
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limit[1]))
    try:
        with pytest.raises(RunStateError, match=r"out.jsonl cannot be written"):
            write_jsonl(tmp_path / "out.jsonl", rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert os.listdir(tmp_path) == []


def test_names_that_are_not_ours_are_left_alone(tmp_path):
    (tmp_path / "out.jsonl.tmp").write_text("the user's")
    (tmp_path / "elsewhere").write_text("the user's too")
    (tmp_path / ".out.jsonl.tmp").symlink_to("elsewhere")
    (tmp_path / "out.jsonl").symlink_to("elsewhere")
    write_jsonl(tmp_path / "out.jsonl", ROWS, overwrite=True)
    assert (tmp_path / "out.jsonl.tmp").read_text() == "the user's"
    assert (tmp_path / "elsewhere").read_text() == "the user's too"
    assert not (tmp_path / "out.jsonl").is_symlink()
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == len(ROWS)


def test_what_a_killed_writer_left_goes_and_a_working_ones_stays(tmp_path):
    dead = tmp_path / ".out.jsonl.scalediff-0123456789abcdef.tmp"
    dead.write_text("half")
    os.utime(dead, (1, 1))
    with open_jsonl(tmp_path / "out.jsonl") as write:
        write({"a": 1})
        (working,) = tmp_path.glob(".out*")
        os.utime(working, (1, 1))
        write_jsonl(tmp_path / "out.jsonl", ROWS)
        assert working.exists()
    assert os.listdir(tmp_path) == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == '{"a":1}\n'


def test_a_file_gets_the_rights_of_any_other(tmp_path):
    (tmp_path / "plain").write_text("")
    write_jsonl(tmp_path / "out.jsonl", ROWS)
    assert (tmp_path / "out.jsonl").stat().st_mode == (tmp_path / "plain").stat().st_mode


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
