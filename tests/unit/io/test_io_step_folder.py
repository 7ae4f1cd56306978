"""A seal vouches for its files: what is not as it was sealed is not done."""

import json
import os

import pytest

from scalediff.core.errors import DamagedError
from scalediff.io import step_folder
from scalediff.io.dataset import DatasetWriter
from scalediff.io.ledger import Ledger
from scalediff.io.parquet import DROP_COLUMNS, TableWriter
from scalediff.io.run import Run, StepFolder

SEAL = {"digest": "d", "num_rows": 3, "input": "i", "extent": {}, "seconds": 5.0,
        "counts": {"in": 4, "out": 3, "review": 0, "dropped": {"simple": 1}},
        "tokens": {"new": 7}}  # fmt: skip
ABOUT = {"name": "step", "stage": "solve", "births": True, "inputs": [], "pays": True,
         "settings": {}}  # fmt: skip


def sealed(path, **about):
    """A step that is done: three rows, a drop, a ledger, a model."""
    folder = StepFolder(path)
    folder.begin({**ABOUT, **about})
    for name, columns, num in (("rows", ["problem"], 3), ("drops", DROP_COLUMNS, 1)):
        writer = TableWriter(path / f"{name}.parquet", columns)
        for i in range(num):
            writer.write({"key": f"{name}{i}", "reason": "simple", "problem": f"{i}?"})
        writer.close()
    (path / "model").mkdir()
    (path / "model" / "weights").write_bytes(b"w" * 1000)
    with Ledger(path / "ledger") as ledger:
        for i in range(4):
            ledger.write(f"row{i}", {"n": i})
    folder.spend({"seconds": 5.0, "new": 7})
    folder.finish(SEAL)
    return folder


def alter(path, at=-1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


FILES = ["step.json", "rows.parquet", "drops.parquet", "model/weights"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [
    lambda path: path.unlink(), alter, lambda path: os.truncate(path, 10),
    lambda path: path.write_bytes(b""), lambda path: path.write_bytes(path.read_bytes() + b"x"),
])  # fmt: skip
def test_a_step_whose_files_are_not_as_sealed_is_not_done(tmp_path, name, damage):
    folder = sealed(tmp_path / "s")
    assert folder.seal["num_rows"] == 3
    assert folder.damage == ""
    damage(tmp_path / "s" / name)
    assert folder.seal is None
    assert name in folder.damage


@pytest.mark.parametrize("at", [5, 100, 300, -10])
def test_a_seal_that_is_damaged_seals_nothing(tmp_path, at):
    folder = sealed(tmp_path / "s")
    alter(tmp_path / "s" / "seal.json", at)
    assert folder.seal is None or folder.seal == {**folder.seal, **SEAL}
    (tmp_path / "s" / "seal.json").write_text("[1]")
    assert (folder.seal, folder.damage) == (None, "seal.json is damaged")


def test_large_files_are_digested_when_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(step_folder, "SMALL_BYTES", 10)
    folder = sealed(tmp_path / "s")
    alter(tmp_path / "s" / "rows.parquet", 50)
    assert folder.seal is not None
    with pytest.raises(DamagedError, match=r"rows.parquet is not as it was sealed"):
        folder.sound("rows.parquet")
    alter(tmp_path / "s" / "model" / "weights")
    with pytest.raises(DamagedError, match="weights is not as it was sealed"):
        folder.sound("model")
    assert folder.sound("drops.parquet").exists()
    assert len([*folder.wrong_files(folder.seal, deep=True)]) == 2


def test_beginning_again_breaks_the_seal_first(tmp_path):
    folder = sealed(tmp_path / "s")
    folder.begin({**ABOUT, "input": "more"})
    assert not (tmp_path / "s" / "seal.json").exists()
    assert folder.seal is None
    assert (tmp_path / "s" / "model" / "weights").exists()


def test_a_damaged_model_is_moved_aside_so_that_nobody_takes_it_for_finished(tmp_path):
    folder = sealed(tmp_path / "s")
    alter(tmp_path / "s" / "model" / "weights")
    folder.begin(ABOUT)
    assert not (tmp_path / "s" / "model").exists()
    assert (tmp_path / "s" / "model.damaged-1" / "weights").exists()


def test_what_was_spent_is_written_again_from_the_seal(tmp_path):
    folder, said = sealed(tmp_path / "s"), []
    path = tmp_path / "s" / "spent.json"
    for damage in (path.unlink, lambda: alter(path, 20), lambda: path.write_bytes(b"")):
        damage()
        assert folder.spent == {"seconds": 5.0, "new": 7}
        folder.restore(said.append)
        assert json.loads(path.read_text())["seconds"] == 5.0
    assert len(said) == 3
    folder.restore(said.append)
    assert len(said) == 3
    assert folder.spend({"seconds": 2.0}) == {"seconds": 7.0, "new": 7}


@pytest.mark.parametrize("name", ["ledger.log", "ledger.idx"])
@pytest.mark.parametrize("damage", [
    lambda path: path.unlink(), lambda path: path.write_bytes(b""),
    lambda path: os.truncate(path, path.stat().st_size // 2), lambda path: alter(path, 60),
])  # fmt: skip
def test_a_sealed_step_outlives_its_ledger_and_says_so(tmp_path, name, damage):
    folder, said = sealed(tmp_path / "s"), []
    damage(tmp_path / "s" / name)
    assert folder.seal is not None
    folder.restore(said.append)
    assert said
    again = []
    folder.restore(again.append)
    assert again == []
    assert folder.wrong_ledger() == ""
    with Ledger(tmp_path / "s" / "ledger") as ledger:  # what is whole of it is still there
        assert (name == "ledger.idx") <= (len(ledger) == 4)


def test_a_seal_of_format_1_is_read_and_its_rows_are_counted(tmp_path):
    folder = sealed(tmp_path / "s")
    path = tmp_path / "s" / "seal.json"
    path.write_text(json.dumps(SEAL))
    assert folder.seal == SEAL
    (tmp_path / "s" / "drops.parquet").unlink()
    assert (folder.seal, folder.damage) == (None, "drops.parquet is missing")


@pytest.mark.parametrize("change", [
    {"num_rows": "3"}, {"num_rows": 2}, {"counts": {}}, {"tokens": []}, {"tokens": {"new": "7"}},
    {"counts": {**SEAL["counts"], "dropped": {"simple": None}}}, {"digest": 5}, {"extent": None},
    {"counts": {**SEAL["counts"], "in": 5}},
])  # fmt: skip
def test_a_seal_of_format_1_that_cannot_be_is_damaged(tmp_path, change):
    folder = sealed(tmp_path / "s")
    (tmp_path / "s" / "seal.json").write_text(json.dumps(SEAL | change))
    assert (folder.seal, folder.damage) == (None, "seal.json is damaged")


@pytest.mark.parametrize(("stage", "lacks"), [("train", "training.json"), ("assemble", "dataset")])
def test_a_seal_of_format_1_wants_its_model_or_dataset(tmp_path, stage, lacks):
    folder = sealed(tmp_path / "s", stage=stage)
    (tmp_path / "s" / "seal.json").write_text(json.dumps(SEAL))
    assert lacks in folder.damage


def test_a_shard_that_lacks_from_a_run_of_format_1_is_missed(tmp_path):
    folder = sealed(tmp_path / "s", stage="assemble")
    (tmp_path / "s" / "seal.json").write_text(json.dumps(SEAL))
    writer = DatasetWriter(tmp_path / "s" / "dataset", rows_per_shard=1)
    for i in range(2):
        writer.write({"split": "original", "key": f"{i}", "problem": "?", "solution": "1"})
    writer.close({"step": "assemble", "domain": "math"})
    assert folder.damage == ""
    (tmp_path / "s" / "dataset" / "data" / "original-00001-of-00002.parquet").unlink()
    assert folder.damage == "dataset has 1 rows of original where 2 were written"
    (tmp_path / "s" / "dataset" / "data" / "original-00000-of-00002.parquet").unlink()
    assert folder.damage == "dataset has 0 rows of original where 2 were written"
    (tmp_path / "s" / "dataset" / "provenance.json").write_text("{")
    assert folder.damage == "dataset is damaged"


def test_a_table_that_is_gone_is_damage_and_not_empty(tmp_path):
    run = Run(tmp_path / "run")
    sealed(tmp_path / "run" / "steps" / "step-1")
    table = run.table_of("step-1")
    assert len([*table.rows()]) == 3
    assert len([*table.drops()]) == 1
    (tmp_path / "run" / "steps" / "step-1" / "rows.parquet").unlink()
    with pytest.raises(DamagedError, match=r"rows.parquet is missing"):
        list(table.rows())
    with pytest.raises(DamagedError, match=r"rows.parquet is missing"):
        run.table_of("step-1")
    run.close()
