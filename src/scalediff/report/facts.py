"""What the terminal and the page both say, derived once from a run's summary.

The summary is the only source; where it is silent, the fact is None or an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scalediff.recipe import Recipe
from scalediff.report.reading import Json, count, counts, mapping, number, part, records
from scalediff.report.words import MODEL_NAMES, STUDENT_RANKS, bare_name, level_of, model_name

LABEL_STAGES: dict[str, str] = {
    "before": "all generated",
    "after_rules": "after the rules",
    "after_student": "after the student's filter",
    "dataset": "this dataset",
    "review": "set apart for review",
}
"""Where labels are audited, in the order of the line, and the names for people."""


@dataclass(frozen=True)
class Waterfall:
    """Where the generated rows went.

    Attributes:
        generated: Rows born.
        kept: Rows of the dataset; rows that have not left so far where ``decided`` is False.
        review: Rows set apart for people.
        dropped: Reason → rows, the largest first.
        finished: Whether the line has come to its end.
        decided: Whether the filters have decided.
    """

    generated: int
    kept: int | None
    review: int
    dropped: dict[str, int]
    finished: bool
    decided: bool

    @property
    def kept_name(self) -> str:
        """What ``kept`` is called: nothing is kept for good before the filters have decided."""
        return "kept" if self.decided else "still in the line"

    @property
    def num_dropped(self) -> int:
        """Rows that left."""
        return sum(self.dropped.values())

    @property
    def elsewhere(self) -> int:
        """Rows in none of the parts: under way in an unfinished run, else unaccounted for."""
        return self.generated - (self.kept or 0) - self.review - self.num_dropped

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for."""
        return self.elsewhere == 0

    @property
    def is_wrong(self) -> bool:
        """Whether rows are missing, or counted twice, where none can be."""
        return self.elsewhere < 0 or (self.finished and self.elsewhere > 0)


def waterfall(summary: Json) -> Waterfall | None:
    """The waterfall of the generated rows, or None where nothing was generated."""
    values = mapping(summary.get("waterfall"))
    generated = count(values.get("generated"))
    if generated is None:
        return None
    kept = count(values.get("kept"))
    steps = mapping(summary.get("counts"))
    parts = [name for name in steps if name.startswith("filter.")]
    is_whole = "filter" in steps and not parts
    return Waterfall(
        generated=generated,
        kept=kept,
        review=count(values.get("review")) or 0,
        dropped=counts(values.get("dropped")),
        finished=bool(summary.get("finished")) and kept is not None,
        decided=is_whole or "assemble" in steps or "filter.decide" in steps,
    )


def rows_lost(summary: Json) -> int | None:
    """Rows unaccounted for, by the run's own count or by the waterfall; None where unknown."""
    told, parts = count(summary.get("rows_lost")), waterfall(summary)
    if parts is not None and parts.is_wrong:
        return max(told or 0, abs(parts.elsewhere))
    return told


def difficult_sources(summary: Json) -> int | None:
    """How many sources are difficult, or None where that was not decided by leaving rows out."""
    everything = mapping(summary.get("counts"))
    for name in ("identify_sources", "identify_sources.select"):
        entry = mapping(everything.get(name))
        leaves_out = part(summary, "settings", name, "leave_out") is True
        if entry and (leaves_out or count(part(entry, "dropped", "simple"))):
            return count(entry.get("out"))
    return None


@dataclass(frozen=True)
class Student:
    """An evaluated model: its name in the recipe, for people, and its scores by benchmark."""

    model: str
    name: str
    scores: dict[str, dict[str, Any]]

    @property
    def rank(self) -> int:
        """Its place in the story: 1 the sources alone, 2 the control, 3 with kept rows, else 0."""
        return STUDENT_RANKS.get(MODEL_NAMES.get(bare_name(self.model), ""), 0)

    @property
    def levels(self) -> list[tuple[int, dict[str, Any]]]:
        """Scores by level, in order of level; empty where benchmarks are no levels."""
        found = [(level_of(name), score) for name, score in self.scores.items()]
        known = [(level, score) for level, score in found if level is not None]
        return sorted(
            [pair for pair in known if number(pair[1].get("mean")) is not None],
            key=lambda pair: pair[0],
        )


def students(summary: Json) -> list[Student]:
    """The evaluated models in the order of the story: others, sources, control, with kept rows."""
    found = []
    for model, scores in mapping(summary.get("scores")).items():
        by_benchmark = {name: mapping(score) for name, score in mapping(scores).items()}
        if by_benchmark:
            found.append(Student(model, model_name(model, summary), by_benchmark))
    return sorted(found, key=lambda student: student.rank)


def main_benchmark(summary: Json) -> str | None:
    """The benchmark of the headline: ``difficult``, else ``all``, else the first that is scored."""
    names = [name for student in students(summary) for name in student.scores]
    for wanted in ("difficult", "all"):
        if wanted in names:
            return wanted
    return names[0] if names else None


def benchmark_title(benchmark: str, summary: Json) -> str:
    """A benchmark for people: ``levels 3 to 8`` for ``difficult`` where problems have levels."""
    level = level_of(benchmark)
    if level is not None:
        return f"level {level}"
    if benchmark not in ("difficult", "simple"):
        return {"all": "all problems"}.get(benchmark, benchmark)
    levels = sorted({n for student in students(summary) for n, _ in student.levels})
    first = difficult_from(summary)
    if first is None or not levels:
        return f"{benchmark} problems"
    inside = [n for n in levels if (n >= first) == (benchmark == "difficult")]
    if not inside:
        return f"{benchmark} problems"
    return f"levels {inside[0]} to {inside[-1]}" if len(inside) > 1 else f"level {inside[0]}"


def difficult_from(summary: Json) -> int | None:
    """The level from which a problem counts as difficult, by the settings of the evaluation."""
    for settings in mapping(summary.get("settings")).values():
        value = mapping(settings).get("difficult_from")
        found = count(value.get("value") if isinstance(value, dict) else value)
        if found is not None:
            return found
    return None


@dataclass(frozen=True)
class LabelQuality:
    """The share of wrong or ill-posed labels at one place of the line."""

    stage: str
    name: str
    values: dict[str, Any]


def label_quality(summary: Json) -> list[LabelQuality]:
    """The oracle's audit at each place of the line that has one."""
    shares = mapping(part(summary, "oracle", "wrong_label_share"))
    found = []
    for stage, name in LABEL_STAGES.items():
        raw = shares.get(stage)
        values = mapping(raw) if isinstance(raw, dict) else {"share": raw}
        if number(values.get("share")) is not None:
            found.append(LabelQuality(stage, name, values))
    return found


def canary_share(summary: Json) -> dict[str, Any] | None:
    """The share of wrong labels among canaries (rows with gold), or None where there are none."""
    values = mapping(summary.get("canaries"))
    inner = values.get("wrong_label_share")
    found = mapping(inner) if isinstance(inner, dict) else {"share": inner, **values}
    return found if number(found.get("share")) is not None else None


def step_tokens(summary: Json, step: str) -> int | None:
    """Tokens newly sampled at a step, or None where they are unknown."""
    entry = mapping(part(summary, "tokens", step))
    return count(entry.get("new", entry.get("sampled")))


def teacher_factor(summary: Json) -> float | None:
    """The teacher's tokens with the filter's further attempts, over those of the first attempts.

    None where there were no further attempts, or where an attempt store served first attempts, so
    that their tokens are not known.
    """
    first, more = step_tokens(summary, "distill"), step_tokens(summary, "filter.more")
    if not first or not more or count(part(summary, "tokens", "distill", "served")):
        return None
    return (first + more) / first


@dataclass(frozen=True)
class Group:
    """Steps that people see as one line: their names, and seconds where known."""

    title: str
    steps: tuple[str, ...]
    seconds: float | None


def groups_of(recipe: Recipe) -> list[tuple[str, tuple[str, ...]]]:
    """The lines that a recipe's run will have: title and steps of each."""
    steps = [{"name": n, "stage": node.stage.name} for n, node in recipe.nodes.items()]
    return [(group.title, group.steps) for group in groups({"steps": steps})]


_SOURCES = ("sources", "screen_sources", "identify_sources")
_SOURCE_ATTEMPTS = ("distill_sources", "rules_sources", "grade_sources")


def groups(summary: Json) -> list[Group]:
    """The steps of the run in order, drawn together into the lines that people read."""
    steps = [s for s in records(summary.get("steps")) if isinstance(s.get("name"), str)]
    stages: dict[str, set[Any]] = {}
    for step in steps:
        stages.setdefault(step["name"].split(".")[0], set()).add(str(step.get("stage")))
    drawn: dict[str, list[str]] = {}
    for step in steps:
        base = step["name"].split(".")[0]
        drawn.setdefault(_group_title(base, stages[base]), []).append(step["name"])
    seconds = mapping(summary.get("seconds"))
    return [Group(title, tuple(names), _sum(seconds, names)) for title, names in drawn.items()]


def _group_title(base: str, stages: set[Any]) -> str:
    if base in _SOURCES:
        return "screen, identify"
    if base in _SOURCE_ATTEMPTS:
        return "distill sources"
    if "tally" in stages or (base.startswith("evaluate") and stages <= {"sources"}):
        return "students"
    if "train" in stages and base != "generator":
        return "students"
    return base


def _sum(seconds: Json, names: list[str]) -> float | None:
    known = [number(seconds.get(name)) for name in names]
    found = [value for value in known if value is not None]
    return sum(found) if found else None
