"""The ledger of a step: what it keeps, and in which order it is written."""

import asyncio

from scalediff.core.records import Drop
from scalediff.io.attempts import AttemptStore
from scalediff.io.ledger import Ledger


def test_outcomes_come_back_as_they_were_also_after_it_was_closed(tmp_path):
    row, drop = {"answer": "4", "attempts": [{"role": "teacher"}]}, Drop("truncated", "cut off")
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.write("a#0", row, 0)
        ledger.write("b#0", drop, 1)
        assert (ledger.read("a#0"), ledger.read("b#0"), ledger.read("c#0")) == (row, drop, None)
    with Ledger(tmp_path / "ledger") as ledger:
        assert (ledger.read("a#0"), ledger.read("b#0"), len(ledger)) == (row, drop, 2)
        assert "a#0" in ledger
        assert "c#0" not in ledger
        ledger.write("a#0", drop, 0)
    with Ledger(tmp_path / "ledger") as ledger:
        assert (ledger.read("a#0"), len(ledger)) == (drop, 2)


def test_the_attempts_that_it_speaks_of_are_written_before_it(tmp_path):
    store = AttemptStore(tmp_path / "attempts")
    index = tmp_path / "attempts" / "attempts.idx"

    async def one_turn():
        ledger = Ledger(tmp_path / "ledger", store)
        empty = index.stat().st_size
        ledger.write("a#0", {"attempts": [{"attempt_id": "x"}]})
        store.put("x", {"content": "4"})
        assert index.stat().st_size == empty  # written once a turn
        ledger.flush()
        assert index.stat().st_size > empty
        ledger.close()

    asyncio.run(one_turn())
    store.close()
