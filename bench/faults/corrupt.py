"""Damage to each file of a finished run, counted by outcome: ``python bench/faults/corrupt.py``.

Each file is flipped at several places, cut, emptied, deleted and replaced, one at a time; then the
same command runs, and on another copy one with a changed threshold. Prints Markdown; ends with 1
where anything went wrong that never may (a traceback, other data with status 0, a good record gone,
a file that stays missing, damage that ``check --deep`` still finds).
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from corrupting import CHANGED, KINDS, Trial


def main() -> int:
    """Try them all, or as many as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, help="so many, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--old", action="store_true", help="a run of format 1, without sums")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), old=args.old)
        cases = [(case, extra) for case in trial.cases() for extra in ((), CHANGED)]
        if args.cases:
            cases = random.Random(args.seed).sample(cases, min(args.cases, len(cases)))
        counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        bad = []
        for case, extra in cases:
            outcome = trial.run(case, extra)
            counts[case.kind][outcome.word] += 1
            if outcome.bad:
                bad.append(outcome)
                told = f"BAD {case.name}: {case.kind} {extra}: {outcome.bad}"
                print(f"{told}\n{outcome.said[-1500:]}", file=sys.stderr, flush=True)
    words = sorted({word for counted in counts.values() for word in counted})
    print(f"| damage | {' | '.join(words)} |")
    print(f"|---|{'---|' * len(words)}")
    for kind, counted in counts.items():
        print(f"| {kind} | {' | '.join(str(counted[word]) for word in words)} |")
    total = sum((counted for counted in counts.values()), Counter())
    print(f"| all {total.total()} | {' | '.join(str(total[word]) for word in words)} |")
    print(f"\nbad: {len(bad)}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
