"""``scalediff filter --explain``: what each threshold would drop, before anything is dropped.

Every threshold of the rules is tried as it is set and looser and tighter, one at a time, on the
first rows; where rows have several attempts, so is the agreement that the label needs. Nothing is
paid and nothing is kept.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scalediff.commands import Command
from scalediff.core.records import Drop, Row, attempts_of, merge
from scalediff.core.stage import Context
from scalediff.domains import open_domain
from scalediff.io.run import Run
from scalediff.pipeline import Pipeline
from scalediff.recipe import Node
from scalediff.report.lines import lines_of, notes_of
from scalediff.stages.agree import Agree
from scalediff.stages.decide import Decide
from scalediff.stages.rules import Rules, RulesConfig
from scalediff.watch import Console

ROWS = 500
_SHARES = (0.5, 0.75, 1.0)
_ALONE = ("role", "drop", "answer_marker", "languages")
"""Settings that are no thresholds."""


class _Remembering(Rules):
    """Rules that look for the loops of a text once for each set of thresholds."""

    seen: dict[tuple[Any, ...], str | None]

    def _loop(self, text: str) -> str | None:
        config = self.config
        at = (text, config.loop_repeats, config.loop_tokens, config.loop_stale_share)
        if at not in self.seen:
            self.seen[at] = super()._loop(text)
        return self.seen[at]


def explain(command: Command) -> None:
    """Print what the thresholds of a ``filter`` command would drop.

    Raises:
        ScalediffError: The input or a setting is wrong.
    """
    recipe = command.recipe()
    node = recipe.nodes[f"{command.step}.rules"]
    with TemporaryDirectory() as folder:
        run = Run(Path(folder) / "explain")
        small = recipe.until("sources")
        run.update_manifest(command=command.name, order=[*small.nodes])
        console = Console([("sources", ["sources"])], lines_of(run), notes=notes_of(run))
        pipeline = Pipeline(small, run, console)
        pipeline.execute(pipeline.plan(), lambda _: True)
        table = run.table("sources", texts=True)
        assert table is not None
        rows = list(itertools.islice(table.rows(), ROWS))
        few = f"the first {len(rows):,} of {table.num_rows:,}" if table.num_rows > ROWS else "all"
        num_attempts = sum(len(attempts_of(row, "teacher")) for row in rows)
        print(f"{few} rows, {num_attempts:,} attempts; nothing is dropped or paid\n")
        _rules(node, rows, command.domain)
        asyncio.run(_agreement(recipe.nodes, command.step, rows, command.domain))
        run.close()


def _rules(node: Node, rows: Sequence[Row], domain_name: str) -> None:
    """One line for each threshold and value tried, and what it would reject and drop."""
    config = node.stage.config
    assert isinstance(config, RulesConfig)
    tokens = [
        attempt["num_tokens"]
        for row in rows
        for attempt in attempts_of(row, "teacher")
        if attempt.get("num_tokens") is not None
    ]
    domain = open_domain(domain_name)
    seen: dict[tuple[Any, ...], str | None] = {}
    reasons, leave = _tried(config, rows, domain, seen)
    told = ", ".join(f"{name} {n:,}" for name, n in reasons.most_common()) or "none"
    print(f"as set: {reasons.total():,} attempts rejected ({told}), {leave:,} rows leave\n")
    print(f"{'setting':<20} {'value':>8}  {'from':<16} {'attempts':>9} {'rows':>7}")
    for name in type(config).model_fields:
        if name in _ALONE:
            continue
        for value in _values(name, getattr(config, name), tokens):
            own = value == getattr(config, name)
            variant = config.model_copy(update={name: value})
            reasons, leave = _tried(variant, rows, domain, seen)
            origin = node.origins.get(name, "default") if own else "  tried"
            print(f"{name:<20} {value!s:>8}  {origin:<16} {reasons.total():>9,} {leave:>7,}")


def _values(name: str, value: Any, tokens: Sequence[int]) -> Iterator[Any]:
    """The value that is set, and others around it."""
    if isinstance(value, bool):
        yield from (value, not value)
    elif name in ("min_tokens", "max_tokens"):
        if not tokens:
            yield value
            return
        cuts = statistics.quantiles(tokens, n=100, method="inclusive") if len(tokens) > 1 else []
        near = (cuts[0], cuts[4]) if name == "min_tokens" else (cuts[94], cuts[98])
        yield from dict.fromkeys([value, *(round(cut) for cut in near if cuts)])
    elif isinstance(value, float):
        yield from sorted({max(0.05, round(value / 2, 2)), value, min(1.0, round(1.5 * value, 2))})
    else:
        yield from sorted({max(2, value // 2), value, 2 * value})


def _tried(
    config: RulesConfig, rows: Sequence[Row], domain: Any, seen: dict[tuple[Any, ...], str | None]
) -> tuple[Counter[str], int]:
    """Rejected attempts by reason, and rows without an attempt left."""
    rules = _Remembering(config)
    rules.seen = seen
    reasons: Counter[str] = Counter()
    leave = 0
    for row in rows:
        problem = str(row.get("problem") or "")
        attempts = attempts_of(row, "teacher", usable=True)
        drops = [rules.judge(attempt, problem, domain) for attempt in attempts]
        reasons.update(drop.reason for drop in drops if drop is not None)
        leave += all(drop is not None for drop in drops)
    return reasons, leave


async def _agreement(nodes: dict[str, Node], step: str, rows: Sequence[Row], name: str) -> None:
    """What the label's threshold would do at each share, where rows have several attempts."""
    if all(len(attempts_of(row, "teacher")) < 2 for row in rows):
        print("\nagreement: every row has one attempt, so there is nothing to agree")
        return
    domain = open_domain(name)
    ctx = Context(domain, "filter", 1, "filter", Path("."))
    rules, agree = nodes[f"{step}.rules"].stage, Agree(Agree.Config())
    config = nodes[f"{step}.decide"].stage.config
    assert isinstance(rules, Rules)
    labelled = []
    try:
        for row in rows:
            marked = rules.process(row, domain)
            if isinstance(marked, Drop):
                continue
            marked = merge(row, marked)
            added = await agree.process(marked, 0, ctx)
            if not isinstance(added, Drop):
                labelled.append(merge(marked, added))
    finally:
        await domain.close()
    own = config.min_confidence
    votes = {"half": "at least half of a row's attempts", None: "any number of attempts"}
    needed = votes.get(config.min_agree, f"at least {config.min_agree} attempts")
    print(f"\nagreement of what the rules leave, where {needed} have to agree (min_agree)")
    print("share of graded answers that agree (min_confidence): rows kept, for review, dropped")
    for share in sorted({*_SHARES, *([own] if own is not None else [])}):
        decide = Decide(config.model_copy(update={"min_confidence": share}))
        told = [decide.process(row, domain) for row in labelled]
        dropped = sum(isinstance(outcome, Drop) for outcome in told)
        review = sum(not isinstance(o, Drop) and bool(o.get("review")) for o in told)
        mark = "  <- as set" if share == own else ""
        kept = len(told) - dropped - review
        print(f"{share:>6.2f} {kept:>8,} {review:>8,} {dropped:>8,}{mark}")
