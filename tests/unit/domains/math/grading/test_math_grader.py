"""A table of pairs, most of them as they stand in MATH, GSM8K, AIME and OlympiadBench."""

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalediff.core.errors import PrerequisiteError
from scalediff.domains.math.grading.compare import compare
from scalediff.domains.math.grading.grader import MAX_CHARACTERS, Grader

EXACT = [
    # integers, decimals, fractions
    ("27", "27.0", "right"),
    ("204", "204.", "right"),
    ("042", "42", "right"),
    ("27", "28", "wrong"),
    ("-5", "−5", "right"),
    ("+5", "5", "right"),
    (r"\frac{1}{2}", "0.5", "right"),
    (r"\dfrac12", "1/2", "right"),
    (r"\frac{14}{3}", r"\frac{28}{6}", "right"),
    (r"-\frac{3}{4}", r"\frac{-3}{4}", "right"),
    (r"3\frac{1}{2}", "3.5", "right"),
    ("3 1/2", r"\frac{7}{2}", "right"),
    (r"\frac{1}{2}", r"\frac{1}{3}", "wrong"),
    (r"0.\overline{3}", r"\frac13", "right"),
    (r"2\frac{3}{2}", "3", None),
    (r"\mathbf{1 4 4 0}", "1440", "right"),
    (r"120 \cdot 12 = 1440", "1440", "right"),
    ("1+1=3", "3", None),
    # thousands
    ("1,234", "1234", "right"),
    ("1{,}234", "1234", "right"),
    (r"11,\!111,\!111,\!100", "11111111100", "right"),
    ("1 000 000", "1000000", "right"),
    (r"10\,080", "10080", "right"),
    ("1,234", "(1,234)", "wrong"),
    # powers, factorials
    ("2^{10}", "1024", "right"),
    ("2^10", "1024", "right"),
    (r"3 \times 10^{8}", "300000000", "right"),
    (r"1.2 \cdot 10^{-3}", "0.0012", "right"),
    ("5!", "120", "right"),
    (r"\binom{10}{3}", "120", "right"),
    (r"\sqrt{16}", "4", "right"),
    (r"10^{-20}", "10^{-30}", "wrong"),
    (r"\frac{1}{2004!}", r"\frac{1}{2006!}", "wrong"),
    ("5!!", "15", "right"),
    ("-2^2", "-4", "right"),
    # units, money, percent, degrees
    (r"18\text{ dollars}", "18", "right"),
    (r"\$18", "18", "right"),
    ("$18.90", "18.9", "right"),
    ("18 dollars per day", "18", "right"),
    ("12 clips", "12", "right"),
    (r"30^\circ", "30", "right"),
    (r"90^{\circ}", r"90\text{ degrees}", "right"),
    (r"25\%", "25", "right"),
    (r"25\%", "0.25", "right"),
    (r"25\%", "0.5", "wrong"),
    ("5 cm", "5 centimeters", "right"),
    ("5 cm", "5 m", "wrong"),
    ("5 cm", r"5\text{ meters}", "wrong"),
    ("500 cm", r"5\text{ meters}", "right"),
    ("5 apples", "5 pears", "undecided"),
    (r"6\text{ cm}^2", "6", "right"),
    ("2 million", "2000000", "right"),
    ("2 million", "2", "wrong"),
    ("5 x", "5", "wrong"),
    ("5xy", "5", "wrong"),
    ("4 or 5", "4", "wrong"),
    # names
    ("x = 5", "5", "right"),
    ("x=5", "x = 5.0", "right"),
    ("x=3", "y=3", "undecided"),
    ("x=3", "y=4", "wrong"),
    (r"\text{Area} = 12", "12", "right"),
    ("y = 2x + 3", "2x+3", "right"),
    # rounding is neither right nor wrong
    ("0.33", r"\frac{1}{3}", "undecided"),
    ("12.35", "12.345", "undecided"),
    ("3", "3.2", "wrong"),
    ("0.3", r"\frac{1}{3}", "wrong"),
    # tuples, sets, lists, intervals
    (r"\left( 3, \frac{1}{2} \right)", "(3,0.5)", "right"),
    ("(1,2)", "(2,1)", "wrong"),
    ("(1,2)", r"\{1,2\}", "undecided"),
    ("(1,2)", "[1,2]", "undecided"),
    ("(1,2)", "(1,2]", "wrong"),
    ("[0,1)", "[0, 1)", "right"),
    ("(1,2,3)", "(1,2)", "wrong"),
    ("(6,31,-1)", "6,31,-1", "right"),
    (r"\{1,2\}", r"\{2, 1\}", "right"),
    (r"\{1,2\}", "1, 2", "right"),
    ("1, 2 and 3", "3,2,1", "right"),
    ("1,2,3", "1,2,4", "wrong"),
    ("1,-2", r"1 \text{ and } -2", "right"),
    ("x=1 or x=2", "2, 1", "right"),
    (r"\pm 3", "3, -3", "right"),
    (r"\{5\}", "5", "right"),
    ("1,1,2", "1,2", "undecided"),
    ("(-\\infty, 2)\\cup(3,\\infty)", "(3,\\infty) \\cup (-\\infty,2)", "right"),
    # words and choices
    (r"\text{Evelyn}", "Evelyn", "right"),
    ("Yes", "yes.", "right"),
    ("yes", "no", "wrong"),
    ("(C)", "C", "right"),
    (r"\text{(B)}", r"\textbf{(B)}", "right"),
    ("A", "B", "wrong"),
    ("two", "2", "right"),
    ("Evelyn", "5", "wrong"),
    ("none", "0", "undecided"),
    ("a right triangle", "right triangle", "right"),
    ("right triangle", "triangle", "undecided"),
    # the same text needs no algebra, however hostile
    (r"5^{5^{5^{5^5}}}", r"5^{5^{5^{5^5}}}", "right"),
    (r"2\sqrt{3}", r"2\sqrt3", "right"),
    ("4210_5", "4210_{5}", "right"),
    (r"\frac{9}{\sqrt{23}}", r"\frac{9\sqrt{23}}{23}", "right"),
    # no division by zero, no unreasonable number, no deep recursion
    ("1/0", "1", None),
    ("(10^9)!", "3", "undecided"),
    ("9^{9^{9^9}}", "2", "undecided"),
    ("(" * 500 + "1" + ")" * 500, "1", None),
    ("2" + "^2" * 400, "2", None),
    ("", "5", "wrong"),
]

SYMBOLIC = [
    (r"2\sqrt{3}", r"\sqrt{12}", "right"),
    (r"\frac{9}{\sqrt{23}}", r"\frac{9\sqrt{23}}{23}", "right"),
    (r"\left(3,\frac{\pi}{2}\right)", r"(3, \pi/2)", "right"),
    (r"1\pm\sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}", "right"),
    ("x^2+2x+1", "(x+1)^2", "right"),
    ("p-q", "q-p", "wrong"),
    ("2n", "2", "wrong"),
    ("x^2", "x^3", "wrong"),
    ("3R^2", "3 R^{2}", "right"),
    ("R-r", "0", "wrong"),
    ("3+4i", "4i+3", "right"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}", "right"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}", "wrong"),
    ("2x-y+3=0", "y=2x+3", "right"),
    ("x>3", r"(3,\infty)", "right"),
    (r"\log_2 8", "3", "right"),
    # traps of rounding and of reading in part
    (r"\pi 10^{-20}", r"\pi 10^{-30}", "wrong"),
    (r"\frac{\pi}{2}", "1.5708", "undecided"),
    (r"e^{\pi\sqrt{163}}", "262537412640768744", "wrong"),
    ("2+", "2", "undecided"),
    (r"5 \pmod 7", "5", "undecided"),
    (r"(10^9)!", r"(10^9)!+1", "undecided"),
    (r"\cos(\pi n)", "(-1)^n", "right"),
    (r"k\pi", r"n\pi", "right"),
    (r"x\ge 3", r"(3,\infty)", "wrong"),
    # no mathematics at all
    (r"\undefined{\&}", r"\sqrt{2}", "undecided"),
    (r"__import__('os').system('exit')", r"\sqrt{2}", "undecided"),
]


@pytest.mark.parametrize(("a", "b", "value"), EXACT)
def test_exact_comparison_both_ways(a, b, value):
    for one, other in ((a, b), (b, a)):
        verdict = compare(one, other)
        assert (verdict.value if verdict else None) == value


@pytest.fixture(scope="module")
def symbolic_verdicts():
    async def grade():
        grader = Grader(seconds=60)
        try:
            pairs = [grader.grade_pair(a, b) for a, b, _ in SYMBOLIC]
            return await asyncio.gather(*pairs)
        finally:
            await grader.close()

    return asyncio.run(grade())


@pytest.mark.parametrize("i", range(len(SYMBOLIC)), ids=[f"{a} {b}" for a, b, _ in SYMBOLIC])
def test_symbolic_comparison(symbolic_verdicts, i):
    assert symbolic_verdicts[i].value == SYMBOLIC[i][2], symbolic_verdicts[i]


def test_a_pair_that_never_ends_is_undecided_and_delays_no_other():
    async def grade(seconds):
        grader = Grader(seconds=seconds, workers=1)
        hang = (r"x^{5^{5^{5^5}}}+y=1", r"x^{5^{5^{5^6}}}+y=2")
        try:
            verdicts = await asyncio.gather(
                grader.grade_pair(*hang),
                grader.grade_pair(*hang),
                *(
                    grader.grade_pair(
                        rf"\sum_{{k=0}}^{{\infty}}\frac{{1}}{{{n}^k}}", f"{n}/{n - 1}"
                    )
                    for n in (8, 9)
                ),
            )
            return verdicts, len(grader._known)
        finally:
            await grader.close()

    # the hanging pair needs more than any limit; what the others need depends on the machine's load
    for seconds in (1.0, 8.0, 60.0):
        verdicts, asked = asyncio.run(grade(seconds))
        assert [(v.value, v.rule) for v in verdicts[:2]] == [("undecided", "timeout")] * 2
        assert asked == 3, "equal pairs in flight are asked once"
        if not any(v.rule == "timeout" for v in verdicts[2:]):
            break
    assert [v.value for v in verdicts[2:]] == ["right", "right"]


def test_arithmetic_starts_no_process_and_a_grader_serves_several_event_loops():
    grader = Grader()
    for _ in range(2):
        assert asyncio.run(grader.grade_pair("0.5", r"\frac12")).value == "right"
    assert not grader.started
    asyncio.run(grader.close())
    asyncio.run(grader.close())


def test_processes_that_do_not_start_are_an_error_and_never_a_verdict(monkeypatch):
    from pebble import ProcessPool

    monkeypatch.setattr("scalediff.domains.math.grading.grader.start_worker", os._exit)
    started = []
    monkeypatch.setattr(
        "pebble.ProcessPool", lambda *a, **k: started.append(1) or ProcessPool(*a, **k)
    )
    grader = Grader(workers=1, memory_bytes=1)

    async def grade():
        try:
            return await grader.grade_pair(r"\sum_{k=0}^{\infty}\frac1{2^k}", "2")
        finally:
            await grader.close()

    with pytest.raises(PrerequisiteError, match="do not start"):
        asyncio.run(asyncio.wait_for(grade(), 280))
    assert len(started) > 1


def test_over_long_answers_are_undecided():
    long = "1+" * MAX_CHARACTERS
    assert asyncio.run(Grader().grade_pair(long, long)).rule == "too_long"


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_breaks_the_exact_rules_and_order_does_not_matter(a, b):
    one, other = compare(a, b), compare(b, a)
    assert (one and one.value) == (other and other.value)


@given(st.text(alphabet="0123456789,.-+/^{}()[]\\$% \\fracsqrtpmx=", max_size=40))
def test_an_answer_is_never_unequal_to_itself(answer):
    verdict = compare(answer, answer)
    assert verdict is None or verdict.value != "wrong"


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_fractions_are_exact(above, below):
    text = rf"\frac{{{above}}}{{{below}}}"
    assert compare(text, f"{above}/{below}").value == "right"
    assert compare(text, f"{above + 1}/{below}").value == "wrong"
