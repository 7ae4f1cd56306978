"""`finish` goes on with the credentials of the recipe as given: the run keeps none."""

import yaml

from scalediff.core.secrets import mask
from scalediff.io.run import Run
from scalediff.line import _keep_recipe, _with_credentials
from scalediff.recipe import load, load_resolved

RECIPE = """
name: x
models: {teacher: "http://me:secret-word@127.0.0.1:9/v1#m"}
prices: {teacher: {sampled: 1}}
steps:
  a: {stage: sources, settings: {paths: [in.jsonl]}}
  b: {stage: solve, inputs: [a], model: teacher}
"""


def test_the_real_credentials_are_those_of_the_recipe_as_given(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE)
    recipe = load(path, ["b.k=2"])
    run = Run(tmp_path / "run")
    _keep_recipe(run, recipe, [str(path), "--set b.k=2"])
    kept = (run.path / "recipe.yaml").read_text()
    assert "secret-word" not in kept + (run.path / "manifest.json").read_text()
    stored = load_resolved(run.path / "recipe.yaml", {})
    assert stored.nodes["b"].model == mask(recipe.nodes["b"].model)
    whole = _with_credentials(stored, run)
    assert whole.nodes["b"].model == recipe.nodes["b"].model
    assert whole.price(whole.nodes["b"]) == recipe.price(recipe.nodes["b"])
    assert yaml.safe_load(kept)["models"]["teacher"].startswith("http://***@")
    path.unlink()  # without it there is nothing to go by, and the engine says so
    assert _with_credentials(stored, run).nodes["b"].model == stored.nodes["b"].model
    run.close()
