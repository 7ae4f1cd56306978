"""Training: a job in, a complete model folder out, in a child process.

The child is a process of its own so that its memory is gone before the next engine starts, and so
that it may later be launched by ``accelerate`` or ``torchrun``. Finished is written last: the model
lies under a temporary name until it is whole, so a folder that exists is a finished one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scalediff.core.errors import PrerequisiteError, ScalediffError
from scalediff.core.stage import no_progress

Progress = Callable[[int, int | None], None]

LOG = "train.log"
"""What the child wrote to standard error, beside the model folder."""


class TrainingError(ScalediffError):
    """The training failed; the message quotes the end of its log. Exit status 1."""


def run_job(
    job: Mapping[str, Any],
    folder: Path,
    *,
    in_process: bool = False,
    progress: Progress = no_progress,
) -> Path:
    """Train and return the model folder.

    Args:
        job: What to do: ``task``, ``base_model``, ``rows`` (a JSON Lines file) and the settings of
            ``stages.train``.
        folder: Where the model will be; a finished one is used as it is.
        in_process: True to train here (tests, ``quick``).
        progress: Told steps done and in all.

    Raises:
        PrerequisiteError: A library is missing.
        TrainingError: The training failed.
    """
    if (folder / "training.json").exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    settings = {**job, "folder": str(folder)}
    (folder.parent / "job.json").write_text(json.dumps(settings, indent=2))
    if in_process:
        try:
            from scalediff.training.sft import train
        except ImportError as error:
            raise _missing(str(error.name)) from None
        train(settings, progress)
    else:
        _run_child(folder, progress)
    return folder


def _run_child(folder: Path, progress: Progress) -> None:
    log = folder.parent / LOG
    command = [sys.executable, "-m", "scalediff.training.child", str(folder.parent / "job.json")]
    with open(log, "w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, stdin=subprocess.PIPE
        )
        try:
            assert child.stdout is not None
            for line in child.stdout:
                if line.startswith("{"):
                    told = json.loads(line)
                    progress(told["step"], told["total"])
            status = child.wait()
        finally:
            # also when the parent is interrupted; a killed parent closes the pipe that it watches
            if child.poll() is None:
                child.terminate()
                child.wait()
    if status:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        last = lines[-1] if lines else "no message"
        if "No module named" in last:
            raise _missing(last.rpartition("named ")[2].strip("'\" "))
        raise TrainingError(f"training in {folder.parent} failed ({last}); the log is {log}")


def _missing(library: str) -> PrerequisiteError:
    return PrerequisiteError(f'training needs {library}: pip install "scalediff[train]"')
