import pytest
from fakes import FakeDomain

from scalediff.core.records import Drop, merge
from scalediff.domains.math import MathDomain
from scalediff.stages.rules import Rules

GOOD = {
    "role": "teacher",
    "reasoning": "One and one make two.",
    "content": "So \\boxed{2}.",
    "answer": "2",
    "finish_reason": "stop",
    "num_tokens": 12,
}
LOOP = "Wait, let me check that again. " * 40


def row_of(*changes):
    return {
        "key": "a",
        "problem": "Find $1+1$.",
        "attempts": [GOOD | {"sample_index": i} | change for i, change in enumerate(changes)],
    }


def rules(row, **settings):
    return Rules(Rules.Config(**settings)).process(row, FakeDomain())


def reason_of(change, **settings):
    outcome = rules(row_of(change), **settings)
    return outcome.reason if isinstance(outcome, Drop) else None


def test_a_good_attempt_gains_nothing():
    assert rules(row_of({})) == {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"finish_reason": "length"}, "truncated"),
        ({"finish_reason": "length", "reasoning": LOOP, "answer": None}, "truncated"),
        ({"finish_reason": "stopped", "content": "", "answer": None}, "looping"),
        ({"reasoning": " \n"}, "empty_thinking"),
        ({"reasoning": None}, None),
        ({"answer": None}, "no_answer"),
        ({"answer": None, "unread": "Thus 2"}, "not_read"),
        ({"reasoning": LOOP}, "looping"),
        ({"content": LOOP + "\\boxed{2}"}, "looping"),
        ({"content": "\\boxed{2}. No: \\boxed{3}"}, "conflicting_answers"),
        ({"finish_reason": None, "num_tokens": None}, None),
    ],
)
def test_the_first_rule_that_is_broken(change, reason):
    assert reason_of(change) == reason


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        ({"finish_reason": "length"}, ("truncated", "cut off after 12 tokens")),
        ({"finish_reason": "length", "num_tokens": None}, ("truncated", "cut off")),
        ({"finish_reason": "stopped"}, ("looping",
         "ended as a loop while sampling after 12 tokens")),
        ({"finish_reason": "tired"},
         ("truncated", "its finish reason 'tired' is not known: it may be cut")),
        ({"finish_reason": "abort"}, ("attempt_failed", "its finish reason is 'abort'")),
        ({"reasoning": " "}, ("empty_thinking", "the thought is empty")),
        ({"answer": None}, ("no_answer", "content ends: 'So \\\\boxed{2}.'")),
        ({"content": "\\boxed{2}. No: \\boxed{3}"}, ("conflicting_answers", "'2' and then '3'")),
    ],
)  # fmt: skip
def test_the_evidence_says_what_was_found(change, evidence):
    drop = rules(row_of(change))
    assert (drop.reason, drop.evidence) == evidence


def test_lengths_say_both_numbers():
    assert rules(row_of({}), min_tokens=13).evidence == "12 tokens < 13"
    assert rules(row_of({}), max_tokens=11).evidence == "12 tokens > 11"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("\\boxed{2} or \\boxed{3}", None),
        ("\\boxed{2}, \\boxed{3}", None),
        ("\\boxed{2} or. \\boxed{3}", None),
        ("\\boxed{2} or so; then \\boxed{3}", "conflicting_answers"),
        ("\\boxed{2}. No: \\boxed{3}", "conflicting_answers"),
        ("\\boxed{2} or \\boxed{3}. So \\boxed{4}", "conflicting_answers"),
    ],
)
def test_boxes_that_the_domain_joins_are_one_answer_and_others_two(content, reason):
    outcome = Rules(Rules.Config()).process(row_of({"content": content}), MathDomain())
    assert (outcome.reason if isinstance(outcome, Drop) else None) == reason


def test_the_share_of_another_script_is_a_setting():
    text = "One and one make two, that is 二二二二二 and so it ends here"
    assert reason_of({"reasoning": text}, max_foreign_share=0.11) == "wrong_language"  # 5 of 42
    assert reason_of({"reasoning": text}, max_foreign_share=0.12) is None


def test_a_thought_in_another_script_than_the_problem():
    chinese = "首先我们考虑这个方程的所有解并且逐一验证它们是否满足条件" * 3
    assert reason_of({"reasoning": f"One and one. {chinese}"}) == "wrong_language"
    assert reason_of({"reasoning": "One and one, that is 二, no more, and we are done."}) is None
    assert reason_of({"reasoning": r"Let $\alpha$ and β be angles, then β is two."}) is None
    assert reason_of({"content": "So it is 9π = \\boxed{9π}."}) is None
    assert (
        reason_of({"reasoning": "By the law of sines with α, β and γ: " + "α + β = γ. " * 3})
        is None
    )
    german = "Wir sehen, dass die Summe von eins und eins nicht drei ist, und das ist gut so."
    assert reason_of({"reasoning": german}) is None
    assert reason_of({"reasoning": german}, languages=["en"]) == "wrong_language"


@pytest.mark.parametrize(
    ("content", "conflict"),
    [
        (r"\boxed{0.5}. In other words \boxed{\frac12}", False),
        (r"$\boxed{15\frac{39}{40}}$. That is \boxed{\frac{639}{40}}", False),
        (r"\boxed{\sqrt{8}}. Simplified: \boxed{2\sqrt2}", False),
        (r"\boxed{x=5}. So \boxed{5}", False),
        (r"\boxed{\sqrt{8}}. No: \boxed{3\sqrt2}", True),
        (r"\boxed{3}. No: \boxed{4}", True),
    ],
)
def test_other_forms_of_an_answer_do_not_conflict(content, conflict):
    attempt = GOOD | {"content": content}
    drop = Rules(Rules.Config()).judge(attempt, "Find it.", MathDomain())
    assert (drop is not None) == conflict


def test_lengths():
    assert reason_of({}, max_tokens=11) == "too_long"
    assert reason_of({}, max_tokens=12) is None
    assert reason_of({"num_tokens": None}, max_tokens=1) is None


def test_switches():
    assert reason_of({"reasoning": ""}, require_thinking=False) is None
    assert reason_of({}, min_tokens=13) == "too_short"
    assert reason_of({}, min_tokens=12) is None
    assert reason_of({"content": "\\boxed{2}. No: \\boxed{3}"}, answer_marker="") is None
    assert reason_of({"reasoning": LOOP}, loop_repeats=50) is None
    assert reason_of({"reasoning": LOOP}, loop_tokens=500) is None
    long = {"reasoning": LOOP + LOOP}
    assert reason_of(long, loop_repeats=99) == "looping"  # most of its 20-grams stood before
    assert reason_of(long, loop_repeats=99, loop_stale_share=1.0) is None


@pytest.mark.parametrize(
    "content",
    [
        "\\boxed{2} and \\boxed{3}",
        "Either $\\boxed{x=2}$, or $\\boxed{x=3}$.",
        "\\boxed{2}. Thus the answer is \\boxed{2}.",
        "\\boxed{\\dfrac{1}{2}}. So \\boxed{1/2}. That is \\boxed{0.5}.",
        "\\boxed{x=2}. So \\boxed{2}.",
        "\\boxed{1,000}. So \\boxed{1000 \\text{ coins}}.",
        "\\boxed{30^\\circ}. So \\boxed{30}.",
        "\\boxed{2}. The word \\boxed stands alone",
        "\\boxed{2}. Cut: \\boxed{3",
        "no box at all",
    ],
)
def test_answers_that_do_not_conflict(content):
    attempt = GOOD | {"content": content}
    assert Rules(Rules.Config()).judge(attempt, "Find $x$.", MathDomain()) is None


def test_answers_that_conflict_are_shown():
    drop = rules(row_of({"content": "\\boxed{\\frac{1}{2}}.\nOr rather \\boxed{\\frac{1}{3}}."}))
    assert drop.evidence == "'\\\\frac{1}{2}' and then '\\\\frac{1}{3}'"


def test_a_row_stays_while_one_attempt_is_usable():
    row = row_of({"answer": None}, {}, {"reasoning": ""})
    added = rules(row)
    assert [(p["sample_index"], p["rejected"]) for p in added["attempts"]] == [
        (0, "no_answer"),
        (2, "empty_thinking"),
    ]
    assert all(p["rejected_evidence"] for p in added["attempts"])
    merged = merge(row, added)["attempts"]
    assert [a.get("rejected") for a in merged] == ["no_answer", None, "empty_thinking"]
    assert merged[0]["content"] == GOOD["content"]


def test_a_row_leaves_with_its_first_attempts_reason():
    assert rules(row_of({"answer": None}, {"reasoning": ""})).reason == "no_answer"
    earlier = {"rejected": "looping", "rejected_evidence": "before"}
    assert rules(row_of(earlier, {"answer": None})) == Drop("looping", "before")
    again = rules(row_of(earlier, {}))
    assert again == {}


def test_marks_only_where_rows_shall_stay():
    added = rules(row_of({"answer": None}), drop=False)
    assert added["attempts"][0]["rejected"] == "no_answer"
    assert rules({"key": "a"}, drop=False) == {}


def test_only_the_attempts_of_the_role_are_judged():
    row = row_of({}, {"role": "student", "answer": None})
    assert rules(row) == {}
    assert rules(row, role="student").reason == "no_answer"
    assert "no attempt of the role 'judge'" in rules(row, role="judge").evidence


def test_long_attempts_are_quick_to_judge():
    assert reason_of({"content": "\\boxed{" * 20_000}) == "looping"
    boxes = " ".join(f"In case {i} it is \\boxed{{2}}." for i in range(5_000))
    assert reason_of({"content": boxes}) is None
