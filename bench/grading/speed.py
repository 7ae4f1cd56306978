"""Rows a second and agreement with the truth, against plain math-verify on the same rows.

``python bench/grading/speed.py [--rows N] [--attempts RUN]``. The baseline is math-verify as its
README uses it (``parse`` with its default extraction, ``verify(gold, answer)``), with its own
time-outs, once in one process and once in a pool of as many processes as cores with chunks of 64
(swept: 16, 64 and 256 differ by a few per cent). Gold answers are given to it between dollar signs
where they are bare, which it needs to see them as mathematics. Processes are started, and the
libraries loaded, before the clock runs, for all three.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from scalediff import grade_many

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))
CHUNK = 64


def rows_of_files():
    """Response, gold and truth: reference solutions and answers against two golds each."""
    files = ["benchmarks/math500", "gsm8k_train", "olympiadbench", "benchmarks/aime24"]
    files += ["benchmarks/aime25", "benchmarks/amc23", "benchmarks/hmmt_feb25"]
    for name in files:
        path = DATA / f"{name}.jsonl"
        if not path.exists():
            print(f"(no {path}: left out)")
            continue
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
            gold, wrong = str(row["answer"]), str(other["answer"])
            response = row.get("solution") or ""
            if "\\boxed" not in response and "####" not in response:
                response = f"Therefore the answer is $\\boxed{{{gold.strip('$')}}}$."
            yield name, response, gold, True
            if plain(gold) != plain(wrong):
                yield name, response, wrong, False


def rows_of_run(folder):
    """The teacher's attempts of a nano run against the oracle's answer, where there is one."""
    from scalediff.domains import open_domain
    from scalediff.io.run import Run

    domain = open_domain("nano")
    table = Run(folder, create=False).table("distill", texts=True)
    for row in table.rows():
        audit = domain.audit(row["problem"])
        if audit is None or audit["reason"] is not None:
            continue
        for attempt in row["attempts"]:
            if attempt["role"] == "teacher" and attempt.get("answer") is not None:
                yield (
                    "nano",
                    attempt["content"],
                    audit["answer"],
                    attempt["answer"] == audit["answer"],
                )


def plain(text):
    """A gold answer for telling whether the next problem happens to have the same."""
    bare = "".join(text.split()).replace("$", "").replace("\\dfrac", "\\frac")
    return bare.removeprefix("x=")


def baseline(pair):
    """What math-verify says of a row; its own exceptions and time-outs count as wrong."""
    from math_verify import parse, verify

    response, gold = pair
    bare = gold if "$" in gold or "\\boxed" in gold else f"${gold}$"
    try:
        return bool(verify(parse(bare), parse(response)))
    except Exception:
        return False


def warm(_):
    return baseline(("\\boxed{\\frac{1}{2}}", "0.5"))


def timed(work):
    start = time.perf_counter()
    told = work()
    return told, time.perf_counter() - start


def in_pool(pairs, pool):
    return list(pool.map(baseline, pairs, chunksize=CHUNK))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000)
    parser.add_argument("--attempts", type=Path, help="a nano run, for its teacher's attempts")
    args = parser.parse_args()
    rows = list(rows_of_files())
    if args.attempts:
        rows += list(rows_of_run(args.attempts))
    random.Random(1).shuffle(rows)
    rows = rows[: args.rows]
    if not rows:
        sys.exit("no rows: set SCALEDIFF_DATA to a folder with the problem files")
    pairs = [(response, gold) for _, response, gold, _ in rows]
    truth = [right for *_, right in rows]
    warm(None)
    grade_many([("\\boxed{\\sum_{k=0}^{\\infty}\\frac{1}{2^k}}", "2")] * 2)
    cores = os.cpu_count() or 1
    results = {}
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        list(pool.map(warm, range(4 * cores)))
        results["math-verify, one process"] = timed(lambda: [baseline(p) for p in pairs])
        results[f"math-verify, pool of {cores}"] = timed(lambda: in_pool(pairs, pool))
    verdicts, seconds = timed(lambda: grade_many(pairs))
    results["scalediff"] = ([v.value for v in verdicts], seconds)
    report(rows, truth, results, verdicts)


def report(rows, truth, results, verdicts):
    sources = Counter(name for name, *_ in rows)
    print(f"{len(rows):,} rows:", ", ".join(f"{n} {c:,}" for n, c in sources.most_common()), "\n")
    print(
        "| grader | rows a second | ratio | right called wrong | wrong called right | undecided |"
    )
    print("|---|---|---|---|---|---|")
    base = results["math-verify, one process"][1]
    for name, (told, seconds) in results.items():
        said = [v if isinstance(v, str) else ("right" if v else "wrong") for v in told]
        missed = sum(t and s == "wrong" for t, s in zip(truth, said, strict=True))
        false = sum(not t and s == "right" for t, s in zip(truth, said, strict=True))
        print(
            f"| {name} | {len(rows) / seconds:,.0f} | {base / seconds:.1f} | "
            f"{missed} of {sum(truth):,} | {false} of {len(truth) - sum(truth):,} | "
            f"{said.count('undecided')} |"
        )
    print("\nrules that decided:", dict(Counter(v.rule for v in verdicts).most_common()))
    ours = [v.value for v in verdicts]
    for (name, response, gold, right), told in zip(rows, ours, strict=True):
        if told != ("right" if right else "wrong"):
            print(f"- {name}: {told}, truth {right}: {response[-90:]!r} against {gold!r}")


if __name__ == "__main__":
    main()
