"""The first thing that the command line imports: a signal ends it in one sentence from here on.

It takes nothing that is not loaded already, for imports are most of the time until ``stopping.py``
takes the signals over. A program that imports the library keeps its own.
"""

import _signal  # what `signal` wraps, without the milliseconds that wrapping takes
import os
import sys

_program = sys.argv[0] if getattr(sys, "argv", None) else ""
IS_COMMAND = "--multiprocessing-fork" not in sys.orig_argv and (
    _program.endswith("/scalediff") or (_program == "-m" and "scalediff.cli" in sys.orig_argv)
)
"""Whether this process is the command line, and not one that it started."""


def _end(*_: object) -> None:
    os.write(2, b"scalediff: stopped in good order; run the same command again to go on\n")
    os._exit(75)


if IS_COMMAND:
    for _number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGUSR1, _signal.SIGHUP):
        if _number != _signal.SIGHUP or _signal.getsignal(_number) != _signal.SIG_IGN:
            _signal.signal(_number, _end)
