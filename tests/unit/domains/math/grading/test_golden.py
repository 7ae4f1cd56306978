"""The labelled set: what the grader says of it, and bounds that no change may break.

``pairs_plain`` and ``pairs_symbolic`` were written before the grader that is tested, by people who
had not seen it, and then used to mend it; ``pairs_heldout`` was looked at once, after that.
``siblings`` are ten answers for each kind of
fault that had been found, half of them different though they look alike, written by somebody who
had not seen the grader, frozen, graded at first sight (``docs/grading.md``) and then looked at.
``responses`` were written like the pairs; ``attempts`` are those of the nano models (seeds 4 to 6
of ``bench/gate.py``), with the oracle's word. ``docs/grading.md`` has the rates; ``python
bench/grading/golden.py`` prints them.
"""

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from scalediff import grade_many
from scalediff.domains.math.grading.answers import answer_of
from scalediff.domains.math.grading.grader import Grader

GOLDEN = Path(__file__).parents[4] / "golden"
PAIRS = ("plain", "symbolic", "heldout")
MOST_UNDECIDED = {"plain": 0.06, "symbolic": 0.14, "heldout": 0.03}
"""Of the pairs with a truth; the symbolic set is hostile on purpose."""
ACCEPTED = {
    # a column against a point: reasonable people disagree, and the grader takes them for one
    (r"(3,4)", r"\begin{pmatrix} 3 \\ 4 \end{pmatrix}"),
    # the same set of names in another order; the same point with a semicolon
    (r"\text{Chloe, Briana, Dana}", r"\text{Briana, Chloe, Dana}"),
    ("(1;2)", "(1,2)"),
    # a caret before several digits is read as people mean it
    (r"1.2 \times 10^15", r"1.2 \times 10^{15}"),
    ("x^{12}", "x^12"),
    # equal wherever both are defined
    (r"\frac{x^2-1}{x-1}", "x+1"),
    (r"2\ln x", r"\ln x^2"),
    # the percent sign is often left out
    (r"50\%", "50"),
    # an end at infinity is open, whatever bracket stands there
    (r"[3,\infty]", r"[3,\infty)"),
    # a zero before the comma: no list begins so
    ("0,5", "0.5"),
    # one family, another name for its whole number
    (r"\frac{\pi}{4}+n\pi", r"\frac{\pi}{4}+k\pi"),
    # look-alikes and signs without a width
    ("х+1", "x+1"),
    ("4\u200b2", "42"),
}
"""Pairs that people disagree on and the grader calls right, one by one."""


def rows(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").split("\n") if line]


@pytest.fixture(scope="module")
def verdicts():
    async def grade():
        grader = Grader(seconds=10)
        try:
            return {
                name: await asyncio.gather(
                    *(grader.grade_pair(row["a"], row["b"]) for row in rows(f"pairs_{name}.jsonl"))
                )
                for name in PAIRS
            }
        finally:
            await grader.close()

    return asyncio.run(grade())


def test_there_are_more_than_a_thousand_pairs_and_no_pair_twice():
    pairs = [(r["a"], r["b"]) for name in PAIRS for r in rows(f"pairs_{name}.jsonl")]
    assert len(set(pairs)) > 1_800


@pytest.mark.parametrize("name", PAIRS)
def test_nothing_is_called_right_or_wrong_that_is_not(verdicts, name):
    told = zip(rows(f"pairs_{name}.jsonl"), verdicts[name], strict=True)
    false = {
        (row["a"], row["b"]): (row["truth"], verdict)
        for row, verdict in told
        if (row["truth"] != "equal" and verdict.value == "right")
        or (row["truth"] == "equal" and verdict.value == "wrong")
    }
    assert {pair: why for pair, why in false.items() if pair not in ACCEPTED} == {}


@pytest.mark.parametrize("name", PAIRS)
def test_few_pairs_with_a_truth_are_undecided(verdicts, name):
    told = [
        verdict.value == "undecided"
        for row, verdict in zip(rows(f"pairs_{name}.jsonl"), verdicts[name], strict=True)
        if row["truth"] != "unclear"
    ]
    assert sum(told) / len(told) < MOST_UNDECIDED[name]


def test_no_pair_breaks_the_grader(verdicts):
    rules = Counter(verdict.rule for found in verdicts.values() for verdict in found)
    assert rules["failed"] == rules["crash"] == 0


RESPONSES = rows("responses.jsonl")


def test_responses_are_read_as_people_read_them():
    told = grade_many((r["response"], r["gold"], r["finish_reason"]) for r in RESPONSES)
    seen = Counter()
    for row, verdict in zip(RESPONSES, told, strict=True):
        value = "no_answer" if verdict.rule == "no_answer" else verdict.value
        seen[row["truth"], value] += 1
        assert (row["truth"], value) not in {
            ("wrong", "right"),
            ("no_answer", "right"),
            ("right", "wrong"),
        }, row
    # four of 171 are cut off without a thought: no answer there, by the rule on `length`
    assert seen["right", "right"] >= 163
    assert seen["no_answer", "no_answer"] >= 75


SIBLINGS = rows("siblings.jsonl")


def test_siblings_of_known_faults_are_told_apart():
    told = grade_many((r["response"], r["answer"]) for r in SIBLINGS)
    seen = Counter((r["verdict"], v.value) for r, v in zip(SIBLINGS, told, strict=True))
    assert len(SIBLINGS) == 380
    assert seen["wrong", "right"] == seen["right", "wrong"] == 0
    assert seen["undecided", "right"] == seen["undecided", "wrong"] == 0
    # 36, and those that are not done within five seconds on a machine with much to do
    assert seen["right", "undecided"] + seen["wrong", "undecided"] <= 40


def test_attempts_of_real_models_are_graded_as_the_oracle_does():
    attempts = rows("attempts.jsonl")
    assert len(attempts) > 350
    told = grade_many((r["response"], r["gold"], r["finish_reason"]) for r in attempts)
    for row, verdict in zip(attempts, told, strict=True):
        value = "no_answer" if verdict.rule == "no_answer" else verdict.value
        assert value == row["truth"], row


def test_a_thought_that_was_cut_off_has_no_answer_wherever_it_stands():
    assert answer_of(r"<think>So \boxed{5}. Wait", "length") is None
    assert answer_of(r"So \boxed{5}. Wait", "length") is None
    assert answer_of(r"hm</think>So \boxed{5}.", "length") == "5"
