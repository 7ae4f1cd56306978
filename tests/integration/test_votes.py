"""What ``scalediff filter`` makes of attempts that were made earlier or elsewhere."""

import json

import pyarrow.parquet as pq
import pytest
from commands import lines, succeeding

from scalediff import cli, grade

SOLVED = "<think>Two and two are four, I think.</think>It is \\boxed{4}."
OTHER = "<think>Two and two are five, I think.</think>It is \\boxed{5}."
CUT = "<think>Two and two are"
BARE = "<think>Two and two are four, I think.</think>That is all I know."


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    return succeeding(monkeypatch, capsys, tmp_path)


def row_of(number, *generations, **more):
    reasons = ["length" if g == CUT else "stop" for g in generations]
    return {
        "problem": f"What is $2+2$ when you add them {number} times?",
        "generations": generations,
        "finish_reasons": reasons,
        **more,
    }


def rows_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


ROWS = [
    row_of(1, SOLVED, CUT, BARE, CUT),  # one of four: review
    row_of(2, SOLVED, CUT, SOLVED, BARE),  # two of four: kept
    row_of(3, SOLVED, SOLVED, CUT, BARE, BARE),  # two of five: review
    row_of(4, SOLVED, SOLVED, SOLVED, BARE, CUT),  # three of five: kept
    row_of(5, SOLVED),  # one of one: kept
    row_of(6, SOLVED, CUT, CUT),  # one of three: review
    row_of(7, SOLVED, CUT, CUT, CUT, answer="4"),  # its gold is matched: kept
    row_of(8, SOLVED, OTHER),  # half of two, but half of the graded answers: review
]


@pytest.mark.parametrize(
    ("settings", "review"),
    [
        ([], [1, 3, 6, 8]),
        (["min_agree=null"], [8]),
        (["min_agree=2"], [1, 5, 6, 8]),
        (["min_agree=half", "min_confidence=0.5"], [1, 3, 6]),
    ],
)
def test_votes_are_counted_in_each_row_wherever_its_attempts_were_made(
    call, tmp_path, settings, review
):
    lines(tmp_path / "in.jsonl", *ROWS)
    call("filter", "in.jsonl", "-o", "out.jsonl", *(f for s in settings for f in ("--set", s)))
    rows = rows_in(tmp_path / "out.jsonl")
    assert [number for number, row in enumerate(rows, 1) if row.get("review")] == review
    first = rows[0]
    assert [first[f"num_{name}"] for name in ("agree", "graded", "counted")] == [1, 1, 4]


@pytest.mark.parametrize(
    ("settings", "rule", "counts"),
    [
        ([], "at least half of a row's attempts", (4, 4, 0)),
        (["--set", "min_agree=null"], "any number of attempts", (7, 1, 0)),
        (["--set", "min_agree=3"], "at least 3 attempts", (2, 6, 0)),
    ],
)
def test_explain_follows_the_same_rule(monkeypatch, capsys, tmp_path, settings, rule, counts):
    path = lines(tmp_path / "in.jsonl", *ROWS)
    arguments = ["filter", str(path), "-o", str(tmp_path / "out.jsonl"), "--explain", *settings]
    monkeypatch.setattr("sys.argv", ["scalediff", *arguments])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    assert f"where {rule} have to agree (min_agree)" in said
    kept, review, dropped = counts
    assert f"1.00 {kept:>8} {review:>8} {dropped:>8}  <- as set" in said


def test_attempts_of_distill_are_counted_by_a_later_filter(call, tmp_path):
    lines(tmp_path / "in.jsonl", {"problem": "What is $2+2$ when you add them?"})
    call("distill", "in.jsonl", "-o", "d.jsonl", "--model", "fake:teacher", "-k", "4")
    (made,) = rows_in(tmp_path / "d.jsonl")
    for attempt in made["attempts"][1:]:
        attempt |= {"content": "", "answer": None, "finish_reason": "length"}
    lines(tmp_path / "one.jsonl", made)
    call("filter", "one.jsonl", "-o", "f.jsonl")
    (row,) = rows_in(tmp_path / "f.jsonl")
    assert (row["confidence"], row["num_counted"], row["review"]) == (1.0, 4, True)


@pytest.mark.parametrize(("settings", "kept"), [([], 0), (["--set", "drop_too_easy=false"], 1)])
def test_drop_too_easy_can_be_switched_off(call, tmp_path, settings, kept):
    lines(tmp_path / "in.jsonl", {"problem": "What is $2+2$ when you add them?"})
    call("distill", "in.jsonl", "-o", "d.jsonl", "--model", "fake:teacher?accuracy=1")
    student = ("--student", "fake:student?accuracy=1")
    call("filter", "d.jsonl", "-o", "f.jsonl", *student, *settings)
    rows = rows_in(tmp_path / "f.jsonl")
    assert len(rows) == kept
    assert [row["student_outcome"] for row in rows] == ["right"] * kept
    reasons = [row["reason"] for row in rows_in(tmp_path / "f.dropped.jsonl")]
    assert reasons == ["too_easy"] * (1 - kept)


def test_a_dataset_says_what_its_confidence_is_a_share_of(call, tmp_path):
    lines(tmp_path / "in.jsonl", *ROWS)
    call("filter", "in.jsonl", "-o", "f.jsonl")
    call("assemble", "f.jsonl", "-o", "ds")
    (path,) = (tmp_path / "ds").rglob("*.parquet")
    names = ("confidence", "num_agree", "num_graded", "num_counted")
    rows = [tuple(row[name] for name in names) for row in pq.read_table(path).to_pylist()]
    assert rows == [(1.0, 2, 2, 4), (1.0, 3, 3, 5), (1.0, 1, 1, 1), (1.0, 1, 1, 4)]
    card = (tmp_path / "ds" / "README.md").read_text()
    assert (
        "`confidence` is `num_agree` over `num_graded`: the share of the teacher's graded" in card
    )
    assert "`num_counted` are all its attempts" in card


def test_generations_that_gave_nothing_count_and_the_end_says_what_is_in_review(call, tmp_path):
    empty = row_of(1, SOLVED) | {"generations": [SOLVED, None, None, None]}
    del empty["finish_reasons"]
    lines(tmp_path / "in.jsonl", empty, row_of(2, SOLVED, SOLVED))
    said = call("filter", "in.jsonl", "-o", "out.jsonl")
    first, second = rows_in(tmp_path / "out.jsonl")
    assert (first["num_counted"], first["review"]) == (4, True)
    assert not second.get("review")
    assert '1 of the 2 rows in out.jsonl are in review ("review": true); assemble leaves' in said
    call("assemble", "out.jsonl", "-o", "ds")
    (path,) = (tmp_path / "ds").rglob("*.parquet")
    assert [row["problem"] for row in pq.read_table(path).to_pylist()] == [second["problem"]]


def test_an_unknown_finish_reason_is_undecided(call, tmp_path):
    row = {
        "problem": "1?",
        "answer": "7",
        "response": "It is \\boxed{7}.",
        "finish_reason": "tired",
    }
    lines(tmp_path / "in.jsonl", row)
    call("grade", "in.jsonl", "-o", "out.jsonl")
    (graded,) = rows_in(tmp_path / "out.jsonl")
    assert (graded["verdict"], graded["verdict_rule"]) == ("undecided", "not_read")
    assert grade("\\boxed{7}", "7", finish_reason="tired").rule == "not_read"
