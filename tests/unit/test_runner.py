"""One step from its rows to its seal: what is asked, what is asked again, what is counted."""

import asyncio
import decimal

import pytest
from fakes import FakeEngine, FakeTable, context

from scalediff.core.errors import EngineError, RecordError
from scalediff.core.records import Drop
from scalediff.core.stage import AsyncStage, Config, RowStage, SetStage
from scalediff.io.attempts import AttemptStore
from scalediff.io.parquet import read_table
from scalediff.io.run import Run
from scalediff.runner import run_async_stage, run_row_stage, run_set_stage


class Asking(AsyncStage):
    """Keeps an attempt a unit in the store; r1 has none, r2 leaves, r3 was made elsewhere."""

    name = "asking"
    adds = ("attempts",)
    pays = True

    def __init__(self, store, k=1, error=None):
        super().__init__(Config())
        self.store, self.k, self.error = store, k, error
        self.asked = []

    def sample_indices(self):
        return range(self.k)

    async def process(self, row, sample_index, ctx):
        assert ctx.engine is not None
        self.asked.append((row["key"], sample_index))
        if self.error is not None:
            raise self.error
        attempt = {"role": "teacher", "sample_index": sample_index, "answer": "4"}
        match row["key"]:
            case "r1":
                return {}
            case "r2":
                raise RecordError("over_length", "9 > 8")
            case "r3":
                return {"attempts": [attempt]}
        name = f"{row['key']}-{sample_index}"
        self.store.put(name, {"content": "4"})
        return {"attempts": [{**attempt, "attempt_id": name}]}


class Job:
    """A step of six rows, to be taken up as often as one likes, each time with another store."""

    def __init__(self, path):
        self.path = path
        self.folder = Run(path / "run").step("asking", "a" * 64)
        self.folder.begin({"name": "asking", "births": False, "inputs": []})
        self.opened = 0

    def run(self, store="store", k=1, error=None, brake=None, finish=False):
        kept = AttemptStore(self.path / store)
        stage = Asking(kept, k, error)

        async def open_engine():
            self.opened += 1
            return FakeEngine()

        try:
            result = run_async_stage(
                stage, self.folder, lambda: iter([{"key": f"r{i}"} for i in range(6)]), 6,
                context(folder=self.folder.path), kept, open_engine, asyncio.run, brake, finish,
            )  # fmt: skip
        finally:
            kept.close()
        return stage.asked, result


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


ALL = [(f"r{i}", 0) for i in range(6)]


def test_what_is_finished_is_not_asked_again_and_no_engine_opened_for_it(job):
    asked, first = job.run()
    assert (sorted(asked), job.opened) == (ALL, 1)
    again, second = job.run()
    assert (again, job.opened) == ([], 1)
    assert first.digest == second.digest
    more, _ = job.run(k=2)
    assert sorted(more) == [(f"r{i}", 1) for i in range(6)]


def test_attempts_that_the_store_has_lost_are_asked_again_and_nothing_else(job):
    _, first = job.run()
    # a power cut took the store's last records, and left the ledger that speaks of them
    asked, result = job.run("emptied")
    assert sorted(asked) == [("r0", 0), ("r4", 0), ("r5", 0)]
    assert result.digest == first.digest
    assert job.run("emptied")[0] == []


def test_one_lost_attempt_of_several_is_asked_again_alone(job):
    job.run(k=3)
    kept = AttemptStore(job.path / "less")
    for i in (0, 4, 5):
        for index in range(3):
            if (i, index) != (4, 1):
                kept.put(f"r{i}-{index}", {"content": "4"})
    kept.close()
    assert job.run("less", k=3)[0] == [("r4", 1)]


def test_what_is_written_and_counted(job):
    _, result = job.run(k=2)
    assert result.counts() == {"in": 6, "out": 5, "review": 0, "dropped": {"over_length": 1}}
    assert (result.num_rows, result.num_unfinished) == (5, 0)
    rows = [row["key"] for row in read_table(job.folder.path / "rows.parquet")]
    assert rows == ["r0", "r1", "r3", "r4", "r5"]
    attempts = list(read_table(job.folder.path / "attempts.parquet"))
    assert [(a["key"], a["sample_index"]) for a in attempts] == [
        (key, index) for key in ("r0", "r3", "r4", "r5") for index in (0, 1)
    ]
    (drop,) = read_table(job.folder.path / "drops.parquet")
    assert drop == {"key": "r2", "reason": "over_length", "evidence": "9 > 8"}


class Stops:
    """Begins nothing new after so many units."""

    def __init__(self, after):
        self.after, self.noted = after, 0

    def note(self, outcome):
        self.noted += 1

    def reason(self):
        return EngineError("enough") if self.noted >= self.after else None

    def is_full(self, num_under_way, num_done, width):
        return num_under_way > 0  # one after another


def test_finishing_seals_what_is_there_and_counts_what_is_not(job):
    with pytest.raises(EngineError, match="enough"):
        job.run(brake=Stops(after=4))
    assert not (job.folder.path / "rows.parquet").exists()
    asked, result = job.run(finish=True)
    assert asked == []
    assert result.num_unfinished == 2
    assert result.counts()["dropped"] == {"unfinished": 2, "over_length": 1}
    asked, result = job.run()
    assert sorted(asked) == [("r4", 0), ("r5", 0)]
    assert (result.num_unfinished, result.counts()["out"]) == (0, 5)


def test_finishing_what_was_never_begun_does_the_work(job):
    asked, result = job.run(finish=True)
    assert sorted(asked) == ALL
    assert result.num_unfinished == 0


def test_what_fails_is_one_error_and_leaves_no_half_table(job, monkeypatch):
    async def at_once(seconds):
        await pause(0)

    pause = asyncio.sleep
    monkeypatch.setattr("scalediff.owed.asyncio.sleep", at_once)
    with pytest.raises(OSError, match="no space") as raised:
        job.run(error=OSError("no space"))
    assert not isinstance(raised.value, BaseExceptionGroup)
    assert not list(job.folder.path.glob("*.parquet*"))
    assert sorted(job.run()[0]) == ALL


class Halving(RowStage):
    name = "halving"
    adds = ("review",)

    def process(self, row, domain):
        if row["n"] % 2:
            raise RecordError("malformed", f"{row['n']} is odd")
        return {"review": True} if row["n"] == 4 else {}


def test_a_row_stage_s_error_of_a_row_is_a_drop_and_review_is_counted(tmp_path):
    folder = Run(tmp_path / "run").step("halving", "b" * 64)
    folder.begin({})
    told = []
    ctx = context(folder=folder.path)
    ctx.progress = lambda done, total: told.append((done, total))
    rows = FakeTable([{"key": f"r{n}", "n": n} for n in range(6)])
    result = run_row_stage(Halving(Config()), folder, rows, ctx)
    assert result.counts() == {"in": 6, "out": 2, "review": 1, "dropped": {"malformed": 3}}
    assert told[-1] == (6, 6)
    drops = list(read_table(folder.path / "drops.parquet"))
    assert [(d["key"], d["evidence"]) for d in drops] == [
        (f"r{n}", f"{n} is odd") for n in (1, 3, 5)
    ]


class Breaking(SetStage):
    name = "breaking"
    adds = ("label",)

    def __init__(self, config, error=None):
        super().__init__(config)
        self.error = error

    def run(self, inputs, ctx):
        for row in inputs[0].rows():
            yield row["key"], {"label": row["key"]}
        if self.error:
            raise self.error
        yield "last", Drop("duplicate", "same")


def test_a_set_stage_that_breaks_leaves_no_table_and_one_that_does_not_both(tmp_path):
    folder = Run(tmp_path / "run").step("breaking", "c" * 64)
    folder.begin({})
    table = FakeTable([{"key": f"r{n}"} for n in range(3)])
    with pytest.raises(ValueError, match="broke"):
        run_set_stage(
            Breaking(Config(), ValueError("broke")), folder, [table], context(folder=folder.path)
        )
    assert not list(folder.path.glob("*.parquet*"))
    result = run_set_stage(Breaking(Config()), folder, [table], context(folder=folder.path))
    assert result.counts() == {"in": 4, "out": 3, "review": 0, "dropped": {"duplicate": 1}}
    assert [row["label"] for row in read_table(folder.path / "rows.parquet")] == ["r0", "r1", "r2"]


class Giving(SetStage):
    name = "giving"
    adds = ("label",)

    def run(self, inputs, ctx):
        return iter(self.config)


def test_the_digest_is_of_what_rows_hold_and_of_no_order_of_columns(tmp_path):
    def digest_of(*rows):
        folder = Run(tmp_path / "run").step("giving", "d" * 64)
        folder.begin({})
        outcomes = [(f"r{i}", row) for i, row in enumerate(rows)]
        return run_set_stage(Giving(outcomes), folder, [], context(folder=folder.path)).digest

    row = {"label": "4", "level": 2, "price": decimal.Decimal("1.50"), "by": {"x": 1, "a": 2}}
    turned = dict(reversed(row.items())) | {"by": {"a": 2, "x": 1}}
    assert digest_of(row) == digest_of(turned)
    others = [{**row, "level": 3}, {**row, "price": None}, {**row, "by": {"x": 1}}, {"label": "4"}]
    assert len({digest_of(row), *map(digest_of, others)}) == 5
    assert digest_of(row, {}) != digest_of({}, row)
    assert digest_of(row) == digest_of(row, Drop("simple"))  # what left is in no later step
