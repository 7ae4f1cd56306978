import pytest

from scalediff import forecast
from scalediff.core.errors import RecipeError
from scalediff.forecast import absurd, ask_if_absurd, pilot_overrides
from scalediff.recipe import build, find_recipe, load


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(forecast, "_has_gpu", lambda: False)


@pytest.mark.parametrize("name", ["nano", "quick"])
def test_shipped_recipes_for_a_processor_are_not_absurd(name):
    assert absurd(load(find_recipe(name)), "transformers") is None


def test_the_paper_s_recipe_on_a_processor_says_so_before_it_starts():
    told = absurd(load(find_recipe("paper")), "transformers")
    assert told is not None
    assert "days" in told
    assert "--pilot" in told
    assert absurd(load(find_recipe("paper")), "vllm") is None


def test_nobody_there_to_be_asked_is_an_error_with_the_mend():
    paper = load(find_recipe("paper"))
    with pytest.raises(RecipeError, match="--yes if that is meant"):
        ask_if_absurd(paper, lambda question: False)
    ask_if_absurd(paper, lambda question: True)


def test_a_server_is_never_absurd():
    def recipe(model):
        steps = {
            "sources": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}},
            "solve": {"stage": "solve", "inputs": ["sources"], "model": model},
        }
        return build({"name": "r", "steps": steps}, "r")

    assert absurd(recipe("org/model-8B"), "transformers") is not None
    assert absurd(recipe("http://h/v1#model-8B"), "transformers") is None


def test_a_pilot_limits_what_is_born():
    quick = load(find_recipe("quick"))
    assert pilot_overrides(quick, 50) == ["generate.n=50"]
    assert pilot_overrides(quick, 10_000) == ["generate.n=400"]
