"""Training: a job in, a complete model folder out, in a child process.

``job`` runs a job and is all that others call; ``child`` is the process, ``sft`` what it does with
TRL, ``examples`` turns rows into token ids and labels.
"""

from __future__ import annotations

from scalediff.training.job import TrainingError, run_job

__all__ = ["TrainingError", "run_job"]
