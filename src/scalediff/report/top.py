"""The first screen of the report: eight blocks, each a question that a reader has first.

Each function makes one block's view, a plain dictionary that its template only lays out. Where the
summary is silent, a block says so.
"""

from __future__ import annotations

from scalediff.report import plots
from scalediff.report.facts import (
    Student,
    benchmark_title,
    canary_share,
    difficult_from,
    label_quality,
    main_benchmark,
    rows_lost,
    students,
    teacher_factor,
)
from scalediff.report.flow import flow_view
from scalediff.report.reading import Json, counts, line, mapping, number, part, records, text
from scalediff.report.rows_view import View, life_view
from scalediff.report.warnings import unknown_signs, warnings_of
from scalediff.report.words import (
    UNKNOWN,
    amount,
    duration,
    estimate,
    interval,
    moment,
    percent,
    points,
    reason_name,
    whole,
)


def top_view(summary: Json, samples: Json, anchors: dict[str, str]) -> View:
    """All eight blocks; ``anchors`` gives the id of each drop reason's rows."""
    return {
        "head": head_view(summary),
        "help": help_view(summary),
        "flow": flow_view(summary, anchors),
        "labels": labels_view(summary),
        "cost": cost_view(summary),
        "warnings": warnings_view(summary),
        "unchecked": ", ".join(unknown_signs(summary)),
        "life": life_view(samples.get("life")),
        "not_shown": not_shown(summary),
    }


def head_view(summary: Json) -> View:
    """Block 1: what ran, when, where, whether rows were lost, and how to repeat it."""
    machine = summary.get("machine")
    if isinstance(machine, dict):
        machine = ", ".join(line(value, 60) for value in machine.values())
    total = number(summary.get("seconds_total"))
    lost = rows_lost(summary)
    unfinished = total is not None and not summary.get("finished")
    name = line(summary.get("name"), 120) or line(summary.get("recipe"), 120) or "run"
    return {
        "name": name,
        "laboratory": bool(summary.get("laboratory")),
        "facts": [
            ("Started", moment(summary.get("started")) or UNKNOWN),
            ("Took", f"{duration(total)}{' so far, not finished' if unfinished else ''}"),
            ("Machine", line(machine, 160) or UNKNOWN),
            ("Rows lost", whole(lost)),
        ],
        "lost": bool(lost),
        "command": line(summary.get("command"), 600),
        "version": line(summary.get("scalediff_version"), 40),
    }


def help_view(summary: Json) -> View:
    """Block 2: does it help?"""
    found, benchmark = students(summary), main_benchmark(summary)
    verdict, sentence = _verdict(summary, found)
    gains = [
        (points(summary.get("gain")), "over the sources alone"),
        (points(summary.get("gain_over_control")), "over the control (sources, as many steps)"),
    ]
    return {
        "verdict": verdict,
        "sentence": sentence,
        "gains": [(value, against) for value, against in gains if value != UNKNOWN],
        "title": benchmark_title(benchmark, summary) if benchmark else "",
        "students": _student_rows(found, benchmark),
        "plot": _plot(found, summary),
    }


def _verdict(summary: Json, found: list[Student]) -> tuple[str, str]:
    """A word for the look (``yes``, ``no``, ``open``) and the sentence, by the intervals alone."""
    if not found:
        return "open", "Unknown: no student was trained and evaluated in this run."
    gain, over = mapping(summary.get("gain")), mapping(summary.get("gain_over_control"))
    low, high = number(gain.get("low")), number(gain.get("high"))
    if low is None or high is None:
        return "open", "Unknown: this run compares no two students."
    if high < 0:
        return "no", "No: the student is worse with the kept rows than on the sources alone."
    if low <= 0:
        return "open", "Not shown: the gain over the sources alone may be zero."
    control_low = number(over.get("low"))
    if control_low is None:
        return "yes", "Yes, over the sources alone; there is no control with as many steps."
    if control_low <= 0:
        return "open", "Not shown: as many steps on the sources alone may do as much."
    return "yes", "Yes: more than the sources alone, and more than as many steps on them."


def _classes(found: list[Student]) -> dict[str, str]:
    """Model → the class of its line; the student of the whole line has the same in each report."""
    fixed = {1: "s1", 2: "s2", 3: "s3"}
    taken = [fixed[one.rank] for one in found if one.rank in fixed]
    free = [css for css in map(plots.series_class, range(plots.NUM_SERIES)) if css not in taken]
    others = [one.model for one in found if one.rank not in fixed]
    classes = {model: free[place % len(free)] for place, model in enumerate(others)}
    return classes | {one.model: fixed[one.rank] for one in found if one.rank in fixed}


def _student_rows(found: list[Student], benchmark: str | None) -> list[View]:
    """Each student's score on the headline's benchmark, in the plot's colours."""
    rows, classes = [], _classes(found)
    for student in found:
        score = student.scores.get(benchmark or "", {})
        mean, css = number(score.get("mean")), classes[student.model]
        drawn = ""
        if mean is not None:
            low, high = number(score.get("low")), number(score.get("high"))
            drawn = plots.whisker(plots.Whisker(student.name, mean, low, high, css), 1.0)
        rows.append(
            {
                "name": student.name,
                "css": css,
                "mean": percent(mean),
                "interval": interval(score),
                "drawn": drawn,
            }
        )
    return rows


def _plot(found: list[Student], summary: Json) -> str:
    """Accuracy by level; empty where the benchmarks have no levels."""
    classes = _classes(found)
    series = [
        plots.Series(
            student.name,
            classes[student.model],
            [
                plots.Point(
                    level, score["mean"], number(score.get("low")), number(score.get("high"))
                )
                for level, score in student.levels
            ],
        )
        for student in found
        if student.levels
    ]
    label = "Accuracy by level of the problem, one line with a 95 % band for each student"
    return plots.level_plot(series, label, difficult_from(summary))


def labels_view(summary: Json) -> View:
    """Block 4: can I trust the labels?"""
    quality = {one.stage: one for one in label_quality(summary)}
    canaries = canary_share(summary)
    if quality:
        last = quality.get("dataset") or list(quality.values())[-1]
        others = [quality[s] for s in ("before", "after_student") if s in quality]
        return {
            "figure": percent(last.values["share"]),
            "interval": interval(last.values),
            "note": f"wrong or ill-posed in {last.name}, by the oracle "
            f"({whole(last.values.get('n'))} labels)",
            "beside": [
                *((one.name, estimate(one.values, "share")) for one in others if one is not last),
                *([("wrong among canaries", estimate(canaries, "share"))] if canaries else []),
            ],
        }
    if canaries is not None:
        return {
            "figure": percent(canaries["share"]),
            "interval": interval(canaries),
            "note": f"wrong among {whole(canaries.get('n'))} rows with gold (canaries)",
            "beside": [],
        }
    return {
        "figure": "Unknown",
        "interval": "",
        "note": "no oracle knows these problems, and no rows with gold travelled along",
        "beside": [],
    }


def cost_view(summary: Json) -> View:
    """Block 5: what did it cost?"""
    cost = mapping(summary.get("cost"))
    total = number(summary.get("tokens_total"))
    factor = teacher_factor(summary)
    facts = [
        ("teacher's tokens", amount(cost.get("teacher_tokens"))),
        ("for each kept row", amount(cost.get("per_kept_row"))),
    ]
    if factor is not None:
        facts.append(("teacher, against one attempt each", f"{factor:.1f}x"))
    spent = counts(cost.get("left_by_reason"))
    every = sum(spent.values())
    share = number(cost.get("left_share"))
    reasons = [
        (
            reason_name(reason),
            percent(share * tokens / every) if share is not None else whole(tokens),
        )
        for reason, tokens in list(spent.items())[:3]
    ]
    return {
        "figure": amount(total) if total is not None else "Unknown",
        "note": "tokens sampled in all",
        "facts": facts,
        "left": percent(share),
        "reasons": reasons,
        "more": max(0, len(spent) - 3),
    }


def warnings_view(summary: Json) -> list[tuple[str, str]]:
    """Block 6: the run's warnings by name; computed here where the summary has no such part."""
    given = summary.get("warnings")
    found = records(given) if isinstance(given, list) else warnings_of(summary)
    return [
        (line(one.get("name"), 60).replace("_", " ") or "warning", text(one.get("text"), 1_000))
        for one in found
    ]


def not_shown(summary: Json) -> list[str]:
    """Block 8: what this run does not show."""
    found = []
    if summary.get("laboratory"):
        found.append(
            "That any of this carries over to large models: this is a small closed world, with "
            "models of under a million parameters."
        )
    found += _not_shown_of_students(summary)
    if not label_quality(summary) and canary_share(summary) is None:
        found.append("How many labels are wrong: nothing in this run could measure it.")
    if mapping(summary.get("difficult_share")):
        found.append(
            "That generated problems are harder, by the difficult share alone: the identifier also "
            "picked the generator's training rows. See beside it the student's pass rate and the "
            "teacher's tokens."
        )
    return found


def _not_shown_of_students(summary: Json) -> list[str]:
    if not students(summary):
        return ["That the kept rows help: no student was trained and evaluated."]
    found = []
    if number(part(summary, "gain", "mean")) is not None:
        if number(part(summary, "gain_over_control", "mean")) is None:
            found.append("That the gain is the data's and not that of longer training: no control.")
        found.append(
            "How much the gain moves with the training seed: the intervals are over problems, of "
            "one training each."
        )
    return found
