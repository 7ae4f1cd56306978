import json
from pathlib import Path

import pytest

from scalediff.text.language import check_languages, foreign

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.parametrize(
    ("text", "allowed", "evidence"),
    [
        ("How many primes are there below one hundred?", ["en"], ""),
        ("求所有满足条件的正整数的和，并说明理由，其中每个数都小于一百。", ["en"], "Han"),
        ("求所有满足条件的正整数的和，并说明理由，其中每个数都小于一百。", ["en", "zh"], ""),
        ("Найдите сумму всех простых чисел, меньших ста, и докажите.", ["en"], "Cyrillic"),
        ("Wie viele Primzahlen sind in der Liste, und wie groß ist die Summe?", ["en"], "de"),
        ("Cuántos números primos hay en la lista de los enteros que son menores?", ["en"], "es"),
        ("Find the sum of the numbers in the list.", ["zh"], "none of its letters"),
        (
            r"Let $\alpha$, $\beta$ and $\gamma$ be the angles. Find $\alpha+\beta+\gamma$.",
            ["en"],
            "",
        ),
        ("$x^2+1=0$", ["en"], ""),
        ("", ["en"], ""),
    ],
)
def test_languages(text, allowed, evidence):
    found = foreign(text, allowed)
    assert (evidence in found) if evidence else (found == "")


def test_an_unknown_language_is_named():
    with pytest.raises(ValueError, match="did you mean en"):
        check_languages(["eng"])


def test_real_problems_are_english():
    path = DATA / "gsm8k_train.jsonl"
    if not path.exists():
        pytest.skip("the problem files are not beside the checkout")
    lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    assert [r["problem"] for r in lines if foreign(r["problem"], ["en"])] == []
