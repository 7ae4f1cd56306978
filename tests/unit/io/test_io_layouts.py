import pytest

from scalediff.core.errors import RecordError
from scalediff.core.keys import problem_id
from scalediff.io.layouts import attempts_in, is_ours, set_apart, to_row
from scalediff.text.marks import Thoughts


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


@pytest.mark.parametrize("layout", ["conversations", "messages", "prompt"])
@pytest.mark.parametrize("own", ["two", "It is $2$.", ""])
def test_a_solution_of_one_s_own_is_never_written_over(layout, own):
    turns = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]
    assert to_row({layout: turns, "solution": own})[1]["solution"] == own
    assert to_row({layout: turns, "solution": None})[1]["solution"] == "2"


def test_what_an_assistant_says_before_the_user_answers_nothing():
    hello, ask = {"from": "gpt", "value": "Hello!"}, {"from": "human", "value": "1+1?"}
    answer, again = {"from": "gpt", "value": "2"}, {"from": "gpt", "value": "Yes, 2."}
    _, row = to_row({"conversations": [hello, ask, answer, again]})
    assert (row["problem"], row["solution"]) == ("1+1?", "2")
    _, row = to_row({"conversations": [hello, ask]})
    assert row["problem"] == "1+1?"
    assert "solution" not in row
    _, row = to_row({"conversations": [hello, ask, {"from": "human", "value": "3+3?"}, answer]})
    assert (row["problem"], row["solution"]) == ("1+1?", "2")
    _, row = to_row({"conversations": [ask, {"from": "gpt", "value": " \n"}]})
    assert "solution" not in row


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
        ("teacher", 1, None, "", "stop"),
        ("teacher", 2, "cut", "", "length"),
    ]
    made = attempts_in({"response": "4"})[0]
    assert (made["model"], made["num_tokens"]) == ("elsewhere", None)


def test_a_solution_counts_only_with_a_thought():
    assert attempts({"solution": "<think>a</think>4"}) == [("teacher", 0, "a", "4", "stop")]
    assert attempts({"solution": "The answer is 4."}) == []
    assert attempts({"solution": "[THINK]a[/THINK]4"}) == [("teacher", 0, "a", "4", "stop")]
    assert attempts({"solution": "[THINK]a"}) == []
    assert attempts({"solution": "<think></think>4"}) == [("teacher", 0, "", "4", "stop")]
    assert attempts({"problem": "x", "response": None, "generations": [3, None]}) == []


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("eos", "stop"), ("STOP", "stop"), (None, "stop"), ("", "stop"), ([], "stop"),
        ("MAX_TOKENS", "length"), ("LENGTH", "length"), ("max_new_tokens", "length"),
        ("model_length", "length"), (["max-tokens"], "length"), ({"type": "length"}, "length"),
        ("stopped", "stopped"), ("SAFETY", "SAFETY"), ("abort", "abort"), ("tired", "tired"),
        (3, "3"), (["x"], "x"), ({}, "{}"), (True, "True"),
    ],
)  # fmt: skip
def test_a_finish_reason_is_read_or_kept_as_it_is(reason, read):
    assert attempts({"response": "4", "finish_reason": reason})[0][-1] == read


@pytest.mark.parametrize(
    "row",
    [
        {"stop_reason": "max_tokens"}, {"finishReason": "MAX_TOKENS"}, {"done_reason": "length"},
        {"truncated": True}, {"is_truncated": [True]}, {"is_complete": False},
        {"is_reasoning_complete": [False]}, {"finish_reason": "stop", "truncated": True},
        {"finished": False},
    ],
)  # fmt: skip
def test_a_cut_is_read_wherever_the_row_says_it(row):
    assert attempts({"response": "4", **row})[0][-1] == "length"
    assert attempts({"response": "4", **dict.fromkeys(row)})[0][-1] == "stop"


def test_a_cut_is_the_generations_own():
    row = {"generations": ["a", None, "b", "c"], "is_reasoning_complete": [True, True, False]}
    assert [a[-1] for a in attempts(row)] == ["stop", "stop", "length", "not said"]
    more = Thoughts(finish_reasons={"tired": "length", "eos": "broken"})
    row = {"generations": ["a", "b"], "finish_reasons": ["Tired", "eos"]}
    assert [a["finish_reason"] for a in attempts_in(row, None, more)] == ["length", "eos"]


TEXT = {"type": "text", "text": "4"}


@pytest.mark.parametrize(
    "response",
    [
        {"role": "assistant", "content": "4", "reasoning_content": "a"},
        {"content": "4", "reasoning_content": "", "reasoning": "a"},
        {"content": [{"type": "thinking", "thinking": "a"}, TEXT]},
        {"content": "<think>a</think>4", "reasoning_content": "a"},
        {"message": {"content": "4", "reasoning": "a"}, "finish_reason": "stop"},
        {"text": "<think>a</think>4"},
        [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, TEXT],
        [{"role": "assistant", "content": "4", "reasoning_content": "a"}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "[THINK]a[/THINK]4"}],
        "a[/THINK]4",
    ],
)
def test_a_response_is_text_or_a_message(response):
    expected = [("teacher", 0, "a", "4", "stop")]
    assert attempts({"response": response}) == expected
    assert attempts({"problem": "x", "other": response}) == []
    assert [a["content"] for a in attempts_in({"other": response}, "other")] == ["4"]
    if not isinstance(response, list):
        two = attempts({"generations": [response, response]})
        assert [a[2:4] for a in two] == [("a", "4")] * 2


def test_a_choice_has_its_own_finish_reason():
    choice = {"message": {"content": "4"}, "finish_reason": "length"}
    assert attempts({"generations": [choice, "4"]})[0][-1] == "length"


def test_a_thought_in_a_column_beside_the_response():
    expected = [("teacher", 0, "a", "4", "stop")]
    assert attempts({"response": "4", "reasoning_content": "a"}) == expected
    assert attempts({"response": "<think>a</think>4", "reasoning": "a"}) == expected
    assert attempts({"response": "4", "thinking": " "}) == [("teacher", 0, None, "4", "stop")]
    row = {"generations": ["4", "5"], "reasoning_content": ["a", "b"]}
    assert [a[2:4] for a in attempts(row)] == [("a", "4"), ("b", "5")]
    assert [a[2] for a in attempts({**row, "reasoning_content": "a"})] == [None, None]


@pytest.mark.parametrize(
    "turn",
    [
        {"content": "4", "reasoning_content": "a"},
        {"content": [{"type": "thinking", "thinking": "a"}, TEXT]},
        {"content": "<think>a</think>4", "info": {"think_content": "a", "answer_content": "4"}},
        {"content": "4", "info": {"think_content": "a", "answer_content": "4"}},
        {"content": None, "info": {"think_content": "a", "answer_content": "4"}},
        {"content": "[THINK]a[/THINK]4", "info": {"think_content": "", "answer_content": ""}},
    ],
)
def test_the_thought_of_a_turn_is_kept_with_its_solution(turn):
    user = {"role": "user", "content": [{"type": "text", "text": "Find "}, TEXT]}
    for column in ("messages", "conversations"):
        _, made = to_row({column: [user, {"role": "assistant", **turn}]})
        assert made["problem"] == "Find 4"
        assert attempts(made) == [("teacher", 0, "a", "4", "stop")]
        assert made["solution"].endswith("4" if "[THINK]" in made["solution"] else "\n\n4")


def test_a_turn_without_a_thought_is_what_it_was():
    turns = [{"from": "human", "value": "x"}, {"from": "gpt", "value": " It is 4.\n"}]
    assert to_row({"conversations": turns})[1]["solution"] == " It is 4.\n"


def test_attempts_of_an_export_are_read_again_by_the_table():
    one = {"role": "teacher", "sample_index": 0, "answer": "3", "verdict": "right"}
    cut = {**one, "content": "[THINK]so \\boxed{3}", "finish_reason": "MAX_TOKENS"}
    assert attempts_in({"attempts": [cut]}) == [
        {"role": "teacher", "sample_index": 0, "reasoning": "so \\boxed{3}", "content": "",
         "finish_reason": "length"}
    ]  # fmt: skip


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


@pytest.mark.parametrize(
    "beside",
    [
        {"meta_info": {"finish_reason": {"type": "length", "length": 100}}},
        {"stop_type": "limit"},
        {"stopped_limit": True},
        {"incomplete_details": {"reason": "max_output_tokens"}},
        {"metadata": '{"finish_reason": "length"}'},
        *({name: {"finish_reason": "length"}} for name in ("metadata", "info", "usage")),
        *(
            {name: "length"}
            for name in ("finish", "stopping_reason", "generation_finish_reason", "exit_reason",
                         "completion_reason", "end_reason", "native_finish_reason")
        ),
        {"status": "incomplete"},
        {"truncated": 1},
        {"truncated": "true"},
        {"is_complete": 0},
        {"is_finished": "False"},
        {"complete": False},
        {"done": False},
        {"incomplete": True},
        {"max_tokens_reached": True},
        {"unfinished": True},
    ],
)  # fmt: skip
def test_a_cut_is_found_wherever_it_is_said(beside):
    response = {"text": "So 7. Wait", **beside}
    assert [a[-1] for a in attempts({"response": response})] == ["length"]
    assert [a[-1] for a in attempts({"response": "So 7. Wait", **beside})] == ["length"]


def test_an_end_that_a_list_does_not_say_is_not_known():
    row = {"generations": ["a", "b"], "finish_reasons": ["stop"]}
    assert [a[-1] for a in attempts(row)] == ["stop", "not said"]


def test_whole_by_every_flag():
    row = {"response": "a", "metadata": {"finish_reason": "stop"}, "truncated": 0, "done": True,
           "finish": "eos", "usage": {"completion_tokens": 9}}  # fmt: skip
    assert [a[-1] for a in attempts(row)] == ["stop"]
