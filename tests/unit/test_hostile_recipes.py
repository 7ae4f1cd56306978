"""Recipes that mean harm, or are broken in ways that a reader may trip over: one sentence each."""

import os
import resource
import time

import pytest

from scalediff.core.errors import RecipeError
from scalediff.io import plain_yaml
from scalediff.io.plain_yaml import BadYamlError, load_yaml
from scalediff.recipe import build, load

LINE = "line: {}\n"


def doubled(first: str, next_: str, levels: int) -> str:
    """Each level names the one before it ten times."""
    text = f"a0: &a0 {first}\n"
    for i in range(1, levels):
        aliases = ",".join([f"*a{i - 1}"] * 10)
        text += f"a{i}: &a{i} {next_.replace('@', aliases)}\n"
    return text + LINE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (doubled("[x,x]", "[@]", 10), "aliases"),
        (doubled("{a: x}", "{b: [@]}", 10), "aliases"),
        ("steps: &a [*a]", "within what it names"),
        ("steps: &a {b: {c: *a}}", "within what it names"),
        ("steps: " + "[" * 5000 + "]" * 5000, "nest"),
        ("steps: " + "{a: " * 100 + "1" + "}" * 100, "nested"),
        ('name: "a\\0b"', "null byte"),
        ('"a\\0b": 1', "null byte"),
        ('models: {teacher: "/x\\0y"}', "null byte"),
        ("seed: " + "9" * 10_000, "cannot be read"),
        ("name: 2001-13-45", "cannot be read"),
        ("name: !!python/object/apply:os.system [echo]", "constructor"),
        ("? [a]\n: b", "line 1"),
        ("a: 'x", "line"),
    ],
)
def test_yaml_that_stands_for_too_much_or_is_none_is_said(text, told):
    began = time.monotonic()
    with pytest.raises(BadYamlError, match=told):
        load_yaml(text)
    assert time.monotonic() - began < 5


def test_merged_mappings_do_not_grow_without_end(monkeypatch):
    # PyYAML keeps each key once since 6.0.2; an older one does not
    def flatten(self, node):
        for key, value in list(node.value):
            if key.tag.endswith("merge"):
                node.value = [p for part in value.value for p in self._flat(part)] + node.value[1:]

    monkeypatch.setattr(plain_yaml._Loader.__mro__[1], "flatten_mapping", flatten)
    monkeypatch.setattr(
        plain_yaml._Loader,
        "_flat",
        lambda self, node: (self.flatten_mapping(node), node.value)[1],
        raising=False,
    )
    with pytest.raises(BadYamlError, match="aliases expand"):
        load_yaml(doubled("{a: x, b: y}", "{<<: [@]}", 9))


def test_what_people_write_is_read_as_before():
    text = "a: &x {k: [1, 2.5, true, null, text]}\nb: *x\nc: {<<: *x, d: 2024-01-02}\n"
    read = load_yaml(text)
    assert read["a"] == read["b"]
    assert read["a"] is not read["b"]  # `--set` means one place
    assert read["c"]["k"] == [1, 2.5, True, None, "text"]


def test_a_recipe_over_the_limit_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "huge.yaml"
    with open(path, "wb") as file:
        file.truncate(2**33)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RecipeError, match="over 4 MB"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("base", ["/dev/zero", "pipe"])
def test_a_base_is_a_regular_file(tmp_path, base):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "r.yaml").write_text(f"base: {base}\n{LINE}")
    with pytest.raises(RecipeError, match="no regular file"):
        load(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    "name",
    ["/abs", "..", "../x", "a/../../x", ".", "", " ", "a//b", "./a", "a\nb", "x" * 101, "a/"],
)
def test_a_run_s_name_stays_below_runs(name):
    with pytest.raises(RecipeError, match="name"):
        build({"name": name, "line": {}}, "r.yaml")


@pytest.mark.parametrize("name", ["nano", "train generator", "lab/first", "öl", "v1.2", "..x"])
def test_other_names_are_as_free_as_before(name):
    steps = {"g": {"stage": "generate", "model": "fake:generator", "settings": {"n": 1}}}
    assert build({"name": name, "steps": steps}, "r.yaml").file.name == name


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "..", "a\x07", "s" * 101, " "])
def test_a_step_s_name_is_that_of_a_folder(name):
    steps = {name: {"stage": "generate", "model": "fake:generator", "settings": {"n": 1}}}
    with pytest.raises(RecipeError, match="step's name"):
        build({"steps": steps}, "r.yaml")
