"""Memory of a million rows: ``python bench/memory.py [--rows N]... [--line generate|distill]...``.

``generate`` samples N problems from the scripted generator; ``distill`` reads N short problems from
a file and asks the scripted teacher for an attempt at each. Each size runs in a process of its own,
ledger, attempt store and tables on the disk; its greatest resident memory is asked of the system.
The engine answers in this process, so rows a second are those of one core, its own work included.
Prints Markdown; bytes a row are those over the smallest size.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scalediff.io.run import Run
from scalediff.pipeline import Pipeline
from scalediff.recipe import Recipe, build
from scalediff.watch import Console


class Quiet(Console):
    def begin(self, plan):
        pass

    def progress(self, *args):
        pass

    def end(self, plan, seal):
        pass


def recipe_of(line: str, rows: int, folder: Path) -> Recipe:
    """The steps of a line over so many rows."""
    if line == "generate":
        step = {"stage": "generate", "model": "fake:generator", "settings": {"n": rows}}
        return build({"name": "memory", "steps": {"generate": step}}, "memory")
    path = folder / "rows.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for i in range(rows):
            file.write(json.dumps({"problem": f"What is ${i} + {i % 97}$ when you add?"}) + "\n")
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(path)]}},
        "distill": {"stage": "solve", "inputs": ["sources"], "model": "fake:teacher"},
    }
    return build({"name": "memory", "steps": steps}, "memory")


def run_once(line: str, rows: int) -> None:
    """Run, and print peak memory after each part and seconds as JSON."""
    with tempfile.TemporaryDirectory() as name:
        recipe = recipe_of(line, rows, Path(name))
        run = Run(Path(name) / "run")
        run.update_manifest(order=[*recipe.nodes])
        pipeline = Pipeline(recipe, run, Quiet(), workers=1)
        began = time.perf_counter()
        pipeline.execute(pipeline.plan(), lambda _: True)
        seconds = time.perf_counter() - began
        run.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "seconds": seconds}))


def main() -> None:
    """Run each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--line", action="append", choices=["generate", "distill"])
    parser.add_argument("--child", action="store_true", help="(one size in this process)")
    args = parser.parse_args()
    sizes = args.rows or [10_000, 100_000, 1_000_000]
    if args.child:
        run_once(args.line[0], sizes[0])
        return
    print("| line | rows | peak memory | bytes a row | rows a second |")
    print("|---|---|---|---|---|")
    for line in args.line or ["generate", "distill"]:
        smallest = 0
        for rows in sizes:
            options = ["--child", "--line", line, "--rows", str(rows)]
            command = [sys.executable, __file__, *options]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            told = json.loads(done.stdout)
            smallest = smallest or told["peak"]
            grown = (told["peak"] - smallest) / max(1, rows - sizes[0])
            each = f"{grown:,.0f}" if rows != sizes[0] else ""
            rate = rows / told["seconds"]
            print(f"| {line} | {rows:,} | {told['peak'] / 1e6:.0f} MB | {each} | {rate:,.0f} |",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
