"""The stages by name; a recipe's ``stage:`` is one of these (or a plan of ``presets.py``)."""

from __future__ import annotations

import importlib
from difflib import get_close_matches

from scalediff.core.errors import RecipeError
from scalediff.core.stage import Stage

STAGES: dict[str, str] = {
    "sources": "Sources",
    "screen": "Screen",
    "score": "Score",
    "select": "Select",
    "generate": "Generate",
    "solve": "Solve",
    "rules": "Rules",
    "grade": "Grade",
    "agree": "Agree",
    "sample": "Sample",
    "confirm": "Confirm",
    "calibrate": "Calibrate",
    "decide": "Decide",
    "assemble": "Assemble",
    "train": "Train",
    "tally": "Tally",
}
"""Stage name → its class in the module of the same name, in the order of the line."""


def stage_class(name: str) -> type[Stage]:
    """The class of a stage.

    Raises:
        RecipeError: There is no such stage; the message names the nearest.
    """
    if name not in STAGES:
        near = get_close_matches(name, STAGES, n=1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(STAGES)}"
        raise RecipeError(f"there is no stage {name!r}{hint}")
    module = importlib.import_module(f"scalediff.stages.{name}")
    found: type[Stage] = getattr(module, STAGES[name])
    return found
