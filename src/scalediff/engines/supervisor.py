"""A process between this one and a server, so that the server never outlives it.

Run as a script: ``python -I supervisor.py GRACE_S COMMAND...``. It starts the command in a process
group of its own and ends it, with whatever that started, once standard input is closed. The kernel
closes the pipe when its other end dies in whatever way, kill -9 included. It imports nothing but
the standard library and is of a few megabytes.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_KILL_S = 5.0
_LOOK_S = 0.05


def main() -> int:
    """Run the command to its end, or to the pipe's; its exit status."""
    grace_s, command = float(sys.argv[1]), sys.argv[2:]
    wakes = _wake_on_signals()
    libc = _libc()
    if libc is not None:  # what leaves the group becomes a child of this process, and is found
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def tie() -> None:
        if libc is not None:  # so that it does not outlive this process either
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    try:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=tie
        )
    except OSError as error:
        print(f"OSError: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    _wait(server, wakes)
    status = server.poll()
    _end_all(server, grace_s)
    return 0 if status is None else status if status >= 0 else 128 - status


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def _wake_on_signals() -> int:
    """A pipe that gets a byte for each signal of interest."""
    reads, writes = os.pipe()
    os.set_blocking(reads, False)
    os.set_blocking(writes, False)
    signal.set_wakeup_fd(writes, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reads


def _wait(server: subprocess.Popen[bytes], wakes: int) -> None:
    """Until the server ends, the pipe closes, or somebody asks this process to end."""
    while server.poll() is None:
        ready, _, _ = select.select([0, wakes], [], [])
        if 0 in ready and not os.read(0, 64):
            return
        if wakes in ready and set(os.read(wakes, 512)) - {signal.SIGCHLD}:
            return


def _end_all(server: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask the group and all that left it to end, and make them after a while."""
    asked: set[int] = set()
    began = time.monotonic()
    while True:
        gone = server.poll() is not None
        if gone:  # its orphans are this process's children now, and have to be collected
            _collect()
        has_group = _send(os.killpg, server.pid, 0)
        others = [child for child in _children() if child != server.pid]
        seconds = time.monotonic() - began
        if (not has_group and not others) or seconds > grace_s + _KILL_S:
            return
        if seconds > grace_s:
            number, targets = signal.SIGKILL, others
        else:
            number, targets = signal.SIGTERM, [pid for pid in others if pid not in asked]
        if seconds > grace_s or server.pid not in asked:
            _send(os.killpg, server.pid, number)
        for pid in targets:
            _send(os.kill, pid, number)
        asked.update(targets, [server.pid])
        time.sleep(_LOOK_S)


def _collect() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _children() -> list[int]:
    with suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]
    return []


def _send(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    """Whether there was somebody to send it to."""
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
