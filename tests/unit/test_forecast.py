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


def small(paths, n=None, model="org/model-8B", **settings):
    limit = {} if n is None else {"n": n}
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": paths, **limit}},
        "solve": {"stage": "solve", "inputs": ["sources"], "model": model, "settings": settings},
    }
    return build({"name": "r", "steps": steps}, "r")


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f'{{"problem": "What is {i}+1?"}}\n' for i in range(1000)))
    return str(path)


def test_a_pilot_of_sources_takes_no_more_than_there_were_to_be(rows):
    assert pilot_overrides(small([rows]), 50) == ["sources.n=50"]
    assert pilot_overrides(small([rows], n=30), 50) == ["sources.n=30"]
    assert pilot_overrides(small([rows], n=70), 50) == ["sources.n=50"]


@pytest.mark.parametrize(
    ("cores", "settings", "took"),
    [
        # 1000 rows, 2 samples of 300 tokens each of 8e9 parameters, and prompts of 150 tokens:
        # 600,000 * 8e9 / 4e10 + 300,000 * 8e9 / 6e11 seconds on two cores
        (2, {"k": 2, "max_new_tokens": 1000}, "34 hours"),
        (4, {"k": 4, "max_new_tokens": 1000}, "34 hours"),
        (2, {"k": 8, "max_new_tokens": 1000}, "6 days"),
        (2, {"k": 1, "max_new_tokens": 1000}, None),  # 17 hours
    ],
)
def test_the_hours_of_this_processor(rows, monkeypatch, cores, settings, took):
    monkeypatch.setattr(forecast.os, "cpu_count", lambda: cores)
    said = absurd(small([rows], **settings), "transformers")
    if took is None:
        assert said is None
    else:
        assert f"would take about {took}, most of it in step solve (100 %)" in said


def test_the_step_that_takes_most_is_named_with_its_share(rows, monkeypatch):
    monkeypatch.setattr(forecast.os, "cpu_count", lambda: 2)
    recipe = {
        "name": "r",
        "steps": {
            "sources": {"stage": "sources", "settings": {"paths": [rows]}},
            "first": {"stage": "solve", "inputs": ["sources"], "model": "org/model-8B",
                      "settings": {"k": 1, "max_new_tokens": 1000}},
            "second": {"stage": "solve", "inputs": ["first"], "model": "org/model-8B",
                       "settings": {"k": 3, "max_new_tokens": 1000}},
        },
    }  # fmt: skip
    said = absurd(build(recipe, "r"), "transformers")
    assert "69 hours" not in said  # more than two days are days
    assert "about 3 days, most of it in step second (75 %)" in said


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("org/model-8B", 8e9), ("org/model-1.5b-base", 1.5e9), ("org/m-135M", 135e6),
     ("org/8bits", None), ("org/v2-7B", 7e9), ("@student", None),
     (None, None), ("http://h/v1#m-8B", None)],
)  # fmt: skip
def test_parameters_by_the_name(name, parameters):
    assert forecast._parameters(name) == parameters
