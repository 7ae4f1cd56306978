"""The numbered lines of a run on the terminal, one for each group of steps.

Everything is plain text: nothing that a problem or a name holds can send codes to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from scalediff.io.reading import FILE, Reading
from scalediff.io.run import Run, read_json
from scalediff.report.facts import Group, difficult_sources, students, waterfall
from scalediff.report.reading import Json, count, counts, line, mapping, part, records
from scalediff.report.samples import example_of
from scalediff.report.summary import flow_of, repeats_of
from scalediff.report.warnings import repetition
from scalediff.report.words import FAMILIES, duration, percent, reason_name, whole
from scalediff.watch import Describe, Notes

NOTE_WIDTH = 58
"""Columns of a line's note before the seconds; a longer note pushes them out."""

_TITLE_WIDTH, _FLOW_WIDTH = 16, 16


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


def group_line(index: int, group: Group, summary: Json) -> str:
    """The numbered line of a group of steps, from what the summary knows so far."""
    flow, note = _group_text(group, summary)
    return numbered(index, line(group.title, 40), flow, note, group.seconds)


def lines_of(run: Run) -> Describe:
    """What a console says of a run's groups: the line, and a row that shows what happened."""

    def describe(index: int, title: str, steps: Sequence[str], seconds: float) -> list[str]:
        group = Group(title, tuple(steps), seconds)
        flow = flow_of(run)
        told = [group_line(index, group, flow)]
        if example := example_of(run, title):
            told.append(f"     {example}")
        if warning := _repetition(flow, run, steps):
            told.append(f"     WARNING {warning}")
        return told

    return describe


def notes_of(run: Run) -> Notes:
    """What a step that reads files says of them: its gold, and what it left."""

    def notes(step: str) -> Iterator[str]:
        table = run.table(step)
        read = read_json(table.artefact(FILE)) if table is not None else None
        for text in Reading.of(read).lines() if read is not None else ():
            yield text if step == "sources" else f"{step}: {text}"

    return notes


def _repetition(flow: Json, run: Run, steps: Sequence[str]) -> str:
    """That a group's problems repeat one another, said before the next step is paid for them."""
    stages = {s.get("stage") for s in records(flow.get("steps")) if s.get("name") in steps}
    if not stages & {"generate", "screen"}:
        return ""
    repeats = repeats_of(run)
    if "generate" not in stages and repetition(repeats):
        return ""  # said when they were generated
    found = repetition({**flow, **repeats}, steps)
    return f"{found['name']}: {line(found['text'], 400)}" if found else ""


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
    identified = count(part(everything, "identify_sources.select", "in"))
    share = difficult / identified if difficult is not None and identified else None
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
        entry = mapping(part(summary, "counts", "assemble"))
        return (_flow(entry), drops_note(entry)) if entry else ("", "")
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
