"""What went in and what came out: the bar that adds up, and how hard the problems are."""

from __future__ import annotations

from scalediff.report import plots
from scalediff.report.facts import Waterfall, difficult_sources, waterfall
from scalediff.report.lines import adds_up_text
from scalediff.report.reading import Json, count, mapping, number, part
from scalediff.report.rows_view import View
from scalediff.report.words import (
    UNKNOWN,
    amount,
    percent,
    reason_family,
    reason_name,
    whole,
)


def flow_view(summary: Json, anchors: dict[str, str]) -> View:
    """Block 3: what went in, what came out, as one bar that adds up."""
    parts = waterfall(summary)
    sources = count(part(summary, "counts", "screen_sources", "in"))
    if sources is None:
        sources = count(part(summary, "counts", "sources", "out"))
    difficult = difficult_sources(summary)
    note = "" if difficult is None else f"{difficult:,} difficult"
    numbers = [("sources", whole(sources), note)]
    if parts is not None:
        numbers.append(("generated", whole(parts.generated), ""))
        share = _share(parts.kept, parts.generated)
        numbers.append((parts.kept_name, whole(parts.kept), f"{share} of generated"))
    bar = _bar_parts(parts, anchors) if parts is not None else []
    return {
        "numbers": numbers,
        "bar": plots.stacked_bar(bar, "Where the generated rows went: " + adds_up_text(summary)),
        "legend": [(one, whole(one.rows), _share(one.rows, parts.generated)) for one in bar]
        if parts is not None
        else [],
        "adds_up": adds_up_text(summary),
        "wrong": parts is not None and parts.is_wrong,
        "difficulty": _difficulty_pairs(summary),
    }


def _difficulty_pairs(summary: Json) -> list[tuple[str, str, str]]:
    """How hard sources and generated are, by three witnesses: the identifier is never alone."""
    names = {
        "share": "identifier says difficult",
        "pass_rate": "student solves",
        "tokens": "teacher’s tokens",
    }
    rows = {row["name"]: row for row in difficulty_view(summary)}
    if not rows:
        return []
    return [(name, rows["sources"][key], rows["generated"][key]) for key, name in names.items()]


def _share(rows: int | None, of: int) -> str:
    return UNKNOWN if rows is None or not of else percent(rows / of)


def _bar_parts(parts: Waterfall, anchors: dict[str, str]) -> list[plots.Part]:
    """Kept first, then review, then drops in the order of the line's families."""
    found = [plots.Part(parts.kept_name, parts.kept or 0, "f-kept", "kept")]
    found.append(plots.Part("in review", parts.review, "f-review", "review"))
    shade: dict[str, int] = {}
    for reason in in_line_order(parts.dropped):
        family = reason_family(reason)
        shade[family] = shade.get(family, -1) + 1
        css = f"f-{family} t{min(shade[family], 3)}"
        found.append(
            plots.Part(
                reason_name(reason), parts.dropped[reason], css, anchors.get(reason, "drops")
            )
        )
    if parts.elsewhere > 0:
        name, css = ("unaccounted for", "f-lost") if parts.is_wrong else ("under way", "f-other")
        found.append(plots.Part(name, parts.elsewhere, css, "counts"))
    return [one for one in found if one.rows]


def difficulty_view(summary: Json) -> list[View]:
    """Difficult shares, and beside the identifier's word the student's and the teacher's."""
    rows = []
    for kind in ("sources", "generated"):
        values = mapping(part(summary, "difficulty", kind))
        share = part(summary, "difficult_share", kind)
        if number(share) is None:
            share = values.get("p_think_share")
        rows.append(
            {
                "name": kind,
                "share": percent(share),
                "pass_rate": percent(values.get("student_pass_rate")),
                "tokens": amount(values.get("teacher_tokens")),
            }
        )
    known = [row for row in rows if {row["share"], row["pass_rate"], row["tokens"]} != {UNKNOWN}]
    return rows if known else []


def in_line_order(dropped: dict[str, int]) -> list[str]:
    """Reasons by the place of their family in the line, the largest first within one."""
    order = ["screen", "identify", "rules", "student", "labels", "other"]
    return sorted(dropped, key=lambda r: (order.index(reason_family(r)), -dropped[r]))
