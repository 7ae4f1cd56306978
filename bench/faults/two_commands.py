"""Two commands at once on one run directory, many times: ``python bench/faults/two_commands.py``.

The two differ in a threshold. One works on undisturbed and ends with its own dataset; the other is
refused in one sentence, or comes when the first is done. Prints how often each; ends with 1 where
anything else happened.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from corrupting import CHANGED, RECIPE, SMALL, Trial, rows_of, scalediff


def main() -> int:
    """So many rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    args = parser.parse_args()
    rng, counts, bad = random.Random(1), Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        for number in range(args.rounds):
            out = Path(folder) / f"round-{number}"
            both = []
            for extra in rng.sample([(), CHANGED], 2):
                command = ["run", RECIPE, "--out", str(out), *SMALL, *extra]
                both.append((extra, start(command)))
                time.sleep(rng.choice([0, 0, 0.1, 0.5]))
            said = [process.communicate()[1] for _, process in both]
            ends = [process.returncode for _, process in both]
            won = [extra for (extra, _), end in zip(both, ends, strict=True) if end == 0]
            right = bool(won) and rows_of(out) in [trial.expected[extra][0] for extra in won]
            right &= all(end == 0 or refused(text) for end, text in zip(ends, said, strict=True))
            right &= scalediff("check", out, "--deep")[0] == 0
            counts["one refused" if 2 in ends else "one after the other"] += 1
            bad += not right
            if not right:
                print(ends, said, file=sys.stderr)
    print(f"{args.rounds} rounds: {dict(counts)}, wrong: {bad}")
    return int(bool(bad))


def start(command: list[str]) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "scalediff.cli", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(said: str) -> bool:
    """Whether a command said one sentence, that it was refused."""
    lines = [line for line in said.splitlines() if line.startswith("scalediff: ")]
    return len(lines) == 1 and "is at work in another process" in lines[0]


if __name__ == "__main__":
    sys.exit(main())
