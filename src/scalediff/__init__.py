"""Scale difficult reasoning problems (ScaleDiff, arXiv 2509.21070)."""

from __future__ import annotations

from scalediff.core import early as _early  # noqa: F401  first: signals may come from now on

# isort: split
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalediff.domains.math.grading.answers import answer_of, grade, grade_many

__version__ = "0.1.0"

__all__ = ["__version__", "answer_of", "grade", "grade_many"]


def __getattr__(name: str) -> Any:
    """The grader, imported when it is asked for: ``scalediff --help`` needs none of it."""
    if name in ("answer_of", "grade", "grade_many"):
        from scalediff.domains.math.grading import answers

        return getattr(answers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
