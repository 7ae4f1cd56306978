"""What is owed is finished exactly once, whatever fails on the way."""

import asyncio
from collections import Counter

import pytest
from fakes import FakeDomain

from scalediff import owed
from scalediff.core.errors import EngineError, RecordError, RequestError, Stopped
from scalediff.core.records import Drop
from scalediff.core.stage import AsyncStage, Config, Context
from scalediff.io.ledger import Ledger
from scalediff.owed import Owed


class Step(AsyncStage):
    """Does what a function of the key and the number of the try says."""

    name = "step"

    def __init__(self, does, k=1):
        super().__init__(Config())
        self.does, self.k = does, k
        self.tries = Counter()
        self.now = self.most = 0

    def sample_indices(self):
        return range(self.k)

    async def process(self, row, sample_index, ctx):
        key = f"{row['key']}#{sample_index}"
        self.tries[key] += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            error = self.does(row["key"], self.tries[key])
            if error is not None:
                raise error
        finally:
            self.now -= 1
        return {"made": sample_index}


def good(key, n):
    return None


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)
        await real(0)

    real = asyncio.sleep
    monkeypatch.setattr(owed.asyncio, "sleep", sleep)
    return slept


def work(tmp_path, step, n=20, brake=None):
    """Work on n rows; the keys and outcomes, and what was raised."""
    rows = [{"key": f"r{i}"} for i in range(n)]
    ctx = Context(FakeDomain(), "role", 1, "step", tmp_path)
    with Ledger(tmp_path / "ledger") as ledger:
        job = Owed(step, lambda: iter(rows), ledger, ctx, brake=brake)
        raised = None
        try:
            asyncio.run(job.work(job.owed(), n * step.k))
        except EngineError as error:
            raised = error
        except Stopped as error:
            raised = error
        ledger.flush()
        return dict(job.outcomes()), raised, len(ledger)


def test_each_unit_is_done_once_and_not_again(tmp_path):
    step = Step(good, k=3)
    found, raised, finished = work(tmp_path, step)
    assert raised is None
    assert set(found) == {f"r{i}" for i in range(20)}
    assert finished == 60
    assert set(step.tries.values()) == {1}
    again = Step(good, k=3)
    work(tmp_path, again)
    assert not again.tries
    more = Step(good, k=4)
    work(tmp_path, more)
    assert set(more.tries) == {f"r{i}#3" for i in range(20)}


def test_an_outage_owes_rows_and_drops_none(tmp_path):
    down = Step(lambda key, n: EngineError("down"))
    _, raised, finished = work(tmp_path, down)
    assert "still owed after 4 fruitless passes" in str(raised)
    assert finished == 0
    found, raised, _ = work(tmp_path, Step(lambda key, n: EngineError("x") if n < 4 else None))
    assert raised is None
    assert not any(isinstance(outcome, Drop) for outcome in found.values())


def test_a_row_that_fails_alone_leaves_after_its_tries_and_blocks_nobody(tmp_path):
    step = Step(lambda key, n: RequestError("500") if key == "r3" else None)
    found, raised, _ = work(tmp_path, step)
    assert raised is None
    assert found["r3"] == Drop("attempt_failed", "in 3 passes, last: 500")
    assert step.tries["r3#0"] == owed.TRIES
    assert sum(isinstance(outcome, Drop) for outcome in found.values()) == 1


def test_an_outage_uses_up_no_tries(tmp_path):
    def does(key, n):
        if key != "r3" or n > 4:
            return None
        return RequestError("500") if n % 2 else EngineError("down")

    found, raised, _ = work(tmp_path, Step(does))
    assert raised is None
    assert found["r3"] == {"made": 0}


def test_a_row_error_is_a_drop_at_once(tmp_path):
    step = Step(lambda key, n: RecordError("over_length", "9 > 8") if key == "r1" else None)
    found, _, _ = work(tmp_path, step)
    assert found["r1"] == Drop("over_length", "9 > 8")
    assert step.tries["r1#0"] == 1


def test_a_dead_engine_is_not_asked_for_the_whole_queue(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "WINDOW", 8)
    step = Step(lambda key, n: EngineError("down"))
    work(tmp_path, step, n=1000)
    assert sum(step.tries.values()) <= 4 * 3 * 8
    assert step.most <= 8


class Brake:
    def __init__(self, after):
        self.after, self.noted = after, 0

    def note(self, outcome):
        self.noted += 1

    def reason(self):
        return Stopped("enough") if self.noted >= self.after else None


def test_a_brake_lets_what_is_under_way_finish_and_keeps_it(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "WINDOW", 4)
    step, brake = Step(good), Brake(after=6)
    found, raised, finished = work(tmp_path, step, brake=brake)
    assert str(raised) == "enough"
    assert 6 <= finished <= 9
    assert finished == brake.noted == len(step.tries)
    unfinished = [o for o in found.values() if isinstance(o, Drop)]
    assert {o.reason for o in unfinished} == {"unfinished"}
    rest = Step(good)
    _, raised, finished = work(tmp_path, rest)
    assert (raised, finished) == (None, 20)
    assert not set(rest.tries) & set(step.tries)


def test_pauses_between_fruitless_passes_grow(tmp_path, fast):
    work(tmp_path, Step(lambda key, n: EngineError("down")))
    pauses = [seconds for seconds in fast if seconds]
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
