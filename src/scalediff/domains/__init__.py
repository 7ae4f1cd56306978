"""What problems and right answers are, by name. Third parties add theirs by entry point."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from scalediff.core.domain import Domain
from scalediff.core.errors import RecipeError

GROUP = "scalediff.domains"
"""Entry point group: a name and a callable without arguments that gives a ``Domain``."""

_SHIPPED = {
    "math": ("scalediff.domains.math", "MathDomain"),
    "nano": ("scalediff.domains.nano", "NanoDomain"),
}


def open_domain(name: str) -> Domain:
    """The domain of a name.

    Raises:
        RecipeError: There is no such domain; the message names the nearest.
    """
    if name in _SHIPPED:
        module, attribute = _SHIPPED[name]
        made: Domain = getattr(import_module(module), attribute)()
        return made
    added = {point.name: point for point in entry_points(group=GROUP)}
    if name in added:
        made = added[name].load()()
        return made
    known = [*_SHIPPED, *added]
    near = get_close_matches(name, known, n=1)
    hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    raise RecipeError(f"there is no domain {name!r}{hint}")
