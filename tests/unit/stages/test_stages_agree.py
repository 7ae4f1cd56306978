import asyncio

import pytest
from fakes import FakeDomain, context

from scalediff.core.records import Drop, Verdict
from scalediff.stages.agree import Agree, AgreeConfig


class Equivalent(FakeDomain):
    """``1/2`` is ``0.5``; ``?`` is undecided with everything else."""

    def __init__(self):
        super().__init__()
        self.compared = []

    async def same(self, problem, a, b):
        self.compared.append((a, b))
        if "?" in (a, b):
            return Verdict("undecided", "timeout")
        names = {"1/2": "0.5"}
        return Verdict("right" if names.get(a, a) == names.get(b, b) else "wrong", "exact")

    async def verify(self, problem, answer, gold):
        return await self.same(problem, answer, gold)


def row_of(*answers, gold=None, rejected=()):
    attempts = [
        {"role": "teacher", "sample_index": i, "answer": answer}
        | ({"rejected": "looping"} if i in rejected else {})
        for i, answer in enumerate(answers)
    ]
    attempts.append({"role": "student", "sample_index": 0, "answer": "other"})
    return {"key": "a", "problem": "p", "attempts": attempts} | ({"answer": gold} if gold else {})


def agreed(row, domain=None):
    stage = Agree(AgreeConfig())
    return asyncio.run(stage.process(row, 0, context(domain=domain or Equivalent())))


@pytest.mark.parametrize(
    ("answers", "label", "agree", "graded", "index"),
    [
        (["4"], "4", 1, 1, 0),
        (["3", "4", "4", "5"], "4", 2, 4, 1),
        (["1/2", "7", "0.5", "0.5"], "1/2", 3, 4, 0),
        (["3", "4", "4", "3"], "3", 2, 4, 0),
        ([None, "4", None, "4"], "4", 2, 2, 1),
    ],
)
def test_the_largest_cluster_gives_the_label(answers, label, agree, graded, index):
    assert agreed(row_of(*answers)) == {
        "label": label,
        "confidence": agree / graded,
        "num_agree": agree,
        "num_graded": graded,
        "num_counted": len(answers),
        "num_undecided": 0,
        "solution_index": index,
    }


def test_rejected_attempts_have_no_vote_but_count():
    added = agreed(row_of("4", "4", "5", "5", rejected={0, 1}))
    assert (added["label"], added["confidence"], added["solution_index"]) == ("5", 1.0, 2)
    assert (added["num_graded"], added["num_counted"]) == (2, 4)


def test_undecided_is_not_the_same_but_is_remembered():
    added = agreed(row_of("4", "?", "4", "5"))
    assert (added["num_agree"], added["num_undecided"]) == (2, 1)
    assert added["confidence"] == pytest.approx(2 / 3), "undecided is neither for nor against"
    # an attempt that finds its own cluster later is no longer in doubt
    both = agreed(row_of("4", "4", "?", "?", "?"))
    assert (both["label"], both["num_agree"]) == ("?", 3)


@pytest.mark.parametrize("order", ["4??", "??4", "?4?"])
def test_votes_do_not_depend_on_the_order_of_attempts(order):
    added = agreed(row_of(*order))
    told = (added["label"], added["num_agree"], added["num_undecided"], added["confidence"])
    assert told == ("?", 2, 1, 1.0)


def test_equal_texts_cost_no_comparison():
    domain = Equivalent()
    agreed(row_of("3", "4", "4", "4", "3"), domain)
    assert domain.compared == [("4", "3")]


def test_gold_is_the_label_and_is_never_overwritten():
    added = agreed(row_of("5", "5", "0.5", "?", gold="1/2"))
    assert added == {
        "label": "1/2",
        "confidence": pytest.approx(1 / 3),
        "num_agree": 1,
        "num_graded": 3,
        "num_counted": 4,
        "num_undecided": 1,
        "solution_index": 2,
    }
    none = agreed(row_of("5", gold="4"))
    assert (none["label"], none["confidence"], none["solution_index"]) == ("4", 0.0, None)


def test_attempts_whose_answer_was_not_read_are_undecided():
    row = row_of("4", None, gold="5")
    row["attempts"][1]["unread"] = "Thus 5"
    assert agreed(row)["num_undecided"] == 1
    row["attempts"].pop(0)
    assert agreed(row).reason == "not_read"


class Lenient(FakeDomain):
    """Against gold ``8 cm`` is 8, and nothing is the same as anything else."""

    async def verify(self, problem, answer, gold):
        return Verdict("right" if answer.split()[0] == gold.split()[0] else "wrong", "units")

    async def same(self, problem, a, b):
        return Verdict("wrong", "text")


def test_gold_is_compared_as_gold_and_attempts_with_one_another_as_attempts():
    added = agreed(row_of("8", "8 m", "9", gold="8 cm"), Lenient())
    assert (added["num_agree"], added["num_graded"], added["solution_index"]) == (2, 3, 0)
    apart = agreed(row_of("8", "8 m", "9"), Lenient())
    assert (apart["label"], apart["num_agree"], apart["confidence"]) == ("8", 1, 1 / 3)
    # what is not the gold is compared with the others as an attempt
    mixed = agreed(row_of("9 m", "9 km", gold="8 cm"), Lenient())
    assert (mixed["num_agree"], mixed["num_graded"], mixed["solution_index"]) == (0, 2, None)


def test_attempts_that_were_cut_off_or_rejected_count():
    row = row_of("4", None, "4", "5", rejected={2})
    row["attempts"][1]["finish_reason"] = "length"
    added = agreed(row)
    assert [added[f"num_{name}"] for name in ("agree", "graded", "counted")] == [1, 2, 4]


def test_a_row_without_any_answer_leaves():
    for row in (row_of(None, None), row_of("4", rejected={0}), {"key": "a", "problem": "p"}):
        drop = agreed(row)
        assert isinstance(drop, Drop)
        assert drop.reason == "no_answer"
