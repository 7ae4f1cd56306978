"""Where the benchmarks of mathematics are: a local folder first, else the hub."""

from __future__ import annotations

import os
from pathlib import Path

HUB = {
    "aime24": "hf://math-ai/aime24",
    "aime25": "hf://math-ai/aime25",
    "hmmt_feb25": "hf://MathArena/hmmt_feb_2025",
    "amc23": "hf://math-ai/amc23",
    "math500": "hf://HuggingFaceH4/MATH-500",
}
"""Benchmark → data set of the hub."""

VARIABLE = "SCALEDIFF_DATA"
"""Environment variable that names a folder with ``benchmarks/NAME.jsonl``."""


def locations() -> dict[str, str]:
    """Benchmark → a local file where there is one, else its hub id."""
    folders = [os.environ.get(VARIABLE), "data", "../shared/data"]
    found = dict(HUB)
    for name in HUB:
        for folder in filter(None, folders):
            path = Path(folder) / "benchmarks" / f"{name}.jsonl"
            if path.is_file():
                found[name] = str(path)
                break
    return found
