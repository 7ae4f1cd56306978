import pytest

from scalediff.text.contamination import Benchmarks

EXAM = (
    "A spherical balloon with radius 6 inches is cut by a plane at distance 2 from its centre. "
    "The smaller piece is dipped in paint and rolled along a sheet of paper to the end. Let $m$ "
    "and $n$ be relatively prime positive integers such that the painted area is $m/n$. Find $m+n$."
)
SHORT = "How many positive integers less than 50 can be written as the sum of two cubes?"


def index_of(*texts, **settings):
    index = Benchmarks(**settings)
    for i, text in enumerate(texts, start=1):
        index.add(f"exam row {i}", text)
    return index


def test_equal_text_is_found_with_its_evidence():
    leak = index_of("Something else entirely.", EXAM).find(EXAM.lower().replace("$", ""))
    assert leak.name == "exam row 2"
    assert leak.share == 1.0
    assert "spherical balloon" in str(leak)


def test_a_problem_inside_a_longer_text_is_found():
    leak = index_of(EXAM).find("Consider the following old question. " + EXAM + " Show your work.")
    assert leak.n == 13
    assert leak.share == 1.0


def test_the_first_half_with_another_question_counts_by_its_share():
    half = EXAM[: EXAM.index("Let $m$")] + "How long does it take if the speed is constant and low?"
    assert 0.4 < index_of(EXAM, share=0.3).find(half).share < 0.6
    assert index_of(EXAM).find(half) is None


def test_short_problems_go_by_8_grams_and_tiny_ones_by_equality():
    index = index_of(SHORT, "Compute $5!+3$.")
    assert index.find("Quickly: " + SHORT + " Explain.").n == 8
    assert index.find("compute $5! + 3$").n == 0
    assert (
        index.find("First compute $5!+3$ and then double the result, if you can do that.") is None
    )


@pytest.mark.parametrize(("text", "old", "new"), [(EXAM, "6", "7"), (SHORT, "50", "80")])
def test_a_twin_with_other_numbers_is_no_leak(text, old, new):
    index = index_of(text)
    assert index.find("In short. " + text) is not None
    assert index.find("In short. " + text.replace(old, new)) is None


def test_an_instruction_that_many_share_counts_for_nothing():
    ask = "Express your final answer as a common fraction in lowest terms without any spaces inside"
    exams = [f"{ask}. {word} pieces." for word in ("red", "green", "blue", "black", "white")]
    row = f"A wholly different matter of boats and rivers. {ask}, please."
    assert index_of(*exams).find(row) is None
    assert index_of(*exams[:2]).find(row) is not None


def test_a_problem_listed_twice_is_one_problem():
    index = index_of(EXAM, EXAM, EXAM, EXAM, EXAM)
    assert len(index) == 1
    assert index.find("Now: " + EXAM).name == "exam row 1"


def test_empty_texts_match_nothing():
    index = index_of("", EXAM)
    assert len(index) == 1
    assert index.find("") is None
