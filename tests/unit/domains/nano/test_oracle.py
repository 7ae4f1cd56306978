import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalediff.domains.nano import world
from scalediff.domains.nano.oracle import read

PROBLEMS = world.make_problems(10_000, seed=2025)
some_problem = st.sampled_from(PROBLEMS)


def test_the_oracle_agrees_with_the_world_on_10_000_problems():
    for problem in PROBLEMS:
        reading = read(problem.problem)
        assert (reading.answer, reading.family, reading.level, reading.reason) == (
            problem.answer,
            problem.family,
            problem.level,
            None,
        ), problem


@given(some_problem, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_whitespace_does_not_matter(problem, rng):
    spaced = re.sub(" ", lambda _: rng.choice([" ", "  ", "\n", " \t"]), problem.problem)
    assert read(f"\n {spaced} ") == read(problem.problem)


@given(some_problem, st.data())
@settings(max_examples=500)
def test_a_problem_that_breaks_off_is_refused(problem, data):
    cut = data.draw(st.integers(0, len(problem.problem) - 1))
    reading = read(problem.problem[:cut])
    assert reading.answer is None
    assert reading.reason in ("unfinished", "not_understood")
    if cut > 25:
        assert (reading.reason, reading.family) == ("unfinished", problem.family)


@given(some_problem, st.data())
@settings(max_examples=500)
def test_one_wrong_letter_is_refused(problem, data):
    letters = [m.start() for m in re.finditer("[A-Za-z]", problem.problem)]
    at = data.draw(st.sampled_from(letters))
    text = problem.problem
    assert read(f"{text[:at]}#{text[at + 1 :]}").answer is None


@given(some_problem, st.data())
@settings(max_examples=300)
def test_a_missing_word_is_refused(problem, data):
    words = problem.problem.split(" ")
    named = [i for i, w in enumerate(words) if re.fullmatch("[A-Za-z]+", w)]
    at = data.draw(st.sampled_from(named))
    assert read(" ".join(words[:at] + words[at + 1 :])).answer is None


def test_numbered_steps_out_of_order_are_refused():
    rng = random.Random(0)
    for _ in range(100):
        text = world.make_problem(rng, 4, rng.choice(["chain", "secret"])).problem
        assert read(text.replace("(3)", "(4)")).reason == "not_understood"
        assert read(text.replace("(2)", "(1)")).reason == "not_understood"


def test_two_problems_in_one_are_refused():
    for first, second in zip(PROBLEMS[:200], PROBLEMS[200:400], strict=True):
        assert read(f"{first.problem} {second.problem}").answer is None


@given(st.text())
def test_any_text_gets_a_reading(text):
    assert read(text).answer is None


SECRET = (
    "I think of a number $x$ from $0$ to $9$. Modulo $10$, I do this: {}. I get ${}$. What is $x$?"
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SECRET.format("(1) multiply by $4$", 4), "ill_posed"),
        (SECRET.format("(1) multiply by $4$", 3), "contradictory"),
        (SECRET.format("(1) add $4$", 12), "contradictory"),
        ("Work modulo $10$. Let $a=3+4$, $b=a-c$. Find $b$.", "ill_posed"),
        ("Work modulo $10$. Let $a=3+4$. Find $b$.", "ill_posed"),
        ("Work modulo $10$. Let $a=3+4$, $a=5+1$. Find $a$.", "contradictory"),
        ("Work modulo $10$. Let $a=b+1$, $b=a+1$. Find $a$.", "contradictory"),
        ("Work modulo $10$. Let $a=3+4$, $b=a+1$.", "unfinished"),
        (r"Let $a_3=1$ and $a_{n+1}=(2a_n+5) \bmod 7$. Find $a_2$.", "ill_posed"),
        (r"Let $a_1=1$ and $a_{n+1}=(2a_n+5) \bmod 0$. Find $a_2$.", "contradictory"),
        ("Start with $3$ and work modulo $0$: (1) add $1$. What is the result?", "contradictory"),
        ("What is the capital of France?", "not_understood"),
        ("", "not_understood"),
    ],
)
def test_why_a_problem_has_no_answer(text, reason):
    reading = read(text)
    assert (reading.answer, reading.level, reading.reason) == (None, None, reason)


@pytest.mark.parametrize(
    ("text", "answer", "level"),
    [
        ("Start with $123$ and work modulo $97$: (1) multiply by $45$. What is the result?", 6, 1),
        (r"Let $a_1=3$ and $a_{n+1}=(a_n+12) \bmod 100$. Find $a_{20}$.", 31, 20),
        (r"Let $a_1=13$ and $a_{n+1}=(4a_n-5) \bmod 10$. Find $a_1$.", 13, 1),
        (r"Work modulo $11$. Let $a=3+4\cdot 2$, $b=a\cdot a-1$, $c=b+9$. Find $b$.", 10, 2),
        (r"Modulo $10$, suppose that $b=a\cdot 3$, $a=4$. What is $b$?", 2, 2),
        (SECRET.format("(1) multiply by $2$, (2) multiply by $0$, (3) add $1$", 2), None, None),
        (SECRET.replace("$10$", "$13$").format("(1) multiply by $4$", 10), 9, 1),
    ],
)
def test_problems_beyond_the_worlds_own_ranges(text, answer, level):
    reading = read(text)
    assert reading.answer == (None if answer is None else str(answer))
    assert reading.level == level


def test_a_long_problem_is_read_quickly():
    steps = ", ".join(f"({i}) multiply by $7$" for i in range(1, 2001))
    text = f"Start with $3$ and work modulo $1000$: {steps}. What is the result?"
    assert read(text).answer == str(3 * 7**2000 % 1000)
    assert read(text[:-2]).reason == "unfinished"
