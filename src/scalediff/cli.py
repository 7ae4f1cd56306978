"""Arguments in, words out. Heavy imports wait until a command needs them."""

from __future__ import annotations

import sys

from scalediff.core import early
from scalediff.core.stopping import STOPPING

if early.IS_COMMAND:
    STOPPING.install()

import errno
import gc
import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scalediff import __version__
from scalediff.core.errors import INTERRUPTED, RecipeError, ScalediffError

app = typer.Typer(
    name="scalediff",
    help="Make difficult reasoning problems at scale, and show whether they help.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
train_app = typer.Typer(help="Fine-tune a generator or a student.", no_args_is_help=True)
app.add_typer(train_app, name="train")

In = Annotated[list[str], typer.Argument(help="Files, folders, patterns or hf://ID.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where the result goes.")]
Model = Annotated[
    list[str],
    typer.Option(
        "--model", help="Folder, Hugging Face id, nano:NAME, smol, or URL#NAME (URLs: repeatable)."
    ),
]
Domain = Annotated[str, typer.Option(help="What problems and right answers are.")]
Seed = Annotated[int, typer.Option(help="Sampling seed.", min=0, max=2**63 - 1)]
Set = Annotated[
    list[str], typer.Option("--set", help="Further settings, NAME=VALUE; may be repeated.")
]
Strict = Annotated[bool, typer.Option(help="A row that cannot be read is an error.")]
Problem = Annotated[str | None, typer.Option("--problem-column", help="Column of the problem.")]
Answer = Annotated[
    str | None,
    typer.Option("--answer-column", help="Column of the gold, such as reward_model.ground_truth."),
]
Where = Annotated[
    list[str],
    typer.Option("--where", help="Rows to take: COLUMN=VALUE, such as info.category=math."),
]
Response = Annotated[str | None, typer.Option("--response-column", help="Column of the response.")]
Yes = Annotated[bool, typer.Option("--yes", help="Go on without asking.")]
Budget = Annotated[
    list[str],
    typer.Option("--budget", help="Of all goes: 2M (tokens), 3h, 90min or $20; repeatable."),
]
Deadline = Annotated[
    str | None, typer.Option("--deadline", help="Stop in good order at +2h, 18:00 or a date.")
]


def _grace(text: str | None) -> str | None:
    from scalediff.limits import read_grace

    if text is not None:
        STOPPING.grace_s = read_grace(text)
    return text


Grace = Annotated[
    str | None,
    typer.Option(
        "--grace",
        metavar="SECONDS|120s|2m",
        callback=_grace,
        help="After TERM, USR1 or Ctrl-C what is under way may finish so long (20 s).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The same for programs.")]
Pilot = Annotated[
    int | None, typer.Option("--pilot", min=1, help="Run on so many rows and forecast the whole.")
]
Engine = Annotated[
    list[str], typer.Option("--engine", help="Engine settings, NAME=VALUE (slots, precision).")
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"scalediff {__version__}")
        raise typer.Exit


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or a shipped one: nano, quick.")],
    out: Annotated[Path | None, typer.Option("--out", help="Run directory.")] = None,
    overrides: Annotated[list[str], typer.Option("--set", help="a.b=VALUE, repeatable.")] = [],  # noqa: B006
    until: Annotated[str | None, typer.Option(help="Stop after this step.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    as_json: Json = False,
    cache: Annotated[Path | None, typer.Option(help="An attempt store to share.")] = None,
    pilot: Pilot = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Run a recipe, the whole line; run it again to resume."""
    from scalediff.line import run_recipe

    run_recipe(
        recipe,
        out,
        overrides,
        until=until,
        dry_run=dry_run,
        as_json=as_json,
        cache=cache,
        confirm=confirm(yes),
        budget=budget,
        deadline=deadline,
        pilot=pilot,
    )


@app.command()
def finish(
    run_directory: Annotated[Path, typer.Argument(help="A run directory, or OUT.run.")],
    until: Annotated[str | None, typer.Option(help="Stop after this step.")] = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Seal what is there of a run that was stopped, and go on down the line to a dataset."""
    from scalediff.line import finish_run

    finish_run(run_directory, confirm(yes), until=until, budget=budget, deadline=deadline)


@app.command()
def look(
    inputs: In,
    model: Annotated[
        str | None, typer.Option("--model", help="Count tokens with its tokenizer.")
    ] = None,
    benchmark: Annotated[
        list[str], typer.Option("--benchmark", help="Benchmarks to look for.")
    ] = [],  # noqa: B006
    domain: Domain = "math",
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
) -> None:
    """What a file holds, before anything is paid."""
    from scalediff.domains import open_domain
    from scalediff.look import look as look_at
    from scalediff.look import render
    from scalediff.model_names import resolve

    known = open_domain(domain)
    folder = resolve(model).location if model is not None else None
    places = {name: known.benchmarks().get(name, name) for name in benchmark}
    found = look_at(
        inputs,
        model=folder,
        benchmarks=places,
        problem_column=problem_column,
        answer_column=answer_column,
        where=where,
        read_off=lambda text: known.read(text).answer,
    )
    print(render(found))


@app.command()
def identify(
    inputs: In,
    out: Out,
    model: Model,
    leave_out: Annotated[bool, typer.Option(help="Leave simple rows out.")] = False,
    signal: Annotated[str, typer.Option(help="first_token, p_think or pass_rate.")] = "first_token",
    calibrate: Annotated[
        str | None, typer.Option(help="A column to compare with: rate by group and AUC.")
    ] = None,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    engine: Engine = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    pilot: Pilot = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Tell difficult problems from simple ones: one forward pass a problem."""
    settings = {"leave_out": leave_out, "signal": signal}
    made = _command("identify", "identify", inputs, out, model, settings, locals())
    if calibrate is not None:
        from scalediff.calibrate import calibration

        print(calibration(made, calibrate))


@train_app.command("generator")
def train_generator(
    inputs: In,
    out: Out,
    model: Model,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Fine-tune a generator on problems alone."""
    _command("train generator", "train", inputs, out, model, {"task": "generator"}, locals())


@train_app.command("student")
def train_student(
    inputs: In,
    out: Out,
    model: Model,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Fine-tune a student on problems and solutions."""
    _command("train student", "train", inputs, out, model, {"task": "student"}, locals())


@app.command()
def generate(
    out: Out,
    model: Model,
    n: Annotated[int, typer.Option("-n", min=1, help="Problems to sample.")],
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    engine: Engine = [],  # noqa: B006
    pilot: Pilot = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """New problems from the bare user turn."""
    _command("generate", "generate", [], out, model, {"n": n}, locals())


@app.command()
def screen(
    inputs: In,
    out: Out,
    against: Annotated[list[str], typer.Option("--against", help="Sources to compare with.")] = [],  # noqa: B006
    benchmark: Annotated[list[str], typer.Option("--benchmark", help="Name or file.")] = [],  # noqa: B006
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    yes: Yes = False,
) -> None:
    """Malformed, duplicate, leaked and contaminated problems leave before they cost a token."""
    _command("screen", "screen", inputs, out, None, {"benchmarks": benchmark}, locals())


@app.command()
def distill(
    inputs: In,
    out: Out,
    model: Model,
    k: Annotated[int, typer.Option("-k", min=1, help="Attempts a problem.")] = 1,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Token cap of an attempt.")] = 32768,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    engine: Engine = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    pilot: Pilot = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Thinking attempts of a teacher."""
    settings = {"role": "teacher", "k": k, "max_new_tokens": max_new_tokens}
    _command("distill", "solve", inputs, out, model, settings, locals())


@app.command("filter")
def filter_(
    inputs: In,
    out: Out,
    student: Annotated[
        str | None, typer.Option("--student", help="Model whose right answers drop a row.")
    ] = None,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    engine: Engine = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    response_column: Response = None,
    pilot: Pilot = None,
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Only say what each threshold would drop.")
    ] = False,
) -> None:
    """Incomplete, looping, unconfirmed and too easy rows leave; takes attempts made elsewhere."""
    values = locals() | {
        "sources": {"attempts": True, "need_attempts": True, "response_column": response_column}
    }
    command = _command_of("filter", "filter", inputs, out, None, {"student": student}, values)
    if explain:
        from scalediff.explain import explain as say

        say(command)
        return
    _run(command, values)


@app.command()
def assemble(
    inputs: In,
    out: Out,
    format: Annotated[
        list[str], typer.Option("--format", help="messages, prompt-completion or sharegpt.")
    ] = [],  # noqa: B006
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    strict: Strict = False,
    problem_column: Problem = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    yes: Yes = False,
) -> None:
    """The dataset: Parquet shards, card, provenance."""
    values = locals() | {"sources": {"attempts": True}}
    _command("assemble", "assemble", inputs, out, None, {"formats": format}, values)


@app.command()
def evaluate(
    out: Out,
    model: Model,
    benchmark: Annotated[list[str], typer.Option("--benchmark", help="Name or file.")],
    samples: Annotated[int, typer.Option(min=1, help="Attempts a problem.")] = 1,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Token cap of an attempt.")] = 32768,
    domain: Domain = "math",
    seed: Seed = 1,
    overrides: Set = [],  # noqa: B006
    engine: Engine = [],  # noqa: B006
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    budget: Budget = [],  # noqa: B006
    deadline: Deadline = None,
    grace: Grace = None,
    yes: Yes = False,
) -> None:
    """Mean score over samples (avg@k) with 95 % confidence intervals."""
    settings = {
        "benchmarks": benchmark,
        "samples": samples,
        "max_new_tokens": max_new_tokens,
        "answer_column": answer_column,
        "where": where,
    }
    _command("evaluate", "evaluate", [], out, model, settings, locals())


@app.command()
def grade(
    inputs: In,
    out: Out,
    domain: Domain = "math",
    response_column: Response = None,
    answer_column: Answer = None,
    where: Where = [],  # noqa: B006
    yes: Yes = False,
) -> None:
    """Rows with `response` (or `prediction`) and `answer` get a verdict; needs no problem."""
    from scalediff.grading import grade_files

    reading = {"answer_column": answer_column, "where": where}
    grade_files(inputs, out, domain, response_column, reading)


@app.command()
def report(
    run_directory: Annotated[Path, typer.Argument(help="A run directory.")],
) -> None:
    """Write summary.json and report.html of a run once more."""
    from scalediff.line import report_now

    print(report_now(run_directory))


@app.command()
def status(
    run_directory: Annotated[Path, typer.Argument(help="A run directory, OUT or OUT.run.")],
    as_json: Json = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds.")] = False,
) -> None:
    """How a run is, from another terminal: steps, rates, what holds it up; nothing is written."""
    from scalediff.status import show

    show(run_directory, as_json=as_json, watch=2.0 if watch else None)


@app.command()
def check(
    run_directory: Annotated[Path, typer.Argument(help="A run directory, or OUT.run.")],
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte.")] = False,
) -> None:
    """Say what of a run is whole, what is damaged, and what the next command makes of it."""
    from scalediff.io.check import check as look_over

    checked = look_over(run_directory, deep=deep)
    print(checked.text())
    raise typer.Exit(int(bool(checked.findings)))


def _command(
    name: str,
    stage: str,
    inputs: list[str],
    out: Path,
    model: list[str] | None,
    settings: dict[str, Any],
    values: dict[str, Any],
) -> Any:
    """Run one command; ``values`` are its options as given."""
    return _run(_command_of(name, stage, inputs, out, model, settings, values), values)


def _run(command: Any, values: dict[str, Any]) -> Any:
    from scalediff.commands import run_command

    return run_command(command, confirm(bool(values.get("yes"))))


def _command_of(
    name: str,
    stage: str,
    inputs: list[str],
    out: Path,
    model: list[str] | None,
    settings: dict[str, Any],
    values: dict[str, Any],
) -> Any:
    """What a command with its options as given means."""
    from scalediff.commands import Command
    from scalediff.engines.urls import join_urls

    # the filter without a student leaves the student's part out: null says so
    kept = {n: value for n, value in settings.items() if value is not None or n == "student"}
    reading = dict(values.get("sources") or {})
    options = ("strict", "problem_column", "answer_column", "where")
    reading |= {name: values[name] for name in options if values.get(name)}
    return Command(
        name=name,
        stage=stage,
        inputs=inputs,
        out=out,
        model=join_urls(model) if model else None,
        settings=kept,
        sources=reading,
        against=values.get("against") or (),
        domain=values["domain"],
        seed=values["seed"],
        overrides=values.get("overrides") or (),
        engine=_pairs(values.get("engine") or []),
        budget=values.get("budget") or (),
        deadline=values.get("deadline"),
        pilot=values.get("pilot"),
    )


def _pairs(texts: list[str]) -> dict[str, Any]:
    from scalediff.io.plain_yaml import BadYamlError, load_yaml

    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise RecipeError(f"--engine {text!r}: write it as name=value")
        *outer, last = name.split(".")
        place = found
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise RecipeError(f"--engine {text!r}: {part} was given a value of its own before")
        try:
            place[last] = load_yaml(value)
        except BadYamlError:
            place[last] = value
    return found


def confirm(yes: bool) -> Any:
    """A question to the person at the terminal; without one the answer is ``--yes`` or no."""

    def ask(question: str) -> bool:
        with STOPPING.asking():
            return yes or (sys.stdin.isatty() and typer.confirm(f"{question}; go on?", err=True))

    return ask


_TYPER_INTERRUPTED = 130
"""What typer makes of a KeyboardInterrupt, which signals no longer raise but libraries may."""


def main() -> None:
    """Entry point: every error ends in one sentence and the documented exit status."""
    # newer versions of typer carry a copy of click: take the exceptions from what typer raises
    failure: type[Exception] = next(
        c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
    )
    # rows come and go by the thousand and leave no circles behind: look for those less often
    gc.set_threshold(20_000, 20, 50)
    STOPPING.install()
    try:
        status = app(standalone_mode=False)
    except ScalediffError as error:
        _fail(str(error), error.exit_status)
    except typer.Abort:
        _fail("stopped", 75)
    except failure as error:
        _fail(error.format_message(), 2)  # type: ignore[attr-defined]
    except KeyboardInterrupt:
        _fail(INTERRUPTED, 75)
    except BrokenPipeError:
        _end(1)
    except OSError as error:
        _fail(*_of_the_system(error))
    if status == _TYPER_INTERRUPTED:
        _fail(INTERRUPTED, 75)
    _end(status if isinstance(status, int) else 0)


_BAD_PLACES = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_LEAVE = (errno.EROFS, errno.EACCES, errno.EPERM)


def _of_the_system(error: OSError) -> tuple[str, int]:
    """The sentence and exit status for what the operating system refuses."""
    where = f" {error.filename}" if error.filename else ""
    if error.errno in _BAD_PLACES and where:
        return f"{error.filename} is no place to read or write: {error.strerror}; give another", 2
    if error.errno not in (*_NO_ROOM, *_NO_LEAVE):
        raise error
    cure = "free some space" if error.errno in _NO_ROOM else "make it writable or give another path"
    return f"cannot write{where}: {error.strerror}; {cure} and run the same command again", 1


def _fail(message: str, status: int) -> NoReturn:
    from scalediff.core.secrets import mask

    print(f"scalediff: {mask(message)}", file=sys.stderr)
    _end(status)


def _end(status: int) -> NoReturn:
    """What is settled is not changed by a signal that comes while the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:  # nobody reads it any more, and the interpreter would try once more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    STOPPING.status = status
    sys.exit(status)


if __name__ == "__main__":
    main()
