"""One process works in a run directory; the others are told which, and change nothing."""

import json
import os
import subprocess
import sys

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io.lock import RunLock, holder_of

HOLD = """
import sys
from pathlib import Path
from scalediff.io.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.take()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_refusal_names_the_holder_and_changes_nothing(tmp_path, holder):
    before = (tmp_path / "lock").read_bytes(), (tmp_path / "lock").stat().st_mtime_ns
    with pytest.raises(RunStateError) as refused:
        RunLock(tmp_path).take()
    host = os.uname().nodename
    assert f"at work in another process (process {holder.pid} on {host}, since" in str(
        refused.value
    )
    assert before == ((tmp_path / "lock").read_bytes(), (tmp_path / "lock").stat().st_mtime_ns)
    assert f"process {holder.pid}" in str(holder_of(tmp_path))
    assert holder_of(tmp_path).pid == holder.pid


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == holder.pid
    assert holder_of(tmp_path) is None
    lock = RunLock(tmp_path)
    lock.take()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lock.release()
    assert (tmp_path / "lock").read_bytes() == b""


def test_who_only_looks_is_in_nobodys_way(tmp_path):
    lock = RunLock(tmp_path)
    lock.take()
    lock.take()  # it has it
    assert lock.is_held
    lock.release()
    assert holder_of(tmp_path) is None
    assert holder_of(tmp_path / "absent") is None


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("the user's")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        RunLock(tmp_path).take()
    assert (tmp_path / "precious").read_text() == "the user's"


def test_a_lock_that_was_deleted_locks_nobody_out(tmp_path, holder):
    (tmp_path / "lock").unlink()
    lock = RunLock(tmp_path)
    lock.take()  # nothing else can be known; the logs have locks of their own
    lock.release()
