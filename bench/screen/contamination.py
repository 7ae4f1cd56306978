"""Benchmark problems planted in many disguises, and innocent ones: what the screen says of each.

``python bench/screen/contamination.py``. The benchmarks are MATH500, AIME 2024 and 2025, AMC 2023
and HMMT February 2025. Planted, from each benchmark problem: as it is, otherwise typed, in short
lines, quoted in a story, with one word changed, with a number changed (a twin, which stays and is
noted). Innocent: GSM8K's and OlympiadBench's problems, and stories that end in an instruction or
hold a standard identity that benchmark problems hold too. Prints how many are called copies, how
many twins, and rows a second on one core.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

from problems import renumbered, reworded, story

from scalediff.text.contamination import Benchmarks

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))
NAMES = ("math500", "aime24", "aime25", "amc23", "hmmt_feb25")
INSTRUCTIONS = [
    r"The answer can be written as $\frac{m}{n}$, where $m$ and $n$ are relatively prime positive "
    "integers. Find $m+n$.",
    "Express your answer as a common fraction in lowest terms.",
    r"Express your answer in simplest radical form in terms of $\pi$.",
]
IDENTITIES = [
    "Recall that $x^3+y^3=(x+y)(x^2-xy+y^2)$ and $x^3-y^3=(x-y)(x^2+xy+y^2)$.",
    "Recall that $x^3+y^3+z^3-3xyz=(x+y+z)(x^2+y^2+z^2-xy-yz-zx)$.",
    r"As is known, $\tan(u+v)=\frac{\tan u+\tan v}{1-\tan u\tan v}$.",
    "By the binomial theorem, $(x+y)^4=x^4+4x^3y+6x^2y^2+4xy^3+y^4$.",
    r"The roots are $x=\frac{-b\pm\sqrt{b^2-4ac}}{2a}$, as for every $ax^2+bx+c=0$.",
]


def read(name):
    path = DATA / f"{name}.jsonl"
    if not path.exists():
        sys.exit(f"no {path}: set SCALEDIFF_DATA to a folder with the problem files")
    return [json.loads(line)["problem"] for line in path.read_text("utf-8").split("\n") if line]


def typed(text, rng):
    return "Problem 4. " + text.replace("$", " $").replace(r"\frac", r"\dfrac").replace(" ", "  ")


def in_lines(text, rng):
    words = text.split(" ")
    return "\n".join(" ".join(words[i : i + 6]) for i in range(0, len(words), 6))


def in_story(text, rng):
    return (
        f"Ann found an old note in the attic. It read as follows. {text} She thought for a while."
    )


def one_word(text, rng):
    words = [w for w in text.split(" ") if w.isalpha() and len(w) > 2 and w.islower()]
    return reworded(text, rng, anywhere=True) if len(words) > 6 else None


def other_number(text, rng):
    places = [i for i, c in enumerate(text) if c.isdigit() and i and not text[i - 1].isdigit()]
    return renumbered(text, rng) if places else None


DISGUISES = {
    "as it is": lambda text, rng: text,
    "otherwise typed": typed,
    "in short lines": in_lines,
    "in a story": in_story,
    "one word changed": one_word,
    "one number changed": other_number,
}


def rows(benchmarks):
    """Kind and text."""
    rng = random.Random(5)
    for text in benchmarks:
        for kind, disguise in DISGUISES.items():
            hidden = disguise(text, rng)
            if hidden is not None and (kind != "one number changed" or hidden != text):
                yield kind, hidden
    for name in ("gsm8k_train", "olympiadbench"):
        for text in read(name):
            yield f"innocent: {name}", text
    for _ in range(1_000):
        yield "innocent: instruction", f"{story(rng)} {rng.choice(INSTRUCTIONS)}"
        yield "innocent: identity", f"{rng.choice(IDENTITIES)} {story(rng)}"


def main():
    index = Benchmarks()
    problems = []
    for name in NAMES:
        for number, text in enumerate(read(f"benchmarks/{name}"), start=1):
            index.add(f"{name} row {number}", text)
            problems.append(text)
    told = list(rows(problems))
    start = time.perf_counter()
    found = [index.find(text) for _, text in told]
    seconds = time.perf_counter() - start
    seen, shown = {}, []
    for (kind, text), leak in zip(told, found, strict=True):
        seen.setdefault(kind, Counter())[leak and ("twin" if leak.twin else "copy")] += 1
        if kind.startswith("innocent") and leak is not None:
            shown.append(f"- {kind}: {text[:140]!r} for {leak}")
    rate = f"{len(told) / seconds:,.0f} a second"
    print(f"{len(index)} benchmark problems, {len(told):,} rows, {rate}\n")
    print("| rows | n | called copies | called twins | nothing |\n|---|---|---|---|---|")
    for kind, counts in seen.items():
        n = counts.total()
        print(f"| {kind} | {n:,} | {counts['copy']:,} | {counts['twin']:,} | {counts[None]:,} |")
    print("\nInnocent rows that were called something:\n" + "\n".join(shown[:20]))


if __name__ == "__main__":
    main()
