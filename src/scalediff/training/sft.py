"""Supervised fine-tuning with TRL's ``SFTTrainer``; no loop of our own."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scalediff.core.errors import InputError
from scalediff.training.examples import Example, make_examples

_TOLD_EVERY = 10
_CHECKPOINT_STEPS = 2_000
"""Steps between checkpoints; a shorter training starts over when it is killed."""


def train(job: Mapping[str, Any], progress: Callable[[int, int | None], None]) -> None:
    """Do a training job: the model folder is there, whole, when this returns.

    Raises:
        InputError: No row is short enough to train on.
    """
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    _hush_datasets()
    if job.get("threads"):
        torch.set_num_threads(int(job["threads"]))
    started = time.monotonic()
    folder = Path(job["folder"])
    tokenizer, model = _load(job)
    with open(job["rows"], encoding="utf-8") as file:
        rows = (json.loads(line) for line in file)
        examples, over = make_examples(rows, tokenizer, job["task"], job["max_length"])
    if not examples:
        raise InputError(
            f"no row to train on in {job['rows']} ({over} are over {job['max_length']} tokens); "
            "raise max_length or look at the step before"
        )
    transformers.set_seed(int(job["train_seed"]))
    trainer = _trainer(job, model, tokenizer, examples, folder, progress)
    checkpoints = sorted(folder.parent.glob("checkpoints/checkpoint-*"))
    result = trainer.train(resume_from_checkpoint=str(checkpoints[-1]) if checkpoints else None)
    told = {
        "task": job["task"],
        "rows": len(examples),
        "over_length": over,
        "steps": int(trainer.state.global_step),
        "epochs": float(trainer.state.epoch or 0),
        "tokens_per_epoch": sum(len(e["input_ids"]) for e in examples),
        "loss": float(result.training_loss),
        "losses": [e["loss"] for e in trainer.state.log_history if "loss" in e],
        "seconds": round(time.monotonic() - started, 2),
        "settings": {k: job[k] for k in sorted(job) if k not in ("folder", "rows", "base_model")},
    }
    _save(trainer.model, tokenizer, folder, told)


def _hush_datasets() -> None:
    """The progress bars of ``datasets`` are not ours to show."""
    import datasets

    datasets.disable_progress_bars()


def _load(job: Mapping[str, Any]) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, options = Path(job["base_model"]), {}
    if job.get("base_kind") == "gguf":
        where, options = where.parent, {"gguf_file": where.name}
    name = job["base_model"] if job.get("base_kind") == "hub" else str(where)
    tokenizer = AutoTokenizer.from_pretrained(name, **options)
    # float32 master weights: in pure bfloat16 AdamW hardly moves a small learning rate's loss
    model = AutoModelForCausalLM.from_pretrained(
        name, dtype=torch.float32, attn_implementation="sdpa", trust_remote_code=False, **options
    )
    return tokenizer, model


def _trainer(
    job: Mapping[str, Any],
    model: Any,
    tokenizer: Any,
    examples: list[Example],
    folder: Path,
    progress: Callable[[int, int | None], None],
) -> Any:
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Tell(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % _TOLD_EVERY == 0:
                progress(state.global_step, state.max_steps)

    gpu = torch.cuda.is_available()
    steps = job.get("steps")
    config = SFTConfig(
        output_dir=str(folder.parent / "checkpoints"),
        per_device_train_batch_size=job["batch_size"],
        gradient_accumulation_steps=job.get("accumulation", 1),
        num_train_epochs=job["epochs"],
        max_steps=steps if steps else -1,
        learning_rate=job["learning_rate"],
        lr_scheduler_type=job["schedule"],
        warmup_steps=job["warmup_ratio"],
        weight_decay=job["weight_decay"],
        max_length=job["max_length"],
        # on a CPU rows stay two-dimensional: a flattened batch pays for a quadratic mask
        packing=False,
        bf16=gpu,
        use_cpu=not gpu,
        activation_checkpointing=gpu,
        optim="adamw_torch_fused" if gpu else "adamw_torch",
        seed=job["train_seed"],
        data_seed=job["train_seed"],
        logging_steps=50,
        save_strategy="steps",
        save_steps=_CHECKPOINT_STEPS,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=gpu,
        completion_only_loss=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(examples),
        processing_class=tokenizer,
        callbacks=[Tell()],
    )
    from transformers.trainer_callback import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _save(model: Any, tokenizer: Any, folder: Path, told: Mapping[str, Any]) -> None:
    """Write the model under a temporary name and move it into place when it is whole."""
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(temporary)
    tokenizer.save_pretrained(temporary)
    (temporary / "training.json").write_text(json.dumps(told, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)
    shutil.rmtree(folder.parent / "checkpoints", ignore_errors=True)
