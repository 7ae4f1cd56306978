"""The last lines on the terminal: the result, warnings, and what was not shown.

Everything is built from the summary and is plain text: nothing that a problem or a name holds can
send codes to the terminal.
"""

from __future__ import annotations

from scalediff.report.facts import (
    benchmark_title,
    canary_share,
    label_quality,
    main_benchmark,
    students,
    teacher_factor,
    waterfall,
)
from scalediff.report.reading import Json, line, records
from scalediff.report.words import (
    estimate,
    interval,
    percent,
    points,
)


def headline(summary: Json, report: str | None = None) -> str:
    """The last lines of a run: RESULT, GAIN, LABELS, warnings and NOT SHOWN.

    What the run did not measure is said in words. ``report``, the path of the page, adds the line
    that says where it is and how to begin with data of one's own.
    """
    lines = [_result_line(summary), _gain_line(summary), _labels_line(summary)]
    lines += [
        f"WARNING {line(w.get('name'), 40)}: {line(w.get('text'), 400)}"
        for w in records(summary.get("warnings"))
    ]
    if summary.get("laboratory"):
        lines.append("NOT SHOWN: that this carries over to large models.")
    elif not students(summary):
        lines.append("NOT SHOWN: that the data helps; no student was trained and evaluated.")
    if report is not None:
        where = f"report: {line(report, 400)}"
        lines.append(f"{where}      your own data: scalediff look your.jsonl")
    return "\n".join(text for text in lines if text)


def _result_line(summary: Json) -> str:
    benchmark = main_benchmark(summary)
    if benchmark is None:
        parts = waterfall(summary)
        if parts is None or parts.kept is None:
            return "RESULT: no student was evaluated and nothing was kept so far."
        told = f"{parts.kept:,} {parts.kept_name} of {parts.generated:,} generated"
        return f"RESULT: {told}; no student evaluated"
    scores = [
        f"{student.name} {estimate(student.scores[benchmark])}"
        for student in students(summary)
        if benchmark in student.scores
    ]
    return f"RESULT, {line(benchmark_title(benchmark, summary), 60)}: {' · '.join(scores)}"


def _gain_line(summary: Json) -> str:
    gain, over = points(summary.get("gain")), points(summary.get("gain_over_control"))
    known = [
        f"{text} over {against}"
        for text, against in ((gain, "the sources alone"), (over, "the control"))
        if text != "unknown"
    ]
    return f"GAIN: {' · '.join(known)}" if known else ""


def _labels_line(summary: Json) -> str:
    found = {quality.stage: quality for quality in label_quality(summary)}
    names = {
        "before": "all generated",
        "after_student": "the paper's filter",
        "dataset": "this dataset",
    }
    shown = [
        f"{name} {percent(found[stage].values['share'], 0)}"
        for stage, name in names.items()
        if stage in found
    ]
    if shown:
        factor = teacher_factor(summary)
        extra = f" ({factor:.1f}x the teacher's tokens)" if factor is not None else ""
        return f"LABELS wrong or ill-posed: {', '.join(shown)}{extra}{_canaries_text(summary)}"
    if canary_share(summary) is not None:
        return f"LABELS wrong{_canaries_text(summary).removeprefix(';')}"
    return "LABELS: how many are wrong is unknown (no oracle, no rows with gold on the way)"


def _canaries_text(summary: Json) -> str:
    canaries = canary_share(summary)
    if canaries is None:
        return ""
    share = f"{percent(canaries['share'])} {interval(canaries)}".strip()
    return f"; among canaries {share}"
