"""Work beside the rest: how much at once, and that nothing is left running."""

import subprocess
import sys
import threading
import time

import pytest

from scalediff.beside import Beside
from scalediff.training.job import Children

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def sleeper():
    return subprocess.Popen(SLEEPER, text=True)


def test_as_many_at_once_as_asked_and_all_come_back():
    at_work, most_seen, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2, timeout=100)  # the first four go on in pairs

    def work(number):
        nonlocal at_work, most_seen
        with lock:
            at_work += 1
            most_seen = max(most_seen, at_work)
        if number < 4:
            two.wait()
        with lock:
            at_work -= 1
        return number

    came = {}
    with Beside(2, lambda: None) as beside:
        for number in range(5):
            while not beside.has_room:
                task, outcome = beside.wait()
                came[task] = outcome
            beside.start(number, lambda n=number: work(n))
        while beside.num_running:
            task, outcome = beside.wait()
            came[task] = outcome
    assert came == {n: n for n in range(5)}
    assert most_seen == 2


def test_a_failure_ends_the_others_and_is_raised():
    children = Children()
    started = []

    def long():
        child = sleeper()
        started.append(child)
        with children.watch(child):
            child.wait()

    def failing():
        while not started:
            time.sleep(0.01)
        raise ValueError("the training failed")

    def both():
        with Beside(2, children.stop) as beside:
            beside.start("long", long)
            beside.start("failing", failing)
            beside.wait()

    with pytest.raises(ValueError, match="the training failed"):
        both()
    assert started[0].poll() is not None


def test_a_child_that_starts_after_the_stop_ends_too():
    children = Children()
    children.stop()
    child = sleeper()
    with children.watch(child):
        assert child.wait(timeout=200) != 0
