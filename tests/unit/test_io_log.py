import asyncio
import errno
import hashlib
import os
import struct
import subprocess
import sys
import threading
import time
import zlib

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io import log_files, syncing
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
def test_a_torn_index_record_is_made_again(tmp_path, cut):
    path = filled(tmp_path / "a")
    index = path.with_suffix(".idx")
    whole = index.read_bytes()
    os.truncate(index, index.stat().st_size - cut)
    log = KeyedLog(path)
    assert len(log) == 5
    assert log.get("key-4") == (1, b"payload 4" * 5)
    log.close()
    assert index.read_bytes() == whole


@pytest.mark.parametrize("cut", [1, 10, 44])
def test_a_torn_payload_is_set_aside(tmp_path, capsys, cut):
    path = filled(tmp_path / "a")
    payload = path.with_suffix(".log")
    torn = payload.read_bytes()[:-cut]
    os.truncate(payload, payload.stat().st_size - cut)
    log = KeyedLog(path)
    assert len(log) == 4
    assert log.get("key-3") is not None
    aside = (tmp_path / "a.log.torn-1").read_bytes()
    assert torn == payload.read_bytes() + aside
    said = capsys.readouterr().err
    assert f"{len(aside):,} bytes at its end" in said
    assert "1 record named by its index and not there any more" in said


def test_half_a_payload_at_the_end_is_set_aside(tmp_path):
    path = filled(tmp_path / "a")
    with open(path.with_suffix(".log"), "ab") as file:
        file.write(b"half a payl")
    log = KeyedLog(path)
    assert (tmp_path / "a.log.torn-1").read_bytes() == b"half a payl"
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


def test_in_a_loop_records_are_written_once_a_turn(tmp_path):
    log = KeyedLog(tmp_path / "a")
    payload = (tmp_path / "a").with_suffix(".log")

    async def main():
        log.append("one", b"1")
        log.append("two", b"22")
        assert payload.stat().st_size == 0
        assert (log.get("two"), "one" in log, len(log)) == ((0, b"22"), True, 2)
        await asyncio.sleep(0)
        assert payload.stat().st_size == 44 + 1 + 44 + 2
        log.append("two", b"2", outcome=1)
        assert log.get("two") == (1, b"2")

    asyncio.run(main())
    asyncio.run(main_again(log))
    log.close()
    again = KeyedLog(tmp_path / "a")
    assert (again.get("one"), again.get("two"), again.get("three")) == (
        (0, b"1"), (1, b"2"), (0, b"333")
    )  # fmt: skip


async def main_again(log):
    """Another loop, after one that ended before it flushed."""
    log.append("three", b"333")
    await asyncio.sleep(0)


def test_much_is_written_before_the_turn_ends(tmp_path):
    log = KeyedLog(tmp_path / "a")

    async def main():
        for i in range(10):
            log.append(str(i), bytes(300_000))
        assert os.stat((tmp_path / "a").with_suffix(".log")).st_size >= 2_000_000
        for i in range(1000):
            log.append(f"small {i}", b"x")
        assert os.stat((tmp_path / "a").with_suffix(".idx")).st_size >= 760 * 44

    asyncio.run(main())
    log.close()
    assert len(KeyedLog(tmp_path / "a")) == 1010


def full_after(monkeypatch, num_bytes):
    """A disk that takes so many bytes more; give back what mends it."""
    left = [num_bytes]
    real = os.pwrite

    def pwrite(handle, data, offset):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data)[: left[0]], offset)
        left[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)
    return lambda: left.__setitem__(0, 1 << 40)


def append_new(log, n):
    for i in range(n):
        log.append(f"new-{i}", b"12345678")


@pytest.mark.parametrize("room", [0, 3, 44, 52, 52 + 44, 52 + 50])
def test_a_full_disk_is_told_and_nothing_is_misaligned(tmp_path, monkeypatch, room):
    path = filled(tmp_path / "a", 2)
    log = KeyedLog(path)
    mend = full_after(monkeypatch, room)
    with pytest.raises(OSError, match="No space"):
        append_new(log, 3)
    assert log.get("key-1") == (1, b"payload 1" * 2)
    mend()
    log.append("later", b"it fits now")
    log.close()
    again = KeyedLog(path)
    assert again.get("later") == (0, b"it fits now")
    assert all(again.get(f"new-{i}") in (None, (0, b"12345678")) for i in range(3))
    assert again.get("new-0") == (0, b"12345678")  # what was taken is kept and written later


def test_a_full_disk_at_the_end_of_a_turn_is_told_at_the_next_call(tmp_path, monkeypatch):
    log = KeyedLog(tmp_path / "a")
    mend = full_after(monkeypatch, 5)

    async def main():
        log.append("one", b"11111111")
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="No space"):
            log.append("two", b"2")
        with pytest.raises(OSError, match="No space"):
            log.flush()

    asyncio.run(main())
    with pytest.raises(OSError, match="No space"):
        log.close()
    mend()
    again = KeyedLog(tmp_path / "a")
    assert len(again) == 0
    again.append("one", b"1")
    assert again.get("one") == (0, b"1")


def test_a_disk_that_cannot_keep_what_it_took_is_told(tmp_path, monkeypatch):
    log = KeyedLog(tmp_path / "a")
    monkeypatch.setattr(syncing, "WINDOW_RECORDS", 2)

    def broken(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OSError, match="Input/output"):
        append_new(log, 9)
    with pytest.raises(OSError, match="Input/output"):
        log.close()


def test_never_more_than_two_windows_wait_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(syncing, "WINDOW_RECORDS", 4)
    ahead, at_worst = [0], [0]
    real = os.fdatasync

    window_is_full = threading.Event()

    def slow(handle):
        window_is_full.wait(60)
        time.sleep(0.002)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", slow)
    log = KeyedLog(tmp_path / "a")
    for i in range(60):
        log.append(str(i), b"x")
        ahead[0] = log._syncer._going[0] + log._syncer._behind[0]
        at_worst[0] = max(at_worst[0], ahead[0])
        if ahead[0] >= 4:
            window_is_full.set()
    assert 4 <= at_worst[0] <= 8
    log.close()


def test_attempts_are_written_and_synced_before_the_ledger_that_speaks_of_them(
    tmp_path, monkeypatch
):
    store, told = KeyedLog(tmp_path / "store"), []
    ledger = KeyedLog(tmp_path / "ledger", vouches_for=store)
    names = {
        handle: f"{name} {part}"
        for name, log in (("store", store), ("ledger", ledger))
        for handle, part in zip(log._files.handles, ("payload", "index"), strict=True)
    }
    real = os.pwrite

    def pwrite(handle, data, offset):
        told.append(f"write {names[handle]}")
        return real(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    monkeypatch.setattr(os, "fdatasync", lambda handle: told.append(f"sync {names[handle]}"))

    async def main():
        ledger.append("unit 0", b"served")  # its flush comes first in the turn
        store.append("attempt", b"text")
        ledger.append("unit 1", b"speaks of the attempt")

    asyncio.run(main())
    ledger.close()
    order = ["store payload", "store index", "ledger payload", "ledger index"]
    assert told == [f"write {name}" for name in order] + [f"sync {name}" for name in order]
    store.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from scalediff.io.log import KeyedLog

async def main():
    store = KeyedLog(Path(sys.argv[1]) / "store")
    ledger = KeyedLog(Path(sys.argv[1]) / "ledger", vouches_for=store)
    for turn in range(10**9):
        for i in range(turn % 40):
            store.append(f"{turn}-{i}", b"%d" % i * (turn % 700))
            ledger.append(f"{turn}-{i}", b"%d" % i)
        await asyncio.sleep(0)
        if turn % 50 == 0:
            print(turn, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", range(4))
def test_a_kill_costs_at_most_one_turn(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(3 + number):
        told = int(process.stdout.readline())
    time.sleep(0.003 * number)
    process.kill()
    process.wait()
    process.stdout.close()
    store, ledger = KeyedLog(tmp_path / "store"), KeyedLog(tmp_path / "ledger")
    for turn in range(told):  # the turn that was told may be the one under way
        for i in range(turn % 40):
            assert store.get(f"{turn}-{i}") == (0, b"%d" % i * (turn % 700))
            assert ledger.get(f"{turn}-{i}") == (0, b"%d" % i)
    assert len(ledger) <= len(store)
    store.close()
    ledger.close()


def test_payloads_that_somebody_cut_deep_are_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "WINDOW_BYTES", 2)
    path = filled(tmp_path / "a", 40)
    os.truncate(path.with_suffix(".log"), 9 * (1 + 2 + 3) + 3 * 44 + 5)
    log = KeyedLog(path)
    assert len(log) == 3
    assert log.get("key-2") == (2, b"payload 2" * 3)


def test_repeated_and_many_keys_survive_a_merge(tmp_path, monkeypatch):
    monkeypatch.setattr("scalediff.io.log.MERGE_FROM", 10)
    log = KeyedLog(tmp_path / "a")
    for i in range(100):
        log.append(f"key-{i % 37}", b"%d" % i)
    assert len(log) == 37
    log.close()
    log = KeyedLog(tmp_path / "a")
    assert [log.get(f"key-{i}")[1] for i in (0, 25, 26, 36)] == [b"74", b"99", b"63", b"73"]
    assert len(log) == 37


def damaged(path, change):
    """A log of 40 records after a change of one of its files; what it says and what it holds."""
    change(path)
    said = []
    log = KeyedLog(path, report=said.append)
    held = {i for i in range(40) if (found := log.get(f"key-{i}")) and check(i, found)}
    assert len(log) == len(held)
    log.append("later", b"goes on")
    log.close()
    again = []
    log = KeyedLog(path, report=again.append)
    assert not again  # said once, repaired for good
    assert log.get("later") == (0, b"goes on")
    assert {i for i in range(40) if f"key-{i}" in log} == held
    log.close()
    return held, said


def check(i, found):
    assert found == (i % 3, f"payload {i}".encode() * (i + 1))
    return True


def test_a_flipped_bit_in_a_payload_costs_that_record_alone(tmp_path):
    def flip(path):
        place = log_files.LogFiles(path, read_only=True).place(20)
        alter(path.with_suffix(".log"), place.offset + 3, 1)

    held, said = damaged(filled(tmp_path / "a", 40), flip)
    assert held == {*range(40)} - {20}
    assert len(said) == 1
    assert "1 record with a wrong checksum skipped" in said[0]


def alter(path, at, *values):
    content = bytearray(path.read_bytes())
    for place, value in enumerate(values, at):
        content[place] ^= value
    path.write_bytes(content)


@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.parametrize("byte", range(44))
def test_a_flipped_bit_anywhere_in_a_header_or_in_the_index_costs_nothing(tmp_path, byte, bit):
    def flip_header(path):
        place = log_files.LogFiles(path, read_only=True).place(20)
        alter(path.with_suffix(".log"), place.offset - 44 + byte, 1 << bit)

    def flip_index(path):
        alter(path.with_suffix(".idx"), 44 * 20 + byte, 1 << bit)

    held, said = damaged(filled(tmp_path / "a", 40), flip_header)
    assert len(held) == 40
    assert len(said) == 1
    held, said = damaged(filled(tmp_path / "b", 40), flip_index)
    assert len(held) == 40
    assert len(said) == 1


@pytest.mark.parametrize("change", [
    lambda index: index.unlink(),
    lambda index: index.write_bytes(b""),
    lambda index: index.write_bytes(bytes(40 * 44)),
    lambda index: index.write_bytes(index.read_bytes()[: 30 * 44] + bytes(10 * 44)),
    lambda index: index.write_bytes(os.urandom(40 * 44)),
    lambda index: index.write_bytes(index.read_bytes()[44:]),
    lambda index: index.write_bytes(index.read_bytes() + bytes(440)),
    lambda index: os.truncate(index, 17),
])  # fmt: skip
def test_an_index_is_made_again_from_the_payloads(tmp_path, change):
    path = filled(tmp_path / "a", 40)
    index = path.with_suffix(".idx")
    before = index.read_bytes()
    held, said = damaged(path, lambda _: change(index))
    assert len(held) == 40
    assert said
    assert index.read_bytes()[:-44] == before


def test_an_index_and_a_header_that_are_both_damaged_cost_one_record(tmp_path):
    def both(path):
        place = log_files.LogFiles(path, read_only=True).place(20)
        alter(path.with_suffix(".log"), place.offset - 40, 1)
        path.with_suffix(".idx").unlink()

    path = filled(tmp_path / "a", 40)
    held, said = damaged(path, both)
    assert held == {*range(40)} - {20}
    assert any(f"{9 + len('payload 20') * 21 - 9 + 44} bytes in its midst" in s for s in said)


def test_zeros_in_the_midst_of_the_payloads_cost_what_they_hit(tmp_path):
    def blank(path):
        log = path.with_suffix(".log")
        places = [log_files.LogFiles(path, read_only=True).place(n) for n in (10, 12)]
        content = bytearray(log.read_bytes())
        content[places[0].offset + 5 : places[1].offset + 5] = bytes(
            places[1].offset - places[0].offset
        )
        log.write_bytes(content)
        path.with_suffix(".idx").unlink()

    held, _ = damaged(filled(tmp_path / "a", 40), blank)
    assert held == {*range(40)} - {10, 11, 12}


@pytest.mark.parametrize("what", ["garbage", "empty", "deleted"])
def test_payloads_that_are_gone_are_said_and_nothing_of_them_is_deleted(tmp_path, what):
    path = filled(tmp_path / "a", 40)
    log, index = path.with_suffix(".log"), path.with_suffix(".idx").read_bytes()
    garbage = os.urandom(10_000)

    def change(_):
        log.unlink()
        if what != "deleted":
            log.write_bytes(garbage if what == "garbage" else b"")

    held, said = damaged(path, change)
    assert held == set()
    assert any("40 records" in text for text in said)
    if what == "garbage":  # the index fits it, its checksums do not
        kept = log.read_bytes()[: garbage.index((tmp_path / "a.log.torn-1").read_bytes())]
        assert kept + (tmp_path / "a.log.torn-1").read_bytes() == garbage
    else:
        assert (tmp_path / "a.idx.torn-1").read_bytes() == index


def of_old(path, n=40):
    """A log as it was written before records had headers."""
    payloads = [f"payload {i}".encode() * (i + 1) for i in range(n)]
    path.with_suffix(".log").write_bytes(b"".join(payloads))
    at, index = 0, b""
    for i, payload in enumerate(payloads):
        key = hashlib.sha256(b"key-%d" % i).digest()[:16]
        index += struct.pack("<16sQQIBxxxI", key, i, at, len(payload), i % 3, zlib.crc32(payload))
        at += len(payload)
    path.with_suffix(".idx").write_bytes(index)
    return path


def test_a_log_from_before_headers_is_read_and_grows(tmp_path):
    path = of_old(tmp_path / "a")
    before = path.with_suffix(".log").read_bytes()
    held, said = damaged(path, lambda _: None)
    assert (len(held), said) == (40, [])
    alter(path.with_suffix(".idx"), 44 * 40 + 3, 1)
    log = KeyedLog(path)
    assert (len(log), log.get("later")) == (41, (0, b"goes on"))
    assert path.with_suffix(".log").read_bytes().startswith(before)


@pytest.mark.parametrize("byte", [16, 24, 32, 35])
def test_an_old_index_that_is_damaged_loses_no_more_than_it_must(tmp_path, byte):
    path = of_old(tmp_path / "a")
    held, said = damaged(path, lambda _: alter(path.with_suffix(".idx"), 44 * 20 + byte, 64))
    assert held >= {*range(40)} - {20}
    assert said or byte == 16  # the ordinal is for people


def test_old_payloads_without_an_index_are_set_aside(tmp_path):
    path = of_old(tmp_path / "a")
    before = path.with_suffix(".log").read_bytes()
    held, said = damaged(path, lambda _: path.with_suffix(".idx").unlink())
    assert held == set()
    assert (tmp_path / "a.log.torn-1").read_bytes() == before
    assert f"{len(before):,} bytes" in said[0]


def test_a_record_beyond_the_window_is_checked_when_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "WINDOW_BYTES", 100)
    path = filled(tmp_path / "a", 40)
    place = log_files.LogFiles(path, read_only=True).place(5)
    alter(path.with_suffix(".log"), place.offset, 1)
    said = []
    log = KeyedLog(path, report=said.append)
    assert not said
    assert log.get("key-5") is None
    assert "key-5" not in log
    assert log.get("key-6") is not None
    assert len(said) == 1
    log.append("key-5", b"again")
    log.close()
    log = KeyedLog(path, report=said.append)
    assert (log.get("key-5"), len(said)) == ((0, b"again"), 1)
    log.close()
    alter(path.with_suffix(".log"), place.offset + 110, 1)
    KeyedLog(path, report=said.append, doubt_all=True).close()
    assert len(said) == 2


def test_a_damaged_header_is_written_again_from_the_index(tmp_path):
    path = filled(tmp_path / "a", 40)
    before = path.with_suffix(".log").read_bytes()
    place = log_files.LogFiles(path, read_only=True).place(20)
    alter(path.with_suffix(".log"), place.offset - 30, 1)
    said = []
    KeyedLog(path, report=said.append).close()
    assert path.with_suffix(".log").read_bytes() == before
    assert "header" in said[0]


def test_missing_keys_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(log_files, "WINDOW_BYTES", 0)
    assert KeyedLog(tmp_path / "empty").num_missing(["a", "b"]) == 2
    path = filled(tmp_path / "a", 40)
    log = KeyedLog(path)
    log.append("new", b"1")
    wanted = [f"key-{i}" for i in range(30, 50)] + ["new"]
    assert log.num_missing(wanted) == 10
    assert log.num_missing([]) == 0
    alter(path.with_suffix(".log"), log_files.LogFiles(path, read_only=True).place(35).offset, 1)
    assert log.num_missing(wanted) == 10
    assert log.get("key-35") is None
    assert log.num_missing(wanted) == 11


def test_looking_locks_and_changes_nothing(tmp_path):
    path = filled(tmp_path / "a", 4)
    writer = KeyedLog(path)
    with open(path.with_suffix(".log"), "ab") as file:
        file.write(b"half")
    before = path.with_suffix(".log").read_bytes(), path.with_suffix(".idx").read_bytes()
    reader = KeyedLog(path, read_only=True)
    assert (len(reader), reader.get("key-3")) == (4, (0, b"payload 3" * 4))
    reader.close()
    writer.close()
    assert before == (path.with_suffix(".log").read_bytes(), path.with_suffix(".idx").read_bytes())
    assert len(KeyedLog(tmp_path / "nothing", read_only=True)) == 0
    assert not list(tmp_path.glob("nothing*"))


def test_what_stands_behind_a_sync_is_synced_before_sync_returns(tmp_path, monkeypatch):
    monkeypatch.setattr(syncing, "WINDOW_RECORDS", 4)
    real, sizes, held = os.fdatasync, {}, threading.Event()
    held.set()

    def slow(handle):
        size = os.fstat(handle).st_size
        held.wait(5)
        real(handle)
        sizes[handle] = size

    monkeypatch.setattr(os, "fdatasync", slow)
    log = KeyedLog(tmp_path / "a")
    held.clear()
    for i in range(6):  # a sync begins at the fourth; two stand behind it
        log.append(str(i), b"x")
    held.set()
    log.sync()
    assert [sizes[handle] for handle in log._files.handles] == [6 * 45, 6 * 44]
    log.close()
