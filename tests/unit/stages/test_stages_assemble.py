import json
import os
from collections import Counter

import pyarrow.parquet as pq
import pytest
from fakes import FakeTable, context

from scalediff.core.records import Drop
from scalediff.io.run import read_json
from scalediff.stages.assemble import Assemble, AssembleConfig, solution_of


def attempt(index, content, reasoning="hm", role="teacher", **values):
    made = {"role": role, "sample_index": index, "reasoning": reasoning, "content": content}
    return {**made, "answer": content, "finish_reason": "stop", "num_tokens": 5, **values}


def original(key="s", **values):
    return {"key": key, "problem_id": key * 4, "problem": f"Problem {key}?", **values}


def generated(key="g", **values):
    return original(key, slot=0, **values)


def assemble(tmp_path, *tables, **settings):
    stage = Assemble(AssembleConfig(**settings))
    inputs = [FakeTable(rows, f"table{i}") for i, rows in enumerate(tables)]
    return dict(stage.run(inputs, context(folder=tmp_path)))


def one(tmp_path, row, **settings):
    return assemble(tmp_path, [row], **settings)[row["key"]]


def test_a_generated_row_takes_the_attempt_that_agrees_with_its_label(tmp_path):
    row = generated(
        attempts=[attempt(0, "4"), attempt(1, "5"), attempt(2, "5")],
        label="5",
        solution_index=1,
        confidence=2 / 3,
        num_agree=2,
        num_graded=3,
        num_counted=3,
    )
    made = one(tmp_path, row)
    assert list(made)[:5] == ["key", "split", "problem", "solution", "answer"]
    assert made["split"] == "generated"
    assert made["solution"] == "<think>\nhm\n</think>\n\n5"
    assert made["answer"] == "5"
    assert (made["solution_from"], made["flagged"]) == ("teacher", False)
    assert made["confidence"] == 2 / 3
    assert (made["num_agree"], made["num_graded"], made["num_counted"]) == (2, 3, 3)
    assert not {"attempts", "slot", "solution_index"} & set(made)


def test_a_generated_row_s_label_counts_for_more_than_a_verdict(tmp_path):
    # the label is what most attempts say; a grader's word may be of something else
    row = generated(
        attempts=[attempt(0, "4", verdict="right"), attempt(1, "5", verdict="wrong")],
        label="5",
        answer="4",
        solution_index=1,
        num_agree=1,
    )
    made = one(tmp_path, row)
    assert made["solution"].endswith("5")
    assert (made["answer"], made["source_answer"]) == ("5", "4")


def test_a_generated_row_without_an_agreeing_attempt_takes_the_first(tmp_path):
    row = generated(attempts=[attempt(1, "second"), attempt(0, "first")], solution_index=7)
    made = one(tmp_path, row)
    assert made["solution"].endswith("first")
    assert made["answer"] == "first"


def test_progress_is_told_each_thousand_rows_of_all_inputs(tmp_path):
    told = []
    ctx = context(folder=tmp_path)
    ctx.progress = lambda done, total: told.append((done, total))
    tables = [FakeTable([original(f"{t}{i}", solution="x") for i in range(1100)]) for t in "ab"]
    for _ in Assemble(AssembleConfig()).run(tables, ctx):
        pass
    assert told == [(1000, 2200), (2000, 2200)]


def test_a_rejected_attempt_and_the_students_are_never_a_solution(tmp_path):
    row = generated(
        attempts=[
            attempt(0, "loop", rejected="looping"),
            attempt(0, "student's", role="student"),
            attempt(1, "good"),
        ]
    )
    assert one(tmp_path, row)["solution"].endswith("good")


def test_an_original_takes_the_first_attempt_that_is_right_and_keeps_its_own_aside(tmp_path):
    row = original(
        answer="4",
        solution="four",
        attempts=[attempt(0, "5", verdict="wrong"), attempt(1, "4", verdict="right")],
    )
    made = one(tmp_path, row)
    assert made["split"] == "original"
    assert made["solution"] == "<think>\nhm\n</think>\n\n4"
    assert made["source_solution"] == "four"
    assert made["answer"] == "4"
    assert "source_answer" not in made


@pytest.mark.parametrize(
    "attempts",
    [
        [],
        [attempt(0, "5", verdict="wrong")],
        [attempt(0, "5", verdict="undecided")],
        [attempt(0, "5")],
        [attempt(0, "4", verdict="right", rejected="looping")],
    ],
    ids=["none", "wrong", "undecided", "not graded", "rejected"],
)
def test_an_original_without_a_right_attempt_keeps_its_own_text_and_is_flagged(tmp_path, attempts):
    made = one(tmp_path, original(answer="4", solution="It is four.", attempts=attempts))
    assert made["solution"] == "It is four."
    assert (made["solution_from"], made["flagged"]) == ("source", True)
    assert "source_solution" not in made


def test_an_original_that_went_through_the_filter_takes_the_attempt_that_matches_its_gold(tmp_path):
    row = original(answer="4", solution="own", attempts=[attempt(0, "5"), attempt(1, "4")])
    made = one(tmp_path, {**row, "label": "4", "solution_index": 1, "num_agree": 1})
    assert made["solution"].endswith("</think>\n\n4")
    assert one(tmp_path, {**row, "solution_index": 1, "num_agree": 0})["solution"] == "own"


def test_an_original_without_gold_takes_an_attempt_and_its_answer(tmp_path):
    made = one(tmp_path, original(attempts=[attempt(0, "7")]))
    assert made["solution"].endswith("7")
    assert made["answer"] == "7"


@pytest.mark.parametrize("solution", [None, "", " \n", 4, ["a"]])
def test_a_row_without_any_solution_is_a_drop(tmp_path, solution):
    outcome = one(tmp_path, original(answer="4", solution=solution))
    nothing = "neither an attempt to take nor a solution of its own"
    assert outcome == Drop("no_solution", nothing)
    unseen = original(answer="4", solution=solution, attempts=[attempt(0, "4")])
    said = "no attempt was found right by its answer; let filter look first"
    assert one(tmp_path, unseen) == Drop("no_solution", said)


def test_over_length_rows_are_set_aside_with_the_number(tmp_path):
    row = original(solution="x" * 100)
    assert one(tmp_path, row, max_chars=100) == Drop("over_length", "110 characters, over 100")
    assert not isinstance(one(tmp_path, row, max_chars=110), Drop)
    long = generated(attempts=[attempt(0, "4", num_tokens=5000)])
    assert one(tmp_path, long, max_tokens=4096) == Drop("over_length", "5,000 tokens, over 4,096")
    assert not isinstance(one(tmp_path, long, max_tokens=5000), Drop)


def test_columns_that_ours_displace_are_kept_under_another_name(tmp_path):
    row = original(solution="own", answer="4", split="train", flagged="by me", level=3, url="u")
    made = one(tmp_path, row)
    assert made["split"] == "original"
    assert made["source_split"] == "train"
    assert made["flagged"] is True
    assert made["source_flagged"] == "by me"
    assert (made["level"], made["url"]) == (3, "u")


def test_every_row_that_comes_in_is_accounted_for(tmp_path):
    sources = [original("a", solution="own"), original("b"), original("c", solution="x" * 500)]
    kept = [
        generated("d", attempts=[attempt(0, "1")], label="1", review=False),
        generated("e", attempts=[attempt(0, "2")], label="2", review=True),
        original("a", solution="own"),
    ]
    stage = Assemble(AssembleConfig(max_chars=400))
    outcomes = list(stage.run([FakeTable(sources), FakeTable(kept)], context(folder=tmp_path)))
    assert [key for key, _ in outcomes] == ["a", "b", "c", "d", "a"]
    reasons = Counter(o.reason for _, o in outcomes if isinstance(o, Drop))
    assert reasons == {"no_solution": 1, "over_length": 1, "duplicate": 1}
    assert read_json(tmp_path / "counts.json") == {
        "in": 6, "original": 1, "generated": 1, "review": 1,
        "no_solution": 1, "over_length": 1, "duplicate": 1,
    }  # fmt: skip
    review = [json.loads(line) for line in (tmp_path / "review.jsonl").open()]
    assert [row["key"] for row in review] == ["e"]
    assert review[0]["attempts"][0]["content"] == "2"


def test_a_foreign_column_named_review_is_no_review(tmp_path):
    made = one(tmp_path, original(solution="own", review="five stars"))
    assert made["solution"] == "own"


def test_an_attempt_as_text_always_holds_both_tags_once():
    assert solution_of(attempt(0, "4", "\n\na\n\nb\n")) == "<think>\na\n\nb\n</think>\n\n4"
    assert solution_of(attempt(0, "4", None)) == "<think>\n\n</think>\n\n4"
    assert solution_of(attempt(0, None, "")) == "<think>\n\n</think>\n\n"


def test_an_interrupted_assembly_leaves_the_old_dataset(tmp_path):
    one(tmp_path, original("old", solution="own"))
    stage = Assemble(AssembleConfig())
    running = stage.run(
        [FakeTable([original("new", solution="own")] * 2)], context(folder=tmp_path)
    )
    next(running)
    running.close()
    assert not (tmp_path / "dataset.tmp").exists()
    shard = tmp_path / "dataset" / "data" / "original-00000-of-00001.parquet"
    assert pq.read_table(shard).column("key").to_pylist() == ["old"]


def test_the_dataset_loads_with_both_splits(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    rows = [
        original("a", solution="own", answer=4, level=1),
        generated("b", attempts=[attempt(0, "1")], label="1", confidence=1.0),
        generated("c", attempts=[attempt(0, "2")], label="2", confidence=0.5),
    ]
    assemble(tmp_path, rows, formats=["messages"], rows_per_shard=1)
    names = sorted(os.listdir(tmp_path / "dataset" / "data"))
    assert names == [
        "generated-00000-of-00002.parquet",
        "generated-00001-of-00002.parquet",
        "original-00000-of-00001.parquet",
    ]
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {"generated": 2, "original": 1}
    assert loaded["generated"].column_names[:3] == ["problem", "solution", "answer"]
    assert loaded["generated"][1]["solution"] == "<think>\nhm\n</think>\n\n2"
    first = loaded["original"][0]
    assert first["answer"] == "4"
    assert json.loads(first["extra"]) == {"level": 1}


def test_a_split_without_rows_has_no_file_and_the_rest_loads(tmp_path):
    datasets = pytest.importorskip("datasets")
    assemble(tmp_path, [original("a", solution="own")])
    loaded = datasets.load_dataset(str(tmp_path / "dataset"), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["original"]


def test_further_formats_hold_the_students_turn_and_the_solution(tmp_path):
    formats = ["messages", "prompt-completion", "sharegpt"]
    assemble(tmp_path, [generated("b", attempts=[attempt(0, "1")])], formats=formats)
    solution = "<think>\nhm\n</think>\n\n1"
    turn = "Box the answer.\nProblem b?"

    def read(name):
        return json.loads((tmp_path / "dataset" / "formats" / name / "generated.jsonl").read_text())

    assert read("messages")["messages"] == [
        {"role": "user", "content": turn},
        {"role": "assistant", "content": solution},
    ]
    assert read("sharegpt")["conversations"] == [
        {"from": "human", "value": turn},
        {"from": "gpt", "value": solution},
    ]
    assert read("prompt-completion") == {"key": "b", "prompt": turn, "completion": solution}


def test_the_card_and_the_provenance_tell_the_counts(tmp_path):
    assemble(
        tmp_path, [original("a", solution="own")], [generated("b", attempts=[attempt(0, "1")])]
    )
    told = read_json(tmp_path / "dataset" / "provenance.json")
    assert told["rows"] == {"generated": 1, "original": 1}
    assert told["solutions"] == {"source": 1, "teacher": 1}
    assert told["flagged"] == 1
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "| generated | 1 |" in card
    assert "1 originals kept a text of their own" in card
    assert "LABORATORY" not in card


@pytest.mark.parametrize(
    ("solution", "expected"),
    [
        ("[THINK]hm[/THINK]4", "<think>\nhm\n</think>\n\n4"),
        ("hm</thinking>4", "<think>\nhm\n</think>\n\n4"),
        ("analysisHm.assistantfinal4", "<think>\nHm.\n</think>\n\n4"),
        ("<think> hm </think> 4", "<think> hm </think> 4"),
        ("It is 4.", "It is 4."),
        ("[THINK]hm", "[THINK]hm"),
    ],
)
def test_a_source_s_own_thought_stands_between_the_tags_of_all(tmp_path, solution, expected):
    made = one(tmp_path, original(solution=solution, answer="4"))
    assert (made["solution"], made["flagged"]) == (expected, True)
    assert made.get("source_solution", solution) == solution


def test_a_thought_with_tags_in_it_does_not_break_its_solution():
    assert solution_of(attempt(0, "4", "a<think>b")) == "<think>\nab\n</think>\n\n4"
