"""Thoughts and answers apart in attempts made elsewhere: what is kept, and what gets no label."""

import json

import pytest
from commands import lines, run

from scalediff.text.marks import REASONS, TAGS

WHOLE = [
    *(f"{tags[0]}So \\boxed{{3}}? No.{tags[1]}\n\nIt is \\boxed{{4}}." for tags in TAGS),
    "So \\boxed{3}? No.[/THINK]It is \\boxed{4}.",
    "<|begin_of_thought|>So \\boxed{3}? No.<|end_of_thought|><|begin_of_solution|>It is "
    "\\boxed{4}.<|end_of_solution|>",
    "<|channel|>analysis<|message|>So \\boxed{3}? No.<|end|><|start|>assistant<|channel|>final"
    "<|message|>It is \\boxed{4}.<|return|>",
    "analysisSo \\boxed{3}? No.assistantfinalIt is \\boxed{4}.",
    {"role": "assistant", "content": "It is \\boxed{4}.",
     "reasoning_content": "So \\boxed{3}? No."},
    [{"type": "thinking", "thinking": [{"type": "text", "text": "So \\boxed{3}? No."}]},
     {"type": "text", "text": "It is \\boxed{4}."}],
]  # fmt: skip
CUT = [
    *(f"{tags[0]}So it is \\boxed{{4}}, let me check" for tags in TAGS),
    *(f"a{tags[1]}b{tags[0]}c \\boxed{{4}}" for tags in TAGS),
    "<|channel|>analysis<|message|>So it is \\boxed{4}, let me check",
    "analysisSo it is \\boxed{4}, let me check",
    "So it is \\boxed{4}, let me check</thi",
]


def filtered(tmp_path, monkeypatch, capsys, rows):
    """Rows kept and dropped by ``filter``, by their number."""
    made = [
        {"problem": f"What is ${n}+4-{n}$, in other words the number four?", "number": n, **row}
        for n, row in enumerate(rows)
    ]
    path = lines(tmp_path / "in.jsonl", *made)
    status, said = run(monkeypatch, capsys, "filter", path, "-o", tmp_path / "out.jsonl")
    assert status == 0, said
    kept, dropped = (
        {row["number"]: row for row in map(json.loads, (tmp_path / name).read_text().splitlines())}
        for name in ("out.jsonl", "out.dropped.jsonl")
    )
    assert not (tmp_path / "out.rejected.jsonl").read_text()
    return kept, dropped


def test_whole_thoughts_of_every_kind_are_kept_apart(tmp_path, monkeypatch, capsys):
    rows = [{"response": response} for response in WHOLE]
    kept, dropped = filtered(tmp_path, monkeypatch, capsys, rows)
    assert not dropped
    for number, response in enumerate(WHOLE):
        (attempt,) = kept[number]["attempts"]
        assert (attempt["reasoning"], attempt["content"], kept[number]["label"]) == (
            "So \\boxed{3}? No.", "It is \\boxed{4}.", "4"
        ), response  # fmt: skip


@pytest.mark.parametrize("reason", [None, "stop", "length", "MAX_TOKENS", "tired"])
def test_cut_thoughts_of_every_kind_give_no_label(tmp_path, monkeypatch, capsys, reason):
    rows = [{"response": text, "finish_reason": reason} for text in CUT]
    kept, dropped = filtered(tmp_path, monkeypatch, capsys, rows)
    assert not kept
    expected = "no_answer" if reason in (None, "stop") else "truncated"
    assert {row["reason"] for row in dropped.values()} == {expected}
    assert len(dropped) == len(CUT)


def test_a_response_that_did_not_end_by_itself_gives_no_label(tmp_path, monkeypatch, capsys):
    text = "It is \\boxed{4}."
    names = [(m, n) for m, names in REASONS.items() for n in names.split() if m != "stop"]
    rows = [{"response": text, "finish_reason": name.upper()} for _, name in names]
    rows += [{"response": text, "stop_reason": "tired"}, {"response": text, "truncated": True},
             {"response": f"<think>hm</think>{text}", "is_complete": False}]  # fmt: skip
    kept, dropped = filtered(tmp_path, monkeypatch, capsys, rows)
    assert not kept
    reasons = {"length": "truncated", "stopped": "looping", "refused": "attempt_failed",
               "broken": "attempt_failed"}  # fmt: skip
    for number, (meaning, name) in enumerate(names):
        assert (name, dropped[number]["reason"]) == (name, reasons[meaning])
    assert "'tired' is not known" in dropped[len(names)]["evidence"]
    assert {dropped[len(names) + n]["reason"] for n in range(3)} == {"truncated"}


def test_a_recipe_adds_to_the_table(tmp_path, monkeypatch, capsys):
    rows = [
        {"problem": "What is $2+2$?", "response": "<x>3?</x>It is \\boxed{4}."},
        {"problem": "What is $1+3$?", "response": "<x>hm</x>\\boxed{4}", "finish_reason": "Tired"},
        {"problem": "What is $4+0$?", "response": "<x>so \\boxed{4}", "finish_reason": "fine"},
    ]
    path = lines(tmp_path / "in.jsonl", *rows)
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "name: mine\n"
        "thoughts: {tags: [['<x>', '</x>']], finish_reasons: {tired: length, fine: stop}}\n"
        "steps:\n"
        f"  rows: {{stage: sources, settings: {{paths: ['{path}'], attempts: true}}}}\n"
        "  rules: {stage: rules, inputs: [rows]}\n"
    )
    status, said = run(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run", "--yes")
    assert status == 0, said
    from scalediff.io.run import Run

    with_tags = Run(tmp_path / "run").table("rules", texts=True)
    assert with_tags is not None
    (row,) = with_tags.rows()
    assert [a["reasoning"] for a in row["attempts"]] == ["3?"]
