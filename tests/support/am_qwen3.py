"""Rows in the layout of AM-Qwen3-Distilled, made from a seed: its good ones and its bad ones.

A row is ``{"conversations": [...], "system": ...}``. The human turn's ``info`` holds ``source``,
``category``, ``ground_truth``, ``test_case`` and ``instruction_constrain``; the assistant's the
thought and the answer once more. Mathematics comes from the nano world, so that models and oracle
of the laboratory know it. As a script it writes 300 rows: ``python am_qwen3.py OUT.jsonl [SEED]``.
"""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from scalediff.domains.nano.world import NanoProblem, make_problems

NUM_ROWS = 300

PLACEHOLDERS = ("N/A", "proof", "not found", "None", "", None)

KINDS = {
    "math": 200,
    # mathematics with something about it
    "placeholder": 12,
    "wrong_truth": 10,
    "two_turns": 8,
    "cut_thought": 6,
    # other categories
    "code": 30,
    "chat": 20,
    # rows that cannot be used
    "no_value": 4,
    "null_value": 3,
    "wrong_type": 3,
    "empty_turn": 2,
    "no_turns": 2,
}
"""Kind of row → how many of the 300."""

MATH = ("math", "placeholder", "wrong_truth", "two_turns", "cut_thought")
UNUSABLE = ("no_value", "null_value", "wrong_type", "empty_turn", "no_turns")


def _info(category, truth=None, source="nano", test_case=None):
    return {
        "source": source,
        "category": category,
        "ground_truth": truth,
        "test_case": test_case,
        "instruction_constrain": None,
    }


def _human(text, info):
    return {"from": "human", "value": text, "info": info}


def _assistant(thought, answer, *, closed=True):
    text = f"<think>\n{thought}\n</think>\n\n{answer}" if closed else f"<think>\n{thought}"
    info = {"think_content": thought, "answer_content": answer if closed else None}
    return {"from": "assistant", "value": text, "info": info}


def _math(problem: NanoProblem, kind: str, number: int):
    truth = problem.answer
    if kind == "placeholder":
        truth = PLACEHOLDERS[number % len(PLACEHOLDERS)]
    if kind == "wrong_truth":
        truth = str(int(problem.answer) + 1)
    info = _info("math", truth, f"nano_level_{problem.level}")
    human = _human(problem.problem, info)
    closed = kind != "cut_thought"
    turns = [human, _assistant(problem.reasoning, problem.final, closed=closed)]
    if kind == "two_turns":
        turns.append(_human("Are you sure?", info))
        turns.append(_assistant("I look again.", problem.final))
    return turns


def _code(number: int):
    test = json.dumps({"inputs": [[number]], "outputs": [[number + 1]]})
    text = f"Write a function f that adds {number + 1} to its argument."
    human = _human(text, _info("code", None, "taco", test))
    return [human, _assistant("Simple.", f"def f(n):\n    return n + {number + 1}")]


def _chat(number: int):
    human = _human(f"Write a short poem about the number {number}.", _info("chat", None, "chat"))
    return [human, _assistant("A poem.", "Once it stood alone, and then it did not.")]


def _unusable(kind: str, problem: NanoProblem):
    human = _human(problem.problem, _info("math", problem.answer))
    response = _assistant(problem.reasoning, problem.final)
    if kind == "no_value":
        del human["value"]
    if kind == "null_value":
        human["value"] = None
    if kind == "wrong_type":
        human["value"] = 7
    if kind == "empty_turn":
        human["value"] = "  "
    return [] if kind == "no_turns" else [human, response]


def rows(seed: int = 0) -> list[tuple[str, dict]]:
    """Kind and row, in an order that the seed draws."""
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    problems = iter(make_problems(NUM_ROWS, 7_000_000 + seed))
    numbers: Counter[str] = Counter()
    made = []
    for kind in kinds:
        number = numbers[kind]
        numbers[kind] += 1
        if kind in MATH:
            turns = _math(next(problems), kind, number)
        elif kind in UNUSABLE:
            turns = _unusable(kind, next(problems))
        else:
            turns = _code(number) if kind == "code" else _chat(number)
        made.append((kind, {"conversations": turns, "system": None}))
    random.Random(seed).shuffle(made)
    return made


def write(path: Path, seed: int = 0) -> list[tuple[str, dict]]:
    """Write the rows as JSON Lines; the same rows with their kinds."""
    made = rows(seed)
    path.write_text("".join(json.dumps(row) + "\n" for _, row in made))
    return made


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
