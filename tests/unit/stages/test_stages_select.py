import pickle

import pytest
from fakes import FakeDomain

from scalediff.core.errors import RecipeError
from scalediff.core.records import Drop
from scalediff.stages.select import Select


def select(row, **settings):
    return Select(Select.Config(**settings)).process({"key": "a", **row}, FakeDomain())


def attempts(*answers, role="identifier"):
    return {
        "attempts": [{"role": role, "sample_index": i, "answer": a} for i, a in enumerate(answers)]
    }


def test_the_papers_rule_is_the_greedy_token_and_not_the_probability():
    assert select({"is_greedy": False, "p_think": 0.4}) == {"difficult": True}
    simple = select({"is_greedy": True, "p_think": 0.6})
    assert simple.reason == "simple"
    assert "0.600" in simple.evidence


def test_simple_rows_may_stay():
    kept = select({"is_greedy": True, "p_think": 0.1}, leave_out=False)
    assert kept == {"difficult": False}


@pytest.mark.parametrize(("p_think", "difficult"), [(0.7, True), (0.3, True), (0.29, False)])
def test_a_threshold_on_the_probability(p_think, difficult):
    row = {"is_greedy": True, "p_think": p_think}
    found = select(row, signal="p_think", threshold=0.3, leave_out=False)
    assert found == {"difficult": difficult}


@pytest.mark.parametrize(("rate", "difficult"), [(0.0, True), (0.5, True), (0.75, False)])
def test_pass_rate(rate, difficult):
    found = select({"pass_rate": rate}, signal="pass_rate", leave_out=False)
    assert found == {"difficult": difficult}


def test_pass_rate_without_gold_is_disagreement():
    agree = select({"pass_rate": None, **attempts("4", "4 ", "4", "5")}, signal="pass_rate")
    assert agree == Drop("simple", "75% of the attempts answer '4', over 50%")
    disagree = attempts("4", "5", "6", "4")
    assert select(disagree, signal="pass_rate") == {"difficult": True}


def test_attempts_without_an_answer_agree_with_none():
    row = attempts("4", "4", None, None)
    assert select(row, signal="disagreement") == {"difficult": True}
    assert select(attempts(None, None), signal="disagreement") == {"difficult": True}


def test_other_roles_do_not_count():
    row = {"attempts": attempts("4")["attempts"] + attempts("7", role="teacher")["attempts"]}
    assert isinstance(select(row, signal="disagreement"), Drop)


@pytest.mark.parametrize(
    ("row", "signal", "message"),
    [
        ({}, "first_token", "needs the column p_think"),
        ({"p_think": 0.5}, "first_token", "needs the column is_greedy"),
        ({"p_think": "high"}, "p_think", "needs the column p_think"),
        ({}, "pass_rate", "needs attempts of the role 'identifier'"),
    ],
)
def test_a_missing_column_names_the_step_that_is_missing(row, signal, message):
    with pytest.raises(RecipeError, match=message) as caught:
        select(row, signal=signal)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_stage_can_go_to_another_process():
    stage = pickle.loads(pickle.dumps(Select(Select.Config(signal="p_think"))))
    assert stage.process({"key": "a", "p_think": 0.9}, FakeDomain()) == {"difficult": True}
