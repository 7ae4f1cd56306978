import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scalediff.core.errors import InputError, PrerequisiteError, RecipeError, RunStateError
from scalediff.io.run import read_json
from scalediff.training import TrainingError, child, job, run_job, sft

MODEL_FILES = {
    "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
    "tokenizer.json", "tokenizer_config.json", "training.json",
}  # fmt: skip


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def same_weights(a, b):
    import torch

    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_job_leaves_a_whole_model_and_tells_what_it_did(make_job, tmp_path):
    told = []
    folder = tmp_path / "step" / "model"
    done = run_job(
        make_job(), folder, in_process=True, progress=lambda done, total: told.append((done, total))
    )
    assert done == folder
    assert {path.name for path in folder.iterdir()} >= MODEL_FILES
    training = read_json(folder / "training.json")
    assert (training["rows"], training["over_length"], training["steps"]) == (24, 0, 12)
    assert training["epochs"] == 2
    assert training["num_tokens"] == 2 * training["tokens_per_epoch"]
    losses = [loss for _, loss in training["losses"]]
    assert losses[-1] < 0.7 * losses[0]
    assert training["settings"]["learning_rate"] == 1e-2
    assert str(tmp_path) not in json.dumps(training)
    assert told[-1] == (12, 12)
    # nothing but the model and the job is left
    assert {path.name for path in folder.parent.iterdir()} == {"model", "job.json"}


def test_what_the_collator_gives_has_a_loss_on_the_response_alone(make_job, tmp_path):
    from transformers import AutoTokenizer

    made = make_job(num_rows=4)
    tokenizer, model = sft._load(made)
    tokens = tmp_path / "tokens.arrow"
    rows = sft._rows(Path(made["rows"]))
    counts = sft.write_examples(sft.examples(rows, tokenizer, "student"), 128, tokens)
    trainer = sft._trainer(made, model, tokenizer, tokens, counts, lambda *_: None)
    (batch,) = trainer.get_train_dataloader()
    plain = AutoTokenizer.from_pretrained(made["base_model"])
    assert batch["labels"].shape[0] == 4
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        learnt = [int(label) for label in labels if label != -100]
        assert plain.decode(learnt) == "<think>\nhm\n</think>\n\n4<|im_end|>"
        first = len(labels.tolist()) - labels.tolist()[::-1].index(learnt[-1]) - len(learnt)
        assert (labels[:first] == -100).all()
        assert plain.decode(ids[:first]).endswith("<|im_start|>assistant\n")


def test_a_finished_folder_is_used_as_it_is(make_job, tmp_path):
    folder = tmp_path / "step" / "model"
    made = make_job(num_rows=4, epochs=1.0)
    run_job(made, folder, in_process=True)
    before = (folder / "model.safetensors").stat().st_mtime_ns
    Path(made["rows"]).unlink()
    assert run_job({**made, "threads": 2}, folder, in_process=True) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(RunStateError, match="trained with other settings"):
        run_job({**made, "epochs": 2.0}, folder, in_process=True)


def test_killed_and_called_again_it_ends_with_the_same_weights(make_job, tmp_path, monkeypatch):
    monkeypatch.setattr(sft, "CHECKPOINT_STEPS", 4)
    monkeypatch.setattr(sft, "_TOLD_EVERY", 1)
    straight = run_job(make_job(), tmp_path / "straight" / "model", in_process=True)

    class Killed(Exception):
        pass

    steps = []

    def kill_at_six(done, total):
        steps.append(done)
        if done == 6:
            raise Killed

    folder = tmp_path / "killed" / "model"
    with pytest.raises(Killed):
        run_job(make_job(), folder, in_process=True, progress=kill_at_six)
    assert not folder.exists()
    # a kill in the middle of writing a checkpoint leaves one without its state
    torn = folder.parent / "checkpoints" / "checkpoint-6"
    torn.mkdir()
    steps.clear()
    run_job(make_job(), folder, in_process=True, progress=lambda done, _: steps.append(done))
    assert steps == [*range(5, 13)]
    assert same_weights(straight, folder)
    told = [read_json(path / "training.json") for path in (straight, folder)]
    assert told[0]["losses"] == told[1]["losses"]
    assert told[0]["loss"] == told[1]["loss"]
    assert not (folder.parent / "checkpoints").exists()


def test_checkpoints_of_another_job_are_not_gone_on_from(make_job, tmp_path, monkeypatch):
    folder = tmp_path / "step" / "model"
    checkpoint = folder.parent / "checkpoints" / "checkpoint-4"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    (folder.parent / "job.json").write_text(json.dumps(make_job(learning_rate=1.0)))
    run_job(make_job(num_rows=4, epochs=1.0), folder, in_process=True)
    assert read_json(folder / "training.json")["steps"] == 1


@pytest.mark.parametrize("damage", ["cut", "gone", "training.json"])
def test_a_model_that_is_not_whole_is_moved_aside_and_trained_again(
    make_job, tmp_path, capsys, damage
):
    folder, job = tmp_path / "step" / "model", make_job(num_rows=4, epochs=1.0)
    run_job(job, folder, in_process=True)
    assert run_job(job, folder, in_process=True) == folder
    whole = (folder / "model.safetensors").read_bytes()
    if damage == "cut":
        os.truncate(folder / "model.safetensors", 100)
    elif damage == "gone":
        (folder / "tokenizer.json").unlink()
    else:
        (folder / "training.json").write_bytes(bytes(300))
    run_job(job, folder, in_process=True)
    assert (folder / "model.safetensors").read_bytes() == whole
    assert {path.name for path in folder.iterdir()} >= MODEL_FILES
    assert (folder.parent / "model.damaged-1").is_dir()
    assert "moved to model.damaged-1, the model is trained again" in capsys.readouterr().err


def test_the_newest_checkpoint_is_so_by_number(tmp_path):
    assert sft._last_checkpoint(tmp_path) is None
    for name in ("checkpoint-9500", "checkpoint-10000"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text("{}")
    assert sft._last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10000")


def test_steps_can_be_given_and_checkpoints_are_for_long_trainings(make_job, tmp_path):
    config = sft.sft_config(make_job(steps=7), 24, tmp_path)
    assert (config.max_steps, config.save_strategy) == (7, "no")
    config = sft.sft_config(make_job(steps=501), 24, tmp_path)
    assert (config.save_strategy, config.save_steps, config.save_total_limit) == ("steps", 500, 1)
    config = sft.sft_config(make_job(epochs=3.0, batch_size=1), 200, tmp_path)
    assert config.save_strategy == "steps"
    assert (config.bf16, config.use_cpu, config.packing) == (False, True, False)
    assert config.report_to == []


def test_no_row_to_train_on_is_an_error_with_the_mend(make_job, tmp_path):
    with pytest.raises(InputError, match="24 are over 8 tokens"):
        run_job(make_job(max_length=8), tmp_path / "step" / "model", in_process=True)


def test_a_base_model_that_is_none_is_one_sentence(make_job, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(RecipeError, match="cannot be loaded"):
        run_job(make_job(base_model=str(empty)), tmp_path / "step" / "model", in_process=True)


def test_a_diverged_training_is_an_error_and_leaves_no_model(make_job, base_model, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(base_model, broken)
    values = load_file(broken / "model.safetensors")
    values["model.norm.weight"] = torch.full_like(values["model.norm.weight"], float("nan"))
    save_file(values, broken / "model.safetensors", metadata={"format": "pt"})
    folder = tmp_path / "step" / "model"
    with pytest.raises(TrainingError, match="diverged after 1 steps; lower learning_rate"):
        run_job(make_job(base_model=str(broken)), folder, in_process=True)
    assert not folder.exists()


def test_a_greedy_generation_config_with_sampling_parameters_can_be_saved(
    make_job, base_model, tmp_path
):
    import shutil

    odd = tmp_path / "odd"
    shutil.copytree(base_model, odd)
    values = {"do_sample": False, "temperature": 0.7, "top_p": 0.8, "eos_token_id": [256]}
    (odd / "generation_config.json").write_text(json.dumps(values))
    folder = run_job(
        make_job(num_rows=4, epochs=1.0, base_model=str(odd)), tmp_path / "m", in_process=True
    )
    saved = read_json(folder / "generation_config.json")
    assert saved["temperature"] == 0.7
    # samplers stop at the base's own end and at the one that was taught
    assert saved["eos_token_id"] == [256, 258]


def test_nothing_is_sent_to_anyone(make_job, tmp_path, monkeypatch):
    from huggingface_hub import constants
    from huggingface_hub.utils import _telemetry

    sent = []
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_telemetry, "_start_telemetry_thread", lambda: None)
    monkeypatch.setattr(_telemetry._TELEMETRY_QUEUE, "put", sent.append)
    run_job(make_job(num_rows=4, epochs=1.0), tmp_path / "m", in_process=True)
    assert sent == []


def test_a_child_trains_the_same_model(make_job, tmp_path):
    told = []
    here = run_job(make_job(), tmp_path / "here" / "model", in_process=True)
    there = run_job(make_job(), tmp_path / "there" / "model", progress=lambda *at: told.append(at))
    assert same_weights(here, there)
    assert told == [(10, 12), (12, 12)]
    assert (there.parent / "train.log").exists()


def test_a_child_tells_what_it_fails_with(tmp_path, monkeypatch):
    def fail(job, progress):
        progress(1, 2)
        raise InputError(f"no row in {job['rows']}")

    told = io.StringIO()
    (tmp_path / "job.json").write_text('{"rows": "x.jsonl"}')
    monkeypatch.setattr(sft, "train", fail)
    monkeypatch.setattr(child, "_end_with_parent", lambda: None)
    monkeypatch.setattr(child, "_take_output", lambda: told)
    monkeypatch.setattr("sys.argv", ["child", str(tmp_path)])
    assert child.main() == InputError.exit_status
    assert [json.loads(line) for line in told.getvalue().splitlines()] == [
        {"step": 1, "total": 2},
        {"error": "InputError", "message": "no row in x.jsonl"},
    ]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A child that runs the given code instead of a training."""

    def use(code):
        script = tmp_path / "python"
        script.write_text(f"#!{sys.executable}\nimport os, sys\n{code}\n")
        script.chmod(0o755)
        monkeypatch.setattr(job.sys, "executable", str(script))

    return use


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("raise ValueError('what is this')", TrainingError, r"failed \(ValueError: what is this\)"),
        ("sys.exit(3)", TrainingError, "failed; its log is "),
        ("os.kill(os.getpid(), 9)", TrainingError, "killed by SIGKILL, often for want of memory"),
        ("import no_such_library", PrerequisiteError, r'needs no_such_library: pip install "scale'),
    ],
)
def test_a_child_that_ends_badly_is_told_in_one_sentence(stand_in, tmp_path, code, kind, said):
    stand_in(code)
    with pytest.raises(kind, match=said) as told:
        run_job({"task": "student"}, tmp_path / "step" / "model")
    assert "\n" not in str(told.value)


def test_a_childs_own_sentence_is_the_error(stand_in, tmp_path):
    told = json.dumps({"error": "InputError", "message": "no row in x.jsonl"})
    stand_in(f"print({told!r})\nsys.exit(2)")
    with pytest.raises(InputError, match=r"^no row in x\.jsonl$"):
        run_job({"task": "student"}, tmp_path / "step" / "model")


def test_an_interrupted_parent_takes_the_child_along(stand_in, tmp_path):
    stand_in(
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        'print(\'{"step": 1, "total": 2}\', flush=True)\nimport time\ntime.sleep(60)'
    )

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job({"task": "student"}, tmp_path / "step" / "model", progress=interrupt)
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()


def test_a_child_ends_when_its_parent_is_killed():
    # a killed parent's end of the pipe is closed by the system
    code = (
        "import os, subprocess, sys, time, threading\n"
        "from scalediff.training import child\n"
        "threading.Thread(target=child._end_with_parent, daemon=True).start()\n"
        "print('up', flush=True)\ntime.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.wait(timeout=200) == 1
    finally:
        process.kill()
        process.stdout.close()
