"""Below the first screen: every figure, the sample rows, the recipe as resolved.

As in ``top``, each function makes the view of one section, and what a run does not have is said.
"""

from __future__ import annotations

import json
from typing import Any

from scalediff.report import plots
from scalediff.report.facts import (
    Student,
    benchmark_title,
    canary_share,
    label_quality,
    step_tokens,
    students,
    waterfall,
)
from scalediff.report.flow import difficulty_view, in_line_order
from scalediff.report.reading import Json, count, counts, line, mapping, number, part, records
from scalediff.report.rows_view import View, drop_view, row_view
from scalediff.report.words import (
    UNKNOWN,
    duration,
    estimate,
    interval,
    level_of,
    percent,
    reason_meaning,
    reason_name,
    whole,
)

MAX_KEPT, MAX_REVIEW, MAX_DROPPED = 10, 4, 3
"""Rows shown of the dataset, of the review, and of each drop reason."""

SCORED_FOR_CHOICE = ("simple", "difficult", "all")
"""Groups of problems that stand last in the scores, since they hold others."""


def details_view(summary: Json, samples: Json, anchors: dict[str, str]) -> View:
    """All sections."""
    return {
        "counts": counts_view(summary),
        "waterfall": waterfall_view(summary, anchors),
        "scores": scores_view(summary),
        "difficulty": difficulty_view(summary),
        "labels": quality_view(summary),
        "kept": [row_view(row) for row in records(samples.get("kept"))[:MAX_KEPT]],
        "review": [row_view(row) for row in records(samples.get("review"))[:MAX_REVIEW]],
        "num_kept": whole(part(summary, "waterfall", "kept")),
        "num_review": whole(part(summary, "waterfall", "review")),
        "drops": drops_view(summary, samples, anchors),
        "spent": spent_view(summary),
        "left": left_view(summary),
        "training": training_view(summary),
        "settings": settings_view(summary),
        "versions": [
            (line(name, 60), line(version, 60))
            for name, version in mapping(summary.get("versions")).items()
        ],
    }


def counts_view(summary: Json) -> list[View]:
    """Rows in, out, in review and dropped, step by step, with the totals of plans."""
    entries = mapping(summary.get("counts"))
    steps = [step for step in records(summary.get("steps")) if isinstance(step.get("name"), str)]
    told = {step["name"]: step for step in steps}
    order: list[str] = []
    for name in [*told, *entries]:
        base = name.split(".")[0]
        if base != name and base in entries and base not in told and base not in order:
            order.append(base)
        if name not in order:
            order.append(name)
    rows = []
    for name in order:
        entry, step = mapping(entries.get(name)), told.get(name, {})
        dropped = counts(entry.get("dropped"))
        rows.append(
            {
                "name": line(name, 80),
                "total": name not in told and any(n.startswith(f"{name}.") for n in told),
                "stage": line(step.get("stage") or entry.get("stage"), 40),
                "model": line(step.get("model"), 80),
                "known": bool(entry),
                "in": whole(entry.get("in")),
                "out": whole(entry.get("out")),
                "review": "" if not count(entry.get("review")) else whole(entry["review"]),
                "dropped": [f"{reason_name(r)} {n:,}" for r, n in dropped.items()],
            }
        )
    return rows


def waterfall_view(summary: Json, anchors: dict[str, str]) -> View | None:
    """The generated rows, what each reason took, and what stayed; the last line is the sum."""
    parts = waterfall(summary)
    if parts is None:
        return None
    left, rows = parts.generated, []
    for reason in in_line_order(parts.dropped):
        left -= parts.dropped[reason]
        rows.append(_fall(reason_name(reason), parts.dropped[reason], left, parts.generated))
        rows[-1]["href"] = anchors.get(reason, "drops")
        rows[-1]["meaning"] = reason_meaning(reason)
    if parts.review:
        left -= parts.review
        rows.append(_fall("in review", parts.review, left, parts.generated) | {"href": "review"})
    return {
        "generated": whole(parts.generated),
        "rows": rows,
        "kept": whole(parts.kept),
        "kept_name": parts.kept_name,
        "adds_up": parts.adds_up,
        "wrong": parts.is_wrong,
        "elsewhere": whole(abs(parts.elsewhere)),
        "num_dropped": whole(parts.num_dropped),
        "review": whole(parts.review),
    }


def _fall(name: str, rows: int, left: int, of: int) -> View:
    stay = 100.0 * max(0, left) / of if of else 0.0
    went = min(100.0 - stay, 100.0 * rows / of) if of else 0.0
    return {
        "name": name,
        "rows": f"{rows:,}",
        "share": percent(rows / of) if of else UNKNOWN,
        "left": f"{left:,}",
        "stay": f"{stay:.2f}",
        "went": f"{went:.2f}",
        "meaning": "",
    }


def scores_view(summary: Json) -> View:
    """Scores by benchmark, levels first, one column for each student."""
    found = students(summary)
    names = list(dict.fromkeys(name for student in found for name in student.scores))
    names.sort(key=_benchmark_order)
    rows = []
    for name in names:
        problems = [count(s.scores.get(name, {}).get("problems")) for s in found]
        rows.append(
            {
                "name": line(benchmark_title(name, summary), 80),
                "code": line(name, 80),
                "group": level_of(name) is None,
                "problems": whole(next((n for n in problems if n is not None), None)),
                "cells": [_score_cell(student, name) for student in found],
            }
        )
    return {"students": [student.name for student in found], "rows": rows}


def _benchmark_order(name: str) -> tuple[int, int]:
    level = level_of(name)
    if level is not None:
        return (0, level)
    place = SCORED_FOR_CHOICE.index(name) if name in SCORED_FOR_CHOICE else -1
    return (2, place) if place >= 0 else (1, 0)


def _score_cell(student: Student, benchmark: str) -> tuple[str, str]:
    score = student.scores.get(benchmark, {})
    return percent(score.get("mean")), interval(score)


def quality_view(summary: Json) -> View:
    """Label quality at each place of the line, with intervals."""
    found = label_quality(summary)
    scale = plots.scale_of(
        [number(q.values.get("high")) or number(q.values["share"]) for q in found]
    )
    rows = []
    for one in found:
        low, high = number(one.values.get("low")), number(one.values.get("high"))
        share = number(one.values["share"]) or 0.0
        rows.append(
            {
                "name": one.name,
                "share": estimate(one.values, "share"),
                "n": whole(one.values.get("n")),
                "ill": percent(one.values.get("ill_posed")),
                "wrong": percent(one.values.get("wrong_among_well_posed")),
                "drawn": plots.whisker(plots.Whisker(one.name, share, low, high), scale),
            }
        )
    canaries = canary_share(summary)
    return {
        "rows": rows,
        "scale": percent(scale, 0),
        "well_posed": percent(part(summary, "oracle", "well_posed_share")),
        "canaries": None if canaries is None else estimate(canaries, "share"),
        "num_canaries": whole((canaries or {}).get("n")),
        "blind_to": line(part(summary, "canaries", "blind_to"), 200),
        "canaries_left": _canaries_left(summary),
        "calibration": [_block_view(one) for one in records(_blocks(summary))],
        "student": _student_outcomes(summary),
        "memorised": _memorised(summary),
    }


def _blocks(summary: Json) -> Any:
    return part(summary, "canaries", "calibration")


def _block_view(block: Json) -> View:
    return {
        "from": percent(part(block, "from"), 0),
        "right": f"{whole(part(block, 'right'))} of {whole(part(block, 'n'))}",
        "p": percent(part(block, "p_right")),
        "interval": interval(block),
    }


def _canaries_left(summary: Json) -> str:
    """Where the canaries went: ``200 = 140 kept + 12 in review + 48 dropped``."""
    told = mapping(summary.get("canaries"))
    if count(told.get("n")) is None:
        return ""
    dropped = counts(told.get("dropped"))
    terms = f"{whole(told.get('kept'))} kept + {whole(told.get('review'))} in review"
    reasons = ", ".join(f"{reason_name(reason)} {n:,}" for reason, n in dropped.items())
    gone = f"{sum(dropped.values()):,} dropped" + (f" ({reasons})" if reasons else "")
    return f"{whole(told.get('n'))} = {terms} + {gone}"


_OUTCOMES = {
    "right": "agrees with the teacher",
    "wrong": "another answer",
    "undecided": "the grader cannot tell",
    "unfinished": "cut off",
    "no_answer": "no answer",
}


def _student_outcomes(summary: Json) -> str:
    """What the filter's student made of the problems, failures to finish apart."""
    told = counts(summary.get("student_outcomes"))
    return " · ".join(f"{_OUTCOMES[name]} {told[name]:,}" for name in _OUTCOMES if told.get(name))


def _memorised(summary: Json) -> str:
    """Copies of sources and benchmark problems in other numbers among the generated rows."""
    rate = mapping(summary.get("memorisation"))
    twins = count(summary.get("benchmark_twins"))
    parts = []
    if rate:
        parts.append(f"copies of sources: {estimate(rate, 'share')} of {whole(rate.get('n'))}")
    if twins:
        parts.append(f"benchmark problems in other numbers (kept, in twin_of): {twins:,}")
    return "; ".join(parts)


def drops_view(summary: Json, samples: Json, anchors: dict[str, str]) -> list[View]:
    """Drops by reason, the generated rows' first, each with its number and examples."""
    shown = mapping(samples.get("dropped"))
    parts = waterfall(summary)
    dropped = parts.dropped if parts is not None else {}
    every = {reason: dropped.get(reason, 0) for reason in [*dropped, *shown]}
    return [
        {
            "id": anchors.get(reason, "drops"),
            "name": reason_name(reason),
            "code": line(reason, 60),
            "meaning": reason_meaning(reason),
            "rows": whole(dropped[reason]) if reason in dropped else "",
            "examples": [drop_view(row) for row in records(shown.get(reason))[:MAX_DROPPED]],
        }
        for reason in in_line_order(every)
    ]


def spent_view(summary: Json) -> View:
    """Seconds and tokens by step, with a bar for the share of the time."""
    seconds, tokens = mapping(summary.get("seconds")), mapping(summary.get("tokens"))
    order = [s["name"] for s in records(summary.get("steps")) if isinstance(s.get("name"), str)]
    names = list(dict.fromkeys([*order, *seconds, *tokens]))
    longest = max((number(value) or 0.0 for value in seconds.values()), default=0.0)
    rows = []
    for name in names:
        if number(seconds.get(name)) is None and step_tokens(summary, name) is None:
            continue
        spent = number(seconds.get(name)) or 0.0
        rows.append(
            {
                "name": line(name, 80),
                "seconds": duration(seconds.get(name)),
                "width": f"{100 * max(0.0, spent) / longest:.2f}" if longest > 0 else "0",
                "tokens": _if_known(step_tokens(summary, name)),
                "served": _if_known(count(part(tokens, name, "served"))),
                "prompt": _if_known(count(part(tokens, name, "prompt"))),
                "rate": _rate(step_tokens(summary, name), spent),
                "troubles": _troubles(mapping(part(tokens, name))),
                "cost": _money(part(tokens, name, "cost"), summary),
            }
        )
    return {
        "rows": rows,
        "cost": _money(summary.get("cost_total"), summary),
        "seconds": duration(summary.get("seconds_total")),
        "tokens": whole(summary.get("tokens_total")),
    }


def _rate(tokens: int | None, seconds: float) -> str:
    """Sampled tokens a second."""
    return f"{tokens / seconds:,.0f}" if tokens and seconds > 0 else ""


def _troubles(spent: Json) -> str:
    """What a step's requests met: tries after the first, tokens thrown away, loops ended early."""
    told = {
        "retries": "retries",
        "wasted_tokens": "tokens wasted",
        "stopped": "loops stopped",
        "saved_tokens": "tokens saved at most",
    }
    found = [(count(spent.get(name)), text) for name, text in told.items()]
    return " · ".join(f"{n:,} {text}" for n, text in found if n)


def _money(value: Any, summary: Json) -> str:
    amount_ = number(value)
    return "" if not amount_ else f"{line(summary.get('currency') or '$', 8)}{amount_:,.2f}"


def _if_known(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def left_view(summary: Json) -> list[tuple[str, str, str]]:
    """Tokens that went to rows which later left: reason, tokens, share of all of these."""
    spent = counts(part(summary, "cost", "left_by_reason"))
    every = sum(spent.values())
    return [(reason_name(r), f"{n:,}", percent(n / every)) for r, n in spent.items()]


def training_view(summary: Json) -> list[View]:
    """Rows, steps and epochs of each training."""
    return [
        {
            "name": line(name, 80),
            "rows": whole(part(values, "rows")),
            "steps": whole(part(values, "steps")),
            "epochs": line(part(values, "epochs"), 20) or UNKNOWN,
            "seconds": duration(part(values, "seconds")),
        }
        for name, values in mapping(summary.get("training")).items()
    ]


def settings_view(summary: Json) -> list[tuple[str, list[tuple[str, str]]]]:
    """The recipe as resolved: every setting of every step."""
    found = []
    for step, settings in mapping(summary.get("settings")).items():
        pairs = [(line(name, 80), _value(value)) for name, value in mapping(settings).items()]
        found.append((line(step, 80), pairs))
    return found


def _value(value: Any) -> str:
    if isinstance(value, str):
        return line(value, 400)
    return line(json.dumps(value, ensure_ascii=False, default=str), 400)
