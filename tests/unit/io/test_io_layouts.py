import pytest

from scalediff.core.errors import RecordError
from scalediff.core.keys import problem_id
from scalediff.io.layouts import attempts_in, is_ours, set_apart, split_thought, to_row


def test_problem_solution_answer_stay_as_they_are():
    row = {"problem": "Find $x$.", "solution": "It is 4.", "answer": "4", "level": "5"}
    assert to_row(row) == ("problem", row)


@pytest.mark.parametrize(
    ("column", "role", "text", "user", "assistant"),
    [
        ("conversations", "from", "value", "human", "gpt"),
        ("conversations", "role", "content", "user", "assistant"),
        ("messages", "role", "content", "user", "assistant"),
        ("prompt", "role", "content", "user", "assistant"),
    ],
)
def test_turns_give_the_first_user_and_assistant_turn(column, role, text, user, assistant):
    wrapper = "Please reason step by step, and put your final answer within \\boxed{}.\n1+1?"
    turns = [
        {role: "system", text: "Be brief."},
        {role: user, text: wrapper},
        {role: assistant, text: "2"},
        {role: user, text: "Sure?"},
        {role: assistant, text: "Yes."},
    ]
    layout, row = to_row({column: turns, "id": 7})
    assert layout == column
    assert row == {column: turns, "id": 7, "problem": wrapper, "solution": "2"}


def test_turns_do_not_replace_a_solution_that_came():
    turns = [{"from": "human", "value": "1+1?"}, {"from": "gpt", "value": "2"}]
    assert to_row({"conversations": turns, "solution": "two"})[1]["solution"] == "two"


def test_a_problem_beside_turns_counts_and_a_null_one_does_not():
    turns = [{"role": "user", "content": "wrapped"}]
    assert to_row({"problem": "bare", "messages": turns})[1]["problem"] == "bare"
    assert to_row({"problem": None, "messages": turns})[1]["problem"] == "wrapped"


def test_a_named_column_is_the_problem_and_the_old_one_moves():
    layout, row = to_row({"problem": "Title", "body": "Find $x$."}, "body")
    assert layout == "body"
    assert row == {"body": "Find $x$.", "problem": "Find $x$.", "source_problem": "Title"}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({}, "no column problem"),
        ({"text": "x"}, "there are text"),
        ({"problem": None}, "problem is null"),
        ({"problem": 7}, "not text but int"),
        ({"problem": ["x"]}, "not text but list"),
        ({"problem": " \n"}, "problem is empty"),
        ({"problem": "a\x00b"}, "null byte"),
        ({"conversations": None}, "conversations is null"),
        ({"conversations": "hello"}, "conversations is no list"),
        ({"conversations": []}, "no user turn"),
        (
            {"conversations": [{"from": "human", "value": "x"}, "y"]},
            "turn 2 of conversations is no",
        ),
        ({"messages": [{"role": "user", "content": None}]}, "turn 1 of messages is null"),
        ({"messages": [{"role": "user", "content": [1]}]}, "not text"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "no user turn"),
    ],
)
def test_a_row_without_a_problem_says_why(row, why):
    with pytest.raises(RecordError) as raised:
        to_row(row)
    assert why in raised.value.evidence


def test_foreign_columns_with_our_names_move_and_nothing_is_lost():
    row = {"problem": "x", "key": "B", "label": "hard", "source_label": 1, "attempts": 3, "a": 2}
    assert set_apart(row) == {
        "problem": "x",
        "source_key": "B",
        "source_source_label": "hard",
        "source_label": 1,
        "source_attempts": 3,
        "a": 2,
    }


def test_only_rows_with_the_identity_of_their_own_problem_are_ours():
    ours = {"key": "k", "problem_id": problem_id("x"), "problem": "x"}
    assert is_ours(ours)
    for change in ({"problem": "y"}, {"problem_id": "AIME-1"}, {"key": 3}, {"key": ""}):
        assert not is_ours({**ours, **change})


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("<think>\nhm\n</think>\n\nIt is 4.", ("hm", "It is 4.")),
        ("hm\n</think>\n\nIt is 4.", ("hm", "It is 4.")),
        ("<think>\n\n</think>\n\nIt is 4.", ("", "It is 4.")),
        ("<think>\nhm, so", ("hm, so", "")),
        ("It is 4.", (None, "It is 4.")),
        ("<think>a</think>b</think>c", ("a", "b</think>c")),
        ("", (None, "")),
    ],
)
def test_thought_and_content_come_apart(text, split):
    assert split_thought(text) == split


def attempts(row):
    return [
        (a["role"], a["sample_index"], a["reasoning"], a["content"], a["finish_reason"])
        for a in attempts_in(row)
    ]


def test_attempts_made_elsewhere():
    assert attempts({"response": "<think>a</think>4"}) == [("teacher", 0, "a", "4", "stop")]
    assert attempts({"generation": "4", "finish_reason": "length"}) == [
        ("teacher", 0, None, "4", "length")
    ]
    row = {
        "generations": ["<think>a</think>4", None, "<think>cut"],
        "finish_reasons": ["stop", "stop", "max_tokens"],
        "solution": "<think>not taken</think>5",
    }
    assert attempts(row) == [
        ("teacher", 0, "a", "4", "stop"),
        ("teacher", 1, "cut", "", "length"),
    ]
    made = attempts_in({"response": "4"})[0]
    assert (made["model"], made["num_tokens"]) == ("elsewhere", None)


def test_a_solution_counts_only_with_a_thought():
    assert attempts({"solution": "<think>a</think>4"}) == [("teacher", 0, "a", "4", "stop")]
    assert attempts({"solution": "The answer is 4."}) == []
    assert attempts({"problem": "x", "response": None, "generations": [3, None]}) == []


@pytest.mark.parametrize("reason", [3, ["x"], "eos", None, {}])
def test_an_unknown_finish_reason_is_an_end_by_itself(reason):
    assert attempts({"response": "4", "finish_reason": reason})[0][-1] == "stop"


def test_a_prediction_is_an_answer_already():
    assert attempts_in({"prediction": 72})[0]["answer"] == "72"
    assert attempts_in({"prediction": ["72"]}) == []


def test_our_own_attempts_stay_and_others_of_that_name_do_not_count():
    ours = [{"role": "student", "sample_index": 0, "content": "4", "verdict": "right"}]
    assert attempts_in({"attempts": ours, "response": "5"}) == ours
    for other in (3, ["4"], [{"role": "student"}], ours * 2, [{**ours[0], "content": 4}]):
        assert attempts({"attempts": other, "response": "5"}) == [("teacher", 0, None, "5", "stop")]


def test_a_named_column_is_the_response_whatever_else_there_is():
    row = {"response": "no", "solution": "It is \\boxed{4}.", "prediction": "5"}
    (attempt,) = attempts_in(row, "solution")
    assert attempt["content"] == "It is \\boxed{4}."
    assert attempts_in({"response": "no"}, "solution") == []
