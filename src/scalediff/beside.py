"""Work that goes on beside the rest, in threads that wait for processes.

The threads only wait, so whoever starts them says how to end what they wait for: an interrupt or a
failure leaves nothing running.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, Self, TypeVar

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


class Beside(Generic[Task, Outcome]):
    """Tasks under way, ``most`` at a time.

    Args:
        most: How many things may go on at once, the caller's own included.
        stop: Ends what the tasks wait for; called where one failed or the caller was interrupted.
    """

    def __init__(self, most: int, stop: Callable[[], None]) -> None:
        self.most = most
        self._stop = stop
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="beside")
        self._running: dict[Future[Outcome], Task] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running:
            self._stop()
        self._pool.shutdown(wait=True)

    @property
    def num_running(self) -> int:
        """Tasks under way."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether one more thing may go on."""
        return len(self._running) < self.most

    def start(self, task: Task, work: Callable[[], Outcome]) -> None:
        """Do the work beside the caller."""
        self._running[self._pool.submit(work)] = task

    def wait(self) -> tuple[Task, Outcome]:
        """The next task that ends, and what came of it; raises what it raised."""
        finished, _ = wait(self._running, return_when=FIRST_COMPLETED)
        future = next(f for f in self._running if f in finished)
        return self._running.pop(future), future.result()
