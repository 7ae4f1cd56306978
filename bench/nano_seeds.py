"""The nano line over several random seeds: ``python bench/nano_seeds.py [--seeds 1 2 3]``.

A seed moves everything that chance decides in the line: which sources are drawn, the order in which
each training sees its rows, and every sample. The test problems stay the same. Runs lie in
``runs/nano`` (seed 1, the recipe as it is) and ``runs/nano-SEED``; one that is finished is not
repeated. Prints Markdown.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from scalediff.report.words import estimate, percent, points

TRAININGS = (
    "line.generator",
    "line.student",
    "steps.student_sources.settings",
    "steps.student_control.settings",
)
MODELS = {
    "nano:student": "before training",
    "student_sources": "sources",
    "student_control": "sources, as many steps",
    "student": "sources + kept",
}
LABELS = {
    "before": "before the filters",
    "after_rules": "after the rules",
    "after_student": "after the student's filter (the paper's)",
    "dataset": "in the dataset",
    "review": "set apart for review",
}


def run(seed, runs):
    """Run the recipe with a seed, unless that is done, and read its summary."""
    out = runs / ("nano" if seed == 1 else f"nano-{seed}")
    sets = [f"seed={seed}", f"sources.seed={seed}"]
    sets += [f"{name}.train_seed={41 + seed}" for name in TRAININGS]
    more = [] if seed == 1 else [part for text in sets for part in ("--set", text)]
    command = [sys.executable, "-m", "scalediff.cli", "run", "nano", "--out", str(out), *more]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((out / "summary.json").read_text())


def table(head, rows):
    """A Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


def one(told):
    """All tables of one run."""
    scores, shares = told["scores"], told["difficult_share"]
    steps = {name: training["steps"] for name, training in told["training"].items()}
    print(
        f"{told['seconds_total'] / 60:.1f} min on {told['machine']}, "
        + ", ".join(f"{name} {version}" for name, version in told["versions"].items())
        + ".\n"
    )
    table(
        ("student", "right on levels 3 to 8", "all levels", "optimiser steps"),
        (
            (
                name,
                estimate(scores[model]["difficult"]),
                estimate(scores[model]["all"]),
                steps.get(model, "-"),
            )
            for model, name in MODELS.items()
        ),
    )
    levels = [name for name in scores["student"] if name.startswith("level_")]
    table(
        ("level", *(name.removeprefix("level_") for name in levels)),
        (
            (name, *(f"{100 * scores[model][level]['mean']:.0f}" for level in levels))
            for model, name in MODELS.items()
        ),
    )
    fall = told["waterfall"]
    dropped = ", ".join(f"{name} {n:,}" for name, n in fall["dropped"].items())
    print(
        f"{fall['generated']:,} generated = {fall['kept']:,} kept + {fall['review']:,} in review "
        f"+ {sum(fall['dropped'].values()):,} dropped: {dropped}.\n"
    )
    print(
        f"Called difficult: {percent(shares['sources'])} of the sources, "
        f"{percent(shares['generated'])} of the generated problems. Well-posed: "
        f"{percent(told['oracle']['well_posed_share'])} of what reached the teacher.\n"
    )
    found = told["oracle"]["wrong_label_share"]
    table(
        ("labels", "n", "wrong or ill-posed", "ill-posed", "wrong among well-posed"),
        (
            (
                title,
                f"{found[name]['n']:,}",
                estimate(found[name], "share"),
                percent(found[name]["ill_posed"]),
                percent(found[name]["wrong_among_well_posed"]),
            )
            for name, title in LABELS.items()
        ),
    )
    cost = told["cost"]
    print(
        f"{told['tokens_total']:,} tokens sampled in all; {cost['per_kept_row']:,.0f} for each "
        f"kept row; {percent(cost['left_share'])} of those on generated rows went to rows that "
        "later left.\n"
    )


def main():
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    args = parser.parse_args()
    told = {seed: run(seed, args.runs) for seed in args.seeds}
    one(told[args.seeds[0]])
    table(
        (
            "seed",
            "over the sources alone",
            "over the control",
            "kept",
            "difficult, generated",
            "wrong or ill-posed in the dataset",
            "wrong among well-posed",
            "wrong among the kept canaries",
        ),
        (
            (
                seed,
                points(t["gain"]),
                points(t["gain_over_control"]),
                f"{t['waterfall']['kept']:,}",
                percent(t["difficult_share"]["generated"]),
                percent(t["oracle"]["wrong_label_share"]["dataset"]["share"]),
                percent(t["oracle"]["wrong_label_share"]["dataset"]["wrong_among_well_posed"]),
                estimate(t["canaries"]["wrong_label_share"], "share"),
            )
            for seed, t in told.items()
        ),
    )


if __name__ == "__main__":
    main()
