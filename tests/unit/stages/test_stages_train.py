import json
from pathlib import Path

import pytest
from fakes import FakeTable, context, table_of
from pydantic import ValidationError

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.stage import Kind
from scalediff.stages.train import Train, TrainConfig


def run(tmp_path, inputs, **settings):
    """The job and the rows that the trainer is given."""
    seen = {}

    def train(job):
        seen["job"] = dict(job)
        seen["rows"] = [json.loads(line) for line in Path(job["rows"]).read_text().splitlines()]
        return tmp_path / "model"

    ctx = context(folder=tmp_path)
    ctx.train = train
    assert list(Train(TrainConfig(**settings)).run(inputs, ctx)) == []
    return seen["job"], seen["rows"]


def solved(**columns):
    rows = [
        {"key": "a", "problem": "A?", "solution": "one", "split": "original"},
        {"key": "b", "problem": "B?", "solution": None, "split": "original"},
        {"key": "c", "problem": "C?", "solution": " ", "split": "generated"},
        {"key": "d", "problem": "D?", "solution": "four", "split": "generated"},
        {"key": "e", "problem": "E?", "solution": 5, "split": "generated"},
    ]
    return FakeTable([{**row, **columns} for row in rows])


def test_the_generator_learns_problems_after_the_bare_user_turn(tmp_path):
    job, rows = run(tmp_path, [table_of("A?", "B?")], task="generator")
    assert rows == [
        {"prompt": "<|im_start|>user\n", "response": "A?"},
        {"prompt": "<|im_start|>user\n", "response": "B?"},
    ]
    assert job["task"] == "generator"
    assert job["folder"] == str(tmp_path / "model")
    assert not (tmp_path / "train.jsonl").exists()


def test_the_student_learns_solutions_after_the_domains_turn(tmp_path):
    _, rows = run(tmp_path, [solved()])
    assert rows == [
        {"prompt": "Box the answer.\nA?", "response": "one"},
        {"prompt": "Box the answer.\nD?", "response": "four"},
    ]


def test_defaults_are_the_released_scripts(tmp_path):
    job, _ = run(tmp_path, [table_of("A?")], task="generator")
    assert (job["epochs"], job["batch_size"], job["max_length"]) == (1, 16, 1024)
    assert job["packing"] is False
    job, _ = run(tmp_path, [solved()])
    assert (job["epochs"], job["batch_size"], job["max_length"]) == (3, 4, 32768)
    assert job["packing"] is True
    for name, value in {
        "learning_rate": 5e-5, "schedule": "linear", "warmup_ratio": 0.1, "weight_decay": 1e-4,
        "train_seed": 42,
    }.items():  # fmt: skip
        assert job[name] == value


def test_a_given_setting_beats_the_default_and_null_takes_it():
    config = TrainConfig(task="generator", epochs=2, batch_size=None)
    assert (config.epochs, config.batch_size) == (2, 16)


def test_splits_and_max_rows_choose_the_rows(tmp_path):
    _, rows = run(tmp_path, [solved()], splits=["generated"])
    assert [row["response"] for row in rows] == ["four"]
    _, rows = run(tmp_path, [solved()], max_rows=1)
    assert [row["response"] for row in rows] == ["one"]
    # rows without a solution do not count
    _, rows = run(tmp_path, [solved()], max_rows=2)
    assert [row["response"] for row in rows] == ["one", "four"]


def test_match_steps_takes_the_other_trainings_steps(tmp_path):
    other = tmp_path / "other"
    (other / "model").mkdir(parents=True)
    (other / "model" / "training.json").write_text('{"steps": 321}')
    job, _ = run(tmp_path, [solved(), FakeTable([], folder=other)], match_steps=True)
    assert job["steps"] == 321
    job, _ = run(tmp_path, [solved()])
    assert "steps" not in job


@pytest.mark.parametrize("second", [False, True])
def test_match_steps_without_a_training_is_an_error(tmp_path, second):
    inputs = [solved(), FakeTable([], folder=tmp_path)] if second else [solved()]
    with pytest.raises(RecipeError, match="match_steps needs a training"):
        run(tmp_path, inputs, match_steps=True)


@pytest.mark.parametrize("settings", [{}, {"splits": ["no such"]}])
def test_no_row_is_an_error_and_never_an_untrained_model(tmp_path, settings):
    table = solved(solution=None) if not settings else solved()
    with pytest.raises(InputError, match="step step has no row to train on"):
        run(tmp_path, [table], **settings)


def test_a_step_without_a_model_is_an_error(tmp_path):
    with pytest.raises(RecipeError, match="names none; give it a `model`"):
        list(Train(TrainConfig()).run([solved()], context(folder=tmp_path)))


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0}, {"warmup_ratio": 1.0},
        {"task": "teacher"}, {"max_length": 1}, {"epoch": 1}, {"train_seed": 2**32},
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused(settings):
    with pytest.raises(ValidationError):
        TrainConfig(**settings)


def test_where_it_trains_is_no_part_of_the_key():
    assert TrainConfig().of_kind(Kind.OPERATION) == {"in_process": False, "threads": 0}
