"""``summary.json``: every figure of the report, computed from the run directory alone.

``docs/formats.md`` documents the keys. A part that a run does not have is absent, never zero.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from scalediff import __version__
from scalediff.core.errors import RunStateError
from scalediff.core.keys import digest
from scalediff.core.records import Row, attempts_of
from scalediff.domains import open_domain
from scalediff.io.reading import FILE
from scalediff.io.run import Run, StepTable, read_json
from scalediff.report.warnings import warnings_of
from scalediff.stages.tally import level_of, paired_gain, wilson

Summary = dict[str, Any]

_PHASES = ("screen", "identify", "distill", "filter")
"""What happens to generated rows, in order; each total adds up over the phase's steps."""


class Figures:
    """Reads one run; each method makes one part of the summary, or an empty one."""

    def __init__(self, run: Run) -> None:
        self.run = run
        manifest = run.manifest
        if "steps" not in manifest:
            raise RunStateError(f"{run.path} has no finished step yet; run its recipe first")
        self.manifest = manifest
        self.order: list[str] = [
            name for name in manifest.get("order", []) if name in manifest.get("steps", {})
        ]
        self.tables: dict[str, StepTable] = {}
        self.seals: dict[str, dict[str, Any]] = {}
        for name in self.order:
            table = run.table(name)
            if table is not None and self._is_current(name, table):
                self.tables[name] = table
                self.seals[name] = read_json(table.artefact("seal.json"))
        self.domain = open_domain(manifest.get("domain", "math"))

    def _is_current(self, name: str, table: StepTable) -> bool:
        """Whether a step was made from what its inputs are now: a run may be half-way anew."""
        entry = self.manifest["steps"][name]
        model = str(entry["model"] or "")
        if model.startswith("@"):
            trained = self.manifest["steps"].get(model[1:], {})
            about = read_json(table.artefact("step.json"))
            if model[1:] not in self.tables or about["model"] != trained.get("key"):
                return False
        if any(name not in self.tables for name in entry["inputs"]):
            return False
        inputs = digest([self.tables[name].digest for name in entry["inputs"]])
        return bool(read_json(table.artefact("seal.json"))["input"] == inputs)

    def parts(self, phase: str) -> list[str]:
        """The steps of a phase: the step itself, or the parts of the plan of that name."""
        return [n for n in self.tables if n == phase or n.startswith(f"{phase}.")]

    def head(self) -> Summary:
        """Name, times, machine, command."""
        now = time.time()
        whole = bool(self.order) and set(self.order) == set(self.manifest.get("order", []))
        whole = whole and set(self.order) == set(self.tables)
        head: Summary = {"finished": _iso(now)} if whole else {}
        return head | {
            "name": self.manifest.get("recipe", self.manifest.get("command", self.run.path.name)),
            "recipe": self.manifest.get("recipe"),
            "scalediff_version": __version__,
            "started": _iso(self.manifest.get("started", now)),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}",
            "laboratory": self.manifest.get("domain") == "nano",
            "command": "scalediff run " + " ".join(self.manifest.get("arguments", [])),
            "versions": self.manifest.get("versions", {}),
            "rows_lost": self.rows_lost(),
        }

    def rows_lost(self) -> int:
        """Rows of a step's input that are neither kept, in review nor dropped: always 0."""
        lost = 0
        for name, seal in self.seals.items():
            counts = seal["counts"]
            left = counts["out"] + counts["review"] + sum(counts["dropped"].values())
            lost += abs(counts["in"] - left) + abs(self._expected(name) - counts["in"])
        return lost

    def _expected(self, name: str) -> int:
        """Rows that a step was given, by the seals of its inputs."""
        entry = self.manifest["steps"][name]
        inputs = [self.seals[i] for i in entry["inputs"] if i in self.seals]
        if entry["stage"] == "assemble":
            return sum(seal["counts"]["out"] for seal in inputs)
        if entry["stage"] in ("train", "sample") or not inputs:  # has no rows, or rows of its own
            return int(self.seals[name]["counts"]["in"])
        return int(inputs[0]["num_rows"])

    def reading(self) -> Summary:
        """What was read of files, and what was left, by step."""
        found = {name: read_json(table.artefact(FILE)) for name, table in self.tables.items()}
        found = {name: read for name, read in found.items() if read and read["rows"]}
        return {"reading": found} if found else {}

    def steps(self) -> Summary:
        """Seconds, tokens, counts and settings by step, and totals by phase."""
        entries = self.manifest["steps"]
        counts: dict[str, Any] = {}
        settings: dict[str, Any] = {}
        for name, table in self.tables.items():
            counts[name] = {"stage": entries[name]["stage"], **self.seals[name]["counts"]}
            meaning = read_json(table.artefact("step.json"))["settings"]
            settings[name] = meaning | self.seals[name]["extent"]
        for phase in _PHASES:
            total = self._phase_total(phase)
            if total is not None:
                counts[phase] = total
        seconds = {name: round(seal["seconds"], 3) for name, seal in self.seals.items()}
        tokens = {
            name: seal["tokens"] for name, seal in self.seals.items() if entries[name]["pays"]
        }
        cost = sum(t.get("cost", 0.0) for t in tokens.values())
        money = {"cost_total": cost, "currency": self.manifest.get("currency", "$")} if cost else {}
        return {
            **money,
            "steps": [
                {k: entries[name][k] for k in ("stage", "model", "pays")} | {"name": name}
                for name in self.tables
            ],
            "seconds": seconds,
            "seconds_total": round(self._elapsed(sum(seconds.values())), 3),
            "tokens": tokens,
            "tokens_total": sum(t.get("new", 0) for t in tokens.values()),
            "counts": counts,
            "settings": settings,
        }

    def _elapsed(self, added_up: float) -> float:
        """Seconds that passed over all goes; steps side by side add up to more."""
        goes: list[list[float]] = []
        for event in self.run.events():
            if event.get("event") == "go" or not goes:
                goes.append([])
            goes[-1].append(event["time"])
        passed = sum(go[-1] - go[0] for go in goes)
        return passed or added_up

    def _phase_total(self, phase: str) -> dict[str, Any] | None:
        parts = self.parts(phase)
        if not parts:
            return None
        every = [self.seals[name]["counts"] for name in parts]
        dropped: Counter[str] = Counter()
        for counts in every:
            dropped.update(counts["dropped"])
        return {
            "stage": phase,
            "in": every[0]["in"],
            "out": every[-1]["out"],
            "review": every[-1]["review"],
            "dropped": dict(dropped.most_common()),
        }

    def waterfall(self) -> Summary:
        """Every generated row is kept, in review, or dropped with one reason."""
        if "generate" not in self.tables:
            return {}
        first = self.seals["generate"]["counts"]
        dropped: Counter[str] = Counter(first["dropped"])
        last = first
        for phase in _PHASES:
            total = self._phase_total(phase)
            if total is not None:
                dropped.update(total["dropped"])
                last = total
        return {
            "waterfall": {
                "generated": first["in"],
                "kept": last["out"],
                "review": last["review"],
                "dropped": dict(dropped.most_common()),
            }
        }

    def difficulty(self) -> Summary:
        """Difficult shares, and beside them the student's pass rate and the teacher's tokens."""
        shares: dict[str, float] = {}
        beside: dict[str, dict[str, float]] = {}
        for kind, plan, solved in (
            ("sources", "identify_sources", "distill_sources"),
            ("generated", "identify", "distill"),
        ):
            select = self.tables.get(f"{plan}.select")
            if select is None:
                continue
            num_in = self.seals[f"{plan}.select"]["counts"]["in"]
            if num_in:
                difficult = sum(bool(row.get("difficult")) for row in select.added())
                shares[kind] = difficult / num_in
                beside[kind] = {"p_think_share": shares[kind]}
            if solved in self.tables:
                tokens = [
                    a["num_tokens"]
                    for row in self.tables[solved].added()
                    for a in row.get("attempts", ())
                    if a.get("num_tokens") is not None
                ]
                if tokens:
                    beside.setdefault(kind, {})["teacher_tokens"] = sum(tokens) / len(tokens)
        rate = self._student_pass_rate()
        if rate is not None:
            beside.setdefault("generated", {})["student_pass_rate"] = rate
        found: Summary = {}
        if shares:
            found["difficult_share"] = shares
        if beside:
            found["difficulty"] = beside
        return found

    def _student_pass_rate(self) -> float | None:
        """Share of graded student attempts that agree with the teacher's answer."""
        grade = self.tables.get("filter.grade")
        if grade is None:
            return None
        verdicts = Counter(
            a.get("verdict") for row in grade.rows() for a in attempts_of(row, "student")
        )
        decided = verdicts["right"] + verdicts["wrong"]
        return verdicts["right"] / decided if decided else None

    def cost(self) -> Summary:
        """Tokens on generated rows: for each kept one, and what went to rows that later left."""
        keys = self.parts("distill") + self.parts("filter")
        if not keys:
            return {}
        tokens: Counter[str] = Counter()
        teacher = 0
        first_k = self.seals["distill"]["extent"].get("k", 1) if "distill" in self.seals else 0
        for name in keys:
            if self.manifest["steps"][name]["stage"] != "solve":
                continue
            for row in self.tables[name].added():
                for attempt in row.get("attempts", ()):
                    spent = attempt.get("num_tokens") or 0
                    again = name == "filter.more" and attempt["sample_index"] < first_k
                    tokens[row["key"]] += 0 if again else spent
                    teacher += spent if attempt["role"] == "teacher" and not again else 0
        left: Counter[str] = Counter()
        for name in keys:
            for drop in self._drop_keys(name):
                left[drop["reason"]] += tokens[drop["key"]]
        total = sum(tokens.values())
        kept = (self._phase_total("filter") or {}).get("out", 0)
        cost: Summary = {"teacher_tokens": teacher, "all_tokens": total}
        if total:
            cost["left_share"] = sum(left.values()) / total
            cost["left_by_reason"] = dict(left.most_common())
        if kept:
            cost["per_kept_row"] = total / kept
        return {"cost": cost}

    def _drop_keys(self, name: str) -> Iterator[Row]:
        from scalediff.io.parquet import read_table

        path = self.tables[name].artefact("drops.parquet")
        return read_table(path) if path.exists() else iter(())

    def training(self) -> Summary:
        """Rows, steps and seconds of each training."""
        found = {}
        for name, table in self.tables.items():
            told = read_json(table.artefact("model") / "training.json")
            if told is not None:
                found[name] = told
        return {"training": found} if found else {}

    def screened(self) -> Summary:
        """Copies of sources among the generated rows, and benchmark problems in other numbers."""
        if "screen" not in self.tables:
            return {}
        counts = self.seals["screen"]["counts"]
        copies = counts["dropped"].get("copy_of_source", 0)
        known = ("duplicate", "copy_of_source", "contaminated")
        n = counts["out"] + sum(counts["dropped"].get(reason, 0) for reason in known)
        found: Summary = {}
        if n and len(self.manifest["steps"]["screen"]["inputs"]) > 1:
            share, low, high = wilson(copies, n)
            found["memorisation"] = {"share": share, "low": low, "high": high, "n": n}
        twins = sum(bool(row.get("twin_of")) for row in self.tables["screen"].added())
        return found | {"benchmark_twins": twins}

    def repeats(self) -> Summary:
        """How many of each generator's problems are the text of an earlier one, by its identity."""
        found = {}
        for name, table in self.tables.items():
            if self.manifest["steps"][name]["stage"] == "generate":
                distinct = len({int(row["problem_id"][:15], 16) for row in table.added()})
                found[name] = {"n": table.num_rows, "repeated": table.num_rows - distinct}
        return {"repeats": found} if found else {}

    def student(self) -> Summary:
        """What the filter's student made of the problems; not to finish is no wrong answer."""
        easy = self.tables.get("filter.easy")
        if easy is None:
            return {}
        outcomes = Counter(row.get("student_outcome") for row in easy.added())
        outcomes["right"] += self.seals["filter.easy"]["counts"]["dropped"].get("too_easy", 0)
        return {"student_outcomes": {name: n for name, n in outcomes.most_common() if name}}

    def canaries(self) -> Summary:
        """Wrong labels among the kept canaries, and what each confidence is worth."""
        table = self.tables.get("canaries.confirm")
        if table is None:
            return {}
        kept: Counter[str] = Counter()
        review = 0
        for row in table.rows():
            if row.get("review"):
                review += 1
            else:
                kept[row["canary_verdict"]] += 1
        dropped: Counter[str] = Counter()
        for name in self.parts("canaries"):
            dropped.update(self.seals[name]["counts"]["dropped"])
        found: Summary = {
            "n": self.seals["canaries.sample"]["counts"]["in"],
            "kept": kept.total(),
            "review": review,
            "dropped": dict(dropped.most_common()),
            "undecided": kept["undecided"],
            "blind_to": "ill-posed problems, and problems unlike the sources",
        }
        n = kept["right"] + kept["wrong"]
        if n:
            share, low, high = wilson(kept["wrong"], n)
            found["wrong_label_share"] = {"share": share, "low": low, "high": high, "n": n}
        calibrate = self.tables.get("filter.calibrate")
        blocks = read_json(calibrate.artefact("calibration.json")) if calibrate else None
        return {"canaries": found | ({"calibration": blocks} if blocks else {})}

    def scores(self) -> Summary:
        """Scores of every evaluated model by benchmark, and the gains that the recipe compares."""
        scores: dict[str, Any] = {}
        for name, table in self.tables.items():
            told = read_json(table.artefact("scores.json"))
            if told is not None:
                model = self._evaluated(name)
                known = scores.setdefault(model, {})
                for benchmark, values in told.items():
                    # a second evaluation of a model has groups of the same names
                    more = f"{benchmark} ({name.removesuffix('.tally')})"
                    known[more if benchmark in known else benchmark] = values
        if not scores:
            return {}
        found: Summary = {"scores": scores}
        compare = self.manifest.get("compare", {})
        for part, against in (("gain", "baseline"), ("gain_over_control", "control")):
            first = self._difficult_scores(compare.get(against))
            second = self._difficult_scores(compare.get("scaled"))
            if first and second:
                mean, low, high = paired_gain(first, second)
                found[part] = {"mean": mean, "low": low, "high": high}
        return found

    def _evaluated(self, tally: str) -> str:
        """The model a tally speaks of: the step that trained it, or its name."""
        attempts = tally.removesuffix(".tally") + ".attempts"
        model = self.manifest["steps"].get(attempts, {}).get("model") or tally
        return str(model).removeprefix("@")

    def _difficult_scores(self, evaluation: str | None) -> dict[str, float]:
        """Score by problem on the difficult levels (all problems where there are no levels)."""
        table = self.tables.get(f"{evaluation}.tally")
        if table is None:
            return {}
        floor = read_json(table.artefact("step.json"))["settings"].get("difficult_from")
        return {
            row["key"]: row["score"]
            for row in table.rows()
            if floor is None or (level_of(row.get("level")) or 0) >= floor
        }

    def oracle(self) -> Summary:
        """What the oracle says of the generated rows and their labels (laboratory only)."""
        if self.domain.audit("") is None or "distill" not in self.tables:
            return {}
        labels = {
            "before": ("distill", _first_answer),
            "after_rules": ("filter.rules", _first_answer),
            "after_student": ("filter.easy", _first_answer),
            "dataset": ("filter.decide", lambda row: None if row.get("review") else row["label"]),
            "review": ("filter.decide", lambda row: row["label"] if row.get("review") else None),
        }
        shares = {}
        for name, (step, label_of) in labels.items():
            if step in self.tables:
                pairs = ((row["problem"], label_of(row)) for row in self.tables[step].rows())
                told = self._wrong_share(pairs)
                if told is not None:
                    shares[name] = told
        posed = [self.domain.audit(r["problem"]) for r in self.tables["generate"].rows()]
        paid = [self.domain.audit(r["problem"]) for r in self.tables["distill"].rows()]
        found: Summary = {"wrong_label_share": shares}
        if paid:
            found["well_posed_share"] = sum(a["reason"] is None for a in paid if a) / len(paid)
        if posed:
            found["well_posed_share_unscreened"] = sum(
                a["reason"] is None for a in posed if a
            ) / len(posed)
        return {"oracle": found}

    def _wrong_share(self, pairs: Iterator[tuple[str, str | None]]) -> dict[str, Any] | None:
        """Share of labels that are wrong or whose problem has no answer, with a 95 % interval."""
        n = wrong = ill = 0
        for problem, label in pairs:
            if label is None:
                continue
            audit = self.domain.audit(problem)
            assert audit is not None
            n += 1
            if audit["reason"] is not None:
                ill += 1
            elif audit["answer"] != label:
                wrong += 1
        if not n:
            return None
        share, low, high = wilson(wrong + ill, n)
        return {
            "share": share,
            "low": low,
            "high": high,
            "n": n,
            "ill_posed": ill / n,
            "wrong_among_well_posed": wrong / (n - ill) if n > ill else None,
        }


def _first_answer(row: Row) -> str | None:
    """The label that one attempt gives: the first usable attempt's answer (the paper's label)."""
    usable = [a for a in attempts_of(row, "teacher", usable=True) if a.get("answer") is not None]
    return usable[0]["answer"] if usable else None


def summary_of(run: Run) -> Summary:
    """The whole summary of a run, finished or not."""
    figures = Figures(run)
    flow = _together(
        figures.head, figures.reading, figures.steps, figures.waterfall, figures.difficulty
    )
    checks = _together(figures.repeats, figures.screened, figures.student, figures.canaries)
    rest = checks | _together(figures.cost, figures.training, figures.scores, figures.oracle)
    summary = flow | rest
    return summary | {"warnings": warnings_of(summary)}


def flow_of(run: Run) -> Summary:
    """What went in and what came out so far; cheap enough for a line while a run goes on."""
    figures = Figures(run)
    return _together(figures.steps, figures.waterfall, figures.training, figures.scores)


def repeats_of(run: Run) -> Summary:
    """How often generators repeated themselves so far."""
    return Figures(run).repeats()


def _together(*parts: Callable[[], Summary]) -> Summary:
    return {name: value for part in parts for name, value in part().items()}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
