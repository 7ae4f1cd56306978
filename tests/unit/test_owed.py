"""What is owed is finished exactly once, whatever fails on the way."""

import asyncio
import itertools
import random
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
    def __init__(self, after, most=1000):
        self.after, self.most, self.noted = after, most, 0

    def note(self, outcome):
        self.noted += 1

    def reason(self):
        return Stopped("enough") if self.noted >= self.after else None

    def is_full(self, num_under_way, num_done, width):
        return num_under_way >= self.most


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


def test_a_brake_is_told_what_earlier_invocations_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "WINDOW", 4)
    work(tmp_path, Step(good), brake=Brake(after=6))
    rest, brake = Step(good), Brake(after=6)
    _, raised, finished = work(tmp_path, rest, brake=brake)
    assert str(raised) == "enough"  # at once: nothing more is paid for
    assert not rest.tries
    assert brake.noted == finished >= 6


def test_a_brake_holds_units_back_until_others_have_finished(tmp_path):
    step = Step(good)
    found, raised, _ = work(tmp_path, step, brake=Brake(after=1000, most=3))
    assert (len(found), raised, step.most) == (20, None, 3)


def test_what_is_held_back_goes_on_when_all_under_way_have_failed(tmp_path):
    fails = Step(lambda key, n: EngineError("down") if n < 3 else None)
    found, raised, finished = work(tmp_path, fails, brake=Brake(after=1000, most=1))
    assert (len(found), raised, finished, fails.most) == (20, None, 20, 1)


def test_pauses_between_fruitless_passes_grow(tmp_path, fast):
    work(tmp_path, Step(lambda key, n: EngineError("down")))
    pauses = [seconds for seconds in fast if seconds]
    assert pauses == [1.0, 2.0, 4.0]


def test_progress_is_of_all_units_those_of_earlier_invocations_too(tmp_path):
    told = []

    def run(n):
        rows = [{"key": f"r{i}"} for i in range(n)]
        ctx = Context(FakeDomain(), "role", 1, "step", tmp_path)
        ctx.progress = lambda done, total: told.append((done, total))
        with Ledger(tmp_path / "ledger") as ledger:
            job = Owed(Step(good), lambda: iter(rows), ledger, ctx)
            asyncio.run(job.work(job.owed(), n))

    run(300)
    assert {total for _, total in told} == {300}
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert set(done) >= {*range(1, 65), 128, 192, 256, 300}
    assert len(done) < 100  # one line a unit would slow the work down
    told.clear()
    run(400)
    assert {total for _, total in told} == {400}
    assert min(done for done, _ in told) > 300
    assert max(done for done, _ in told) == 400


def test_a_row_of_which_nothing_is_finished_says_so(tmp_path):
    ctx = Context(FakeDomain(), "role", 1, "step", tmp_path)
    with Ledger(tmp_path / "ledger") as ledger:
        job = Owed(Step(good, k=2), lambda: iter([{"key": "a"}, {"key": "b"}]), ledger, ctx)
        ledger.write("a#1", Drop("over_length", "9 > 8"))
        assert dict(job.outcomes()) == {
            "a": Drop("over_length", "9 > 8"),
            "b": Drop("unfinished", "the run was finished early"),
        }
        ledger.write("a#0", {"label": "4", "attempts": [{"sample_index": 0}]})
        assert dict(job.outcomes())["a"] == {"label": "4", "attempts": [{"sample_index": 0}]}


def test_after_a_fruitless_pass_few_units_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "WINDOW", 50)
    step = Step(lambda key, n: EngineError("down"))
    _, raised, _ = work(tmp_path, step, n=1000)
    assert raised is not None
    # the first pass asks as many as are under way, the three after it a few each
    assert sum(step.tries.values()) <= 2 * 50 + 3 * 2 * owed._PROBES
    back = Step(lambda key, n: EngineError("down") if n < 2 else None)
    found, raised, _ = work(tmp_path, back, n=1000)
    assert (raised, len(found)) == (None, 1000)
    assert set(back.tries.values()) <= {1, 2}
    assert back.most > owed._PROBES


def test_probes_that_take_long_hold_nobody_back_for_good(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "_PROBE_S", 0.05)
    held = asyncio.Event()
    step = Step(lambda key, n: EngineError("down") if n == 1 else None)
    process = step.process

    async def slow(row, sample_index, ctx):
        if step.tries[f"{row['key']}#{sample_index}"]:  # every second try waits for the last one
            if step.now + 1 < 20:
                step.now += 1
                await held.wait()
                step.now -= 1
            held.set()
        return await process(row, sample_index, ctx)

    step.process = slow
    found, raised, _ = work(tmp_path, step)
    assert raised is None
    assert all(outcome == {"made": 0} for outcome in found.values())


def test_failed_units_are_held_in_bounds_and_none_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "_MOST_FAILED", 30)
    monkeypatch.setattr(owed, "WINDOW", 10)
    most = []
    one_pass = Owed._one_pass

    async def watched(self, *args, **more):
        over = await one_pass(self, *args, **more)
        most.append(len(self._failed) + len(self._retries))
        return over

    monkeypatch.setattr(Owed, "_one_pass", watched)
    # every second one fails at first, so that the engine never seems to be down
    step = Step(lambda key, n: EngineError("x") if n == 1 and int(key[1:]) % 2 else None)
    found, raised, _ = work(tmp_path, step, n=600)
    assert (raised, len(found)) == (None, 600)
    assert max(most) <= 30 + 10
    assert set(step.tries.values()) == {1, 2}


def test_work_that_waits_for_nobody_leaves_the_loop_its_turns(tmp_path):
    class AtOnce(Step):
        async def process(self, row, sample_index, ctx):
            return {"made": sample_index}

    turns = []

    async def main():
        rows = [{"key": f"r{i}"} for i in range(5000)]
        ctx = Context(FakeDomain(), "role", 1, "step", tmp_path)
        with Ledger(tmp_path / "ledger") as ledger:
            job = Owed(AtOnce(good), lambda: iter(rows), ledger, ctx)
            task = asyncio.ensure_future(job.work(job.owed(), 5000))
            while not task.done():
                turns.append(len(ledger))
                await asyncio.sleep(0)

    asyncio.run(main())
    assert max(b - a for a, b in itertools.pairwise(turns)) <= 2 * owed.WINDOW


def test_races_of_failing_and_cancelled_units_finish_each_once(tmp_path, monkeypatch):
    monkeypatch.setattr(owed, "WINDOW", 16)
    rng = random.Random(5)
    finished = Counter()

    class Counting(Ledger):
        def write(self, key, outcome, ordinal=0):
            finished[key] += 1
            super().write(key, outcome, ordinal)

    def does(key, n):
        lot = rng.random()
        if lot < 0.3:
            return EngineError("down") if lot < 0.15 else RequestError("500")
        return None

    rows = [{"key": f"r{i}"} for i in range(300)]
    ctx = Context(FakeDomain(), "role", 1, "step", tmp_path)

    async def cut_short(job, turns):
        task = asyncio.ensure_future(job.work(job.owed(), 600))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    for turns in (3, 10, 40, 100_000):
        with Counting(tmp_path / "ledger") as ledger:
            job = Owed(Step(does, k=2), lambda: iter(rows), ledger, ctx)
            asyncio.run(cut_short(job, turns))
    assert len(finished) == 600
    assert set(finished.values()) == {1}
