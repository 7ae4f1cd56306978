import asyncio
import json
import shutil

import pytest
import torch

from scalediff.core.engine import ModelSpec, Request, Sampling
from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.engines import EngineConfig, open_engine
from scalediff.model_names import resolve

CONFIG = EngineConfig(slots=2, threads=1)


def spec_of(folder):
    return ModelSpec(str(folder), "folder", str(folder), "f")


def open_and_ask(spec, config=CONFIG):
    async def main():
        engine = await open_engine(spec, config)
        request = Request(
            messages=({"role": "user", "content": "1+1?"},),
            sampling=Sampling(temperature=0, max_new_tokens=5),
        )
        try:
            return engine.info, await engine.sample(request)
        finally:
            await engine.close()

    return asyncio.run(main())


def test_a_folder_opens_and_says_what_it_is(model_folder):
    info, completion = open_and_ask(resolve(str(model_folder)))
    assert info.model == str(model_folder)
    assert len(info.fingerprint) == 64
    assert (info.precision, info.window, info.opens_think) == ("float32", 256, False)
    assert info.example_prompt == "<|im_start|>user\n{problem}<|im_end|>\n<|im_start|>assistant\n"
    assert completion.num_tokens == 5


def test_precision_is_as_asked(model_folder):
    config = EngineConfig(slots=2, threads=1, precision="bfloat16")
    info, completion = open_and_ask(spec_of(model_folder), config)
    assert info.precision == "bfloat16"
    assert completion.num_tokens == 5


def test_a_template_that_opens_a_thought_is_told(model_folder):
    (model_folder / "chat_template.jinja").write_text("{{ messages[0].content }}<think>\n")
    info, completion = open_and_ask(spec_of(model_folder))
    assert info.opens_think
    assert completion.reasoning is not None


def test_a_template_that_refuses_everything_opens_all_the_same(model_folder):
    from scalediff.core.errors import RecordError

    (model_folder / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    with pytest.raises(RecordError, match="refuses it: no"):
        open_and_ask(spec_of(model_folder))


def broken_json(folder):
    (folder / "config.json").write_text("{")


def broken_weights(folder):
    (folder / "model.safetensors").write_bytes(b"no weights at all")


def cut_weights(folder):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def broken_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"version": 3}')


def unknown_model(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "perpetuum"}))


def other_sizes(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 96}))


def missing_layer(folder):
    config = json.loads((folder / "config.json").read_text())
    more = {"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}
    (folder / "config.json").write_text(json.dumps(config | more))


def sliding(folder):
    config = json.loads((folder / "config.json").read_text())
    more = {
        "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0,
        "layer_types": ["sliding_attention"] * 2,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config | more))


def too_many_tokens(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    added = dict(tokenizer["added_tokens"][-1], id=261, content="<extra>")
    tokenizer["added_tokens"].append(added)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (broken_json, "cannot be loaded"),
        (broken_weights, "cannot be loaded"),
        (cut_weights, "cannot be loaded"),
        (broken_tokenizer, "cannot be loaded"),
        (unknown_model, "cannot be loaded"),
        (other_sizes, "cannot be loaded"),
        (missing_layer, "lack 11 of the model's tensors, such as model.layers.2."),
        (sliding, "has sliding_attention layers"),
        (too_many_tokens, "has token 261 but the model only 261"),
    ],
)
def test_a_harmed_folder_is_one_sentence(model_folder, harm, says):
    harm(model_folder)
    with pytest.raises(RecipeError) as error:
        open_and_ask(spec_of(model_folder))
    assert says in str(error.value)
    assert str(model_folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_pickled_weights_are_not_read(model_folder, qwen3):
    (model_folder / "model.safetensors").unlink()
    torch.save(qwen3.state_dict(), model_folder / "pytorch_model.bin")
    with pytest.raises(RecipeError):
        open_and_ask(spec_of(model_folder))


def test_a_gpu_that_is_not_there(model_folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(PrerequisiteError, match="torch sees no GPU"):
        open_and_ask(spec_of(model_folder), EngineConfig(device="cuda:1"))


@pytest.mark.parametrize("library", ["torch", "transformers"])
def test_a_missing_library_names_the_pip_line(model_folder, monkeypatch, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    with pytest.raises(PrerequisiteError, match=r'pip install "scalediff\[local\]"'):
        asyncio.run(open_engine(spec_of(model_folder), CONFIG))


def test_a_gguf_file_needs_its_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    spec = ModelSpec("m.gguf", "gguf", str(tmp_path / "m.gguf"), "f")
    with pytest.raises(PrerequisiteError, match=r"scalediff\[smol\]"):
        asyncio.run(open_engine(spec, CONFIG))


def test_a_broken_gguf_file_is_one_sentence(tmp_path):
    pytest.importorskip("gguf")
    (tmp_path / "m.gguf").write_bytes(b"GGUF of no kind")
    with pytest.raises(RecipeError, match="cannot be loaded"):
        asyncio.run(open_engine(resolve(str(tmp_path / "m.gguf")), CONFIG))


def test_settings_out_of_range_are_refused():
    for wrong in ({"slots": 0}, {"threads": -1}, {"precision": "int4"}, {"device": "tpu"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            EngineConfig(**wrong)


def test_a_moved_folder_keeps_its_fingerprint(model_folder, tmp_path):
    before = resolve(str(model_folder)).fingerprint
    shutil.copytree(model_folder, tmp_path / "moved")
    assert resolve(str(tmp_path / "moved")).fingerprint == before
