"""A generator that repeats itself is said while it can still be stopped, and how much."""

import json

import pytest
from commands import lines, succeeding

POSED = [f"How many apples has Ann if she has {n} baskets of seven apples?" for n in range(3, 63)]


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    return succeeding(monkeypatch, capsys, tmp_path)


@pytest.mark.parametrize(
    ("num_problems", "warned"),
    [(2, "58 of 60 generated problems repeat an earlier one (97 %"), (10**9, "")],
)
def test_generate_alone_says_it(call, num_problems, warned):
    model = f"fake:generator?num_problems={num_problems}&malformed=0"
    said = call("generate", "-o", "new.jsonl", "--model", model, "-n", "60", "--seed", "3")
    assert ("WARNING repetition: " in said) == bool(warned)
    assert warned in said


@pytest.mark.parametrize(
    ("problems", "warned"),
    [
        ([POSED[0]] * 29 + [POSED[1].upper()] * 31, "58 of 60 problems that screen read repeat"),
        (POSED, ""),
        (POSED[:42] + POSED[:18], ""),  # 30 %
        (POSED[:41] + POSED[:19], "19 of 60 problems that screen read repeat an earlier one (32 %"),
    ],
)
def test_screen_alone_says_it(call, tmp_path, problems, warned):
    lines(tmp_path / "in.jsonl", *({"problem": problem} for problem in problems))
    said = call("screen", "in.jsonl", "-o", "out.jsonl")
    assert ("WARNING repetition: " in said) == bool(warned)
    assert warned in said
    rows = (tmp_path / "out.dropped.jsonl").read_text().splitlines()
    assert {json.loads(row)["reason"] for row in rows} <= {"duplicate"}
