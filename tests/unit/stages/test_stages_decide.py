import pickle

import pytest
from fakes import FakeDomain
from pydantic import ValidationError

from scalediff.core.errors import RecipeError
from scalediff.core.records import Drop
from scalediff.stages.decide import Decide, DecideConfig


def decided(row, **settings):
    return Decide(DecideConfig(**settings)).process({"key": "a", **row}, FakeDomain())


def student(*verdicts):
    attempts = [
        {"role": "student", "sample_index": i, "answer": "4", "verdict": verdict}
        for i, verdict in enumerate(verdicts)
    ]
    return {"attempts": [*attempts, {"role": "teacher", "sample_index": 0, "answer": "4.0"}]}


def agreement(agree, counted=4, undecided=0, graded=None, **more):
    graded = counted if graded is None else graded
    return {
        "label": "4",
        "confidence": agree / graded,
        "num_agree": agree,
        "num_graded": graded,
        "num_counted": counted,
        "num_undecided": undecided,
        **more,
    }


def test_what_the_student_solves_is_too_easy():
    assert decided(student("right")) == Drop("too_easy", "student 4, teacher 4.0")
    assert decided(student("wrong")) == {"student_outcome": "wrong"}
    assert decided(student("undecided")) == {"student_outcome": "undecided"}
    assert decided(student("right"), drop_too_easy=False) == {"student_outcome": "right"}


@pytest.mark.parametrize(
    ("attempts", "outcome"),
    [
        ([], None),
        ([{"answer": "5", "verdict": "wrong"}], "wrong"),
        ([{"answer": None, "verdict": "wrong", "finish_reason": "length"}], "unfinished"),
        ([{"answer": None, "verdict": "wrong", "finish_reason": "stop"}], "no_answer"),
        ([{"answer": "5", "verdict": "undecided"}], "undecided"),
        (
            [
                {"answer": None, "verdict": "wrong", "finish_reason": "length"},
                {"answer": "5", "verdict": "wrong"},
            ],
            "wrong",
        ),
    ],
)
def test_a_wrong_answer_is_told_from_a_failure_to_finish(attempts, outcome):
    made = [{"role": "student", "sample_index": i, **a} for i, a in enumerate(attempts)]
    assert decided({"attempts": made}).get("student_outcome") == outcome


@pytest.mark.parametrize(
    ("agree", "counted", "kept"),
    [(1, 1, True), (1, 2, True), (1, 3, False), (2, 3, True), (1, 4, False), (2, 4, True),
     (2, 5, False), (3, 5, True), (3, 7, False), (4, 7, True), (4, 8, True)],
)  # fmt: skip
def test_half_of_the_attempts_that_were_counted_have_to_agree(agree, counted, kept):
    row = agreement(agree, counted, graded=agree)  # the others were cut off: confidence 1.0
    assert decided(row, min_confidence=1.0) == ({} if kept else {"review": True})
    assert decided(row) == ({} if kept else {"review": True})
    assert decided(row, min_confidence=1.0, min_agree=None) == {}
    assert decided(row | {"answer": "4"}, min_confidence=1.0) == {}, "gold is exempt"
    below = decided(row, drop_below=1.0)
    assert not isinstance(below, Drop), "few votes are for review, never dropped"


def test_few_votes_go_to_review_however_they_agree():
    alone = agreement(1, counted=1)
    assert decided(alone, min_confidence=1.0) == {}
    assert decided(alone, min_confidence=1.0, min_agree=2) == {"review": True}
    assert decided(agreement(2, counted=2), min_agree=2) == {}


@pytest.mark.parametrize(
    ("verdicts", "rate", "leaves"),
    [
        (["right", "wrong", "wrong", "wrong"], 0.0, True),
        (["right", "wrong", "wrong", "wrong"], 0.25, False),
        (["right", "right", "wrong", "wrong"], 0.25, True),
        (["wrong", "wrong"], 0.0, False),
    ],
)
def test_easy_rate_with_several_student_attempts(verdicts, rate, leaves):
    outcome = decided(student(*verdicts), easy_rate=rate)
    assert isinstance(outcome, Drop) == leaves


def test_low_confidence_is_reviewed_and_lower_is_dropped():
    assert decided(agreement(4), min_confidence=0.75) == {}
    assert decided(agreement(3), min_confidence=0.75) == {}
    assert decided(agreement(2), min_confidence=0.75) == {"review": True}
    assert decided(agreement(1), min_agree=None) == {}
    drop = decided(agreement(1), min_confidence=0.75, drop_below=0.5)
    assert drop == Drop("disagreement", "1 of 4 graded attempts agree, at least 50% needed")


def test_gold_is_a_label_without_doubt():
    thresholds = {"min_confidence": 0.75, "drop_below": 0.5}
    assert decided(agreement(1, answer="4"), **thresholds) == {}
    teacher = {"attempts": [{"role": "teacher", "sample_index": 0, "answer": "5"}]}
    assert decided(agreement(0, answer="4", **teacher)) == Drop("wrong", "gold 4, attempts 5")
    assert decided(agreement(0, undecided=1, answer="4")) == {"review": True}
    assert decided(agreement(0, answer="4"), drop_wrong=False) == {"review": True}
    assert decided(agreement(1, answer=""), min_confidence=0.75) == {"review": True}


def test_the_first_reason_that_applies_is_given():
    row = student("right") | agreement(0, answer="4")
    assert decided(row, drop_below=0.9).reason == "too_easy"


def test_a_threshold_without_agreement_is_an_error():
    for setting in ({"min_confidence": 0.5}, {"min_agree": 2}, {"drop_below": 0.0}):
        with pytest.raises(RecipeError, match="put an agree step before"):
            decided({}, **setting)
    assert decided({}) == {}, "half of nothing is no threshold"


def test_settings_are_checked_and_the_stage_travels_to_other_processes():
    with pytest.raises(ValidationError):
        DecideConfig(easy_rate=1.5)
    for wrong in ("most", 0, -1):
        with pytest.raises(ValidationError):
            DecideConfig(min_agree=wrong)
    stage = pickle.loads(pickle.dumps(Decide(DecideConfig(min_confidence=0.5))))
    assert stage.process({"key": "a", **agreement(1)}, FakeDomain()) == {"review": True}
