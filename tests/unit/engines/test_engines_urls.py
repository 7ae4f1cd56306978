import pytest

from scalediff.core.errors import RecipeError
from scalediff.engines.urls import join_urls, read_urls
from scalediff.model_names import resolve
from scalediff.recipe import build


def test_several_urls_are_one_model():
    spec = resolve("http://a:8000/v1, https://b/v1#Qwen/Qwen3-8B")
    assert spec.location == "http://a:8000/v1 https://b/v1"
    assert (spec.served, spec.fingerprint) == ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B")


def test_each_url_may_carry_the_name():
    spec = read_urls("http://a/v1#org/m,http://b/v1#org/m, http://c/v1#org/m")
    assert (spec.location, spec.served) == ("http://a/v1 http://b/v1 http://c/v1", "org/m")
    with pytest.raises(RecipeError, match="one model"):
        read_urls("http://a/v1#m,http://b/v1#n")


@pytest.mark.parametrize(
    ("named", "served", "fingerprint"),
    [
        ("m@v2", "m", "m@v2"),
        ("@cf/meta/llama", "@cf/meta/llama", "@cf/meta/llama"),
        ("org/m@2025-05", "org/m", "org/m@2025-05"),
        ("m#1", "m#1", "m#1"),
    ],
)
def test_a_revision_is_part_of_what_a_model_is_and_not_of_its_name(named, served, fingerprint):
    spec = read_urls(f"http://a/v1#{named}")
    assert (spec.served, spec.fingerprint) == (served, fingerprint)


@pytest.mark.parametrize(
    "name", ["http://a/v1", "http://#m", "http://a:port/v1#m", "http://a/v1,b/v1#m", "http:///v1#m"]
)
def test_what_is_no_url_or_names_no_model_is_one_sentence(name):
    with pytest.raises(RecipeError, match=r"add it as|is no URL"):
        read_urls(name)


def test_credentials_are_kept_for_the_request_and_shown_nowhere():
    spec = read_urls("http://me:secret@a/v1?api-key=hush#m")
    assert "secret" in spec.location
    assert spec.name == "http://***@a/v1?api-key=***#m"
    with pytest.raises(RecipeError) as error:
        read_urls("http://me:secret@a/v1")
    assert "secret" not in str(error.value)


def test_a_role_may_list_the_urls_of_its_servers():
    assert join_urls(["http://a/v1", "http://b/v1#m"]) == "http://a/v1,http://b/v1#m"
    for wrong in (["http://a/v1#m", "http://b/v1#n"], ["folder", "http://b/v1#n"], []):
        with pytest.raises(RecipeError):
            join_urls(wrong)
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}},
        "solve": {"stage": "solve", "inputs": ["sources"], "model": "teacher"},
    }
    models = {"teacher": ["http://a/v1#m", "http://b/v1#m"]}
    recipe = build({"name": "r", "models": models, "steps": steps}, "r.yaml")
    assert recipe.nodes["solve"].model == "http://a/v1,http://b/v1#m"
