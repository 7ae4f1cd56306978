import pytest

from scalediff.calibrate import _grouped, auc


def test_auc_of_separated_equal_and_reversed_groups():
    assert auc([[0.1, 0.2], [0.8, 0.9]]) == 1.0
    assert auc([[0.8], [0.1]]) == 0.0
    assert auc([[0.5, 0.5], [0.5]]) == 0.5
    assert auc([[0.5], []]) is None


def test_auc_weighs_all_pairs_of_groups():
    assert auc([[0.1], [0.2], [0.15]]) == pytest.approx(2 / 3)


def test_many_numbers_become_quarters_and_few_stay():
    rows = [{"x": i} for i in range(100)]
    assert list(_grouped(rows, "x")) == ["0 to 24", "25 to 49", "50 to 74", "75 to 99"]
    assert list(_grouped([{"x": 2}, {"x": 10}, {"x": 1}], "x")) == ["1", "2", "10"]
    assert list(_grouped([{"x": "b"}, {"x": "a"}], "x")) == ["a", "b"]
