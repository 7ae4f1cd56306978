import asyncio
import json
from pathlib import Path

import pytest
from fakes import FakeDomain, FakeEngine, context

from scalediff import grade
from scalediff.core.engine import Completion
from scalediff.core.records import Verdict, merge
from scalediff.domains.math import MathDomain
from scalediff.grading import grade_files
from scalediff.stages.grade import Grade, GradeConfig
from scalediff.stages.solve import Solve, SolveConfig
from scalediff.text.thoughts import split


class ThreeValued(FakeDomain):
    """``?`` is undecided; remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.compared = []

    async def same(self, problem, a, b):
        self.compared.append(("same", a, b))
        return self._compare(a, b)

    async def verify(self, problem, answer, gold):
        self.compared.append(("verify", answer, gold))
        return self._compare(answer, gold)

    @staticmethod
    def _compare(a, b):
        if "?" in (a, b):
            return Verdict("undecided", "timeout", "too long")
        return Verdict("right" if a == b else "wrong", "exact")


def attempt(role, index, answer, **more):
    return {"role": role, "sample_index": index, "answer": answer, **more}


def graded(row, domain=None, **settings):
    stage = Grade(GradeConfig(**settings))
    return asyncio.run(stage.process(row, 0, context(domain=domain or ThreeValued())))


def test_against_gold_with_the_pass_rate_among_decided_attempts():
    answers = ["4", "5", "?", None]
    row = {
        "key": "a",
        "problem": "p",
        "answer": "4",
        "attempts": [attempt("teacher", i, answer) for i, answer in enumerate(answers)],
    }
    added = graded(row)
    assert [a["verdict"] for a in added["attempts"]] == ["right", "wrong", "undecided", "wrong"]
    assert added["pass_rate"] == pytest.approx(1 / 3)
    merged = merge(row, added)["attempts"]
    assert [a["answer"] for a in merged] == answers
    assert merged[2]["verdict_rule"] == "timeout"


def test_a_failure_to_finish_is_told_apart_from_a_wrong_answer():
    attempts = [
        attempt("teacher", 0, None, finish_reason="length"),
        attempt("teacher", 1, None, finish_reason="stop"),
        attempt("teacher", 2, "5", finish_reason="stop"),
    ]
    found = graded({"key": "a", "problem": "p", "answer": "4", "attempts": attempts})["attempts"]
    assert [(a["verdict"], a["verdict_rule"]) for a in found] == [
        ("wrong", "no_answer"),
        ("wrong", "no_answer"),
        ("wrong", "exact"),
    ]
    assert found[0]["verdict_reason"] == "cut off"


def test_the_student_is_compared_with_the_first_usable_teacher_attempt():
    domain = ThreeValued()
    row = {
        "key": "a",
        "problem": "p",
        "answer": "9",
        "attempts": [
            attempt("student", 0, "5"),
            attempt("teacher", 2, "6"),
            attempt("teacher", 0, "4", rejected="looping"),
            attempt("teacher", 1, "5"),
        ],
    }
    added = graded(row, domain, role="student", against="teacher")
    assert [a["role"] for a in added["attempts"]] == ["student"]
    assert added["attempts"][0]["verdict"] == "right"
    assert domain.compared == [("same", "5", "5")]


def test_rejected_attempts_are_graded_but_do_not_count():
    row = {
        "key": "a",
        "problem": "p",
        "answer": "4",
        "attempts": [attempt("teacher", 0, "4", rejected="looping"), attempt("teacher", 1, "5")],
    }
    added = graded(row)
    assert [a["verdict"] for a in added["attempts"]] == ["right", "wrong"]
    assert added["pass_rate"] == 0.0


@pytest.mark.parametrize("gold", [None, "", "  ", []])
def test_without_gold_nothing_is_said(gold):
    row = {"key": "a", "problem": "p", "answer": gold, "attempts": [attempt("teacher", 0, "4")]}
    assert graded(row) == {}


def test_nothing_decided_is_no_pass_rate():
    row = {"key": "a", "problem": "p", "answer": "4", "attempts": [attempt("teacher", 0, "?")]}
    assert "pass_rate" not in graded(row)
    assert graded({"key": "a", "problem": "p", "answer": "4"}) == {}


@pytest.mark.parametrize(("gold", "answer"), [(4, "4"), (0.5, "0.5"), (["7"], "7"), (True, "True")])
def test_gold_that_is_not_text_is_read_as_text(gold, answer):
    row = {"key": "a", "problem": None, "answer": gold, "attempts": [attempt("teacher", 0, answer)]}
    assert graded(row)["pass_rate"] == 1.0


def test_an_answer_that_was_not_read_is_undecided():
    row = {
        "key": "a",
        "problem": "p",
        "answer": "4",
        "attempts": [attempt("teacher", 0, None, unread="Thus 4"), attempt("teacher", 1, "4")],
    }
    added = graded(row)
    assert [a["verdict_rule"] for a in added["attempts"]] == ["not_read", "exact"]
    assert added["pass_rate"] == 1.0


RESPONSES = [
    (r"a</think>b<think>c \boxed{1}", "stop"),
    (r"a</think>b \boxed{1}", "stop"),
    (r"So \boxed{1}. Wait", "length"),
    (r"hm</think>So \boxed{1}. Wait", "length"),
    ("hm</think>Therefore it is 1.", "stop"),
    ("hm</think>Therefore it is 1. And", "length"),
    (r"\boxed{1} or \boxed{2}", "stop"),
    (r"2\cdot\boxed{1}", "stop"),
    (r"\boxed{1} million", "stop"),
    ("정답은 1입니다.", "stop"),
    ("정답은 1개입니다.", "stop"),
    ("D is correct.", "stop"),
    ("I don't know.", "stop"),
    ("", "stop"),
]


def test_python_the_command_and_the_line_give_one_verdict(tmp_path, monkeypatch):
    """Each text through ``grade``, ``scalediff grade``, and a model's answer in solve and grade."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {"problem": f"What is {i}?", "answer": "1", "response": text, "finish_reason": reason}
        for i, (text, reason) in enumerate(RESPONSES)
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    grade_files(["in.jsonl"], Path("out.jsonl"), "math")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    command = [(r["verdict"], r["verdict_rule"]) for r in map(json.loads, lines)]

    async def line(text, reason):
        domain = MathDomain()
        thought, content = split(text)
        row = {"key": "a", "problem": "p", "answer": "1"}
        ctx = context(engine=FakeEngine(Completion(thought, content, reason, 9)), domain=domain)
        try:
            row |= await Solve(SolveConfig()).process(row, 0, ctx)
            (made,) = (await Grade(GradeConfig()).process(row, 0, ctx))["attempts"]
        finally:
            await domain.close()
        return made["verdict"], made["verdict_rule"]

    python = [(v.value, v.rule) for v in (grade(t, "1", finish_reason=r) for t, r in RESPONSES)]
    assert command == python
    assert [asyncio.run(line(*one)) for one in RESPONSES] == python
    assert [rule for _, rule in python[:4]] == ["no_answer", "exact", "no_answer", "exact"]
