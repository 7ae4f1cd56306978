"""Error rates on the labelled set: ``python bench/grading/golden.py``.

For each file of pairs: what of the equal is called wrong, of the different right, how many are
undecided, with 95 % intervals; then the same for whole responses. The rates of ``pairs_heldout``
when it was first looked at are in ``docs/grading.md``.
"""

import json
from collections import Counter
from pathlib import Path

from scalediff import grade_many
from scalediff.stages.tally import wilson

GOLDEN = Path(__file__).parents[2] / "tests" / "golden"


def rows(name):
    return [json.loads(line) for line in (GOLDEN / name).read_text("utf-8").split("\n") if line]


def share(count, of):
    value, low, high = wilson(count, of)
    return f"{count} of {of} ({100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}])"


def main():
    print("| pairs | equal called wrong | different called right | unclear called right "
          "| equal or different undecided |")  # fmt: skip
    print("|---|---|---|---|---|")
    for name in ("plain", "symbolic", "heldout"):
        told = rows(f"pairs_{name}.jsonl")
        verdicts = grade_many((f"\\boxed{{{r['a']}}}", r["b"]) for r in told if boxable(r["a"]))
        told = [r for r in told if boxable(r["a"])]
        seen = Counter((r["truth"], v.value) for r, v in zip(told, verdicts, strict=True))
        of = Counter(r["truth"] for r in told)
        undecided = seen["equal", "undecided"] + seen["different", "undecided"]
        print(
            f"| {name} | {share(seen['equal', 'wrong'], of['equal'])} "
            f"| {share(seen['different', 'right'], of['different'])} "
            f"| {share(seen['unclear', 'right'], of['unclear'])} "
            f"| {share(undecided, of['equal'] + of['different'])} |"
        )
    told = rows("siblings.jsonl")
    verdicts = grade_many((r["response"], r["answer"]) for r in told)
    print_table("siblings", told, "verdict", verdicts, ("right", "wrong", "undecided"))
    told = rows("responses.jsonl")
    verdicts = grade_many((r["response"], r["gold"], r["finish_reason"]) for r in told)
    print_table("responses", told, "truth", verdicts, ("right", "wrong", "no_answer", "unclear"))


def print_table(name, told, label, verdicts, truths):
    """How often each truth got each verdict."""
    seen = Counter()
    for r, v in zip(told, verdicts, strict=True):
        seen[r[label], "no_answer" if v.rule == "no_answer" else v.value] += 1
    of = Counter(r[label] for r in told)
    print(f"\n| {name} | called right | wrong | no answer | undecided |\n|---|---|---|---|---|")
    for truth in truths:
        cells = [str(seen[truth, v]) for v in ("right", "wrong", "no_answer", "undecided")]
        print(f"| {truth.replace('_', ' ')} ({of[truth]}) | " + " | ".join(cells) + " |")


def boxable(answer):
    """Whether an answer can stand in a box: its braces close, and it is not empty."""
    depth = 0
    for sign in answer.replace("\\{", "").replace("\\}", ""):
        depth += (sign == "{") - (sign == "}")
        if depth < 0:
            return False
    return depth == 0 and bool(answer.strip())


if __name__ == "__main__":
    main()
