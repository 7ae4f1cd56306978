"""What is on the disk when: syncs in a thread, those behind them, and their errors."""

import errno
import threading

import pytest

from scalediff.io import syncing
from scalediff.io.syncing import Syncer


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


class Disk:
    """A disk whose syncs wait for a word; it says which files were synced."""

    def __init__(self, monkeypatch):
        self.synced, self.error = [], None
        self.may_go, self.has_begun = threading.Event(), threading.Event()
        self.may_go.set()
        monkeypatch.setattr(syncing.os, "fdatasync", self.sync)
        monkeypatch.setattr(syncing, "WINDOW_RECORDS", 10)
        monkeypatch.setattr(syncing, "WINDOW_BYTES", 1000)
        monkeypatch.setattr(syncing, "WINDOW_SECONDS", 1e9)

    def sync(self, handle):
        self.has_begun.set()
        assert self.may_go.wait(100)
        if self.error is not None:
            raise self.error
        self.synced.append(handle)


def test_a_window_of_records_or_of_bytes_begins_a_sync_and_less_does_not(disk):
    for records, size in ((10, 0), (0, 1000), (11, 5)):
        syncer = Syncer([1, 2])
        disk.synced.clear()
        syncer.wrote(9, 999)
        syncer.close()
        assert disk.synced == []
        syncer = Syncer([1, 2])
        syncer.wrote(records, size)
        syncer.close()  # waits for what is under way
        assert disk.synced == [1, 2]


def test_what_is_written_during_a_sync_is_synced_behind_it(disk):
    syncer = Syncer([1])
    disk.may_go.clear()
    syncer.wrote(10, 0)
    assert disk.has_begun.wait(100)
    syncer.wrote(3, 0)  # after the sync under way has begun: it may not be in it
    disk.may_go.set()
    syncer.finish()
    assert disk.synced == [1, 1]
    syncer.finish()
    assert disk.synced == [1, 1]  # nothing was written since
    syncer.wrote(10, 0)
    syncer.finish()
    assert disk.synced == [1, 1, 1]
    syncer.close()


def test_a_writer_that_is_two_windows_ahead_waits(disk):
    syncer = Syncer([1])
    disk.may_go.clear()
    syncer.wrote(10, 0)
    assert disk.has_begun.wait(100)
    syncer.wrote(9, 0)
    syncer.make_room(1, 0)  # there is: twenty in all
    waits = threading.Thread(target=syncer.make_room, args=(2, 0))
    waits.start()
    waits.join(0.05)
    assert waits.is_alive()
    disk.may_go.set()
    waits.join(100)
    assert not waits.is_alive()
    syncer.make_room(10**6, 10**9)  # what is larger than all windows need not wait for ever
    syncer.close()


def test_what_vouches_for_less_is_on_the_disk_first(disk):
    first = Syncer([1, 2])
    syncer = Syncer([3, 4], first)
    syncer.wrote(1, 0)
    syncer.finish()
    assert disk.synced == [1, 2, 3, 4]
    first.close()
    syncer.now()
    assert disk.synced[4:] == [3, 4]  # closed handles are not touched
    syncer.close()
    syncer.now()
    assert len(disk.synced) == 6


def test_an_error_of_the_disk_is_raised_at_the_next_call_and_ever_after(disk):
    syncer = Syncer([1])
    disk.error = OSError(errno.EIO, "Input/output error")
    syncer.wrote(10, 0)
    with pytest.raises(OSError, match="Input/output"):
        syncer.finish()
    disk.error = None
    for call in (syncer.finish, lambda: syncer.make_room(1, 1)):
        with pytest.raises(OSError, match="Input/output"):
            call()
    syncer.close()


def test_the_first_write_after_a_while_is_synced_however_little_it_is(disk, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(syncing.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(syncing, "WINDOW_SECONDS", 1.0)
    syncer = Syncer([1])
    now[0] += 1.0
    syncer.wrote(1, 1)
    syncer.finish()
    now[0] += 1.5
    disk.synced.clear()
    syncer.wrote(1, 1)
    syncer.close()
    assert disk.synced == [1]
