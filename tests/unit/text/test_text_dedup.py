import random

import pytest

from scalediff.text.dedup import NearDuplicates, num_bands
from scalediff.text.ngrams import jaccard, ngrams, tokens

TALE = (
    "A farmer keeps geese and rabbits in one yard behind the barn. Together the animals have "
    "35 heads and 94 feet. How many of the animals in the yard are rabbits, and how many geese?"
)
RECURRENCE = "Let $a_1={}$ and $a_{{n+1}} \\equiv {}a_n+{} \\pmod{{{}}}$. Find $a_{}$."


def index_of(*texts, **settings):
    index = NearDuplicates(**settings)
    for i, text in enumerate(texts):
        index.add(f"t{i}", index.prepare(text))
    return index


def find(index, text):
    return index.find(index.prepare(text))


def test_the_same_text_otherwise_typed_is_exact():
    match = find(index_of("Other.", TALE), "Problem 7. " + TALE.replace(" ", "  "))
    assert (match.key, match.exact) == ("t1", True)
    assert "A farmer keeps" in str(match)


def test_one_other_word_is_a_near_duplicate():
    other = TALE.replace("farmer", "peasant")
    match = find(index_of(TALE), other)
    true = jaccard(ngrams(tokens(TALE), 3), ngrams(tokens(other), 3))
    assert not match.exact
    assert match.similarity == pytest.approx(true)
    assert find(index_of(TALE, jaccard=0.97), other) is None


def test_other_numbers_or_signs_are_another_problem():
    assert find(index_of(TALE), TALE.replace("94", "92")) is None
    long = TALE * 5 + " Compute $x+3$."
    assert find(index_of(long), long.replace("+", "-")) is None


def test_twins_count_only_where_asked_for():
    twin = TALE.replace("94", "92")
    assert find(index_of(TALE, twin_jaccard=0.8), twin).key == "t0"
    assert find(index_of(TALE, twin_jaccard=0.99), twin) is None


def test_problems_that_differ_in_numbers_alone_all_stay():
    rng = random.Random(3)
    texts = {
        RECURRENCE.format(*(rng.randint(1, 9) for _ in range(3)), rng.randint(5, 99), 5 + i % 5)
        for i in range(1500)
    }
    index = NearDuplicates()
    for text in sorted(texts):
        assert find(index, text) is None
        index.add(text, index.prepare(text))
    assert len(index) == len(texts)


def test_short_texts_are_duplicates_by_equality_alone():
    index = index_of("Find the sum of $x$ and $y$.")
    assert find(index, "find the sum of $x$ and $y$") is not None
    assert find(index, "Find the sum of $x$ and $z$.") is None


def test_no_pair_over_the_threshold_is_missed_and_none_under_it_invented():
    rng = random.Random(5)
    words = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(20)]
    base = [rng.choices(words, k=60) for _ in range(60)]
    index = index_of(*(" ".join(b) for b in base))
    found = over = 0
    for b in base:
        for changes in (1, 2, 3, 5, 8):
            changed = list(b)
            for at in rng.sample(range(60), changes):
                changed[at] = rng.choice(words)
            similar = max(jaccard(ngrams(changed, 3), ngrams(c, 3)) for c in base)
            match = find(index, " ".join(changed))
            over += similar >= 0.8
            found += match is not None
            assert (match is None) == (similar < 0.8)
    assert found == over > 50


def test_the_most_similar_text_is_the_evidence():
    near = TALE.replace("farmer", "peasant").replace("yard behind", "field behind")
    nearer = TALE.replace("farmer", "peasant")
    match = find(index_of(near, nearer, jaccard=0.6), TALE)
    assert match.key == "t1"


def test_bands_grow_as_the_threshold_falls():
    bands = [num_bands(t) for t in (1.0, 0.9, 0.8, 0.5, 0.2, 0.01)]
    assert bands == sorted(bands)
    assert bands[-1] == 128
    for threshold in (0.5, 0.8, 0.9):
        rows = 128 // num_bands(threshold)
        assert (1 - threshold**rows) ** num_bands(threshold) < 1e-3


def test_empty_text():
    assert find(index_of(""), "  ").exact
    assert find(index_of(TALE), "") is None


@pytest.mark.parametrize(
    "text", [TALE, "Find $x$ where $x+1=3$.", "Find the sum of $2$ and $\\sqrt{3}$."]
)
@pytest.mark.parametrize(
    "typed",
    [
        str.upper,
        str.title,
        lambda text: text.replace(" ", "&nbsp;"),
        lambda text: "\u200d".join(text),
        lambda text: text.replace("e", "е").replace("o", "о"),
        lambda text: f"<p><b>{text}</b></p>",
    ],
)
def test_the_same_text_in_other_letters_is_exact(typed, text):
    match = find(index_of("Other.", text), typed(text))
    assert (match.key, match.exact) == ("t1", True)
    assert find(index_of("Other.", typed(text)), text).exact


TRIANGLE = (
    "In a triangle with angles $A$, $B$, $C$ and sides $a$, $b$, $c$ opposite to these, $a=3$, and"
    " $b=4$ and $C=60^\\circ$. Find ${}$."
)


def test_what_texts_tell_apart_by_capitals_stays_apart():
    side, angle = TRIANGLE.format("c"), TRIANGLE.format("C")
    assert find(index_of(side), angle) is None
    assert find(index_of(side, angle), angle).key == "t1"
    assert find(index_of(side), side.upper()) is not None, "capitals that tell nothing"
    assert find(index_of(side.upper()), angle) is not None
    short = "Find $X$ if $X=2x$ and $x=3$."
    assert find(index_of(short), "Find $x$ if $X=2x$ and $x=3$.") is None
    assert find(index_of("A dog has a bone."), "a dog has a bone").exact, "an article is no name"
