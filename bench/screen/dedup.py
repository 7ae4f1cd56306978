"""A million short problems deduplicated, beside datasketch on the same rows.

``python bench/screen/dedup.py [--rows N] [--kind mixed|none] [--only NAME]``. Each contender runs
in a process of its own, makes the same rows (not timed) and says seconds, peak memory of all its
processes, and what it found of the planted copies. ``none``: problems without numbers, all of which
could be near-duplicates of one another; the worst case for this screen.

datasketch (tuned as its users would): lower case, no punctuation, word 3-grams, 128 permutations, a
32-bit hash without cryptography, signatures in bulk in as many processes as cores, threshold 0.8,
each text asked for and then inserted. It confirms nothing and knows no twins, as usual in such
pipelines.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from problems import problems

CHUNK = 2_000
SCHEME = "affine32"
CORES = os.cpu_count() or 1


def gigabytes():
    """Peak of this process and of the largest of its children, times their number."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return own / 1e6, CORES * child / 1e6


class Rows:
    """A table as a stage sees it."""

    name, digest = "rows", ""

    def __init__(self, rows):
        self._rows = rows
        self.num_rows = len(rows)

    def rows(self):
        return ({"key": key, "problem": text} for key, text in self._rows)


def ours(rows):
    """Keys of the rows that the screen stage calls duplicates."""
    from scalediff.core.records import Drop
    from scalediff.core.stage import Context
    from scalediff.domains import open_domain
    from scalediff.spread import spread_over
    from scalediff.stages.screen import Screen

    domain = open_domain("math")
    ctx = Context(
        domain=domain,
        role="screen",
        seed=1,
        step="screen",
        folder=Path("."),
        spread=spread_over(domain, CORES),
    )
    stage = Screen(Screen.Config(check=False))
    return {key for key, out in stage.run([Rows(rows)], ctx) if isinstance(out, Drop)}


def signatures(texts):
    """datasketch's signatures of many texts."""
    from datasketch import MinHash

    sets = []
    for text in texts:
        parts = re.sub(r"[^\w\s]", " ", text.lower()).split()
        grams = {" ".join(parts[i : i + 3]) for i in range(max(1, len(parts) - 2))}
        sets.append([gram.encode() for gram in grams])
    found = MinHash.bulk(sets, num_perm=128, hashfunc=zlib.crc32)
    return [signature.hashvalues for signature in found]


def datasketch(rows):
    """Keys of the rows that datasketch finds like an earlier one."""
    from datasketch import MinHash, MinHashLSH

    texts = [text for _, text in rows]
    chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)]
    index = MinHashLSH(threshold=0.8, num_perm=128)
    found = set()
    at = 0
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        for values in pool.map(signatures, chunks):
            for one in values:
                signature = MinHash(
                    num_perm=128, hashvalues=one, hashfunc=zlib.crc32, scheme=SCHEME
                )
                if index.query(signature):
                    found.add(rows[at][0])
                else:
                    index.insert(rows[at][0], signature, check_duplication=False)
                at += 1
    return found


CONTENDERS = {"scalediff": ours, "datasketch": datasketch}


def measure(name, n, kind):
    """Run one contender here and print what came of it as JSON."""
    rows, planted = problems(n, kind=kind)
    before = gigabytes()[0]
    start = time.perf_counter()
    found = CONTENDERS[name](rows)
    seconds = time.perf_counter() - start
    own, children = gigabytes()
    hits = Counter()
    for key, _ in rows:
        hits[planted.get(key, ("new",))[0], key in found] += 1
    print(
        json.dumps(
            {
                "seconds": seconds,
                "own": own,
                "rows": before,
                "children": children,
                "hits": {f"{k} {'found' if f else 'kept'}": c for (k, f), c in hits.items()},
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=["mixed", "none"], default="mixed")
    parser.add_argument("--only", choices=[*CONTENDERS])
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        measure(args.only, args.rows, args.kind)
        return
    print("| | seconds | rows a second | peak memory, GB (of it the rows) | exact | near | twins "
          "called copies | others called copies |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for name in [args.only] if args.only else CONTENDERS:
        command = [sys.executable, __file__, "--here", "--only", name]
        command += ["--rows", str(args.rows), "--kind", args.kind]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        hits = Counter(told["hits"])

        def of(kind, hits=hits):
            found, kept = hits[f"{kind} found"], hits[f"{kind} kept"]
            return f"{found:,} of {found + kept:,}"

        memory = told["own"] + told["children"]
        print(
            f"| {name} | {told['seconds']:.0f} | {args.rows / told['seconds']:,.0f} | "
            f"{memory:.2f} ({told['rows']:.2f}) | {of('exact')} | {of('near')} | {of('twin')} | "
            f"{of('new')} |"
        )


if __name__ == "__main__":
    main()
