import os
import struct

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io.log import KeyedLog


def filled(path, n=5):
    log = KeyedLog(path)
    for i in range(n):
        log.append(f"key-{i}", f"payload {i}".encode() * (i + 1), outcome=i % 3, ordinal=i)
    log.close()
    return path


def test_what_is_appended_is_found_after_reopening(tmp_path):
    log = KeyedLog(filled(tmp_path / "a"))
    assert len(log) == 5
    assert log.get("key-3") == (0, b"payload 3" * 4)
    assert log.get("key-9") is None
    assert "key-2" in log


def test_a_later_append_replaces_an_earlier(tmp_path):
    log = KeyedLog(filled(tmp_path / "a"))
    log.append("key-1", b"new")
    assert log.get("key-1") == (0, b"new")
    log.close()
    assert KeyedLog(tmp_path / "a").get("key-1") == (0, b"new")


@pytest.mark.parametrize("cut", range(1, 44, 7))
def test_a_torn_index_record_is_cut(tmp_path, cut):
    path = filled(tmp_path / "a")
    index = path.with_suffix(".idx")
    os.truncate(index, index.stat().st_size - cut)
    log = KeyedLog(path)
    assert len(log) == 4
    log.append("key-4", b"again")
    log.close()
    assert KeyedLog(path).get("key-4") == (0, b"again")


@pytest.mark.parametrize("cut", [1, 10, 44])
def test_an_index_record_past_the_end_of_the_payload_is_cut(tmp_path, cut):
    path = filled(tmp_path / "a")
    payload = path.with_suffix(".log")
    os.truncate(payload, payload.stat().st_size - cut)
    log = KeyedLog(path)
    assert len(log) == 4
    assert log.get("key-3") is not None


def test_payload_without_an_index_record_is_cut(tmp_path):
    path = filled(tmp_path / "a")
    with open(path.with_suffix(".log"), "ab") as file:
        file.write(b"half a payl")
    log = KeyedLog(path)
    log.append("key-5", b"five")
    assert log.get("key-5") == (0, b"five")
    assert log.get("key-4") == (1, b"payload 4" * 5)


def test_a_payload_lost_to_a_power_cut_is_found_by_its_checksum(tmp_path):
    path = filled(tmp_path / "a")
    payload = path.with_suffix(".log")
    size = payload.stat().st_size
    with open(payload, "r+b") as file:
        file.seek(size - 5)
        file.write(b"\0" * 5)
    assert len(KeyedLog(path)) == 4


def test_a_second_process_is_refused(tmp_path):
    log = KeyedLog(tmp_path / "a")
    with pytest.raises(RunStateError, match="in use by another"):
        KeyedLog(tmp_path / "a")
    log.close()
    KeyedLog(tmp_path / "a").close()


def test_the_index_record_is_44_bytes_as_documented(tmp_path):
    path = filled(tmp_path / "a", 3)
    assert path.with_suffix(".idx").stat().st_size == 3 * 44
    assert struct.calcsize("<16sQQIBxxxI") == 44
