"""Texts made to hang, to burst or to deceive a grader: none is right, none takes long."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scalediff import answer_of, grade

HUGE = 200_000
TEXTS = {
    "deep fractions": r"\frac{1}{1+" * 300 + "1" + "}" * 300,
    "deep braces": "{" * 900 + "7" + "}" * 900,
    "deep roots": r"\sqrt{" * 500 + "7" + "}" * 500,
    "deep brackets": "(" * 900 + "7" + ")" * 900,
    "unbalanced": "{" * 50 + "7",
    "tower": "9^{9^{9^{9^{9}}}}",
    "tower without braces": "9^9^9^9^9^9",
    "tower of a letter": "x^{9^{9^{9^{9}}}}",
    "factorial": "(10^{12})!",
    "factorials": "7" + "!" * 40,
    "binomial": r"\binom{10^{9}}{5\cdot 10^{8}}",
    "sum": r"\sum_{k=1}^{10^{12}} k!",
    "many digits": "7" * 1_900,
    "many terms": "+".join(f"x_{{{i}}}^{{{i}}}" for i in range(90)),
    "many signs": r"\pm" * 60 + "7",
    "input": r"\input{/etc/passwd}",
    "write": r"\immediate\write18{touch /tmp/scalediff-was-here}7",
    "python": "__import__('os').system('touch /tmp/scalediff-was-here')",
    "lambda": "(lambda: [x for x in ().__class__.__bases__])()",
    "format": "{0.__class__}{answer}%s%n",
    "macro": r"\def\a{\a\a}\a",
    "null bytes": "7\x00",
    "right to left": "\u202e7",
    "surrogate": "7\ud800",
    "emoji": "7\U0001f600",
    "other digits": "٧७",
    "comment": "7 % 8",
    "quadratic spaces": " " * 1_900,
    "backslashes": "\\" * 1_900,
    "dollars": "$" * 1_900,
    "commas": "7" + "," * 500,
    "equals": "=" * 500 + "7",
    "text in text": r"\text{" * 300 + "7" + "}" * 300,
    "word": "seven" * 300,
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_hostile_answer_is_right_and_none_takes_long(name):
    # what a process of the pool takes is bounded by its end; this is what is done before it
    start = time.process_time()
    for gold in ("8", "x+1"):
        verdict = grade(rf"\boxed{{{TEXTS[name]}}}", gold)
        assert verdict.value != "right", verdict
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "content",
    [
        "\\boxed{" + "7" * 1_000_000 + "}",
        "\\boxed{7" * 20_000,
        "\\boxed{}" * 50_000,
        "\\boxed" * 50_000,
        "the answer is " * 30_000,
        "#### " * 50_000,
        "<think>" * 50_000,
        "{" * 500_000 + "\\boxed{7}",
        "$" * 500_000,
        "**Answer:** " * 30_000,
        "(a) " * 100_000,
    ],
    ids=lambda content: content[:12],
)
def test_long_responses_are_read_in_a_bounded_time(content):
    start = time.process_time()
    answer_of(content)
    grade(content, "8")
    assert time.process_time() - start < 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory from /proc")
def test_nothing_of_a_text_is_executed_and_memory_is_bounded(tmp_path):
    script = """
import json, resource, sys
from scalediff import grade_many
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    pairs = json.load(sys.stdin)
    print(json.dumps([v.value for v in grade_many(pairs)]))
    # not ru_maxrss, which a process inherits from the one that started it
    print(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""
    pairs = [(rf"\boxed{{{text}}}", "8") for name, text in TEXTS.items() if name != "surrogate"]
    pairs += [("\\boxed{" + "7" * HUGE + "}", "8")] * 20
    path = tmp_path / "grade.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        timeout=290,
        cwd=tmp_path,
        check=True,
    )
    values, kilobytes = done.stdout.splitlines()
    assert "right" not in json.loads(values)
    assert int(kilobytes) < 600_000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["grade.py"]
