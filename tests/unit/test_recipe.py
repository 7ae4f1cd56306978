import re
from pathlib import Path

import pytest

from scalediff.core.errors import RecipeError
from scalediff.core.stage import Kind
from scalediff.recipe import build, find_recipe, load

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_expands(path):
    recipe = load(path)
    seen = set()
    for node in recipe.nodes.values():
        assert set(node.needs) <= seen, f"{node.name} comes before what it needs"
        seen.add(node.name)
        if node.stage.pays:
            assert node.model, f"{node.name} pays and has no model"


def test_a_base_is_overlaid():
    quick, nano = load(find_recipe("quick")), load(find_recipe("nano"))
    assert list(quick.nodes) == list(nano.nodes)
    assert quick.nodes["generate"].stage.config.n < nano.nodes["generate"].stage.config.n
    assert quick.nodes["generate"].stage.config.temperature == 1.0


def test_set_names_a_step_of_the_line_and_is_remembered_as_origin():
    recipe = load(find_recipe("nano"), ["generate.n=7", "filter.teacher_k=2", "seed=5"])
    assert recipe.nodes["generate"].stage.config.n == 7
    assert recipe.nodes["generate"].origins["n"] == "--set"
    assert recipe.nodes["filter.more"].stage.config.k == 2
    assert recipe.nodes["filter.more"].origins["k"] == "--set"
    assert recipe.file.seed == 5


def test_set_names_a_step_beside_the_line():
    recipe = load(find_recipe("nano"), ["student_control.epochs=9"])
    assert recipe.nodes["student_control"].stage.config.epochs == 9


def test_until_keeps_what_a_step_needs():
    recipe = load(find_recipe("nano")).until("identify")
    assert list(recipe.nodes)[-1] == "identify.select"
    assert "generator" in recipe.nodes
    assert "student" not in recipe.nodes
    assert "distill" not in recipe.nodes


def test_more_teacher_attempts_repeat_the_settings_of_the_first():
    recipe = load(find_recipe("nano"))
    first, more = recipe.nodes["distill"], recipe.nodes["filter.more"]
    assert more.model == first.model
    differing = {
        name
        for name, value in more.stage.config.model_dump().items()
        if value != first.stage.config.model_dump()[name]
    }
    assert differing == {"k"}


def test_the_paper_recipe_has_no_second_round_and_no_gate():
    nodes = load(find_recipe("paper")).nodes
    assert "filter.more" not in nodes
    assert nodes["filter.decide"].stage.config.min_confidence is None
    assert nodes["identify.select"].stage.config.leave_out is False
    assert nodes["generate"].stage.config.prompt == "<|im_start|>user\n"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "has no steps"),
        ({"lin": {}}, "did you mean line"),
        ({"line": {"generat": {}}}, "did you mean generate"),
        ({"line": {"generate": {"temprature": 1}}}, "did you mean temperature"),
        ({"line": {"generate": {"n": 0}}}, "greater than or equal to 1"),
        ({"line": {"generate": {"n": "many"}}}, "n = 'many'"),
        ({"line": {"filter": {"min_confidenc": 1}}}, "did you mean min_confidence"),
        ({"steps": {"a": {"stage": "solv"}}}, "did you mean solve"),
        ({"steps": {"a": {"stage": "solve"}}}, "give it `model:`"),
        ({"steps": {"a": {"stage": "rules", "inputs": ["b"]}}}, "reads 'b', which is no step"),
        ({"steps": {"a.b": {"stage": "rules"}}}, "holds no dot"),
        (
            {
                "steps": {
                    "a": {"stage": "rules", "inputs": ["b"]},
                    "b": {"stage": "rules", "inputs": ["a"]},
                }
            },
            "wait for one another",
        ),
        ({"line": {"sources": {"paths": ["a"]}}}, "needs the model of the role 'identifier'"),
        ({"line": {}}, "sources: paths = []"),
    ],
)
def test_what_is_wrong_is_said_with_the_mend(values, message):
    if set(values.get("line", {})) - {"sources"}:
        roles = ("identifier", "generator", "teacher", "student")
        values["models"] = dict.fromkeys(roles, "fake:x")
        values["line"]["sources"] = {"paths": ["a"]}
    with pytest.raises(RecipeError, match=re.escape(message)):
        build(values, "recipe.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generate.n", "write it as"),
        ("=3", "write it as"),
        ("generat.n=3", "did you mean generat"),
        ("generate.nn=3", "unknown setting 'nn'"),
        ("sead=3", "unknown name, did you mean seed"),
        ("generate=3", "valid dictionary"),
    ],
)
def test_a_bad_override_is_said(text, message):
    with pytest.raises(RecipeError, match=message):
        load(find_recipe("nano"), [text])


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError, match=r"did you mean nano"):
        find_recipe("nanno.yaml")


@pytest.mark.parametrize("text", ["a: [1", "- 1\n", "", "a: \x00"])
def test_a_broken_file_is_said(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"broken\.yaml"):
        load(path)


def test_a_screen_keeps_out_what_is_evaluated():
    recipe = load(find_recipe("nano"), ["evaluate.n=900", "evaluate.seed=4"])
    benchmarks = recipe.nodes["screen"].stage.config.benchmarks
    assert "nano:test?n=900&seed=4" in benchmarks
    assert recipe.nodes["screen_sources"].stage.config.benchmarks == benchmarks
    assert load(find_recipe("paper")).nodes["screen"].stage.config.benchmarks == []


def test_set_on_one_arm_changes_that_arm_alone():
    recipe = load(find_recipe("nano"), ["evaluate_sources.temperature=1.0"])
    heat = {n: node.stage.config.temperature for n, node in recipe.nodes.items() if "attempts" in n}
    assert heat["evaluate_sources.attempts"] == 1.0
    assert heat["evaluate.attempts"] != 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"models": {"teecher": "fake:x"}}, "did you mean teacher"),
        ({"engine": {"slotz": 3}}, "did you mean slots"),
        ({"engine": {"slots": 0}}, "greater than or equal to 1"),
        ({"report": {"scaledd": "x"}}, "report"),
        ({"seed": 10**30}, "seed"),
        ({"steps": {"a": {"stage": "screen"}}}, "reads no step"),
        ({"steps": {"": {"stage": "sources", "settings": {"paths": ["x"]}}}}, "not empty"),
        ({"steps": {"f": {"stage": "filter", "inputs": ["s"], "settings": {"teacher_k": 3}}}},
         "needs the step that asks the teacher"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_recipe_is_said_before_it_runs(values, message):
    steps = {"s": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}}}
    with pytest.raises(RecipeError, match=message):
        build({**values, "steps": {**steps, **values.get("steps", {})}}, "r.yaml")


def test_a_recipe_that_is_its_own_base_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(RecipeError, match="its own base"):
        load(tmp_path / "a.yaml")


THOUGHTS = {"tags": [["<x>", "</x>"]], "finish_reasons": {"tired": "length"}}


def test_thoughts_are_in_every_step_that_reads_responses_and_in_its_key():
    said = ['thoughts.tags=[["<x>", "</x>"]]', "thoughts.finish_reasons={tired: length}"]
    plain, recipe = load(find_recipe("nano")), load(find_recipe("nano"), said)
    changed = {
        name
        for name, node in recipe.nodes.items()
        if node.stage.config.of_kind(Kind.MEANING)
        != plain.nodes[name].stage.config.of_kind(Kind.MEANING)
    }
    stages = {recipe.nodes[name].stage.name for name in changed}
    assert stages == {"sources", "generate", "solve"}
    assert {"sources", "distill", "filter.student", "filter.more"} <= changed
    node = recipe.nodes["distill"]
    assert node.stage.config.thoughts.model_dump() == THOUGHTS
    assert node.origins["thoughts"] == "thoughts"
    assert recipe.resolved()["thoughts"] == THOUGHTS


def test_a_step_may_have_thoughts_of_its_own():
    settings = {"paths": ["a.jsonl"], "thoughts": {"tags": [["<y>", "</y>"]]}}
    steps = {"rows": {"stage": "sources", "settings": settings}}
    recipe = build({"steps": steps, "thoughts": THOUGHTS}, "x.yaml")
    assert recipe.nodes["rows"].stage.config.thoughts.tags == [["<y>", "</y>"]]


@pytest.mark.parametrize(
    ("thoughts", "message"),
    [
        ({"tags": [["<x>"]]}, "write the beginning and the end of a thought"),
        ({"tags": [["<x>", "<X>"]]}, "cannot both begin and end"),
        ({"tags": ["<x>"]}, "thoughts.tags.0"),
        ({"finish_reasons": {"tired": "perhaps"}}, "has to be stop or length"),
        ({"tag": []}, "unknown setting 'thoughts.tag'"),
    ],
)
def test_thoughts_that_cannot_be_read_are_said(thoughts, message):
    with pytest.raises(RecipeError, match=message):
        build({"line": {}, "thoughts": thoughts}, "x.yaml")


def line(**steps):
    roles = dict.fromkeys(("identifier", "generator", "teacher", "student"), "fake:x")
    own = {"sources": {"paths": ["a"]}, "evaluate": None, **steps}
    return build({"name": "x", "models": roles, "line": own}, "x.yaml").nodes


@pytest.mark.parametrize("drop", [True, False])
def test_drop_too_easy_reaches_the_step_that_decides_it(drop):
    nodes = line(filter={"drop_too_easy": drop})
    assert nodes["filter.easy"].stage.config.drop_too_easy is drop
    assert nodes["canaries.easy"].stage.config.drop_too_easy is drop
    assert nodes["filter.decide"].stage.config.drop_too_easy is False, "asked once"
    assert line()["filter.easy"].stage.config.drop_too_easy is True


@pytest.mark.parametrize(
    "set_", [{}, {"teacher_k": 5}, {"min_confidence": None}, {"student": None}]
)
def test_half_of_the_attempts_have_to_agree_unless_a_recipe_says_otherwise(set_):
    for name in ("filter.decide", "canaries.decide"):
        assert line(filter=set_)[name].stage.config.min_agree == "half"
        for said in (1, 3, None):
            config = line(filter={**set_, "min_agree": said})[name].stage.config
            assert config.min_agree == said


@pytest.mark.parametrize("wrong", ["most", 0, 1.5])
def test_a_number_of_votes_that_is_none_is_said(wrong):
    with pytest.raises(RecipeError, match="min_agree"):
        line(filter={"min_agree": wrong})
