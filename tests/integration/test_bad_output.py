"""Where commands write: nothing of anybody else is lost, and a wrong place is said at once."""

import errno
import json
import os

import pytest
from commands import lines, run

GOOD = {"problem": "What is $2+2$ when you add them?", "answer": "4"}
SOLVED = {**GOOD, "response": "<think>two and two</think>It is \\boxed{4}."}


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        return run(monkeypatch, capsys, *arguments)

    return called


@pytest.mark.parametrize("name", ["p.dropped.jsonl", "p.rejected.jsonl", "p.jsonl"])
def test_an_input_is_never_written_over(call, tmp_path, name):
    before = lines(tmp_path / name, GOOD).read_text()
    status, said = call("screen", name, "-o", "p.jsonl")
    assert status == 2
    assert "give another -o" in said
    assert (tmp_path / name).read_text() == before


def test_a_companion_of_somebody_else_is_never_written_over(call, tmp_path):
    lines(tmp_path / "in.jsonl", GOOD)
    (tmp_path / "q.dropped.jsonl").write_text("precious")
    status, _ = call("screen", "in.jsonl", "-o", "q.jsonl")
    assert status == 2
    assert (tmp_path / "q.dropped.jsonl").read_text() == "precious"


def test_files_that_were_put_into_a_dataset_are_kept(call, tmp_path):
    lines(tmp_path / "in.jsonl", {**SOLVED, "answer": None})
    assert call("assemble", "in.jsonl", "-o", "ds")[0] == 0
    (tmp_path / "ds" / "notes.txt").write_text("mine")
    status, said = call("assemble", "in.jsonl", "-o", "ds")
    assert status == 2
    assert "notes.txt" in said
    assert (tmp_path / "ds" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "mend"),
    [
        (["distill", "in.jsonl", "-o", "out.json", "--model", "fake:teacher"], "-o out.jsonl"),
        (["assemble", "in.jsonl", "-o", "ds.jsonl"], "-o ds"),
        (["train", "generator", "in.jsonl", "-o", "m.jsonl", "--model", "nano:generator"], "-o m"),
        (["screen", "in.jsonl", "-o", "."], "names no file"),
        (["screen", "in.jsonl", "-o", "in.jsonl/x.jsonl"], "give another"),
        (["screen", "in.jsonl", "-o", "x" * 300 + ".jsonl"], "give another"),
        (["train", "student", "in.jsonl", "-o", "m", "--model", "fake:student"], "cannot train"),
        (["distill", "in.jsonl", "-o", "o.jsonl", "--model", "fake:teacher", "--engine", "slotz=3"],
         "did you mean slots"),
        (["distill", "in.jsonl", "-o", "o.jsonl", "--model", "fake:teacher",
          "--engine", "http.in_flight=0"], "http.in_flight = 0: write a number from 1 up"),
        (["distill", "in.jsonl", "-o", "o.jsonl", "--model", "fake:teacher", "--engine", "slots=3",
          "--engine", "slots.http=3"], "slots was given a value of its own"),
        (["distill", "in.jsonl", "-o", "o.jsonl", "--model", "fake:teacher", "-k", "9" * 25], "k"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_said_before_anything_is_paid(call, tmp_path, arguments, mend):
    lines(tmp_path / "in.jsonl", GOOD)
    status, said = call(*arguments)
    assert status == 2
    assert mend in said
    assert not list(tmp_path.rglob("attempts.log"))


def test_an_empty_dataset_is_an_error(call, tmp_path):
    lines(tmp_path / "in.jsonl", GOOD)  # neither attempt nor solution
    status, said = call("assemble", "in.jsonl", "-o", "ds")
    assert status == 2
    assert "ds.dropped.jsonl" in said
    (dropped,) = map(json.loads, (tmp_path / "ds.dropped.jsonl").read_text().splitlines())
    assert dropped["reason"] == "no_solution"


def test_filter_works_without_a_student_and_wants_attempts(call, tmp_path):
    lines(tmp_path / "in.jsonl", SOLVED, {**GOOD, "problem": "What is $1+1$ when you add them?"})
    status, said = call("filter", "in.jsonl", "-o", "kept.jsonl")
    assert status == 0, said
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 1
    (rejected,) = map(json.loads, (tmp_path / "kept.rejected.jsonl").read_text().splitlines())
    assert rejected["line"] == 2
    lines(tmp_path / "bare.jsonl", GOOD)
    status, said = call("filter", "bare.jsonl", "-o", "none.jsonl")
    assert status == 2
    assert "--response-column" in said


def test_a_benchmark_row_without_an_answer_is_set_aside_before_it_is_paid(call, tmp_path):
    bare = {"problem": "How much is $1+1$ in this long question?", "answer": None}
    lines(tmp_path / "bench.jsonl", GOOD, bare)
    status, said = call(
        "evaluate", "--model", "fake:teacher", "--benchmark", "bench.jsonl", "-o", "scores"
    )
    assert status == 0, said
    scores = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert scores["all"]["problems"] == 1
    assert "1 rows could not be read" in said


def test_a_row_whose_attempts_are_not_ours_does_not_bring_the_rest_down(call, tmp_path):
    attempt = {"role": "teacher", "sample_index": 0, "content": "\\boxed{4}", "answer": "4"}
    bad = {**GOOD, "attempts": [{**attempt, "finish_reason": "stop", "num_tokens": "many"}]}
    lines(tmp_path / "in.jsonl", SOLVED, {**bad, "problem": "What is $3+1$ when you add them?"})
    status, said = call("filter", "in.jsonl", "-o", "kept.jsonl")
    assert status == 0, said


@pytest.mark.parametrize("answer", [{"x": 1}, True])
def test_what_is_no_answer_is_no_gold(call, tmp_path, answer):
    lines(tmp_path / "in.jsonl", {**SOLVED, "answer": answer})
    assert call("grade", "in.jsonl", "-o", "graded.jsonl")[0] == 0
    (graded,) = map(json.loads, (tmp_path / "graded.jsonl").read_text().splitlines())
    assert graded["verdict"] == "undecided"


def test_a_damaged_run_is_said_and_made_again(call, tmp_path):
    lines(tmp_path / "in.jsonl", GOOD)
    assert call("screen", "in.jsonl", "-o", "o.jsonl")[0] == 0
    (table,) = (tmp_path / "o.jsonl.run").glob("steps/sources-*/rows.parquet")
    whole = table.read_bytes()
    table.write_bytes(b"garbage")
    status, said = call("screen", "in.jsonl", "-o", "o.jsonl", "--set", "check=false")
    assert status == 0
    assert "rows.parquet has 7 bytes where" in said
    assert "made again" in said
    assert table.read_bytes() == whole


def test_a_run_without_a_finished_step_is_said(call, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "manifest.json").write_text('{"format": 1}')
    status, said = call("report", "empty")
    assert status == 2
    assert "no finished step" in said


@pytest.mark.parametrize("room", [0, 500, 3_000, 20_000])
def test_a_full_disk_ends_in_one_sentence_and_the_same_command_goes_on(
    call, tmp_path, monkeypatch, room
):
    rows = [{"problem": f"What is ${i}+{i}$ when you add them?"} for i in range(100)]
    lines(tmp_path / "in.jsonl", *rows)
    real, left = os.pwrite, [room]

    def pwrite(handle, data, offset):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data)[: left[0]], offset)
        left[0] -= written
        return written

    monkeypatch.setattr(os, "pwrite", pwrite)
    distill = ("distill", "in.jsonl", "-o", "out.jsonl", "--model", "fake:teacher")
    status, said = call(*distill)
    assert status == 1
    assert said.strip().splitlines()[-1] == (
        "scalediff: cannot write: No space left on device; free some space and run the same "
        "command again"
    )
    monkeypatch.setattr(os, "pwrite", real)
    assert call(*distill)[0] == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 100


def test_every_generation_gets_a_verdict(call, tmp_path, capsys):
    several = ["\\boxed{4}", "\\boxed{5}", "Thus it is 4.", None, "\\boxed{4} or \\boxed{5}"]
    reasons = ["stop", "stop", "stop", None, "stop"]
    row = {**GOOD, "generations": several, "finish_reasons": reasons, "pass_rate": 0.5}
    single = {**GOOD, "problem": "How much is $1+3$ all in all?", "generations": ["\\boxed{4}"]}
    lines(tmp_path / "in.jsonl", row, single)
    assert call("grade", "in.jsonl", "-o", "graded.jsonl")[0] == 0
    first, second = map(json.loads, (tmp_path / "graded.jsonl").read_text().splitlines())
    assert first["verdicts"] == ["right", "wrong", "undecided", "undecided", "wrong"]
    assert first["verdict_rules"] == ["exact", "exact", "not_read", "missing", "shape"]
    assert (first["verdict"], first["share_right"], first["pass_rate"]) == (None, 1 / 3, 0.5)
    assert first["generations"] == several
    assert second["verdict"] == "right"
    assert "verdicts" not in second
