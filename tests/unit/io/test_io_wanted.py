import json

import pytest

from scalediff.core.errors import InputError
from scalediff.io.columns import lookup, names_in
from scalediff.io.files import Reader, Rejected
from scalediff.io.wanted import Where

AM = {
    "conversations": [
        {"from": "human", "value": "1+3?", "info": {"category": "math", "ground_truth": "4"}},
        {"from": "gpt", "value": "4", "info": {"think_content": ""}},
    ]
}


@pytest.mark.parametrize(
    ("row", "condition", "wanted"),
    [
        ({"source": "a"}, "source=a", True),
        ({"source": "b"}, "source=a", False),
        ({}, "source=a", False),
        ({"source": None}, "source=a", False),
        ({"source": None}, "source=null", True),
        ({"source": " a "}, "source= a", True),
        ({"level": 5}, "level=5", True),
        ({"level": 5.0}, "level=5", True),
        ({"level": "5"}, "level=5", True),
        ({"level": 5}, "level=5.0", True),
        ({"level": 55}, "level=5", False),
        ({"ok": True}, "ok=true", True),
        ({"ok": True}, "ok=True", True),
        ({"ok": True}, "ok=1", False),
        ({"tags": ["a", "b"]}, "tags=b", True),
        ({"tags": ["a", "b"]}, "tags=c", False),
        ({"a": "x=y"}, "a=x=y", True),
        ({"a": ""}, "a=", True),
        ({"a": {"b": 1}}, "a=1", False),
        ({"a": {"b": 1}}, "a.b=1", True),
        ({"a.b": 1}, "a.b=1", True),
        ({"a": '{"b": "c"}'}, "a.b=c", True),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.b=2", True),
        ({"a": [{"b": 1}, {"b": 2}]}, "a.0.b=2", False),
        ({"a": [{"b": 1}, {"b": 2}]}, "a[1].b=2", True),
        (AM, "info.category=math", True),
        (AM, "info.category=code", False),
        (AM, "conversations.0.info.category=math", True),
        (AM, "conversations[1].info.category=math", False),
    ],
)
def test_whether_a_row_is_wanted(row, condition, wanted):
    assert Where([condition]).keeps(row) is wanted


def test_several_conditions_hold_at_once_and_values_of_one_column_are_alternatives():
    where = Where(["a=1", "a=2", "b=x"])
    assert [
        where.keeps(r) for r in ({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"})
    ] == [
        True,
        True,
        False,
    ]
    assert where.left_out == 1
    where.check()


@pytest.mark.parametrize("text", ["", "a", "=a", " =a"])
def test_a_condition_has_a_column_and_a_value(text):
    with pytest.raises(InputError, match="COLUMN=VALUE"):
        Where([text])


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["info.categroy=math"], r"no row .*info.categroy.*conversations.0.info.category"),
        (["info.category=maths"], r"no row has info.category=maths .--where.*is math \(1\)"),
        (["info.category=math", "info.ground_truth=5"], r"info.ground_truth=5.*is 4 \(1\)"),
        (["info=math"], r"no row has info=math"),
    ],
)
def test_what_matches_nothing_is_an_error_with_what_is_there(conditions, said):
    where = Where(conditions)
    assert not where.keeps(AM)
    with pytest.raises(InputError, match=said):
        where.check()


def test_conditions_that_no_row_has_together():
    where = Where(["a=1", "b=1"])
    where.keeps({"a": 1, "b": 2})
    where.keeps({"a": 2, "b": 1})
    with pytest.raises(InputError, match="none of 2 rows has a=1 and b=1"):
        where.check()


def test_rows_that_are_not_wanted_are_not_set_aside(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [
        {"problem": "x", "kind": "math"},
        {"problem": None, "kind": "code"},
        7,
        {"kind": "math"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reader = Reader(where=Where(["kind=math"]))
    found = list(reader.scan([str(path)]))
    assert [type(one) is Rejected for one in found] == [False, True, True]
    assert reader.where.left_out == 1
    reader.check()


def test_lookup_stays_within_the_row():
    row = {"a": [1, [2]], "b": "[broken", "c": {"d": None}}
    assert lookup(row, "a.0") == [("a[0]", 1)]
    assert (
        lookup(row, "a.5") == lookup(row, "b.0") == lookup(row, "c.d.e") == lookup(row, "..") == []
    )
    assert lookup(row, "c.d") == [("c.d", None)]
    assert names_in({"a": {"b": [{"c": 1}]}, "d": 2}) == ["d", "a.b.0.c"]
