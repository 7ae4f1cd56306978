"""The straight line as a graph, and the plans that stand for several steps.

``straight_line`` is what a recipe's ``line:`` expands to. ``identify``, ``filter`` and ``evaluate``
are plans: each becomes a few steps that either pay or decide, so that a changed threshold, grader
or k never pays for an attempt again. Their sub-steps are named ``plan.part``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from scalediff.core.errors import RecipeError
from scalediff.core.stage import Config
from scalediff.io.contents import is_embedded
from scalediff.stages.sources import EMBEDDED_ROWS

Settings = dict[str, Any]


@dataclass
class Step:
    """A named use of a stage (or of a plan).

    Attributes:
        stage: Name of the stage or plan.
        inputs: Names of the steps whose tables it reads; the first gives the rows.
        model: A role of the recipe's ``models``, ``@STEP`` for one trained here, or a model name.
        settings: What is set other than by default.
        origins: Where each setting came from, for people.
    """

    stage: str
    inputs: tuple[str, ...] = ()
    model: str | None = None
    settings: Settings = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


Steps = dict[str, Step]


class IdentifyPlan(Config):
    """Which problems are difficult: score (or attempts, then grade), then select."""

    signal: Literal["first_token", "p_think", "pass_rate"] = "first_token"
    """What difficulty is read from. Paper: the identifier's first token. ``pass_rate``, for models
    without a thinking mode: the pass rate of k attempts where gold is known, else their
    disagreement."""
    threshold: float = 0.5
    """With ``p_think``: difficult from this probability of thinking on."""
    leave_out: bool = True
    """Drop simple rows. The released scripts only measure; for sources the paper selects."""
    k: int = 4
    """With ``pass_rate``: attempts a problem."""
    max_pass_rate: float = 0.5
    """With ``pass_rate``: difficult up to this share of right attempts."""
    temperature: float = 0.6
    """With ``pass_rate``: sampling temperature of the attempts."""
    max_new_tokens: int = 1024
    """With ``pass_rate``: token cap of an attempt."""


class FilterPlan(Config):
    """Rules, the student, more teacher attempts for what survives, agreement, decide."""

    student: str | None = "student"
    """Model that answers each problem; null leaves the student's filter out."""
    student_k: int = 1
    """Student attempts a problem. Paper: not stated."""
    student_thinking: bool | None = None
    """Ask the student's template to think or not; null leaves its default."""
    student_temperature: float = 0.6
    """Sampling temperature of the student. Paper: not stated; as the teacher's."""
    student_max_new_tokens: int = 4096
    """Token cap of a student's attempt. Paper: not stated; the base's window is 4,096."""
    drop_too_easy: bool = True
    """Drop what the student already solves. Paper: yes, by agreement with the teacher."""
    teacher_k: int = 4
    """Teacher attempts in all for what survives; 1 is the paper's single attempt."""
    min_confidence: float | None = 1.0
    """Kept rows have at least this share of graded answers agreeing, others go to review; null
    keeps all. Paper: no check of the teacher (its settings are in ``paper.yaml``). Ours: in the
    laboratory four of four leave a third of the wrong labels that the paper's rule leaves, three of
    four two thirds (``docs/results/truth.md``)."""
    min_agree: int | Literal["half"] | None = "half"
    """Kept rows have at least so many agreeing attempts, others go to review: ``half`` of those
    that the row has, rounded up, or a number; null asks for none."""
    drop_below: float | None = None
    """Rows under this share are dropped rather than reviewed."""
    rules: dict[str, Any] = {}
    """Settings of the rules stage."""


class CanariesPlan(Config):
    """Sources with gold that go through distill and filter with their gold hidden."""

    n: int = 100
    """Canaries at most, of the difficult sources that have gold."""
    filter: dict[str, Any] = {}
    """Settings of the filter they go through; in the line, those of the line's filter."""


class EvaluatePlan(Config):
    """Attempts on benchmark problems, graded against gold, tallied with intervals."""

    benchmarks: list[str] = []
    """Names the domain knows (``aime24``, ``nano:test``) or files of problems with answers."""
    n: int | None = None
    """Problems of an embedded benchmark, or the first n of each file."""
    seed: int = 0
    """Seed of an embedded benchmark's problems."""
    answer_column: str | None = None
    """Where the gold is in the files, where it is none of the known places."""
    where: list[str] | dict[str, Any] = []
    """Rows of the files that are wanted, ``COLUMN=VALUE`` each."""
    samples: int = 1
    """Attempts a problem (paper: 10 on AIME, HMMT and BRUMO, 3 on MATH500)."""
    temperature: float = 0.6
    """Paper's evaluation script: 0.6."""
    top_p: float = 0.95
    """Paper's evaluation script: 0.95."""
    top_k: int = 0
    """Paper's evaluation script: not used."""
    max_new_tokens: int = 32768
    """Paper's evaluation script: 32,768."""
    thinking: bool | None = None
    """Ask the template to think or not; null leaves its default."""
    difficult_from: int | None = None
    """Level from which a problem counts as difficult, where problems have a level."""


def _sub(step: Step, plan: Config, *names: str, **renamed: str) -> tuple[Settings, dict[str, str]]:
    """Settings of a sub-step from its plan's: same names, and ``theirs=ours`` renamed."""
    values = plan.model_dump()
    pairs = {name: name for name in names} | renamed
    settings = {theirs: values[ours] for theirs, ours in pairs.items()}
    origins = {t: step.origins.get(o, "default") for t, o in pairs.items()}
    return settings, origins


def _identify(name: str, step: Step, steps: Steps) -> tuple[Steps, str]:
    plan = IdentifyPlan(**step.settings)
    made: Steps = {}
    last = step.inputs
    if plan.signal == "pass_rate":
        values, origins = _sub(step, plan, "k", "temperature", "max_new_tokens")
        values |= {"role": "identifier", "thinking": None}
        made[f"{name}.attempts"] = Step("solve", last, step.model, values, origins)
        made[f"{name}.grade"] = Step(
            "grade", (f"{name}.attempts",), None, {"role": "identifier", "against": "gold"}
        )
        values, origins = _sub(step, plan, "signal", "leave_out", "max_pass_rate")
        values["role"] = "identifier"
        last = (f"{name}.grade",)
    else:
        made[f"{name}.score"] = Step("score", last, step.model)
        values, origins = _sub(step, plan, "signal", "leave_out", "threshold")
        last = (f"{name}.score",)
    made[f"{name}.select"] = Step("select", last, None, values, origins)
    return made, f"{name}.select"


def _filter(name: str, step: Step, steps: Steps) -> tuple[Steps, str]:
    plan = FilterPlan(**step.settings)
    made: Steps = {f"{name}.rules": Step("rules", step.inputs[:1], None, dict(plan.rules))}
    last = f"{name}.rules"
    if plan.student is not None:
        values, origins = _sub(
            step,
            plan,
            k="student_k",
            temperature="student_temperature",
            max_new_tokens="student_max_new_tokens",
            thinking="student_thinking",
        )
        values["role"] = "student"
        made[f"{name}.student"] = Step("solve", (last,), plan.student, values, origins)
        made[f"{name}.grade"] = Step(
            "grade", (f"{name}.student",), None, {"role": "student", "against": "teacher"}
        )
        values, origins = _sub(step, plan, "drop_too_easy")
        made[f"{name}.easy"] = Step("decide", (f"{name}.grade",), None, values, origins)
        last = f"{name}.easy"
    teacher = steps.get(step.inputs[0]) if step.inputs else None
    first_k = teacher.settings.get("k", 1) if teacher is not None else 1
    if (
        "teacher_k" in step.settings
        and plan.teacher_k > 1
        and getattr(teacher, "stage", "") != "solve"
    ):
        raise RecipeError(
            f"step {name}: teacher_k = {plan.teacher_k} needs the step that asks the teacher "
            "(stage solve) as its input, written before it"
        )
    if teacher is not None and teacher.stage == "solve" and plan.teacher_k > first_k:
        values = {**teacher.settings, "k": plan.teacher_k}
        origins = {**teacher.origins, "k": step.origins.get("teacher_k", "default")}
        made[f"{name}.more"] = Step("solve", (last,), teacher.model, values, origins)
        made[f"{name}.more_rules"] = Step("rules", (f"{name}.more",), None, dict(plan.rules))
        last = f"{name}.more_rules"
    made[f"{name}.agree"] = Step("agree", (last,))
    last = f"{name}.agree"
    if len(step.inputs) > 1:  # canaries, which say what a confidence is worth
        made[f"{name}.calibrate"] = Step("calibrate", (last, step.inputs[1]))
        last = f"{name}.calibrate"
    values, origins = _sub(step, plan, "min_confidence", "min_agree", "drop_below")
    values["drop_too_easy"] = False
    made[f"{name}.decide"] = Step("decide", (last,), None, values, origins)
    return made, f"{name}.decide"


def _canaries(name: str, step: Step, steps: Steps) -> tuple[Steps, str]:
    plan = CanariesPlan(**step.settings)
    solve = steps.get(step.inputs[1]) if len(step.inputs) == 2 else None
    if solve is None or solve.stage != "solve":
        raise RecipeError(
            f"step {name}: canaries need two inputs: rows with gold, and the step that asks the "
            "teacher (stage solve), written before it"
        )
    made: Steps = {
        f"{name}.sample": Step("sample", (step.inputs[0],), None, {"n": plan.n}),
        f"{name}.distill": replace(solve, inputs=(f"{name}.sample",)),
    }
    own = Step("filter", (f"{name}.distill",), None, plan.filter, dict(step.origins))
    parts, last = _filter(name, own, {**steps, **made})
    return made | parts | {f"{name}.confirm": Step("confirm", (last,))}, f"{name}.confirm"


def _evaluate(name: str, step: Step, steps: Steps) -> tuple[Steps, str]:
    plan = EvaluatePlan(**step.settings)
    made: Steps = {}
    problems = step.inputs
    if not problems:
        values, origins = _sub(
            step, plan, "n", "seed", "answer_column", "where", paths="benchmarks"
        )
        values["paths"] = list(dict.fromkeys(values["paths"]))
        values |= {"benchmark": "auto", "need_answer": True}
        wanted = Step("sources", (), None, values, origins)
        same = [
            n for n, s in steps.items() if (s.stage, s.settings) == ("sources", wanted.settings)
        ]
        problems = (same[0],) if same else (f"{name}.problems",)
        if not same:
            made[problems[0]] = wanted
    values, origins = _sub(
        step, plan, "temperature", "top_p", "top_k", "max_new_tokens", "thinking", k="samples"
    )
    values["role"] = "evaluation"
    made[f"{name}.attempts"] = Step("solve", problems, step.model, values, origins)
    made[f"{name}.grade"] = Step(
        "grade", (f"{name}.attempts",), None, {"role": "evaluation", "against": "gold"}
    )
    values, origins = _sub(step, plan, "difficult_from")
    values["role"] = "evaluation"
    made[f"{name}.tally"] = Step("tally", (f"{name}.grade",), None, values, origins)
    return made, f"{name}.tally"


def keep_out_evaluated(steps: Steps) -> None:
    """Have every screen keep out what the recipe evaluates on, unless it is set otherwise."""
    names: list[str] = []
    for step in steps.values():
        if step.stage != "evaluate" or step.inputs:
            continue
        plan = EvaluatePlan(**step.settings)
        for benchmark in plan.benchmarks:
            if is_embedded(benchmark) and "?" not in benchmark:
                benchmark += f"?n={plan.n or EMBEDDED_ROWS}&seed={plan.seed}"
            names.append(benchmark)
    for step in steps.values():
        if step.stage == "screen" and step.settings.get("evaluated", True) and names:
            own = list(step.settings.get("benchmarks") or [])
            step.settings["benchmarks"] = list(dict.fromkeys([*own, *names]))
            written = f"{step.origins['benchmarks']}, and " if own else ""
            step.origins["benchmarks"] = f"{written}what is evaluated"


Expand = Callable[[str, Step, Steps], tuple[Steps, str]]

PLANS: dict[str, tuple[type[Config], Expand]] = {
    "identify": (IdentifyPlan, _identify),
    "filter": (FilterPlan, _filter),
    "canaries": (CanariesPlan, _canaries),
    "evaluate": (EvaluatePlan, _evaluate),
}
"""Plan name → its settings and what makes steps of it."""

LINE: dict[str, Step] = {
    "sources": Step("sources"),
    "screen_sources": Step("screen", ("sources",)),
    "identify_sources": Step("identify", ("screen_sources",), "identifier"),
    "generator": Step("train", ("identify_sources",), "generator", {"task": "generator"}),
    "generate": Step("generate", (), "@generator"),
    "screen": Step("screen", ("generate", "screen_sources")),
    "identify": Step("identify", ("screen",), "identifier"),
    "distill": Step("solve", ("identify",), "teacher", {"role": "teacher"}),
    "canaries": Step("canaries", ("identify_sources", "distill")),
    "filter": Step("filter", ("distill", "canaries")),
    "distill_sources": Step("solve", ("screen_sources",), "teacher", {"role": "teacher"}),
    "rules_sources": Step("rules", ("distill_sources",), None, {"drop": False}),
    "grade_sources": Step("grade", ("rules_sources",), None, {"role": "teacher"}),
    "assemble": Step("assemble", ("grade_sources", "filter")),
    "student": Step("train", ("assemble",), "student", {"task": "student"}),
    "evaluate": Step("evaluate", (), "@student"),
}
"""The straight line, from sources to scores."""

_OPTIONAL = {"distill_sources": ("distill_sources", "rules_sources", "grade_sources")}
"""Left out unless the recipe names them: the originals then keep their own solutions, as the
paper's do."""


def straight_line(line: dict[str, Settings | None], origin: str) -> Steps:
    """The steps of the preset with a recipe's settings laid over; ``null`` leaves a step out.

    Raises:
        RecipeError: ``line`` names a step the preset has not.
    """
    from difflib import get_close_matches

    for name in line:
        if name not in LINE:
            near = get_close_matches(name, LINE, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; it has {', '.join(LINE)}"
            raise RecipeError(f"line.{name}: the straight line has no step {name!r}{hint}")
    left_out = {name for name in line if line[name] is None}
    if left_out & {"filter", "distill", "identify_sources"}:
        left_out.add("canaries")
    for option, members in _OPTIONAL.items():
        if line.get(option) is None:
            left_out |= set(members)
    steps: Steps = {}
    for name, step in LINE.items():
        if name in left_out:
            continue
        own = line.get(name) or {}
        inputs = tuple(i for i in step.inputs if i != "canaries" or i not in left_out)
        if name == "canaries":
            own = {**own, "filter": dict(line.get("filter") or {})}
        if name == "assemble" and "grade_sources" in left_out:
            inputs = ("screen_sources", "filter")
        model = step.model
        if model is not None and model.startswith("@") and model[1:] in left_out:
            model = model[1:]  # nothing is trained here: the recipe's own model of that role
        origins = dict.fromkeys(step.settings, "the line") | dict.fromkeys(own, origin)
        steps[name] = Step(step.stage, inputs, model, {**step.settings, **own}, origins)
    return steps
