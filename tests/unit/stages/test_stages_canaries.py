"""Canaries: their gold is hidden, their labels are confirmed, and confidences are calibrated."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest
from fakes import FakeTable, context
from hypothesis import given
from hypothesis import strategies as st

from scalediff.recipe import build
from scalediff.stages.calibrate import Calibrate, blocks_of
from scalediff.stages.confirm import Confirm
from scalediff.stages.sample import Sample


def sources(n, gold="4"):
    return FakeTable(
        [
            {"key": f"k{i}", "problem_id": f"p{i}", "problem": f"Find {i}.", "answer": gold}
            for i in range(n)
        ]
    )


def chosen(table, n):
    return [row for _, row in Sample(Sample.Config(n=n)).run([table], context())]


def test_canaries_carry_no_gold_that_a_step_could_read():
    rows = chosen(sources(50), 10)
    assert len(rows) == 10
    assert all("answer" not in row and row["hidden_gold"] == "4" for row in rows)
    keys = [row["key"] for row in rows]
    assert keys == sorted(keys, key=lambda key: int(key[1:]))


def test_more_sources_move_few_canaries():
    few = {row["key"] for row in chosen(sources(200), 50)}
    more = {row["key"] for row in chosen(sources(220), 50)}
    assert len(few & more) >= 40


def test_rows_without_gold_are_no_canaries():
    assert chosen(sources(20, gold=None), 10) == []


def test_a_label_is_confirmed_against_the_hidden_gold():
    async def verdict(label):
        row = {"key": "a", "problem": "p", "label": label, "hidden_gold": "4"}
        return await Confirm(Confirm.Config()).process(row, 0, context())

    assert asyncio.run(verdict("4"))["canary_verdict"] == "right"
    told = asyncio.run(verdict("5"))
    assert told["canary_verdict"] == "wrong"
    assert "label 5, gold 4" in told["canary_reason"]


def test_a_confidence_is_worth_what_canaries_say(tmp_path):
    canaries = FakeTable(
        [{"key": f"c{i}", "confidence": 0.5, "canary_verdict": "right"} for i in range(10)]
        + [{"key": f"d{i}", "confidence": 0.5, "canary_verdict": "wrong"} for i in range(10)]
        + [{"key": f"e{i}", "confidence": 1.0, "canary_verdict": "right"} for i in range(19)]
        + [{"key": "f", "confidence": 1.0, "canary_verdict": "wrong"}]
        + [{"key": "g", "confidence": 1.0, "canary_verdict": "undecided"}]
    )
    rows = FakeTable([{"key": "a", "confidence": 0.75}, {"key": "b", "confidence": 1.0},
                      {"key": "c", "confidence": 0.25}])  # fmt: skip
    ctx = context()
    ctx.folder = Path(tmp_path)
    told = dict(Calibrate(Calibrate.Config()).run([rows, canaries], ctx))
    assert told["a"]["p_right"] == told["c"]["p_right"] == pytest.approx(0.5)
    assert told["b"]["p_right"] == pytest.approx(19.5 / 21, abs=1e-4)
    blocks = json.loads((tmp_path / "calibration.json").read_text())
    assert [block["n"] for block in blocks] == [20, 20]
    few = Calibrate(Calibrate.Config(min_canaries=100)).run([rows, canaries], ctx)
    assert [added for _, added in few] == [{}, {}, {}]


@given(st.lists(st.tuples(st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1))
def test_a_higher_confidence_is_never_worth_less(pairs):
    blocks = blocks_of(Counter(pairs))
    shares = [block.p for block in blocks]
    assert shares == sorted(shares)
    assert sum(block.n for block in blocks) == len(pairs)


def line(**steps):
    roles = dict.fromkeys(("identifier", "generator", "teacher", "student"), "fake:x")
    own = {"sources": {"paths": ["a"]}, "evaluate": None, **steps}
    return build({"name": "x", "models": roles, "line": own}, "x.yaml")


def test_canaries_go_through_the_same_filter_as_the_rows():
    recipe = line(filter={"teacher_k": 3, "min_confidence": 0.6, "rules": {"min_tokens": 7}})
    for part in ("rules", "easy", "more", "decide", "agree"):
        ours = recipe.nodes[f"canaries.{part}"].stage.config
        theirs = recipe.nodes[f"filter.{part}"].stage.config
        assert ours == theirs
    assert recipe.nodes["canaries.distill"].stage.config == recipe.nodes["distill"].stage.config
    assert recipe.nodes["filter.calibrate"].inputs == ("filter.agree", "canaries.confirm")


def test_a_line_without_canaries():
    names = [*line(canaries=None).nodes]
    assert not any(name.startswith("canaries") for name in names)
    assert "filter.calibrate" not in names
    bare = {"filter": None, "assemble": None, "student": None}
    assert not any(name.startswith("canaries") for name in line(**bare).nodes)
