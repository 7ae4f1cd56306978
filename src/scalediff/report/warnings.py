"""Named warnings: the signs by which a run of this method goes wrong.

The paper's own run is the measure: about 88 % of its generated problems were difficult and its
filters dropped about 43 %. Far from that, something before has failed, and the warning says where
to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalediff.report.facts import rows_lost
from scalediff.report.reading import Json, count, counts, mapping, number, part
from scalediff.report.words import percent, reason_name, whole

MIN_DIFFICULT = 0.70
"""Share of generated problems that should be difficult; paper: about 0.88."""

MAX_DROPPED = 0.60
"""Share of answered problems that the filters may drop; paper: about 0.43."""

MAX_TRUNCATED = 0.20
"""Share of answered problems whose every attempt may be cut off by the token cap."""


MAX_REPEATED = 0.30
"""Share of problems that may repeat an earlier one. Ours: the laboratory's generator, in a closed
world, repeats 1 % of 2,400 problems and the paper says nothing. Where every third one repeats, as
much of what it cost was paid for nothing, and further ones repeat more often still."""


def warnings_of(summary: Json) -> list[dict[str, str]]:
    """The warnings that a run's figures call for, as ``{"name", "text"}``; empty if none.

    A figure that is unknown gives no warning.
    """
    found = (
        _few_difficult(summary),
        repetition(summary),
        _filters_drop_most(summary),
        _many_truncated(summary),
        _benchmark_hits(summary),
        _no_canaries(summary),
        _rows_lost(summary),
    )
    return [warning for warning in found if warning is not None]


def unknown_signs(summary: Json) -> list[str]:
    """The signs that could not be looked for, since the run has not their figures."""
    _, entered = _filter_counts(summary)
    entries = mapping(summary.get("counts"))
    screened = any(mapping(e).get("stage") == "screen" for e in entries.values())
    known = {
        "few difficult problems": number(part(summary, "difficult_share", "generated")) is not None,
        "repetition": screened or bool(mapping(summary.get("repeats"))),
        "filters that drop most": entered is not None,
        "attempts cut off": entered is not None,
        "benchmark hits": screened,
        "lost rows": rows_lost(summary) is not None,
    }
    return [name for name, is_known in known.items() if not is_known]


def _few_difficult(summary: Json) -> dict[str, str] | None:
    share = number(part(summary, "difficult_share", "generated"))
    if share is None or share >= MIN_DIFFICULT:
        return None
    return {
        "name": "few_difficult",
        "text": f"only {percent(share)} of the generated problems are difficult "
        f"(expected: over {MIN_DIFFICULT:.0%}). Look at the generator: were its training rows the "
        "difficult ones, did its loss fall, is its sampling temperature right?",
    }


def repetition(summary: Json, steps: Sequence[str] | None = None) -> dict[str, str] | None:
    """That problems repeat earlier ones, by the first step that shows it.

    Args:
        summary: The summary; ``repeats`` counts equal texts of a step that generates, the drops of
            a screen also those that are nearly equal.
        steps: The steps that are asked; None asks all.
    """
    entries = {name: mapping(entry) for name, entry in mapping(summary.get("counts")).items()}
    made = {name: mapping(entry) for name, entry in mapping(summary.get("repeats")).items()}
    generates = any(entry.get("stage") == "generate" for entry in entries.values())
    found = [(name, count(e.get("n")), count(e.get("repeated"))) for name, e in made.items()]
    found += [
        (name, count(entry.get("in")), count(part(entry, "dropped", "duplicate")))
        for name, entry in entries.items()
        if entry.get("stage") == "screen" or name == "screen"
    ]
    for name, rows, repeated in found:
        if not rows or not repeated or (steps is not None and name not in steps):
            continue
        if repeated / rows > MAX_REPEATED:
            of_generator = name in made or (generates and name == "screen")
            what = "generated problems" if of_generator else f"problems that {name} read"
            return {
                "name": "repetition",
                "text": f"{repeated:,} of {rows:,} {what} repeat an earlier one "
                f"({percent(repeated / rows, 0)}; expected: under {percent(MAX_REPEATED, 0)}). "
                "Repeats are paid for and dropped, and more rows of the kind repeat more. Look at "
                "what posed them: raise the generator's temperature or top_p, or train it on "
                "problems that differ more, for fewer epochs.",
            }
    return None


def _filters_drop_most(summary: Json) -> dict[str, str] | None:
    dropped, entered = _filter_counts(summary)
    if not entered or sum(dropped.values()) / entered <= MAX_DROPPED:
        return None
    main = next(iter(dropped))
    return {
        "name": "filters_drop_most",
        "text": f"the filters dropped {percent(sum(dropped.values()) / entered)} of the answered "
        f"problems (expected: under {MAX_DROPPED:.0%}), most of them: {reason_name(main)}. Look "
        "at the rows dropped for that reason: is the student too strong for these problems, or "
        "are the teacher's attempts cut or without an answer?",
    }


def _many_truncated(summary: Json) -> dict[str, str] | None:
    dropped, entered = _filter_counts(summary)
    share = dropped.get("truncated", 0) / entered if entered else 0.0
    if share <= MAX_TRUNCATED:
        return None
    return {
        "name": "many_truncated",
        "text": f"{percent(share)} of the answered problems were cut off by the token cap "
        f"(expected: under {MAX_TRUNCATED:.0%}). Raise max_new_tokens of distill (what ended by "
        "itself is not paid again) or look whether the teacher loops.",
    }


def _benchmark_hits(summary: Json) -> dict[str, str] | None:
    hits = 0
    for name, entry in mapping(summary.get("counts")).items():
        if mapping(entry).get("stage") == "screen" or name == "screen":
            hits += count(part(entry, "dropped", "contaminated")) or 0
    if not hits:
        return None
    return {
        "name": "benchmark_hits",
        "text": f"{whole(hits)} problems are in a benchmark, or nearly so, and were dropped. Look "
        "at their matches: scores on that benchmark need care, since others that are only "
        "reworded may have stayed.",
    }


def _no_canaries(summary: Json) -> dict[str, str] | None:
    if count(part(summary, "canaries", "n")) != 0:
        return None
    return {
        "name": "no_canaries",
        "text": "no difficult source has gold, so no canary went through the filters and the share "
        "of wrong labels is not measured. Give sources with answers, or say `canaries: null`.",
    }


def _rows_lost(summary: Json) -> dict[str, str] | None:
    lost = rows_lost(summary)
    if not lost:
        return None
    return {
        "name": "rows_lost",
        "text": f"{whole(lost)} rows are unaccounted for: what stayed, what is in review and what "
        "was dropped do not add up to what came in. Do not use this dataset; the counts by step "
        "show where rows went missing.",
    }


def _filter_counts(summary: Json) -> tuple[dict[str, int], int | None]:
    """Reasons of the filters and the rows that entered them, by the totals of ``counts``."""
    entry: Any = part(summary, "counts", "filter")
    return counts(mapping(entry).get("dropped")), count(mapping(entry).get("in"))
