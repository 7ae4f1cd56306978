import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalediff.text.normalise import normalise, numbers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find  $x$.\n", "find x"),
        (r"Find \(x\).", r"Find $x$"),
        (r"$\left(a\right)$", "( a )"),
        (r"$\dfrac{1}{2}$", r"$\frac{1}{2}$"),
        (r"if $x \leq 3$", "if x ≤ 3"),
        ("Problem 12. Find x", "Find x"),
        ("Question 3: Find x", "find x"),
        ("(10 points) Find x", "find x"),
        ("4) Find x", "Find x"),
        ("1\\,000 coins", "1000 coins"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_same_text_has_one_form(one, other):
    assert normalise(one).replace(" ", "") == normalise(other).replace(" ", "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Find $X$ in terms of $x$", "Find $x$ in terms of $X$"),
        (r"$\Delta$", r"$\delta$"),
        ("Find 5!", "Find 5"),
        ("Add 1. 5 apples", "Add 1.5 apples"),
        (r"$a \leftarrow b$", "$a b$"),
        ("3.5 is a number", "5 is a number"),
        ("Triangle ABC", "Triangle abc"),
    ],
)
def test_what_changes_the_answer_stays(one, other):
    assert normalise(one) != normalise(other)


@given(st.text(alphabet="aAbB \\${},.!?:;()[]leftright0123456789\n×é\u0301", max_size=60))
def test_normalising_twice_is_normalising_once(text):
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(max_size=40))
def test_any_text_can_be_normalised(text):
    assert "\n" not in normalise(text)


def test_lone_surrogates_do_no_harm():
    normalise("\ud800 Find x").encode("utf-8")


def test_numbers_and_their_mask():
    assert numbers(r"$a_1=3$, $1,250.5$") == ("1", "3", "1250.5")
    assert mask_numbers("$a_1=3$") == mask_numbers("$a_2=45$") != mask_numbers("$b_1=3$")
