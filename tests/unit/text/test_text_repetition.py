import random
import time

import pytest

from scalediff.text.repetition import loop

LINE = "Wait, let me check that again. "
OPENING = "We look for all integers whose square ends in the digit six. "


def arithmetic(num_steps: int) -> str:
    rng = random.Random(1)
    value, lines = 7, []
    for step in range(num_steps):
        by = rng.randrange(2, 99)
        product = value * by
        lines.append(f"Step {step}: {value} times {by} is {product}, modulo 97: {product % 97}.")
        value = product % 97
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        OPENING,
        arithmetic(3000),
        OPENING + LINE * 3,
        "1 + " * 200 + "1 = 201",
        "\\begin{pmatrix}" + "0 & 0 & 0 & 0 \\\\ " * 20 + "\\end{pmatrix}",
        "| x | y |\n" + "| --- | --- |\n" * 20,
        "1/7 = 0." + "142857" * 40,
        " ".join(
            f"Next, I test the prime {n}: it does not divide the number, so I move on."
            for n in range(20)
        ),
        "The parities are " + "odd, odd, even, " * 25,
        " ".join(f"For n={n} the remainder of {n * n} is {n * n % 13}, no." for n in range(300)),
    ],
)
def test_healthy_texts_are_no_loops(text):
    assert loop(text) is None


def test_a_run_is_told_with_its_count_and_words():
    evidence = loop(OPENING + LINE * 40)
    assert "40 times in a row" in evidence
    assert "let me check" in evidence


@pytest.mark.parametrize(
    "text",
    [
        (OPENING * 3 + LINE) * 6,
        OPENING + "ha" * 2000,
        "So 0, " + "0, " * 600,
        "求值" * 600,
        "a\n" * 1500,
        "x" * 100_000,
        r"$$x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a} = \frac{3 \pm \sqrt{17}}{4}$$" * 12,
        OPENING
        + "".join(
            "Hmm, wait, that is not right, so let me try once more from the beginning and be "
            f"careful with the signs this time, since attempt {n} failed. "
            for n in range(30)
        ),
    ],
)
def test_loops_of_other_shapes(text):
    assert loop(text) is not None


def test_a_loop_in_the_middle_is_found():
    assert loop(arithmetic(200) + LINE * 30 + arithmetic(200)) is not None


def test_a_loop_that_changes_a_word_each_time_is_stale():
    rng = random.Random(2)
    names = ["first", "second", "third", "last", "other", "former", "latter"]
    text = "".join(
        f"Hmm, the {rng.choice(names)} case is strange, so I should go back to the start and read "
        "the statement once more, slowly and with care, in order to see what it is that I have "
        "overlooked so far in all of this. "
        for _ in range(60)
    )
    assert "20-grams" in loop(text)


def test_thresholds_are_arguments():
    text = OPENING + LINE * 10
    assert loop(text) is None
    assert loop(text, min_run=60) is not None
    assert loop(text, min_run=60, min_repeats=20) is None


def test_time_is_linear():
    texts = [arithmetic(3000), "ab " * 60_000, "abc" * 60_000, "0 1 " * 40_000]
    start = time.process_time()
    for text in texts:
        assert len(text) > 100_000
        loop(text)
    assert time.process_time() - start < 20  # in proportion to the square it were hours
