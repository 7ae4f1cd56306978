"""The loop detector beside datatrove's Gopher repetition filter, on planted loops and solutions.

``python bench/filter/loops.py [--texts N]``. Texts are real solutions (GSM8K's and MATH500's, in
bundles of the length of a long thought); into a third of them a loop is planted: a sentence, a line
of LaTeX, a stretch that changes a number each time round, or a cycle of several sentences, at the
end (as loops come) or in the middle. The rest are healthy; a quarter of those go through a list of
cases in the same words. Prints texts and characters a second,
the recall on each kind of loop and the false alarms, in one run and one process.

datatrove: its own defaults (English word tokenizer, the thresholds of the Gopher paper), the
tokenizer loaded before the clock runs; and once more with a splitter at spaces in its place, which
makes it faster and changes little. A loop that was let through counts as missed for either.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from scalediff.text.repetition import loop

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))
SENTENCES = [
    "Wait, let me check that again. ",
    "So the answer should be 12, but I am not sure about it. ",
    "Alternatively, maybe I made a mistake in the calculation above. ",
]
LATEX = r"$$x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a} = \frac{3 \pm \sqrt{17}}{4}$$" + "\n"


def sentence(rng):
    return rng.choice(SENTENCES) * rng.randint(30, 200)


def latex(rng):
    return LATEX * rng.randint(15, 80)


def counting(rng):
    """The same words with another number each time; the number of tokens stays."""
    return "".join(
        f"Hmm, wait, that is not right, so let me try once more from the beginning and be careful "
        f"with the signs this time, since attempt {n} failed. "
        for n in range(rng.randint(30, 100))
    )


def cycle(rng):
    return "".join(SENTENCES) * rng.randint(15, 60)


def cases(rng):
    """Healthy: cases that are gone through, one after the other."""
    verb = rng.choice(["test", "try", "look at"])
    return "".join(
        f"Next, I {verb} the prime {n}: it does not divide the number, so I move on to the next. "
        for n in rng.sample(range(2, 400), rng.randint(8, 25))
    )


LOOPS = {"sentence": sentence, "latex": latex, "counting": counting, "cycle": cycle}


def texts(n):
    """Text and the kind of loop in it (None for a healthy one)."""
    rng = random.Random(3)
    solutions = []
    for name in ("gsm8k_train", "benchmarks/math500"):
        path = DATA / f"{name}.jsonl"
        if path.exists():
            lines = [line for line in path.read_text("utf-8").split("\n") if line]
            solutions += [json.loads(line)["solution"] for line in lines]
    if not solutions:
        sys.exit("no solutions: set SCALEDIFF_DATA to a folder with the problem files")
    for i in range(n):
        parts = rng.sample(solutions, rng.randint(5, 30))
        if i % 3:
            if i % 4 == 1:
                parts.insert(2, cases(rng))
            yield "\n\n".join(parts), None
            continue
        kind = list(LOOPS)[(i // 3) % len(LOOPS)]
        at = len(parts) if rng.random() < 0.7 else rng.randint(1, len(parts) - 1)
        parts = parts[: rng.randint(2, 8)] if at == len(parts) else parts[:9]
        parts.insert(min(at, len(parts)), LOOPS[kind](rng))
        yield "\n\n".join(parts), kind


def gopher(words=None):
    """Whether datatrove's filter drops a text."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import GopherRepetitionFilter, gopher_repetition_filter

    tokenizer = gopher_repetition_filter.split_into_words
    keep = GopherRepetitionFilter()

    def drops(text):
        gopher_repetition_filter.split_into_words = words or tokenizer
        told = keep.filter(Document(text=text, id="x"))
        return told is not True

    drops("to load the tokenizer")
    return drops


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=600)
    args = parser.parse_args()
    told = list(texts(args.texts))
    contenders = {
        "scalediff": lambda text: loop(text) is not None,
        "datatrove Gopher": gopher(),
        "datatrove Gopher, split at spaces": gopher(lambda text, *_: text.split()),
    }
    characters = sum(len(text) for text, _ in told)
    print(f"{len(told)} texts of {characters / len(told):,.0f} characters on average\n")
    print("| | texts a second | MB a second | ratio | " + " | ".join(LOOPS) + " | false alarms |")
    print("|---|---|---|---|" + "---|" * (len(LOOPS) + 1))
    base = None
    for name, finds in contenders.items():
        start = time.perf_counter()
        found = [finds(text) for text, _ in told]
        seconds = time.perf_counter() - start
        base = base or seconds
        hits = defaultdict(Counter)
        for (_, kind), hit in zip(told, found, strict=True):
            hits[kind][hit] += 1
        recall = [f"{hits[k][True]} of {hits[k].total()}" for k in (*LOOPS, None)]
        print(
            f"| {name} | {len(told) / seconds:,.0f} | {characters / seconds / 1e6:.1f} | "
            f"{seconds / base:.1f} | " + " | ".join(recall) + " |"
        )


if __name__ == "__main__":
    main()
