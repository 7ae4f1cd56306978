"""Run directories made by hand with the library's own writers, so that every figure is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalediff.core.keys import digest
from scalediff.core.records import Drop, Row
from scalediff.io.run import Run, write_json
from scalediff.runner import Sealer
from scalediff.stages import stage_class


@dataclass
class Step:
    """A finished step: its name, its stage, and by key what came of each row.

    Attributes:
        tokens: What it has spent: ``new``, ``prompt``, ``sampled``, ``served``, ``cost``.
        counts: In place of what was counted, for a run with a fault.
        files: Artefacts by name, as JSON.
    """

    name: str
    stage: str
    outcomes: dict[str, Row | Drop]
    inputs: Sequence[str] = ()
    model: str | None = None
    tokens: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    extent: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, Any] | None = None
    files: dict[str, Any] = field(default_factory=dict)


def attempt(role: str, index: int = 0, tokens: int | None = None, **values: Any) -> dict[str, Any]:
    """An attempt as a solving step adds it."""
    return {"role": role, "sample_index": index, "num_tokens": tokens, **values}


def solved(*attempts: dict[str, Any]) -> Row:
    """What a solving step adds to a row."""
    return {"attempts": list(attempts)}


def make(path: Path, steps: Sequence[Step], **manifest: Any) -> Run:
    """A run directory in which these steps are done, in this order."""
    run = Run(path)
    entries: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for step in steps:
        kind = stage_class(step.stage)
        key = digest(step.name)
        folder = run.step(step.name, key)
        inputs = digest([digests[name] for name in step.inputs])
        entries[step.name] = {
            "folder": folder.path.name,
            "key": key,
            "stage": step.stage,
            "model": step.model,
            "pays": kind.pays,
            "inputs": list(step.inputs),
        }
        folder.begin(
            {
                "name": step.name,
                "stage": step.stage,
                "key": key,
                "settings": step.settings,
                "model": digest(step.model[1:]) if (step.model or "")[:1] == "@" else step.model,
                "input": inputs,
                "inputs": [entries[name]["folder"] for name in step.inputs],
                "births": kind.births,
                "pays": kind.pays,
            }
        )
        sealer = Sealer(folder, kind(kind.Config.model_construct()))
        for row_key, outcome in step.outcomes.items():
            sealer.write(row_key, outcome)
        result = sealer.close()
        for name, value in step.files.items():
            write_json(folder.path / name, value)
        digests[step.name] = digest(step.name, result.digest)
        folder.finish(
            {
                "digest": digests[step.name],
                "num_rows": result.num_rows,
                "input": inputs,
                "extent": step.extent,
                "counts": step.counts or result.counts(),
                "seconds": step.seconds,
                "tokens": step.tokens,
            }
        )
    run.update_manifest(**{"order": [*entries], "domain": "math", **manifest}, steps=entries)
    return run


def events(run: Run, *events: tuple[float, str]) -> None:
    """Write ``events.jsonl``: time and kind of each."""
    lines = (json.dumps({"time": time, "event": kind}) + "\n" for time, kind in events)
    (run.path / "events.jsonl").write_text("".join(lines))
