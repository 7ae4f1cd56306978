import unicodedata
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from scalediff.core.keys import RowKeys, digest, problem_id, sample_seed
from scalediff.core.records import merge


@given(st.text(), st.sampled_from([" ", "\n", "\t  ", "\u00a0"]))
def test_problem_id_ignores_the_amount_of_whitespace(text, space):
    words = text.split()
    assert problem_id(space.join(words)) == problem_id(" ".join(words))


@given(st.text())
def test_problem_id_is_the_same_for_composed_and_decomposed_text(text):
    assert problem_id(unicodedata.normalize("NFD", text)) == problem_id(text)


@given(st.lists(st.sampled_from(["a", "b", "c"])))
def test_row_keys_are_unique_and_do_not_depend_on_other_texts(texts):
    keys = RowKeys()
    made = [keys.next(text) for text in texts]
    assert len(set(made)) == len(made)
    alone = RowKeys()
    of_a = [key for key, text in zip(made, texts, strict=True) if text == "a"]
    assert of_a == [alone.next("a") for _ in of_a]


def test_sample_seeds_are_53_bits_and_tell_everything_apart():
    seeds = {
        sample_seed(s, role, key, i)
        for s in (1, 2)
        for role in ("teacher", "student")
        for key in ("a", "b")
        for i in (0, 1)
    }
    assert len(seeds) == 16
    assert all(0 <= seed < 2**53 for seed in seeds)


def test_sample_seed_never_changes():
    assert sample_seed(1, "teacher", "key", 0) == 3901063298511788


def test_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest("a", "b") != digest("ab")


def test_merge_patches_attempts_by_role_and_index():
    row = {
        "key": "k",
        "attempts": [
            {"role": "teacher", "sample_index": 0, "answer": "4"},
            {"role": "student", "sample_index": 0, "answer": "5"},
        ],
    }
    patch = {
        "attempts": [
            {"role": "student", "sample_index": 0, "verdict": "wrong"},
            {"role": "teacher", "sample_index": 1, "answer": "6"},
        ],
        "pass_rate": 0.0,
    }
    merged = merge(row, patch)
    assert [a.get("answer") for a in merged["attempts"]] == ["4", "5", "6"]
    assert merged["attempts"][1]["verdict"] == "wrong"
    assert merged["pass_rate"] == 0.0
    assert "verdict" not in row["attempts"][1]


def test_row_keys_of_many_rows_are_those_of_a_plain_count():
    keys, seen = RowKeys(), Counter()
    for i in range(20_000):
        text = f"problem {i * i % 15_013}"
        key = problem_id(text)[:32]
        assert keys.next(text) == (f"{key}-{seen[key]}" if seen[key] else key)
        seen[key] += 1
    assert keys._seen._table.itemsize * len(keys._seen._table) < 30 * len(seen)
