"""300 rows in AM-Qwen3-Distilled's own layout through the commands and a recipe with canaries."""

import json
from collections import Counter

import am_qwen3
import commands
import pyarrow.parquet as pq
import pytest

MATH = sum(am_qwen3.KINDS[kind] for kind in am_qwen3.MATH)
"""Usable rows of mathematics."""

RECIPE = """
name: am
domain: nano
models:
  identifier: fake:identifier
  generator: fake:generator
  teacher: fake:teacher?accuracy=0.9
  student: fake:student?accuracy=0.3
line:
  sources: {paths: [%s], where: {info.category: math}}
  generator: null
  generate: {n: 60}
  distill: {max_new_tokens: 400}
  filter: {teacher_k: 3, min_confidence: 0.6}
  distill_sources: {k: 1, max_new_tokens: 400}
  evaluate: null
  student: null
"""


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def problem_of(row):
    return row["conversations"][0]["value"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "am.jsonl"
    made = am_qwen3.write(path)
    kinds = {problem_of(row): kind for kind, row in made if row["conversations"] and
             kind not in am_qwen3.UNUSABLE}  # fmt: skip
    assert Counter(kind for kind, _ in made) == am_qwen3.KINDS
    assert len(made) == am_qwen3.NUM_ROWS
    return path, kinds


@pytest.fixture
def go(monkeypatch, capsys):
    """Run a command of the laboratory; what it said on standard error."""

    def run(*arguments, status=0):
        code, said = commands.run(monkeypatch, capsys, *arguments)
        assert code == status, said
        return said

    return run


MATH_ALONE = ("--where", "info.category=math", "--domain", "nano")


def test_look_says_what_is_there(monkeypatch, capsys, file):
    monkeypatch.setattr("sys.argv", ["scalediff", "look", str(file[0]), "--domain", "nano"])
    from scalediff import cli

    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    said = capsys.readouterr().out
    for line in (
        "rows        286 usable, 14 set aside",
        "gold        224 of 286 rows, from conversations[0].info.ground_truth; "
        "8 placeholders (None, proof, not found, N/A), 54 none",
        "turns       8 rows have several user turns; the first is the problem, and what follows "
        "its response is not read",
        "category    math 236, code 30, chat 20; all are taken as problems, "
        "--where info.category=math takes one",
    ):
        assert line in said.splitlines()


def test_commands_use_the_gold_and_leave_out_what_is_no_mathematics(go, file, tmp_path):
    path, kinds = file
    screened = tmp_path / "s.jsonl"
    said = go("screen", path, "-o", screened, *MATH_ALONE)
    assert "left out: 52 of 300 rows by --where info.category=math" in said
    assert "gold: 224 of 236 rows, from conversations[0].info.ground_truth; 8 placeholders" in said
    assert "turns: 8 rows have several user turns" in said
    rows, bad = read(screened), read(tmp_path / "s.rejected.jsonl")
    assert len(rows) == MATH
    assert not read(tmp_path / "s.dropped.jsonl")
    assert len(rows) + len(bad) + 52 == am_qwen3.NUM_ROWS
    assert {kinds[row["problem"]] for row in rows} == set(am_qwen3.MATH)
    for row in rows:
        truth = row["conversations"][0]["info"]["ground_truth"]
        if kinds[row["problem"]] == "placeholder":
            assert row.get("answer") is None
        else:
            assert row["answer"] == truth

    identified = tmp_path / "i.jsonl"
    said = go("identify", screened, "-o", identified, "--model", "fake:identifier", *MATH_ALONE)
    assert "gold: 224 of 236 rows, from answer; 12 none" in said
    assert len(read(identified)) == MATH

    # a real teacher, on what it does well and fast
    easy = ("--where", "info.source=nano_level_1", *MATH_ALONE)
    distilled, filtered = tmp_path / "d.jsonl", tmp_path / "f.jsonl"
    teacher = ("--model", "nano:teacher", "--max-new-tokens", 120)
    go("distill", identified, "-o", distilled, *teacher, *easy)
    asked = [kinds[row["problem"]] for row in read(distilled)]
    go("filter", distilled, "-o", filtered, "--domain", "nano")
    kept, dropped = read(filtered), read(tmp_path / "f.dropped.jsonl")
    assert len(kept) + len(dropped) == len(asked)
    assert {row["reason"] for row in dropped} == {"wrong"}
    assert {"placeholder", "wrong_truth", "math"} <= set(asked)
    assert {kinds[row["problem"]] for row in kept} >= {"math", "placeholder"}
    assert "wrong_truth" not in {kinds[row["problem"]] for row in kept}
    assert len(kept) > len(asked) / 2
    for row in kept:
        assert row["label"] == row.get("answer", row["label"])


def test_its_own_attempts_are_judged_by_its_gold(go, file, tmp_path):
    path, kinds = file
    filtered = tmp_path / "f.jsonl"
    go("filter", path, "-o", filtered, *MATH_ALONE)
    kept, dropped = read(filtered), read(tmp_path / "f.dropped.jsonl")
    bad = read(tmp_path / "f.rejected.jsonl")
    counts = am_qwen3.KINDS
    assert len(kept) + len(dropped) + len(bad) + 52 == am_qwen3.NUM_ROWS
    wrong = Counter(kinds[row["problem"]] for row in dropped if row["reason"] == "wrong")
    assert wrong == {"wrong_truth": counts["wrong_truth"]}
    assert Counter(kinds[row["problem"]] for row in kept) == {
        "math": counts["math"],
        "placeholder": counts["placeholder"],
        "two_turns": counts["two_turns"],
    }

    go("assemble", filtered, "-o", tmp_path / "ds", "--domain", "nano")
    made = [row for shard in sorted((tmp_path / "ds").rglob("*.parquet"))
            for row in pq.read_table(shard).to_pylist()]  # fmt: skip
    assert len(made) == len(kept)
    assert {row["problem"]: row["answer"] for row in made} == {
        row["problem"]: row["label"] for row in kept
    }


def test_a_recipe_draws_canaries_from_the_gold(go, file, tmp_path):
    path, _ = file
    recipe = tmp_path / "am.yaml"
    recipe.write_text(RECIPE % path)
    said = go("run", recipe, "--out", tmp_path / "run")
    assert "left out: 52 of 300 rows by --where info.category=math" in said
    assert "gold: 224 of 236 rows, from conversations[0].info.ground_truth" in said
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["rows_lost"] == 0
    assert summary["counts"]["sources"]["out"] == MATH
    reading = summary["reading"]["sources"]
    assert reading["left_out"] == 52
    assert reading["gold"] == {"conversations[0].info.ground_truth": 224}
    canaries = summary["canaries"]
    assert canaries["n"] == 100
    left = canaries["review"] + sum(canaries["dropped"].values())
    assert canaries["n"] == canaries["kept"] + left


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--where", "info.category=maths", "info.category is math (248), code (30), chat (20)"),
        ("--where", "info.categroy=math", "near it is conversations.0.info.category"),
        ("--where", "math", "write it as COLUMN=VALUE"),
        ("--answer-column", "ground_truth", "near it is conversations.0.info.ground_truth"),
        ("--answer-column", "reward_model.ground_truth", "conversations.0.info.ground_truth"),
    ],
)
@pytest.mark.parametrize("command", ["look", "screen", "filter", "grade"])
def test_what_matches_nothing_is_said(go, file, tmp_path, command, option, value, said):
    out = () if command == "look" else ("-o", tmp_path / "o.jsonl")
    assert said in go(command, file[0], *out, option, value, status=2)
    assert not (tmp_path / "o.jsonl").exists()
