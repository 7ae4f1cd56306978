"""Scores with 95 % intervals, from graded evaluation attempts.

In: rows with graded attempts of one role, and ``benchmark`` and ``level`` where they have them.
Out: ``score``, the row's mean over its samples (kept for paired differences), and the artefact
``scores.json``: group → ``{mean, low, high, problems, samples, undecided}``. ``samples`` counts all
attempts of the group. Groups: ``all``, each benchmark, ``level_N``, and ``difficult`` and
``simple`` by level where ``difficult_from`` is set (never by the identifier's word).

An undecided verdict counts as not right and is counted. Paper: avg@10 and avg@3, with the standard
deviation over seeds; intervals over problems are ours, since problems, not seeds, are what a
benchmark samples.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.records import Drop, Row, attempts_of
from scalediff.core.stage import Config, Context, SetStage, Table
from scalediff.io.run import write_json

_Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

Interval = tuple[float, float, float]
"""Mean, lower and upper end."""


class TallyConfig(Config):
    """Settings of the tally stage."""

    role: str = "evaluation"
    """Whose attempts are counted."""
    difficult_from: int | None = None
    """Level from which a problem counts as difficult, where problems have a level."""


@dataclass
class _Group:
    means: list[float] = field(default_factory=list)
    samples: int = 0
    undecided: int = 0

    def add(self, score: float, samples: int, undecided: int) -> None:
        self.means.append(score)
        self.samples += samples
        self.undecided += undecided

    def summary(self) -> dict[str, Any]:
        mean, low, high = interval(self.means, one_sample=self.samples == len(self.means))
        counts = {"samples": self.samples, "undecided": self.undecided}
        return {"mean": mean, "low": low, "high": high, "problems": len(self.means), **counts}


class Tally(SetStage):
    """Counts what the grader found."""

    name = "tally"
    adds = ("score",)
    Config = TallyConfig
    config: TallyConfig

    def run(self, inputs: list[Table], ctx: Context) -> Iterator[tuple[str, Row | Drop]]:
        """Each row's score; ``scores.json`` is written when the last is in.

        Raises:
            RecipeError: The attempts are not graded.
        """
        groups: dict[str, _Group] = defaultdict(_Group)
        for row in inputs[0].rows():
            attempts = attempts_of(row, self.config.role)
            if not attempts:
                evidence = f"no attempt of the role {self.config.role!r} to count"
                yield row["key"], Drop("attempt_failed", evidence)
                continue
            verdicts = [self._verdict(attempt, row) for attempt in attempts]
            score = verdicts.count("right") / len(verdicts)
            for name in self._groups(row):
                groups[name].add(score, len(verdicts), verdicts.count("undecided"))
            yield row["key"], {"score": score}
        ctx.folder.mkdir(parents=True, exist_ok=True)
        scores = {name: groups[name].summary() for name in sorted(groups, key=_natural)}
        write_json(ctx.folder / "scores.json", scores)

    def _verdict(self, attempt: dict[str, Any], row: Row) -> str:
        verdict = attempt.get("verdict")
        if verdict is None:
            raise RecipeError(
                f"tally needs graded attempts; those of the role {self.config.role!r} of row "
                f"{row['key']} have no verdict: "
                + ("put a grade step before it" if row.get("answer") else "the row has no answer")
            )
        return str(verdict)

    def _groups(self, row: Row) -> set[str]:
        """The groups a row counts in."""
        names = {"all"}
        if row.get("benchmark"):
            names.add(str(row["benchmark"]))
        level = level_of(row.get("level"))
        if level is not None:
            names.add(f"level_{level}")
            if self.config.difficult_from is not None:
                names.add("difficult" if level >= self.config.difficult_from else "simple")
        return names


def level_of(value: Any) -> int | None:
    """A level as a number: ``3``, ``3.0``, ``"3"`` or ``"Level 3"``; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    found = re.fullmatch(r"(?:level\s*)?(\d{1,6})", str(value).strip(), re.IGNORECASE)
    return int(found[1]) if found else None


def _natural(name: str) -> tuple[str, int]:
    """``level_10`` after ``level_9``."""
    found = re.fullmatch(r"(level_)(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def wilson(num_right: float, n: int) -> Interval:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927).

    Example:
        >>> [round(x, 3) for x in wilson(8, 10)]
        [0.8, 0.49, 0.943]
    """
    share = num_right / n
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def normal(values: Sequence[float]) -> Interval:
    """Mean of values with the normal interval: mean ± 1.96 s / √n, s with n - 1."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return mean, -math.inf, math.inf
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = _Z * math.sqrt(variance / n)
    return mean, mean - half, mean + half


def interval(means: Sequence[float], *, one_sample: bool) -> Interval:
    """The mean over problems with its 95 % interval.

    Wilson's with one sample a problem. With more, the normal approximation over problem means,
    which is right for samples that cluster by problem (E. Miller, arXiv 2411.00640, section 2);
    where all problem means are equal, or there is but one, that would have no width, and Wilson's
    over problems stands in.

    Args:
        means: Each problem's mean over its samples, in [0, 1].
        one_sample: True where every problem has one sample.
    """
    if one_sample or len(set(means)) == 1:
        return wilson(math.fsum(means), len(means))
    mean, low, high = normal(means)
    return mean, max(0.0, low), min(1.0, high)


def paired_gain(a: Mapping[str, float], b: Mapping[str, float]) -> Interval:
    """How much higher ``b`` scores than ``a`` on the problems both have, with a 95 % interval.

    The interval is over problem-by-problem differences, which is narrower than comparing two
    intervals since both met the same problems (E. Miller, arXiv 2411.00640, section 4).

    Args:
        a: Row key → score of the one compared with (the student on the sources alone).
        b: Row key → score of the other (the student on sources and kept rows).

    Raises:
        InputError: They have no problem in common.

    Example:
        >>> [round(x, 2) for x in paired_gain({"p": 0, "q": 0, "r": 1}, {"p": 1, "q": 0, "r": 1})]
        [0.33, -0.32, 0.99]
    """
    shared = [key for key in a if key in b]
    if not shared:
        raise InputError(
            "the two evaluations have no problem in common; evaluate both on the same benchmarks"
        )
    differences = [b[key] - a[key] for key in shared]
    mean, low, high = normal(differences)
    if len(set(differences)) == 1 < len(differences):
        # no width would claim to be sure; of n problems none differed from the rest
        unseen = wilson(0, len(shared))[2]
        low, high = mean - unseen, mean + unseen
    return mean, max(-1.0, low), min(1.0, high)
