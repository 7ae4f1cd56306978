"""Several verdicts as one."""

from __future__ import annotations

from collections.abc import Sequence

from scalediff.core.records import Verdict


def all_of(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Wrong where one is, else open where one is, else undecided where one is, else right."""
    for verdict in verdicts:
        if verdict is not None and verdict.value == "wrong":
            return verdict
    if any(verdict is None for verdict in verdicts):
        return None
    known = [verdict for verdict in verdicts if verdict is not None]
    for verdict in known:
        if verdict.value == "undecided":
            return verdict
    # the weakest rule is the one that the whole hangs on
    return next((verdict for verdict in known if verdict.rule != "exact"), known[0])


def any_of(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Right where one is, open where one is, undecided where one is, else wrong."""
    known = [verdict for verdict in verdicts if verdict is not None]
    for wanted in ("right", "undecided"):
        if wanted == "undecided" and len(known) < len(verdicts):
            return None
        for verdict in known:
            if verdict.value == wanted:
                return verdict
    return known[0]
