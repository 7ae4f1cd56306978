import json

import pytest

from scalediff import cli

LOOP = "Wait, let me check that again. " * 40


def rows():
    for i in range(6):
        good = f"<think>It is {i}.</think>So \\boxed{{{i}}}."
        bad = f"<think>{LOOP}</think>So \\boxed{{{i}}}." if i < 2 else good
        other = f"<think>No.</think>So \\boxed{{{i + 1}}}." if i % 2 else good
        yield {"problem": f"What is {i}?", "generations": [good, bad, other]}


def test_explain_says_what_thresholds_would_drop_and_writes_nothing(tmp_path, monkeypatch, capsys):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    arguments = ["filter", str(path), "-o", str(tmp_path / "out.jsonl"), "--explain"]
    monkeypatch.setattr("sys.argv", ["scalediff", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "as set: 2 attempts rejected (looping 2), 0 rows leave" in out
    assert "loop_repeats" in out
    assert "1.00        3        3        0  <- as set" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl"]
