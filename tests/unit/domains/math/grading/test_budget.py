"""Comparison in the main process is bounded by the steps that it takes, whatever the pair."""

import threading
import time

import pytest

from scalediff.domains.math.grading.budget import IN_MAIN, TooMuchWork, at_most, spend
from scalediff.domains.math.grading.grader import grade_at_once


def joined(pattern, numbers, sign=","):
    return sign.join(pattern.replace("K", str(k)).replace("L", str(k + 1)) for k in numbers)


def in_set(text):
    return rf"\{{{text}\}}"


def matrix(pattern):
    rows = (joined(pattern, range(k, k + 6), "&") for k in range(2, 8))
    return r"\begin{pmatrix}" + r"\\".join(rows) + r"\end{pmatrix}"


LETTERS = "abcdefghijklmnopqrst"
HOSTILE = {
    "integral derived": (r"e^{x^2}", r"\frac{d}{dx}\int_0^x e^{t^2}dt"),
    "integral derived twice": (r"2xe^{x^2}", r"\frac{d^2}{dx^2}\int_0^x e^{t^2}dt"),
    "integrals in a list": (
        joined(r"\int_0^1 x^{K}dx", range(2, 30)),
        joined(r"\frac{1}{L}", range(2, 30)),
    ),
    "sum in a sum": (r"\sum_{i=1}^{1500}\sum_{j=1}^{1500}\frac{1}{i+j}", "2000"),
    "sums in sums": (r"\sum_{i=1}^{n}\sum_{j=1}^{n}\sum_{k=1}^{n}\sin(ijk)", "n^3"),
    "sums in a set": (
        in_set(joined(r"\sum_{k=1}^{1999}\frac{K}{k+K}", range(1, 30))),
        in_set(joined("K", range(1, 30))),
    ),
    "products": (r"\prod_{k=1}^{1900}(1+\frac{x}{k})", r"\prod_{k=1}^{1900}(1-\frac{x}{k})"),
    "infinite sum": (r"\sum_{k=1}^{\infty}\frac{1}{k^2}", r"\frac{\pi^2}{6}"),
    "limits": (r"\lim_{x\rightarrow 0}\lim_{y\rightarrow 0}\frac{\sin xy}{xy}", "1"),
    "derivative": (r"\frac{d^9}{dx^9}(\sin(x^9)\ln(x)\cdot \frac{d^9}{dx^9}(\sin x^9))", "x"),
    "digits that grow": (
        r"10^{3000}+\sqrt{2}-10^{3000}",
        r"\sqrt{2}+\frac{1}{10^{3001}}",
    ),
    "digits of sines": (r"e^{9000}+\sin(e^{9000})-e^{9000}", r"\sin(e^{9000})"),
    "nested radicals": (r"\sqrt{2+" * 100 + "2" + "}" * 100 + "+10^{4000}-10^{4000}", "2"),
    "factorials": (
        joined(r"x^{K}\cdot (x+K)!", range(60), "+"),
        joined(r"x^{K}\cdot (x+L)!", range(60), "+"),
    ),
    "binomials": (joined(r"\binom{3000-n}{n+K}", range(80), "+"), "n"),
    "functions": (
        joined(r"\sin(\cos(\tan(Kx)))", range(90), "+"),
        joined(r"\sin(\cos(\tan(Lx)))", range(90), "+"),
    ),
    "sets of sets": (
        in_set(joined(in_set(",".join(LETTERS)), range(20))),
        in_set(joined(in_set(",".join(LETTERS[1:] + "a")), range(20)) + ",z"),
    ),
    "sets of roots": (
        in_set(joined(r"\sqrt{K}", range(2, 42))),
        in_set(joined(r"\sqrt{L}", range(2, 42))),
    ),
    "long fractions": (r"\frac{3^{37000}}{7}" + r"\cdot 7^{20000}/7^{20001}" * 75, "3"),
    "exact factorials": (joined("4000!/3999!", range(150), "+"), "600001"),
    "intervals": (
        joined(r"(K,L)", range(1, 250, 2), r"\cup"),
        joined(r"(K,L]", range(1, 250, 2), r"\cup"),
    ),
    "intervals of roots": (
        joined(r"(\sqrt{K},\sqrt{L})", range(1, 140, 2), r"\cup"),
        joined(r"(\sqrt{K},\sqrt{L}]", range(1, 140, 2), r"\cup"),
    ),
    "whole numbers": (
        in_set(r"n\in\mathbb{Z} \mid " + joined("K<n<L", range(-60, 30), r"\text{ or }")),
        r"\{1\}",
    ),
    "words": ("ab" * 950, "ba" * 950),
    "residues": ("1;" * 400 + r"2 \pmod{99991}", "1;" * 400 + r"3 \pmod{99991}"),
    "equations": (
        joined(r"\sin(Kx+Ky)", range(1, 70), "+") + "=1",
        joined(r"\cos(Kx+Ky)", range(1, 70), "+") + "=1",
    ),
    "inequalities": (joined(r"\sin(Kx)", range(60), "<"), joined(r"\sin(Lx)", range(60), "<")),
    "matrices": (matrix(r"\ln(K)"), matrix(r"\ln(K)+0")),
    "constants of integration": (
        r"C_1e^{x}+C_2\sum_{k=1}^{1000}\frac{x^k}{k!}",
        r"C_1e^{x}+C_2\sum_{k=1}^{1000}\frac{x^k}{k!}+1",
    ),
    "families": (
        r"\frac{\pi}{3}+\sum_{j=1}^{1000}\frac{k\pi}{j}",
        r"\frac{\pi}{4}+\sum_{j=1}^{1000}\frac{k\pi}{j}",
    ),
}


EQUAL = ("integral derived", "matrices")
"""Those that are decided within the budget."""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_pair_keeps_the_main_process_long(name):
    a, b = HOSTILE[name]
    assert max(len(a), len(b)) <= 2_000
    grade_at_once("x+1", "2x")  # what is loaded once
    start = time.process_time()
    verdict = grade_at_once(a, b)
    assert time.process_time() - start < 0.5
    assert verdict is None or verdict.value != "right" or name in EQUAL


@pytest.mark.parametrize(
    ("left", "right"), [("1", "2"), (r"\frac{x}{2}", "0.5x"), ("(1,2)", "(1,3)")]
)
def test_ordinary_pairs_are_decided_within_the_budget(left, right):
    assert grade_at_once(left, right) is not None


def test_steps_are_counted_within_and_for_each_thread():
    spend(10 * IN_MAIN)  # nothing is counted outside
    seen = []

    def other():
        with at_most(5):
            spend(5)
            seen.append("other")

    with at_most(10):
        spend(9)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        spend(1)
        with pytest.raises(TooMuchWork):
            spend(1)
    assert seen == ["other"]
    with at_most(10), pytest.raises(TooMuchWork):
        spend(1, needed=11)
    spend(10 * IN_MAIN)
