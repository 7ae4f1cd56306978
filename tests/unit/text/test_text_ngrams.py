from scalediff.text.ngrams import jaccard, masked, mathematics, ngrams, split_tokens, tokens


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
    assert masked(["add", "12", "x"]) == ["add", "#", "x"]
    assert jaccard({"a", "b"}, {"b", "c"}) == 1 / 3
    assert jaccard(set(), set()) == 1.0
