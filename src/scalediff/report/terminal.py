"""The lines on the terminal: the line with its counts, and the result.

Everything is built from the summary and is plain text: nothing that a problem or a name holds can
send codes to the terminal.
"""

from __future__ import annotations

from typing import Any

from scalediff.report.facts import (
    Group,
    benchmark_title,
    canary_share,
    difficult_sources,
    groups,
    label_quality,
    main_benchmark,
    students,
    teacher_factor,
    waterfall,
)
from scalediff.report.reading import Json, count, counts, line, mapping, number, part, records
from scalediff.report.warnings import warnings_of as warnings_of
from scalediff.report.words import (
    FAMILIES,
    duration,
    estimate,
    interval,
    percent,
    points,
    reason_name,
    whole,
)

NOTE_WIDTH = 58
"""Columns of a line's note before the seconds; a longer note pushes them out."""

_TITLE_WIDTH, _FLOW_WIDTH = 16, 16


def step_line(
    index: int, title: str, counted: Json, seconds: float | None = None, note: str | None = None
) -> str:
    """One numbered line, built from one entry of ``counts``.

    ``note`` stands in the place of the drops by reason.

    Example:
        >>> print(step_line(5, "identify", {"in": 6332, "out": 5192, "dropped": {"simple": 1140}}))
         5 identify          6,332 -> 5,192   simple 1,140
    """
    shown = drops_note(counted) if note is None else note
    return numbered(index, line(title, 40), _flow(counted), shown, seconds)


def numbered(index: int, title: str, flow: str, note: str, seconds: float | None = None) -> str:
    """One numbered line in columns: number, title, flow, note, seconds (left out where unknown)."""
    start = f"{index:>2} {title:<{_TITLE_WIDTH}} {flow:<{_FLOW_WIDTH}}  {note}".rstrip()
    width = _TITLE_WIDTH + _FLOW_WIDTH + NOTE_WIDTH + 6
    return start if seconds is None else f"{start:<{width}} {duration(seconds):>8}"


def drops_note(counted: Json) -> str:
    """Drops by reason, the largest first; the rules' reasons as one; rows in review last."""
    dropped = counts(counted.get("dropped"))
    rules = sum(dropped.pop(code, 0) for code in FAMILIES["rules"])
    parts = [f"rules {rules:,}"] if rules else []
    parts += [f"{reason_name(code)} {number_:,}" for code, number_ in dropped.items()]
    review = count(counted.get("review"))
    if review:
        parts.append(f"in review {review:,}")
    return " · ".join(parts)


def line_table(summary: Json) -> str:
    """All lines of the run so far, one for each group of steps that has something to show."""
    lines: list[str] = []
    for group in groups(summary):
        flow, note = _group_text(group, summary)
        if flow or note or group.seconds is not None:
            lines.append(numbered(len(lines) + 1, line(group.title, 40), flow, note, group.seconds))
    return "\n".join(lines)


def _group_text(group: Group, summary: Json) -> tuple[str, str]:
    """Flow and note of one group."""
    special = {
        "screen, identify": _sources_text,
        "generator": _generator_text,
        "generate": _generate_text,
        "distill": _distill_text,
        "assemble": _assemble_text,
        "students": _students_text,
    }.get(group.title)
    if special is not None:
        return special(summary)
    entry = _total(summary, group)
    if not entry:
        return "", ""
    note = drops_note(entry)
    if group.title == "identify" and count(part(entry, "dropped", "simple")):
        note += ", left out before the teacher is paid"
    return _flow(entry), note


def _flow(entry: Json) -> str:
    """Rows in and rows out; rows out alone where nothing came in."""
    taken, given = count(entry.get("in")), count(entry.get("out"))
    return f"{whole(taken):>6} -> {whole(given)}" if taken else f"{whole(given):>6}"


def _total(summary: Json, group: Group) -> dict[str, Any]:
    """The counts of a group: its total where there is one, else from its first and last steps."""
    everything = mapping(summary.get("counts"))
    total = mapping(everything.get(group.title))
    entries = [mapping(everything.get(name)) for name in group.steps]
    entries = [entry for entry in entries if entry]
    if total or not entries:
        return total
    dropped: dict[str, int] = {}
    for entry in entries:
        for reason, rows in counts(entry.get("dropped")).items():
            dropped[reason] = dropped.get(reason, 0) + rows
    first, last = entries[0], entries[-1]
    given = {key: last.get(key) for key in ("out", "review")}
    return {"in": first.get("in"), "dropped": dropped, **given}


def _sources_text(summary: Json) -> tuple[str, str]:
    everything = mapping(summary.get("counts"))
    rows = count(part(everything, "sources", "out"))
    difficult = difficult_sources(summary)
    share = number(part(summary, "difficult_share", "sources"))
    if rows is None:
        return "", ""
    note = "" if difficult is None else f"{difficult:,} difficult"
    if share is not None:
        note = f"{note} ({percent(share, 0)})" if note else f"{percent(share, 0)} difficult"
    return f"{rows:>6,} sources", note


def _generator_text(summary: Json) -> tuple[str, str]:
    rows = count(part(summary, "training", "generator", "rows"))
    flow = "" if rows is None else f"{rows:>6,} problems"
    return flow, "learns to pose hard ones, not to solve them"


def _generate_text(summary: Json) -> tuple[str, str]:
    rows = count(part(summary, "counts", "generate", "out"))
    if rows is None:
        return "", ""
    note = drops_note(mapping(part(summary, "counts", "generate")))
    return f"{rows:>6,} new", note


def _distill_text(summary: Json) -> tuple[str, str]:
    entry = mapping(part(summary, "counts", "distill"))
    taken = count(entry.get("in"))
    if taken is None:
        return "", ""
    k = count(part(summary, "settings", "distill", "k"))
    flow = f"{taken:>6,} x {k}" if k else f"{taken:>6,}"
    note = drops_note(entry)
    return flow, f"the teacher answers; {note}" if note else "the teacher answers"


def _assemble_text(summary: Json) -> tuple[str, str]:
    sources = count(part(summary, "counts", "screen_sources", "out"))
    parts = waterfall(summary)
    if parts is None or parts.kept is None:
        return "", ""
    flow = f"{parts.kept:>6,}" if sources is None else f"{sources:>6,} + {parts.kept:,}"
    return flow, adds_up_text(summary)


def adds_up_text(summary: Json) -> str:
    """The waterfall in words: ``adds up: 10,000 = 2,229 kept + 266 in review + 7,505 dropped``."""
    parts = waterfall(summary)
    if parts is None or parts.kept is None:
        return ""
    left = f"{parts.review:,} in review + {parts.num_dropped:,} dropped"
    terms = f"{parts.kept:,} {parts.kept_name} + {left}"
    if parts.adds_up:
        return f"adds up: {parts.generated:,} = {terms}"
    if not parts.is_wrong:
        return f"{parts.generated:,} = {terms} + {parts.elsewhere:,} under way"
    return f"DOES NOT ADD UP: {parts.generated:,} generated, but {terms}"


def _students_text(summary: Json) -> tuple[str, str]:
    return "", " · ".join(student.name for student in students(summary))


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
        return f"LABELS wrong or ill-posed: {', '.join(shown)}{extra}"
    canaries = canary_share(summary)
    if canaries is not None:
        share = f"{percent(canaries['share'])} {interval(canaries)}".strip()
        return f"LABELS wrong among rows with gold: {share}"
    return "LABELS: how many are wrong is unknown (no oracle, no rows with gold on the way)"
