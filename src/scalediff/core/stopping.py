"""Signals: the first ends a command in good order, the second at once, neither with a traceback.

TERM, USR1, HUP (unless it is ignored, as under ``nohup``) and Ctrl-C mean the same. No exception is
ever raised out of nowhere: the C handler writes a byte into a pipe, a thread reads it, and

* where no run is being worked on (imports, a question, a command that only reads) it ends the
  process there and then, with exit status 75;
* where one is, nothing new begins (``check``), and paid work that is under way (``under_way``) may
  finish within the grace time. What is left after that is given up. Work that looks at nothing for
  some seconds is ended all the same: a run is whole at any instant, ``kill -9`` included;
* a second signal ends the process at once. Children see their pipes close and end as well.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

from scalediff.core.errors import INTERRUPTED, Stopped

GRACE_S = 20.0
"""Seconds that paid work under way has to finish: Slurm and Kubernetes kill after 30."""
_AFTER_S = 8.0
"""Seconds for what comes after it (engines are closed, the report is written), and for work that
is not paid for to reach its next check."""
_LOOK_S = 0.05
_AT_ONCE = "ended at once; what had finished is kept, run the same command again to go on"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)

Item = TypeVar("Item")
Callback = Callable[[], object]


def _nothing() -> None:
    """Nobody is told."""


class Stopping:
    """What this process was asked to end with, and who hears of it.

    Attributes:
        grace_s: Seconds that paid work under way has to finish.
        signal: Name of the first signal; empty until then.
        status: What a process ends with whose result is settled; None before.
    """

    def __init__(self) -> None:
        self.grace_s = GRACE_S
        self.signal = ""
        self.status: int | None = None
        self._working = 0
        self._under_way: dict[object, tuple[Callback, Callback]] = {}
        self._hearers: dict[object, Callback] = {}
        self._asked = self._left = 0.0
        self._is_over = False
        self._pipe: tuple[int, int] | None = None

    def install(self) -> None:
        """Take the signals of this process over; called in its main thread, before the imports."""
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
            threading.Thread(target=self._listen, name="scalediff-signals", daemon=True).start()
            atexit.register(_ignore_all)  # registered first, thus run last
        self.signal, self.status, self._is_over = "", None, False
        for number in _SIGNALS:
            # a shell starts background jobs with INT ignored; `nohup` means HUP to be
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._taken)
        self.listen()

    def listen(self) -> bool:
        """Have signals come here, also while an event loop runs, which takes them for itself.

        Returns:
            Whether they did already.
        """
        if self._pipe is None or threading.current_thread() is not threading.main_thread():
            return False
        mine = self._pipe[1]
        return signal.set_wakeup_fd(mine, warn_on_full_buffer=False) == mine

    def _taken(self, number: int, _: object) -> None:
        """Python's own turn: the byte is there, unless an event loop has it."""
        if not self.listen() and self._pipe is not None:
            os.write(self._pipe[1], bytes([number]))

    @contextmanager
    def working(self) -> Iterator[None]:
        """A run is being worked on: the first signal ends it at the next ``check``."""
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A person is asked something: a signal is the answer, and nothing is under way."""
        before, self._working = self._working, 0
        try:
            yield
        finally:
            self._working = before

    @contextmanager
    def under_way(self, heard: Callback = _nothing, over: Callback = _nothing) -> Iterator[None]:
        """Paid work goes on, which may finish within the grace time.

        Args:
            heard: Called, in a thread of its own, when the first signal comes (at once where it
                has come): begin nothing new.
            over: Called so when the grace time is over: give up what is left.
        """
        place = object()
        self._under_way[place] = heard, over
        if self.signal:
            heard()
        try:
            yield
        finally:
            del self._under_way[place]
            self._left = time.monotonic()

    def hear(self, heard: Callback) -> Callable[[], None]:
        """Have a function called, in a thread of its own, when the first signal comes.

        Returns:
            What takes that back.
        """
        place = object()
        self._hearers[place] = heard
        return partial(self._hearers.__delitem__, place)

    def check(self) -> None:
        """Between two pieces of work.

        Raises:
            Stopped: A signal has come.
        """
        if self.signal:
            raise self.stopped()

    def checked(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, as long as no signal comes."""
        for item in items:
            self.check()
            yield item

    def stopped(self, detail: str = "") -> Stopped:
        """What ends the work; ``detail`` says what became of it."""
        return Stopped(INTERRUPTED, detail)

    def _listen(self) -> None:
        assert self._pipe is not None
        while True:
            wait = _LOOK_S if self.signal else None
            ready, _, _ = select.select([self._pipe[0]], [], [], wait)
            for number in os.read(self._pipe[0], 64) if ready else b"":
                if number in _SIGNALS:
                    self._take(number)
            if self.signal:
                self._look()

    def _take(self, number: int) -> None:
        """One signal has come."""
        if self.status is not None:
            os._exit(self.status)
        if self.signal:
            _end(_AT_ONCE)
        if not self._working:
            _end(INTERRUPTED)
        self._asked = time.monotonic()
        self.signal = signal.Signals(number).name
        _call(*self._hearers.values(), *(heard for heard, _ in self._under_way.values()))

    def _look(self) -> None:
        """Whether the time of what is under way, or of what comes after, is over."""
        now = time.monotonic()
        if not self._is_over and now > self._asked + self.grace_s:
            self._is_over = True
            _call(*(over for _, over in self._under_way.values()))
        last = self._asked + self.grace_s if self._under_way else max(self._asked, self._left)
        if now > last + _AFTER_S:
            _end(INTERRUPTED)


STOPPING = Stopping()
"""Of this process."""


@contextmanager
def kept_from_children(*more: signal.Signals) -> Iterator[None]:
    """Processes (and threads that start some) begun here do not see Ctrl-C and the like.

    A terminal sends Ctrl-C to all of them, Slurm whatever it sends (``more``: TERM too, which some
    children are ended with); this process alone decides what becomes of the others.
    """
    numbers = {signal.SIGINT, signal.SIGUSR1, signal.SIGHUP, *more}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """In a child whose end is its parent's business: no signal of these ends it."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # blocked while it began


def _call(*callbacks: Callback) -> None:
    for callback in callbacks:
        with suppress(RuntimeError):  # its event loop has ended meanwhile
            callback()


def _ignore_all() -> None:
    """At the very end, where the interpreter gives the signals back, none changes the status."""
    with suppress(ValueError):
        ignore_signals()


def _end(said: str) -> None:
    with suppress(OSError):
        clear = "\r\x1b[2K" if os.isatty(2) else ""
        os.write(2, f"{clear}scalediff: {said}\n".encode())
    os._exit(75)
