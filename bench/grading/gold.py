"""Every gold answer against itself, its reference solution and the next problem's answer.

``python bench/grading/gold.py``. Prints, for each set of problems, how many are graded right
against themselves and against the box of their reference solution (where there is one), and how
many wrong against the next problem's gold; every exception is listed.
"""

import json
import os
from pathlib import Path

from scalediff import grade_many

DATA = Path(os.environ.get("SCALEDIFF_DATA", "../shared/data"))
SETS = [f"benchmarks/{name}" for name in ("aime24", "aime25", "hmmt_feb25", "amc23", "math500")]
SETS += ["olympiadbench", "gsm8k_train"]


def main():
    print("| problems | n | itself | its solution | the next one's: wrong | undecided | right |")
    print("|---|---|---|---|---|---|---|")
    exceptions = []
    for name in SETS:
        path = DATA / f"{name}.jsonl"
        if not path.exists():
            print(f"| {name} | no such file |")
            continue
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        golds = [str(row["answer"]) for row in rows]
        solved = [
            (row["solution"], gold)
            for row, gold in zip(rows, golds, strict=True)
            if "\\boxed" in (row.get("solution") or "") or "####" in (row.get("solution") or "")
        ]
        nexts = golds[1:] + golds[:1]
        kinds = {
            "itself": [(boxed(gold), gold) for gold in golds],
            "solution": solved,
            "next": [(boxed(gold), other) for gold, other in zip(golds, nexts, strict=True)],
        }
        verdicts = {kind: grade_many(pairs) for kind, pairs in kinds.items()}
        right = {k: sum(v.value == "right" for v in found) for k, found in verdicts.items()}
        wrong = sum(v.value == "wrong" for v in verdicts["next"])
        undecided = sum(v.value == "undecided" for v in verdicts["next"])
        solution = f"{right['solution']} of {len(solved)}" if solved else "-"
        print(
            f"| {name} | {len(rows)} | {right['itself']} | {solution} | {wrong} | {undecided} "
            f"| {right['next']} |"
        )
        for kind, wanted in (("itself", "right"), ("solution", "right"), ("next", "wrong")):
            for (response, gold), verdict in zip(kinds[kind], verdicts[kind], strict=True):
                same = kind == "next" and response == boxed(gold)
                if verdict.value != wanted and not same:
                    exceptions.append((name, kind, response[-70:], gold, verdict))
    print("\nExceptions (the next problem's very same answer is not listed):\n")
    for name, kind, response, gold, verdict in exceptions:
        print(f"- {name}, {kind}: `{response}` against `{gold}`: {verdict.value}, {verdict.reason}")


def boxed(gold):
    return gold if "\\boxed" in gold or "####" in gold else f"$\\boxed{{{gold.strip('$')}}}$"


if __name__ == "__main__":
    main()
