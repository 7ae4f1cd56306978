import json

import pytest

from scalediff import answer_of as extract
from scalediff.core.errors import InputError
from scalediff.core.keys import problem_id
from scalediff.io.answers import answer_in
from scalediff.io.files import Found, Identity, Reader
from scalediff.io.gold import find_gold, gold_of, with_gold
from scalediff.io.wanted import Named


def read(row, column=None, **settings):
    """The row in our form and its gold, as files are read."""
    named = Named(column, "--answer-column") if column else None
    reader = Reader(answer=named, read_off=extract, **settings)
    found = reader.one("a.jsonl", 1, row, Identity())
    assert isinstance(found, Found), found
    return found


def turns(*more, info=None, role="human"):
    return [{"from": role, "value": "1+3?", "info": info}, {"from": "gpt", "value": "4"}, *more]


# where it is


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"answer": "4"}, "answer"),
        ({"expected_answer": "4"}, "expected_answer"),
        ({"final_answer": "4"}, "final_answer"),
        ({"Answer": "4"}, "Answer"),
        ({"Final Answer": "4"}, "Final Answer"),
        ({"finalAnswer": "4"}, "finalAnswer"),
        ({"gold": "4"}, "gold"),
        ({"gold_answer": "4"}, "gold_answer"),
        ({"ground_truth": "4"}, "ground_truth"),
        ({"GroundTruth": "4"}, "GroundTruth"),
        ({"reference_answer": "4"}, "reference_answer"),
        ({"target": "4"}, "target"),
        ({"reward_model": {"style": "rule", "ground_truth": "4"}}, "reward_model.ground_truth"),
        ({"reward_model": '{"ground_truth": "4"}'}, "reward_model.ground_truth"),
        ({"reward_model": {"ground_truth": '["4"]'}}, "reward_model.ground_truth"),
        ({"reward_model": {"ground_truth": ["4"]}}, "reward_model.ground_truth"),
        ({"info": {"ground_truth": "4"}}, "info.ground_truth"),
        ({"metadata": {"answer": "4"}}, "metadata.answer"),
        ({"extra_info": {"answer": "2+2\n#### 4"}}, "extra_info.answer"),
        ({"verification_info": '{"ground_truth": "4"}'}, "verification_info.ground_truth"),
        ({"solution": r"$\boxed{4}$"}, "solution"),
        ({"solution": r"So \(\boxed{4}\)."}, "solution"),
        # what is no answer does not stand in the way of one
        ({"answer": None, "final_answer": "4"}, "final_answer"),
        ({"answer": "N/A", "ground_truth": "4"}, "ground_truth"),
        ({"answer": {"value": 4}, "target": 4}, "target"),
        ({"answer": "5", "solution": r"$\boxed{4}$"}, "answer"),
        ({"Answer": "5", "answer": "4"}, "answer"),
    ],
)
def test_gold_is_found_under_the_names_that_people_use(row, place):
    found = read({"problem": "1+3?", **row})
    assert found.gold.where == place
    assert found.row["answer"] == ("5" if row.get("answer") == "5" else "4")
    assert gold_of(found.row) == found.row["answer"]
    came = {"problem": "1+3?", **row}
    if row.get("answer") not in ("4", "5", None):
        came["source_answer"] = row["answer"]
    assert found.row.items() >= (came | {"answer": found.row["answer"]}).items()


def test_the_first_name_goes_before_and_another_answer_elsewhere_is_named():
    gold = find_gold({"problem": "x", "target": "5", "answer": "4", "gold": "4 "})
    assert (gold.text, gold.where, gold.others) == ("4", "answer", ("target",))


@pytest.mark.parametrize("column", ["conversations", "messages", "prompt"])
def test_gold_in_what_a_turn_says_of_itself(column):
    info = {"source": "x", "category": "math", "ground_truth": "4"}
    system = {"from": "system", "value": "Be brief.", "info": {"ground_truth": "9"}}
    found = read({column: [system, *turns(info=info)]})
    assert found.gold.where == f"{column}[1].info.ground_truth"
    assert found.row["answer"] == "4"
    assert "source_answer" not in found.row


def test_what_a_response_says_of_itself_is_no_gold_but_its_ground_truth_is():
    response = {"from": "gpt", "value": "5", "info": {"answer": "5", "answer_content": "5"}}
    human = {"from": "human", "value": "1+3?"}
    assert read({"conversations": [human, response]}).gold.text is None
    beside = {"from": "assistant", "ground_truth": "4"}
    assert read({"conversations": [human, beside]}).row["answer"] == "4"


def test_of_several_user_turns_only_the_first_ones_own_gold_is_read():
    again = [{"from": "human", "value": "2+2?", "info": {"ground_truth": "9"}}]
    found = read({"conversations": turns(*again, info={"ground_truth": "4"})})
    assert found.several_turns
    assert found.row["answer"] == "4"
    # the row's own may be of the last turn, as in prompts with examples
    found = read({"conversations": turns(*again), "answer": "9"})
    assert found.gold.text is None
    assert found.gold.others == ("answer",)
    assert "answer" not in found.row
    assert found.row["source_answer"] == "9"
    assert read({"conversations": turns(*again), "answer": "9"}, "answer").row["answer"] == "9"
    assert not read({"conversations": turns()}).several_turns
    # turns beside a problem are not what was read
    assert read({"problem": "x", "answer": "9", "messages": turns(*again)}).row["answer"] == "9"


@pytest.mark.parametrize(
    ("column", "row"),
    [
        ("result", {"result": "4"}),
        ("reward_model.ground_truth", {"answer": "5", "reward_model": {"ground_truth": "4"}}),
        ("conversations.0.info.key", {"conversations": turns(info={"key": "4"})}),
        ("conversations[0].info.key", {"conversations": turns(info={"key": "4"})}),
        ("info.key", {"conversations": turns(info={"key": "4"})}),
        ("a.b", {"a.b": "4", "a": {"b": "5"}}),
        ("label", {"label": "4"}),
        ("solution", {"solution": "A long way to it. " * 10 + r"So it is $\boxed{4}$."}),
        ("answers.-1", {"answers": ["5", "4"]}),
    ],
)
def test_a_column_that_is_named_goes_before_all(column, row):
    found = read({"problem": "1+3?", **row}, column)
    assert found.row["answer"] == "4"


def test_a_named_column_without_an_answer_leaves_the_row_without_gold():
    found = read({"problem": "x", "answer": "5", "checked": "unknown"}, "checked")
    assert found.gold.text is None
    assert (found.row.get("answer"), found.row["source_answer"]) == (None, "5")


def test_in_a_row_of_ours_it_was_decided_when_it_came_in():
    ours = {"key": "k", "problem_id": problem_id("x"), "problem": "x", "label": "5", "gold": "4"}
    found = read(ours)
    assert found.gold.text is None
    assert found.gold.others == ("gold",)
    assert read({**ours, "answer": "7"}).row["answer"] == "7"


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"correct_answer": "4"}, ("correct_answer",)),
        ({"expected_output": "4"}, ("expected_output",)),
        ({"Correct Answer": 4}, ("Correct Answer",)),
        ({"answerKey": "C"}, ("answerKey",)),
        ({"gt": "4"}, ("gt",)),
        ({"label": "4"}, ("label",)),
        ({"reward_model": {"expected": "4"}}, ("reward_model.expected",)),
        ({"solution": r"So it is $\boxed{4}$, as was to be shown."}, ("solution",)),
        ({"answer_type": "number", "num_answers": 1, "has_answer": "yes"}, ()),
        ({"model_answer": "4", "predicted_answer": "4", "is_correct": True}, ()),
        ({"solution": "<think>a</think>\\boxed{4}"}, ()),
        ({"correct_answer": "N/A", "source": "x", "level": 3}, ()),
    ],
)
def test_what_looks_like_gold_and_is_not_read_is_named(row, names):
    found = read({"problem": "1+3?", **row})
    assert found.gold.text is None
    assert found.gold.others == names


# whether it is one


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (72, "72"),
        (0.5, "0.5"),
        (4.0, "4"),
        (-3, "-3"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        ("025", "025"),
        (" x^2 ", " x^2 "),
        (True, "True"),
        (False, "False"),
        (["4"], "4"),
        ([4], "4"),
        ([["4"]], "4"),
        (["4", " 4"], "4"),
        (["4", None, ""], "4"),
        ('["4"]', "4"),
        ("['4']", "4"),
        ("[1, 2]", "[1, 2]"),
        ("2+2\n#### 4", "4"),
        ("9" * 9000, "9" * 9000),
        ("no solution", "no solution"),
        ("No real solutions", "No real solutions"),
        (r"\text{none}", r"\text{none}"),
        ("None of these", "None of these"),
        ("DNE", "DNE"),
        ("undefined", "undefined"),
        ("n", "n"),
        ("-1", "-1"),
        (r"\emptyset", r"\emptyset"),
        ("seed", "seed"),
        ("cannot be determined", "cannot be determined"),
        ("not prime", "not prime"),
    ],
)
def test_values_that_are_answers(value, text):
    assert answer_in(value).text == text
    assert gold_of({"answer": value}) == text


@pytest.mark.parametrize(
    "value",
    [
        *("notfound", "not found", "not_found", "Not Found.", "[not found]", "NOT_FOUND"),
        *("proof", "Proof.", "(proof)", "see proof", "proof required", "N/A", "n.a.", "NA"),
        *("unknown", "Unknown", "None", "none", "NaN", "nan", "null", "NULL", "see solution"),
        *("See the solution above.", "Refer to the solution", "-", "--", "—", "?", "...", "…"),
        *(
            "no answer",
            "No final answer found",
            "no answer given",
            "TBD",
            "todo",
            "[]",
            "unanswered",
        ),
        *("Not applicable", "not available", "none given", "Answers will vary", "answer missing"),
        *(
            r"\boxed{}",
            r"\text{N/A}",
            "$\\text{proof}$",
            r"\boxed{N/A}",
            "#### N/A",
            "2\n#### none",
        ),
        *(["N/A"], ["N/A", None], "['notfound']", "证明略", "见解析", " n/a \n", "\u200bN/A"),
    ],
)
def test_placeholders_are_no_gold(value):
    assert answer_in(value).state == "placeholder"
    found = read({"problem": "x", "answer": value})
    assert "answer" not in found.row
    assert found.row["source_answer"] == value
    assert gold_of({"answer": value}) is None


@pytest.mark.parametrize("value", [None, "", "  \n", "\u200b", [], [None], [""], ["", None]])
def test_nothing_is_no_gold(value):
    assert answer_in(value).state == "none"
    assert gold_of({"answer": value}) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (["4", "four"], "a list of several"),
        ([1, 2], "a list of several"),
        ('["4", "four"]', "a list of several"),
        ('{"target": 24, "numbers": [1, 2]}', "an object"),
        ("{'value': 4}", "an object"),
        (["4", "N/A"], "a list of several"),
        ({"value": 4}, "an object"),
        ([{"value": 4}], "an object"),
        (float("nan"), "no finite number"),
        (float("-inf"), "no finite number"),
        (b"4", "bytes"),
        ("First we look at the whole of it. " * 20, "a long text without an answer at its end"),
    ],
)
def test_what_is_there_and_is_not_read_says_why(value, why):
    answer = answer_in(value, extract)
    assert (answer.text, answer.state, answer.detail) == (None, "unread", why)
    assert gold_of({"answer": value}) is None


def test_a_worked_text_is_read_as_a_response_is():
    text = "She has three apples and gets one more. " * 3 + r"Therefore the answer is $\boxed{4}$."
    found = read({"question": "How many?", "answer": text})
    assert found.row["answer"] == "4"
    assert found.row["solution"] == found.row["source_answer"] == text


def test_gsm8k_gold_stands_after_the_hashes():
    row = read({"question": "How many?", "answer": "2+2=4\n#### 1,234"}).row
    assert row["answer"] == "1,234"
    assert row["solution"] == row["source_answer"] == "2+2=4\n#### 1,234"
    row = read({"question": "How many?", "answer": "4", "solution": "Two and two."}).row
    assert (row["answer"], row["solution"]) == ("4", "Two and two.")
    assert "source_answer" not in row


@pytest.mark.parametrize(
    ("came", "answer", "moved"),
    [(4, "4", None), (4.0, "4", 4.0), (False, "False", False), (["4"], "4", ["4"]), ({}, None, {})],
)
def test_what_came_in_stays_where_it_was_changed(came, answer, moved):
    row = read({"problem": "x", "answer": came}).row
    assert (row.get("answer"), row.get("source_answer")) == (answer, moved)
    again = read({"problem": "x", "answer": came, "source_answer": 1}).row
    assert (again["source_answer"], again.get("source_source_answer")) == (1, moved)


def test_a_row_without_any_stays_as_it_is():
    row = {"problem": "x", "answer": None}
    assert with_gold(row, find_gold(row)) is row


# in rows of other kinds


def test_hostile_values_do_no_harm():
    deep = {"problem": "x", "answer": "[" * 5000 + '"4"'}
    assert read(deep).row["answer"] == deep["answer"]
    for value in ("['4'", '["4"', "{", "[", "['4'].__class__", '["' + "a" * 10_000):
        assert read({"problem": "x", "answer": value, "reward_model": value}).row["answer"]
    for info in (
        7,
        "text",
        ["a"],
        {"ground_truth": {"a": 1}},
        {"ground_truth": float("nan")},
        None,
    ):
        assert read({"conversations": turns(info=info)}).gold.text is None
    assert read({"conversations": ["hello", *turns(info={"ground_truth": 4})]} | {"problem": "x"})


def test_a_row_that_is_only_graded_has_gold_too():
    found = read({"response": "4", "expected_answer": "4"}, need_problem=False)
    assert found.row["answer"] == "4"


def test_a_column_that_no_row_has_is_an_error_with_what_is_near(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"conversations": turns(info={"ground_truth": "4"})}) + "\n")
    for name, said in (
        ("ground_truth", "conversations.0.info.ground_truth"),
        ("info.ground_truht", "conversations.0.info.ground_truth"),
        ("xyz", "there are conversations.0.from"),
    ):
        reader = Reader(answer=Named(name, "--answer-column"))
        list(reader.scan([str(path)]))
        with pytest.raises(InputError, match=f"has a column {name} .--answer-column.*{said}"):
            reader.check()
    reader = Reader(answer=Named("info.ground_truth", "--answer-column"))
    list(reader.scan([str(path)]))
    reader.check()


def test_what_cannot_be_read_is_said_with_its_place():
    gold = read({"problem": "x", "answers": ["4", "four"]}).gold
    assert (gold.where, gold.answer.detail) == ("answers", "a list of several")
    gold = read({"question": "Which?", "choices": ["a", "b"], "answer": 1}).gold
    assert (gold.text, gold.answer.detail) == (None, "the number of a choice")
    assert read({"question": "Which?", "choices": ["a", "b"], "answer": "B"}).gold.text == "B"


@pytest.mark.parametrize(
    "text",
    ["#N/A", "error", "failed", "timeout", "parse failed", "could not parse", "[invalid]", "<unk>",
     "{}", "[deleted]", "redacted", "Answer: N/A", "Final answer: N/A", "No boxed answer found",
     "No solution provided", "no solution given", "QED", "Q.E.D.", "∎", "proved", "to prove",
     "This is a proof problem", "see figure 2", "same as above", "Refer to the attached file",
     "[image]", "I don't know", "I don’t know", "unanswerable", "not enough information",
     "open-ended", "varies", "***", "无", "нет ответа", "sin respuesta", "답 없음"],
)  # fmt: skip
def test_more_that_only_says_that_there_is_none(text):
    assert answer_in(text).state == "placeholder"


@pytest.mark.parametrize("text", ["no solution", "No solutions", "graph", "E", "i", "无解"])
def test_answers_that_look_like_such(text):
    assert answer_in(text).text == text


@pytest.mark.parametrize("name", ["correct_answer", "label", "gt"])
def test_another_answer_is_said_whatever_its_column(name):
    assert find_gold({"problem": "p", "answer": "8", name: "7"}).others == (name,)
    assert find_gold({"problem": "p", "answer": "7", name: "$7$"}).others == ()
    assert find_gold({"problem": "p", "answer": "7", name: "algebra"}).others == ()


@pytest.mark.parametrize("name", ["extracted_answer", "gt", "result", "final", "答案", "output"])
def test_what_may_be_gold_is_said(name):
    found = find_gold({"problem": "p", name: "7"})
    assert (found.text, found.others) == (None, (name,))


@pytest.mark.parametrize(
    "name", ["extra", "reward", "data", "annotations", "scoring", "problem_metadata"]
)
def test_more_objects_that_hold_gold(name):
    found = find_gold({"problem": "p", name: {"ground_truth": "7"}})
    assert (found.text, found.where) == ("7", f"{name}.ground_truth")


@pytest.mark.parametrize(("value", "read"), [("1", None), (1.0, None), (1, None), ("7", "7")])
def test_the_number_of_a_choice_is_not_its_text(value, read):
    assert find_gold({"problem": "p", "choices": ["6", "7"], "answer": value}).text == read
