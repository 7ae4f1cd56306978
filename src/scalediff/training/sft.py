"""Supervised fine-tuning with TRL's ``SFTTrainer``; no loop of our own."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import InputError, PrerequisiteError, RecipeError
from scalediff.io.atomic import temporary_folder
from scalediff.io.gguf import unpacked
from scalediff.io.json_files import CHECKED, write_json
from scalediff.io.parquet import sync_file
from scalediff.training.examples import Counts, end_of_turn, examples, write_examples
from scalediff.training.job import CHECKPOINTS, TrainingError, settings_of

Progress = Callable[[int, int | None], None]

CHECKPOINT_STEPS = 500
"""Steps between checkpoints; a shorter training keeps none and starts over when it is killed."""

_TOLD_EVERY = 10
_LOSSES = 50
"""About how many losses ``training.json`` keeps of a short training; a long one keeps one in 50
steps."""


def train(job: Mapping[str, Any], progress: Progress) -> None:
    """Do a training job: the model folder is there, whole, when this returns.

    Args:
        job: See ``job.run_job``; ``folder`` is where the model will be.
        progress: Told steps done and in all.

    Raises:
        InputError: No row is short enough to train on.
        PrerequisiteError: The base model cannot be fetched.
        RecipeError: The base model cannot be read, or has no chat template.
        TrainingError: The loss became infinite or no number.
    """
    import transformers

    _quiet()
    started = time.monotonic()
    if job.get("threads"):
        import torch

        torch.set_num_threads(int(job["threads"]))
    folder = Path(job["folder"])
    tokenizer, model = _load(job)
    end = end_of_turn(tokenizer, job["task"])
    _stop_at(model, end[0])
    tokens = folder.parent / "tokens.arrow"
    counts = write_examples(
        examples(_rows(Path(job["rows"])), tokenizer, job["task"]), job["max_length"], tokens
    )
    if not counts.rows:
        raise InputError(
            f"no row to train on in {job['rows']} ({counts.over_length} are over "
            f"{job['max_length']} tokens); raise max_length or look at the step before"
        )
    transformers.set_seed(int(job["train_seed"]))
    trainer = _trainer(job, model, tokenizer, tokens, counts, progress)
    trainer.train(resume_from_checkpoint=_last_checkpoint(folder.parent / CHECKPOINTS))
    told = _told(job, counts, trainer.state, time.monotonic() - started)
    if not math.isfinite(told["loss"]):
        raise TrainingError(
            f"the training in {folder.parent} diverged after {told['steps']} steps; lower "
            f"learning_rate, which is {job['learning_rate']}"
        )
    _save(trainer.model, tokenizer, folder, told)
    shutil.rmtree(folder.parent / CHECKPOINTS, ignore_errors=True)
    tokens.unlink()


def _quiet() -> None:
    """No bars and warnings but ours, and no telemetry (TRL sends the trainer's name otherwise)."""
    import datasets
    import huggingface_hub.constants
    import transformers

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)


def _load(job: Mapping[str, Any]) -> tuple[Any, Any]:
    """Tokenizer and model; the weights are float32 whatever they were stored in.

    In pure bfloat16 AdamW hardly moves the loss at the small learning rates of fine-tuning; on a
    GPU the trainer computes in bfloat16 over these master weights.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name, kind = str(job["base_model"]), job.get("base_kind", "folder")
    try:
        if kind == "gguf":
            name = str(unpacked(Path(name)))
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name,
            dtype=torch.float32,
            attn_implementation="sdpa",
            trust_remote_code=False,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if kind == "hub":
            raise PrerequisiteError(
                f"the model {name} could not be fetched from the hub ({first}); check the name and "
                "the network, or give a folder"
            ) from None
        raise RecipeError(f"the model to train, {name}, cannot be loaded: {first}") from None
    return tokenizer, model


def _stop_at(model: Any, end: int) -> None:
    """Have whoever samples from the model stop where its responses were taught to end."""
    config = model.generation_config
    before = config.eos_token_id
    stops = before if isinstance(before, list) else [] if before is None else [before]
    config.eos_token_id = sorted({*stops, end})
    # saving refuses sampling parameters that greedy decoding would not read, after all the work
    if any(getattr(config, name) is not None for name in ("temperature", "top_p", "top_k")):
        config.do_sample = True


def _trainer(
    job: Mapping[str, Any],
    model: Any,
    tokenizer: Any,
    tokens: Path,
    counts: Counts,
    progress: Progress,
) -> Any:
    from datasets import Dataset
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    trainer = SFTTrainer(
        model=model,
        args=sft_config(job, counts.rows, tokens.parent / CHECKPOINTS),
        train_dataset=Dataset.from_file(str(tokens)),
        processing_class=tokenizer,
        callbacks=[_teller(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def sft_config(job: Mapping[str, Any], rows: int, checkpoints: Path) -> Any:
    """TRL's settings for a job.

    On a CPU rows stay two-dimensional, since a flattened batch pays for a quadratic mask there; on
    a GPU a packing job packs whole rows with ``bfd``, which keeps them apart.

    Args:
        job: See ``job.run_job``.
        rows: Rows to train on.
        checkpoints: Where checkpoints go.
    """
    import torch
    from trl import SFTConfig

    gpu = torch.cuda.is_available()
    packing = gpu and bool(job.get("packing"))
    accumulation = int(job.get("accumulation") or 1)
    most = job.get("steps") or math.ceil(
        math.ceil(rows / (job["batch_size"] * accumulation)) * job["epochs"]
    )
    return SFTConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=job["batch_size"],
        gradient_accumulation_steps=accumulation,
        num_train_epochs=job["epochs"],
        max_steps=job.get("steps") or -1,
        learning_rate=job["learning_rate"],
        lr_scheduler_type=job["schedule"],
        warmup_steps=job["warmup_ratio"],  # under 1 it is a share of the steps
        weight_decay=job["weight_decay"],
        max_length=job["max_length"],
        packing=packing,
        packing_strategy="bfd",
        train_sampling_strategy="group_by_length" if job.get("group_by_length") else "random",
        # our rows are tokenised, labelled and short enough: there is nothing left to prepare
        dataset_kwargs=None if packing else {"skip_prepare_dataset": True},
        completion_only_loss=False,
        bf16=gpu,
        use_cpu=not gpu,
        activation_checkpointing=gpu,
        optim="adamw_torch_fused",
        seed=job["train_seed"],
        data_seed=job["train_seed"],
        logging_first_step=True,  # packing may leave fewer steps than were reckoned with
        logging_steps=min(50, max(1, most // _LOSSES)),
        logging_nan_inf_filter=False,  # or a diverged training looks like a good one
        save_strategy="steps" if most > CHECKPOINT_STEPS else "no",
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=gpu,
    )


def _teller(progress: Progress) -> Any:
    """A callback that tells the steps, and ends a diverged training.

    It also keeps the trainer from a checkpoint of the finished model.
    """
    from transformers import TrainerCallback

    class Teller(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            last = state.global_step >= state.max_steps
            if last or state.global_step % _TOLD_EVERY == 0:
                progress(state.global_step, state.max_steps)
            if last:
                control.should_save = False
            return control

        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **kwargs: Any) -> Any:
            if not math.isfinite(logs.get("loss", 0.0)):
                control.should_training_stop = True
            return control

    return Teller()


def _last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint: its ``trainer_state.json`` is written last."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json")]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    return None if newest is None else str(newest)


def _told(job: Mapping[str, Any], counts: Counts, state: Any, seconds: float) -> dict[str, Any]:
    """What ``training.json`` tells; ``num_tokens`` are those trained on in all epochs."""
    epochs = float(state.epoch or 0)
    # kept in checkpoints, unlike the trainer's own mean, which forgets what was before a resume
    losses = [[e["step"], e["loss"]] for e in state.log_history if "loss" in e]
    return {
        "task": job["task"],
        "rows": counts.rows,
        "over_length": counts.over_length,
        "longest": counts.longest,
        "steps": int(state.global_step),
        "epochs": round(epochs, 4),
        "num_tokens": round(counts.tokens * epochs),
        "tokens_per_epoch": counts.tokens,
        "loss_tokens_per_epoch": counts.loss_tokens,
        "loss": sum(loss for _, loss in losses) / len(losses),
        "losses": losses,
        "seconds": round(seconds, 2),
        "settings": settings_of(job),
    }


def _save(model: Any, tokenizer: Any, folder: Path, told: Mapping[str, Any]) -> None:
    """Write the model under a temporary name and move it into place when it is whole."""
    temporary = temporary_folder(folder)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    sizes = {path.name: path.stat().st_size for path in temporary.iterdir()}
    write_json(temporary / "training.json", {**told, "files": sizes, **CHECKED})
    for path in temporary.iterdir():
        sync_file(path)
    os.replace(temporary, folder)
