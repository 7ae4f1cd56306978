"""The gate in the laboratory: wrong labels under the paper's rule and under agreement.

``python bench/gate.py [--seeds 4 5 6] [--runs runs]``. For each seed the nano line runs up to its
filter with eight attempts of the teacher at every problem (``runs/gate-SEED``; a finished one is
not repeated). Every rule is then applied to the same attempts: the paper's (one attempt, rules, the
student's answer differs) and agreement of k attempts, all of those graded and at least half of k,
besides. The oracle says which labels are wrong; intervals are 95 % (Wilson). Prints Markdown.

The gate's setting (four of four) was chosen on seeds 1 to 3; the default seeds here are others.
"""

import argparse
import math
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from scalediff.domains import open_domain
from scalediff.io.run import Run
from scalediff.stages.tally import wilson

TRAINING = "line.generator.train_seed"
MOST = 8
NOT_ASKED = object()


@dataclass
class Problem:
    """What the oracle, the teacher and the student say of a problem.

    ``truth`` is None where it has no answer. ``attempts``: answer (None where it was cut off or
    gave none) and tokens of each of the teacher's eight.
    """

    truth: str | None
    attempts: list
    student: object

    def first(self):
        return self.attempts[0][0]

    def differs(self):
        """The paper's rule: one attempt with an answer, and the student does not agree."""
        asked = self.student is not NOT_ASKED  # else a rule had left the row out before
        return asked and self.first() is not None and self.student != self.first()

    def label(self, k, share=1.0):
        """The majority of the first k graded answers, where enough of them agree, else None."""
        votes = Counter(answer for answer, _ in self.attempts[:k] if answer is not None)
        if not votes:
            return None
        answer, n = votes.most_common(1)[0]
        return answer if n >= share * votes.total() and n >= (k + 1) // 2 else None

    def tokens(self, k):
        return sum(tokens for _, tokens in self.attempts[:k])


def run(seed, runs):
    """Run the line up to its filter for a seed, unless that is done."""
    out = runs / f"gate-{seed}"
    sets = [f"seed={seed}", f"sources.seed={seed}", f"{TRAINING}={41 + seed}"]
    sets += [f"distill.k={MOST}", f"filter.teacher_k={MOST}", "canaries.n=250"]
    command = [sys.executable, "-m", "scalediff.cli", "run", "nano", "--out", str(out), "--yes"]
    command += ["--until", "filter", *(part for text in sets for part in ("--set", text))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Run(out, create=False)


def problems(found, solved, judged, truth_of):
    """The problems of a run that the teacher was asked, by key."""
    students = {
        row["key"]: attempt.get("answer")
        for row in found.table(judged).rows()
        for attempt in row["attempts"]
        if attempt["role"] == "student"
    }
    told = {}
    for row in found.table(solved).rows():
        own = [a for a in row["attempts"] if a["role"] == "teacher"]
        own.sort(key=lambda attempt: attempt["sample_index"])
        attempts = [
            (a.get("answer") if a["finish_reason"] == "stop" else None, a["num_tokens"])
            for a in own
        ]
        told[row["key"]] = Problem(truth_of(row), attempts, students.get(row["key"], NOT_ASKED))
    return list(told.values())


def judged(pairs):
    """Share of wrong or ill-posed labels, of ill-posed ones, and of wrong ones among well-posed."""
    n, ill, wrong = 0, 0, 0
    for truth, label in pairs:
        n += 1
        ill += truth is None
        wrong += truth is not None and truth != label
    return {"n": n, "ill": ill, "wrong": wrong}


def told(count, of):
    if not of:
        return "-"
    share, low, high = wilson(count, of)
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def columns(found):
    n, ill, wrong = found["n"], found["ill"], found["wrong"]
    return [f"{n:,}", told(ill + wrong, n), told(ill, n), told(wrong, n - ill)]


def paper(every):
    return [(p.truth, p.first()) for p in every if p.differs()]


def gate(every, k, share=1.0):
    return [
        (p.truth, label) for p in every if p.differs() and (label := p.label(k, share)) is not None
    ]


def spent(every, k):
    """The teacher's tokens: one attempt each, the rest for what survives the student."""
    return sum(p.tokens(k if p.differs() else 1) for p in every)


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    print()


HEAD = ("rows", "wrong or ill-posed", "ill-posed", "wrong among well-posed")


def comparison(by_seed):
    """The paper's rule and the gate, at as many rows and at as many of the teacher's tokens."""
    rows = []
    pooled = {name: Counter() for name in ("paper", "rows", "gate", "tokens")}
    for seed, every in by_seed.items():
        rng = random.Random(seed)
        rng.shuffle(every)
        kept, ours = paper(every), gate(every, 4)
        same_rows = kept[: len(ours)]
        budget, part, used = spent(every, 1), [], 0
        for problem in every:
            used += problem.tokens(4 if problem.differs() else 1)
            if used > budget:
                break
            part.append(problem)
        cases = {"paper": kept, "rows": same_rows, "gate": ours, "tokens": gate(part, 4)}
        for name, pairs in cases.items():
            pooled[name].update(judged(pairs))
        p, g = judged(same_rows), judged(ours)
        ratio = (p["ill"] + p["wrong"]) / p["n"] / ((g["ill"] + g["wrong"]) / g["n"])
        rows.append((seed, *columns(p)[:2], *columns(g)[:2], f"{ratio:.1f}"))
    names = {
        "paper": "the paper's rule",
        "rows": "the paper's rule, as many rows as the gate keeps",
        "gate": "the gate: four of four agree besides",
        "tokens": "the gate, with the teacher tokens of the paper's rule",
    }
    table(("seeds together", *HEAD), ((names[n], *columns(c)) for n, c in pooled.items()))
    table(
        ("seed", "rows, paper", "wrong or ill-posed", "rows, gate", "wrong or ill-posed", "ratio"),
        rows,
    )
    tokens = [spent(every, k) for k in (1, 4) for every in by_seed.values()]
    half = len(tokens) // 2
    factor = sum(tokens[half:]) / sum(tokens[:half])
    print(f"The gate costs {factor:.2f} times the teacher's tokens.\n")


def by_k(everything):
    """Before and after the student's filter, for each number of attempts."""
    rows = []
    for k in (1, 2, 4, 8):
        share = 0.0 if k == 1 else 1.0
        before = [(p.truth, p.label(k, share)) for p in everything]
        before = [pair for pair in before if pair[1] is not None]
        after = gate(everything, k, share)
        rows.append((k, *columns(judged(before)), *columns(judged(after))))
    names = [f"{name}, before" for name in HEAD] + [f"{name}, after" for name in HEAD]
    table(("k, all agree", *names), rows)
    shares = [(f"{n} of 4", *columns(judged(gate(everything, 4, n / 4)))) for n in (2, 3, 4)]
    table(("at least, after the student", *HEAD), shares)


def canaries(by_seed, birds):
    """What the canaries say beside what the oracle knows, at four of four."""
    rows, pooled = [], [Counter(), Counter()]
    for seed, every in by_seed.items():
        told_by = judged(gate(birds[seed], 4))
        known = judged(gate(every, 4))
        pooled[0].update(told_by)
        pooled[1].update(known)
        rows.append((seed, *_wrong(told_by), *_wrong(known)))
    rows.append(("together", *_wrong(pooled[0]), *_wrong(pooled[1])))
    head = ("canaries kept", "wrong among them", "rows kept, well-posed", "wrong by the oracle")
    table(("seed", *head), rows)


def _wrong(found):
    n = found["n"] - found["ill"]
    return f"{n:,}", told(found["wrong"], n)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[4, 5, 6])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    args = parser.parse_args()
    domain = open_domain("nano")

    def oracle(row):
        audit = domain.audit(row["problem"])
        return audit["answer"] if audit["reason"] is None else None

    by_seed, birds = {}, {}
    for seed in args.seeds:
        found = run(seed, args.runs)
        by_seed[seed] = problems(found, "distill", "filter.grade", oracle)
        gold = problems(found, "canaries.distill", "canaries.grade", lambda row: row["hidden_gold"])
        birds[seed] = gold
    everything = [problem for every in by_seed.values() for problem in every]
    ill = math.fsum(p.truth is None for p in everything)
    print(f"{len(everything):,} problems that the teacher was asked, ", end="")
    print(f"{100 * ill / len(everything):.1f} % of them ill-posed.\n")
    comparison(by_seed)
    by_k(everything)
    canaries(by_seed, birds)


if __name__ == "__main__":
    main()
