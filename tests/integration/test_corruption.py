"""Damage to a finished run: said, made again from what is whole, and never other data."""

import hashlib
import json
import subprocess
import sys

import pytest
from corrupting import (
    CHANGED,
    RECIPE,
    SMALL,
    Case,
    Trial,
    digest,
    files_of,
    records_of,
    rows_of,
    scalediff,
)

from scalediff.io import log_files, step_folder
from scalediff.io.lock import RunLock
from scalediff.io.log_files import LogFiles
from scalediff.io.run import Run, write_json


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    return Trial(tmp_path_factory.mktemp("corrupting"))


@pytest.fixture
def whole(trial):
    """A copy of the finished run."""
    return trial.copy()


def folder_of(run, step):
    return run / "steps" / json.loads((run / "manifest.json").read_text())["steps"][step]["folder"]


def run_again(run, *extra):
    return scalediff("run", RECIPE, "--out", run, *SMALL, *extra)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("step", "name", "kind", "extra"), [
    ("", "attempts/attempts.log", "flip at 50 %", ()),
    ("", "attempts/attempts.log", "cut to half", CHANGED),
    ("", "attempts/attempts.idx", "deleted", ()),
    ("", "attempts/attempts.idx", "zeros", CHANGED),
    ("", "manifest.json", "garbage", CHANGED),
    ("", "recipe.yaml", "emptied", ()),
    ("distill", "rows.parquet", "deleted", ()),
    ("distill", "attempts.parquet", "flip at 50 %", CHANGED),
    ("distill", "ledger.log", "garbage", ()),
    ("filter.decide", "drops.parquet", "garbage", CHANGED),
    ("sources", "step.json", "zeros", ()),
    ("identify.score", "seal.json", "flip at 30 %", CHANGED),
    ("assemble", "dataset/data/generated-00000-of-00001.parquet", "deleted", ()),
    ("assemble", "dataset/README.md", "flip at 30 %", ()),
])  # fmt: skip
def test_damage_is_never_silent_and_loses_nothing(trial, step, name, kind, extra):
    place = f"{folder_of(trial.whole, step).relative_to(trial.whole)}/{name}" if step else name
    outcome = trial.run(Case(place, kind), extra)
    assert outcome.bad == []
    assert outcome.status == 0
    assert outcome.word != "no change"


def test_a_refused_command_changes_no_byte(trial, whole):
    other = ("--set", "models.teacher=fake:teacher?accuracy=0.1")
    holder = RunLock(whole)
    holder.take()
    before = {name: digest(whole / name) for name in files_of(whole)}
    try:
        for command in [("run", RECIPE, "--out", whole, *SMALL, *other), ("finish", whole)]:
            status, said = scalediff(*command)
            assert status == 2
            assert said.strip().splitlines()[-1].startswith(f"scalediff: {whole} is at work in")
            assert len([line for line in said.splitlines() if "scalediff:" in line]) == 1
    finally:
        after = {name: digest(whole / name) for name in files_of(whole)}
        holder.release()
    assert before == after
    status, said = scalediff("check", whole, "--deep")
    assert status == 0, said


def test_a_refused_single_command_changes_no_byte(tmp_path):
    rows = tmp_path / "in.jsonl"
    rows.write_text('{"problem": "What is $2+2$ when you add them?"}\n')
    distill = ("distill", rows, "-o", tmp_path / "o.jsonl", "--model")
    assert scalediff(*distill, "fake:teacher")[0] == 0
    holder = RunLock(tmp_path / "o.jsonl.run")
    holder.take()
    before = {name: digest(tmp_path / name) for name in files_of(tmp_path)}
    status, said = scalediff(*distill, "fake:teacher?accuracy=0.1")
    assert (status, "at work in another process" in said) == (2, True)
    assert before == {name: digest(tmp_path / name) for name in files_of(tmp_path)}
    holder.release()


@pytest.mark.timeout(300)
def test_two_commands_at_once_on_one_directory(trial, tmp_path):
    """Whichever is first works on undisturbed (``bench/faults/two_commands.py``: many times)."""
    command = [sys.executable, "-m", "scalediff.cli", "run", RECIPE, "--out", str(tmp_path / "o")]
    settings = [(), CHANGED]
    both = [
        subprocess.Popen([*command, *SMALL, *extra], stderr=subprocess.PIPE, text=True,
                         stdout=subprocess.DEVNULL)
        for extra in settings
    ]  # fmt: skip
    said = [process.communicate()[1] for process in both]
    ends = [process.returncode for process in both]
    assert sorted(ends) in ([0, 0], [0, 2]), said  # the second may come when the first is done
    assert "Traceback" not in "".join(said)
    if 2 in ends:
        assert "at work in another process" in said[ends.index(2)]
        winner = settings[ends.index(0)]
        assert trial.expected[winner][0] == rows_of(tmp_path / "o")
    assert scalediff("check", tmp_path / "o", "--deep")[0] == 0


def test_killed_while_it_grew_a_step_is_not_done_at_its_old_size(trial, whole, monkeypatch):
    real = step_folder.StepFolder.finish

    def killed(self, seal):
        raise KeyboardInterrupt

    monkeypatch.setattr(step_folder.StepFolder, "finish", killed)
    status, _ = scalediff("run", RECIPE, "--out", whole, *SMALL, "--set", "generate.n=60")
    assert status == 75
    assert not (folder_of(whole, "generate") / "seal.json").exists()
    monkeypatch.setattr(step_folder.StepFolder, "finish", real)
    status, said = run_again(whole)
    assert status == 0
    assert "nothing to do" not in said
    assert rows_of(whole) == trial.expected[()][0]
    with_seal = json.loads((folder_of(whole, "generate") / "seal.json").read_text())
    assert (with_seal["num_rows"], with_seal["extent"]["n"]) == (40, 40)


@pytest.mark.parametrize("step", ["distill", "sources", "filter.grade"])
def test_damage_that_is_found_only_on_the_way_is_made_again(trial, whole, monkeypatch, step):
    monkeypatch.setattr(step_folder, "SMALL_BYTES", 0)
    path = folder_of(whole, step) / "rows.parquet"
    before = digest(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    status, said = run_again(whole, *CHANGED)
    assert status == 0, said
    assert "made again" in said
    assert digest(path) == before
    assert rows_of(whole) == trial.expected[CHANGED][0]


def test_what_only_a_deep_look_finds_the_next_command_makes_again(whole, monkeypatch):
    monkeypatch.setattr(log_files, "WINDOW_BYTES", 0)
    monkeypatch.setattr(step_folder, "SMALL_BYTES", 0)
    store = whole / "attempts" / "attempts"
    before = records_of(store)
    lost = first_of(whole, "distill")
    alter(store.with_suffix(".log"), lost + 5)
    alter(folder_of(whole, "filter.grade") / "rows.parquet", 40)
    alter(folder_of(whole, "distill") / "ledger.log", 70)
    assert scalediff("check", whole)[0] == 0  # the fast look sees sizes
    files = {name: digest(whole / name) for name in files_of(whole)}
    status, said = scalediff("check", whole, "--deep")
    assert status == 1
    assert "1 of its attempts are lost from the store" in said
    assert said.strip().endswith("pays for 1 unit")
    files_now = {name: digest(whole / name) for name in files_of(whole)}
    assert files_now.pop("doubted.json")
    assert files_now == files
    status, said = run_again(whole)
    assert status == 0, said
    assert "1 of its attempts are lost from the store" in said
    assert records_of(store) == before
    status, said = scalediff("check", whole, "--deep")
    assert status == 0, said
    assert not (whole / "doubted.json").exists()


def first_of(run, step):
    """Where the text of the step's first attempt lies in the store."""
    opened = Run(run, create=False)
    (attempt, *_) = next(iter(opened.table(step).rows()))["attempts"]
    opened.close()
    files = LogFiles(run / "attempts" / "attempts", read_only=True)
    wanted = hashlib.sha256(attempt["attempt_id"].encode()).digest()[:16]
    (number,) = [n for n in range(files.num_records) if files.key(n) == wanted]
    place = files.place(number)
    files.close()
    return place.offset


def alter(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_check_says_that_a_run_is_at_work_and_refuses_nothing(whole):
    holder = RunLock(whole)
    holder.take()
    status, said = scalediff("check", whole)
    holder.release()
    assert status == 0
    assert "is at work (process" in said
    assert "whole: 33 steps" in said


@pytest.mark.parametrize("name", ["absent", "in.jsonl", "empty"])
def test_check_wants_a_run_directory(tmp_path, name):
    (tmp_path / "in.jsonl").write_text("")
    (tmp_path / "empty").mkdir()
    status, said = scalediff("check", tmp_path / name)
    assert status == 2
    assert "run directory" in said
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["empty", "in.jsonl"]


def test_money_that_damage_would_cost_again_is_asked_about(whole, monkeypatch):
    seal = folder_of(whole, "distill") / "seal.json"
    write_json(seal, json.loads(seal.read_text()) | {"seconds": 36_000})
    for suffix in (".log", ".idx"):
        (whole / "attempts" / "attempts").with_suffix(suffix).unlink()
    status, said = run_again(whole)
    assert status == 2
    assert "hours of paid work (distill" in said
    assert run_again(whole, "--yes")[0] == 0
