"""``report.html``: one static file that opens from disk, prints, and needs no network.

Style and drawings are inline and there is no script. Texts of problems and attempts are hostile by
assumption: autoescaping is on for every template, and nothing but the plots is passed as markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalediff.report.details import details_view
from scalediff.report.facts import waterfall
from scalediff.report.reading import mapping
from scalediff.report.rows_view import anchor
from scalediff.report.top import top_view

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def render(summary: Mapping[str, Any], samples: Mapping[str, Any]) -> str:
    """The report of a run as one HTML document.

    Args:
        summary: What ``summary.json`` holds; any part may be absent.
        samples: ``life``, ``kept``, ``review`` and ``dropped`` (by reason); any may be absent.

    Example:
        >>> render({"name": "quick"}, {}).startswith("<!doctype html>")
        True
    """
    told, shown = mapping(summary), mapping(samples)
    anchors = _anchors(told, shown)
    views = {
        "top": top_view(told, shown, anchors),
        "details": details_view(told, shown, anchors),
    }
    return _environment().get_template("page.html").render(views)


def _anchors(summary: dict[str, Any], samples: dict[str, Any]) -> dict[str, str]:
    """Reason → the id of its section, so that each part of the bar leads to its rows."""
    parts = waterfall(summary)
    reasons = [*(parts.dropped if parts is not None else ()), *mapping(samples.get("dropped"))]
    taken: dict[str, str] = {}
    return {reason: anchor("drop", reason, taken) for reason in dict.fromkeys(reasons)}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
