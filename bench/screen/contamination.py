"""Benchmark problems planted in many disguises, and innocent ones: what the screen says of each.

``python bench/screen/contamination.py``. The benchmarks are MATH500, AIME 2024 and 2025, AMC 2023
and HMMT February 2025. Planted, from each benchmark problem: as it is, otherwise typed (letters'
case, invisible characters, HTML, look-alikes, Markdown, LaTeX), in short lines, quoted in a story,
with one word changed, with a number changed or every variable and point renamed (twins, which stay
and are noted; drawings are left out). Innocent: GSM8K's and OlympiadBench's problems, and stories
that end in an instruction or hold a standard identity that benchmark problems hold too. Prints how
many are called copies, how many twins, and rows a second on one core.
"""

import json
import os
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

from problems import renumbered, reworded, story

from scalediff.text.contamination import _DRAWING, Benchmarks

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


INVISIBLE = "\u200b\u200c\u200d\u00ad\u2060\ufeff\ufe0f\u200e\u202a\u034f\U000e0041"
LOOK_ALIKES = str.maketrans("aeopcxyAEOPCTXKMHB", "аеорсхуАЕОРСТХКМНВ")


def invisible(text, rng):
    return "".join(c + rng.choice(INVISIBLE) * (rng.random() < 0.5) for c in text)


def html(text, rng):
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(". ", ".<br/> ")
    return (
        "<p>"
        + re.sub(r" (?=\S* )", "&nbsp;", text).replace("the&nbsp;", "<b>the</b>&nbsp;")
        + "</p>"
    )


def lettered(change):
    """Characters changed outside the names of commands."""
    return lambda text, rng: re.sub(
        r"\\[A-Za-z]+|(.)", lambda m: change(m[1]) if m[1] else m[0], text, flags=re.DOTALL
    )


def wide(c):
    return chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c != "\\" else "\u3000" if c == " " else c


def markdown(text, rng):
    return "## Problem 4\n" + re.sub(r"\b(the|of|number|integers)\b", r"**\1**", text)


def latex(text, rng):
    text = text.replace("=", r"\;=\,").replace("(", r"\left(").replace(")", r"\right)")
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", text.replace(". ", ".~"))


def renamed(text, rng):
    """Every letter of a formula is the next one of the alphabet; None where no formula has one."""

    def next_one(match):
        letter = match[2]
        if not letter:
            return match[1]
        first = ord("a") if letter.islower() else ord("A")
        return chr(first + (ord(letter) - first + 1) % 26)

    def shifted(match):
        words = r"\\(?:begin|end|text\w*|mbox|mathrm|operatorname)\s*\{[^}]*\}"
        return re.sub(rf"({words}|\\.[A-Za-z]*)|([A-Za-z])", next_one, match[0])

    bare = _DRAWING.sub(" ", text)
    formula = r"(?<!\\)(\$\$?)(?:[^$\\]|\\.)+?\1|\\\[.*?\\\]"
    found = re.sub(formula, shifted, bare, flags=re.DOTALL)
    return found if found != bare else None


def renamed_in_story(text, rng):
    found = renamed(text, rng)
    return found and in_story(found, rng)


DISGUISES = {
    "as it is": lambda text, rng: text,
    "otherwise typed": typed,
    "upper case": lambda text, rng: text.upper(),
    "title case": lambda text, rng: text.title(),
    "invisible characters": invisible,
    "HTML": html,
    "full width": lettered(wide),
    "Cyrillic letters": lettered(lambda c: c.translate(LOOK_ALIKES)),
    "Markdown": markdown,
    "LaTeX spacing": latex,
    "in short lines": in_lines,
    "in a story": in_story,
    "one word changed": one_word,
    "one number changed": other_number,
    "variables renamed": renamed,
    "variables renamed, in a story": renamed_in_story,
}


def rows(benchmarks):
    """Kind and text."""
    rng = random.Random(5)
    own = {kind: random.Random(5) for kind in DISGUISES}
    for text in benchmarks:
        for kind, disguise in DISGUISES.items():
            hidden = disguise(text, own[kind])
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
