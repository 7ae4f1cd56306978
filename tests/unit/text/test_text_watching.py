"""A watch on texts that are still being written."""

import json
from pathlib import Path

from scalediff.text.watching import LoopWatch

GOLDEN = Path(__file__).parents[2] / "golden" / "attempts.jsonl"


def stops(text: str, piece: int = 60) -> int | None:
    """The length at which a text that grows piece by piece is stopped."""
    watch = LoopWatch()
    return next((n for n in range(piece, len(text) + piece, piece) if watch(text[:n])), None)


def test_a_loop_is_found_soon_after_it_fills_the_end():
    start = "".join(f"Step {i}: we find {i * i % 97} and go on with it. " for i in range(200))
    at = stops(start + "Wait, let me check that again. " * 1000)
    assert at is not None
    assert len(start) < at < len(start) + 6_000


def test_no_healthy_attempt_of_the_golden_set_is_stopped():
    healthy = 0
    for line in GOLDEN.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line else None
        if row is not None and row["finish_reason"] == "stop":
            healthy += 1
            assert stops(row["response"]) is None, row["response"][:200]
    assert healthy > 100


def test_going_through_cases_is_no_loop():
    cases = "".join(f"For n = {n} we get {n * n + n + 41}, which is prime. " for n in range(60))
    assert stops(cases) is None
