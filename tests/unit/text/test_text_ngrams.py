import pytest

from scalediff.text.ngrams import (
    cased_tokens,
    jaccard,
    masked,
    mathematics,
    ngrams,
    proper_names,
    renamed,
    split_tokens,
    tokens,
)


def test_spacing_changes_no_token():
    assert tokens("$a_{n+1}=4a_n+5$") == tokens(r"a_{n + 1} = 4 \, a_n + 5")


def test_a_digit_changes_one_token():
    one, other = tokens("Add 12 to 345."), tokens("Add 13 to 345.")
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, False, True, True]


def test_tokens_of_each_kind():
    found = split_tokens("six-digit \\frac{3}{x} isn't 求值")
    assert found == ["six-digit", "\\frac", "{", "3", "}", "{", "x", "}", "isn't", "求", "值"]


def test_thousands_are_one_number():
    assert tokens("pay $1,250") == tokens("pay 1250")


def test_mathematics_ignores_words_and_names_but_no_sign():
    one = mathematics(tokens("Let $x+3=5$. Find $x$."))
    assert one == mathematics(tokens("Suppose that $y+3=5$. Determine $y$."))
    assert one != mathematics(tokens("Let $x-3=5$. Find $x$."))
    assert one != mathematics(tokens("Let $x+5=3$. Find $x$."))
    assert mathematics(tokens("add three odd numbers")) == ("add", "three", "odd")
    assert mathematics(tokens(r"\sin x")) != mathematics(tokens(r"\cos x"))


def test_ngrams_of_short_and_empty_texts():
    assert ngrams([], 3) == set()
    assert ngrams(["a"], 3) == {"a"}
    assert ngrams(["a", "b", "c", "d"], 3) == {"a b c", "b c d"}


def test_masking_and_jaccard():
    assert masked(["Add", "12", "x"]) == ["add", "#", "@"]
    assert jaccard({"a", "b"}, {"b", "c"}) == 1 / 3
    assert jaccard(set(), set()) == 1.0


def test_names_are_masked_and_words_are_not():
    found = masked(
        cased_tokens(r"In triangle $ABC$ of 12 cm let $xy = \theta + \pi$, so find $AB$.")
    )
    told = "in triangle @ of # cm let @ = @ + \\pi , so find @"
    assert " ".join(found) == told
    assert masked(["THE", "SUM", "OF", "ABC"]) == ["the", "sum", "of", "abc"], (
        "capitals say nothing"
    )
    assert masked(["求", "值"]) == ["求", "值"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Let $x+y=3$. Find $x$.", "Let $t+s=3$. Find $t$.", True),
        ("Let $x+y=3$. Find $x$.", "Let $t+s=3$. Find $s$.", False),
        ("Let $x+y=3$. Find $x$.", "Let $t+t=3$. Find $t$.", False),
        ("Let $x+y=3$. Find $x$.", "Let $t+s=4$. Find $t$.", False),
        ("In $ABC$ let $AB=3$, $AC=4$.", "In $PQR$ let $PQ=3$, $PR=4$.", True),
        (r"Let $f(x)=\sin x$.", r"Let $g(\theta)=\sin\theta$.", True),
        ("So Ann has 3 of Bob's cats.", "So Eve has 3 of Tim's cats.", True),
        ("So Ann has 3 of Ann's cats.", "So Eve has 3 of Tim's cats.", False),
    ],
)
def test_renaming_throughout_changes_nothing(one, other, same):
    assert (renamed(cased_tokens(one)) == renamed(cased_tokens(other))) is same


def test_proper_names_are_capitals_within_a_sentence():
    assert proper_names(cased_tokens("Then Ann ran. Now Bob's cat sat.")) == {"Ann", "Bob"}
    assert proper_names(cased_tokens("Find The Sum Of All Roots")) == set(), "title case"
