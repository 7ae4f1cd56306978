"""Running a training job: start the child, pass its progress on, say in one sentence what failed.

The child is a process of its own so that its memory is gone before the next engine starts, and so
that it may later be launched by ``accelerate`` or ``torchrun``. Finished is written last: the model
lies under a temporary name until it is whole, so a folder that exists is a finished one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scalediff.core import errors
from scalediff.core.errors import (
    DamagedError,
    PrerequisiteError,
    RunStateError,
    ScalediffError,
)
from scalediff.core.stage import no_progress
from scalediff.core.stopping import STOPPING, kept_from_children
from scalediff.io.log_files import say
from scalediff.io.log_repair import free_name
from scalediff.io.run import read_json, write_json

Progress = Callable[[int, int | None], None]

JOB = "job.json"
"""What to do, beside the model folder."""

LOG = "train.log"
"""What the child wrote to standard error, beside the model folder."""

CHECKPOINTS = "checkpoints"
"""Where a long training goes on from when it was killed; gone when the model is there."""

_NOT_SETTINGS = ("folder", "rows", "base_model", "base_kind", "in_process", "threads")
"""What of a job says where and how, not what the model will be."""


class TrainingError(ScalediffError):
    """The training failed; the message quotes the end of its log. Exit status 1."""


class Children:
    """Child processes at work, which can be ended together from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working: set[subprocess.Popen[str]] = set()
        self._stopped = False

    @contextmanager
    def watch(self, child: subprocess.Popen[str]) -> Iterator[None]:
        """Count the child among those at work; it does not outlive the block."""
        with self._lock:
            self._working.add(child)
            if self._stopped:
                child.kill()
        try:
            yield
        finally:
            # also when this process is interrupted; if it is killed, the child sees its input end
            if child.poll() is None:
                child.kill()
                child.wait()
            with self._lock:
                self._working.discard(child)

    def stop(self) -> None:
        """End all of them, and those that come."""
        with self._lock:
            self._stopped = True
            for child in self._working:
                child.kill()


def settings_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """What of a job makes the model what it is; kept in ``training.json``."""
    return {name: job[name] for name in sorted(job) if name not in _NOT_SETTINGS}


def run_job(
    job: Mapping[str, Any],
    folder: Path,
    *,
    in_process: bool = False,
    progress: Progress = no_progress,
    children: Children | None = None,
) -> Path:
    """Train and return the model folder.

    The folder gets weights (safetensors), configuration, tokenizer with its chat template,
    generation configuration and ``training.json`` (losses, steps, tokens, seconds, settings).
    Killed and called again, a long training goes on from its last checkpoint.

    Args:
        job: What to do: ``task``, ``base_model``, ``rows`` (a JSON Lines file of ``prompt`` and
            ``response``) and the settings of ``stages.train``.
        folder: Where the model will be; a finished one of the same settings is used as it is.
        in_process: True to train here (tests, ``quick``).
        progress: Told steps done and in all.
        children: Counts the child among those that can be ended together.

    Raises:
        PrerequisiteError: A library is missing.
        RunStateError: The folder holds a model trained with other settings.
        TrainingError: The training failed.
    """
    told = _finished(folder)
    if told is not None:
        if told.get("settings") != settings_of(job):
            raise RunStateError(
                f"{folder} holds a model trained with other settings; remove it or train into "
                "another folder"
            )
        return folder
    settings = {**job, "folder": str(folder)}
    beside = folder.parent
    beside.mkdir(parents=True, exist_ok=True)
    if _other_job(beside, settings):
        shutil.rmtree(beside / CHECKPOINTS, ignore_errors=True)
    write_json(beside / JOB, settings)
    if in_process:
        _train_here(settings, progress)
    else:
        _train_in_child(beside, progress, children or Children())
    return folder


def _finished(folder: Path) -> dict[str, Any] | None:
    """What a finished training tells; one whose files are not whole is moved aside and said."""
    try:
        told: dict[str, Any] | None = read_json(folder / "training.json")
        wrong = "training.json is missing" if told is None else ""
        for name, size in (told or {}).get("files", {}).items():
            if not (folder / name).is_file() or (folder / name).stat().st_size != size:
                wrong = f"{name} is missing or cut"
    except DamagedError as error:
        told, wrong = None, error.what
    if not wrong or not folder.exists():
        return told
    aside = free_name(folder, "damaged")
    folder.rename(aside)
    say(f"{folder}: {wrong}; moved to {aside.name}, the model is trained again")
    return None


def _other_job(beside: Path, settings: Mapping[str, Any]) -> bool:
    """Whether checkpoints that lie there are of another training."""
    before = read_json(beside / JOB)
    return before is None or settings_of(before) != settings_of(settings)


def _train_here(settings: Mapping[str, Any], progress: Progress) -> None:
    try:
        from scalediff.training.sft import train

        train(settings, progress)
    except ModuleNotFoundError as error:
        raise _missing(str(error.name)) from None


def _train_in_child(beside: Path, progress: Progress, children: Children) -> None:
    # -P: a file of the user's working directory must not stand in for a library
    command = [sys.executable, "-P", "-m", "scalediff.training.child", str(beside)]
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1"}
    failure: dict[str, Any] = {}
    with (
        open(beside / LOG, "w", encoding="utf-8") as log,
        kept_from_children(signal.SIGTERM),  # until it ignores them itself
    ):
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the child itself
        )
    with children.watch(child), STOPPING.under_way(over=child.kill):
        assert child.stdout is not None
        for line in child.stdout:
            told = json.loads(line)
            if "error" in told:
                failure = told
            else:
                progress(told["step"], told["total"])
        status = child.wait()
    if status:
        if STOPPING.signal:  # given up after the grace time, or sent the same signal
            raise STOPPING.stopped(
                f"{STOPPING.signal}: the training in {beside} was ended after "
                f"{STOPPING.grace_s:g} s (--grace); it goes on from its last checkpoint, where "
                "it has one"
            )
        raise _failed(beside / LOG, status, failure)


def _failed(log: Path, status: int, failure: Mapping[str, Any]) -> ScalediffError:
    """What a child that ended badly says: its own sentence, or the end of its log."""
    if failure:
        kind = getattr(errors, failure["error"], TrainingError)
        found: ScalediffError = kind(failure["message"])
        return found
    if failure_of := _last_line(log):
        if failure_of.startswith("ModuleNotFoundError: No module named"):
            return _missing(failure_of.rpartition("named ")[2].strip("'\" "))
        quoted = f" ({failure_of})"
    else:
        quoted = ""
    if status < 0:
        quoted = f": killed by {signal.Signals(-status).name}, often for want of memory{quoted}"
    return TrainingError(f"the training in {log.parent} failed{quoted}; its log is {log}")


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _missing(library: str) -> PrerequisiteError:
    return PrerequisiteError(f'training needs {library}: pip install "scalediff[train]"')
