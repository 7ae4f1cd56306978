import json
import random
import subprocess
import sys

import pytest

from scalediff.domains.nano import identify, pretrain, sampling, world
from scalediff.domains.nano.bases import BASES
from scalediff.domains.nano.chat import QWEN3_STYLE, user_turn
from scalediff.domains.nano.make_models import make_base, make_identifier
from scalediff.domains.nano.models import MODELS, model_folder, replace_folder
from scalediff.domains.nano.tokenizer import build_tokenizer

FILES = {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    # Two threads that wait for each other stall on a busy machine, and gain little at this size.
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def hard_problems(n, seed):
    return world.make_problems(n, seed, (0, 0, 1, 1, 1, 1, 1, 1))


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_folder_is_complete_and_loads_as_float32(name):
    import torch

    folder = model_folder(name)
    assert {p.name for p in folder.iterdir()} == FILES
    model, tokenizer = load(folder)
    assert type(model).__name__ == "Qwen3ForCausalLM"
    assert model.dtype == torch.float32
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.bos_token is None
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "LABORATORY" in card
    assert "seed" in card
    assert "| level" in card


@pytest.mark.parametrize("name", MODELS)
def test_templates_end_as_the_roles_need(name):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder(name))
    turn = [{"role": "user", "content": "Hi"}]
    prompt = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False)
    open_think = "<think>\n" if name == "identifier" else ""
    assert prompt == f"<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n{open_think}"


def test_the_weights_are_a_few_megabytes_together():
    files = [p for name in MODELS for p in model_folder(name).rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 8_000_000


def test_the_teacher_is_good_and_the_student_is_not():
    problems = hard_problems(64, seed=11)
    shares = {}
    for name in ("teacher", "student"):
        model, tokenizer = load(model_folder(name))
        responses = sampling.respond(
            model, tokenizer, [user_turn(p.problem) for p in problems], max_new_tokens=150
        )
        shares[name] = sum(sampling.right(responses, problems)) / len(problems)
    assert shares["teacher"] > 0.7
    assert shares["student"] < 0.5


def test_the_identifier_tells_easy_from_hard():
    model, tokenizer = load(model_folder("identifier"))
    problems = world.make_problems(400, seed=12)
    marks = identify.judge(model, tokenizer, [p.problem for p in problems])
    easy = [m for m, p in zip(marks, problems, strict=True) if p.level == 1]
    hard = [m for m, p in zip(marks, problems, strict=True) if p.level >= world.DIFFICULT_FROM]
    assert sum(easy) / len(easy) < 0.4
    assert sum(hard) / len(hard) > 0.85


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="teacher, student, generator, identifier"):
        model_folder("judge")


def test_the_light_modules_do_not_import_torch():
    code = (
        "import sys; from scalediff.domains.nano import world, oracle, tokenizer, models;"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_script_makes_complete_models_at_a_small_scale(tmp_path, monkeypatch):
    monkeypatch.setattr("scalediff.domains.nano.cards.score_solver", lambda *_: "| level |")
    teacher, identifier = tmp_path / "teacher", tmp_path / "identifier"
    make_base(BASES[0], teacher, scale=0.001)
    monkeypatch.setattr(identify, "SAMPLES", 1)
    make_identifier(teacher, identifier, scale=0.001)
    for folder in (teacher, identifier):
        assert {p.name for p in folder.iterdir()} == FILES
    assert json.loads((teacher / "config.json").read_text())["dtype"] == "float32"


def test_a_finished_folder_replaces_an_older_one(tmp_path):
    fresh, folder = tmp_path / "fresh", tmp_path / "folder"
    for path, text in ((fresh, "new"), (folder, "old")):
        path.mkdir()
        (path / "a").write_text(text)
    replace_folder(fresh, folder)
    assert (folder / "a").read_text() == "new"
    assert {p.name for p in tmp_path.iterdir()} == {"folder"}


def test_the_rule_of_the_labels():
    problem = world.make_problem(random.Random(0), 1)
    assert not identify.Labelled(problem, thinking=1.0, at_once=0.96).difficult
    assert identify.Labelled(problem, thinking=1.0, at_once=0.9).difficult
    assert not identify.Labelled(problem, thinking=0.0, at_once=0.0).difficult


def test_only_the_response_is_trained_on():
    tokenizer = build_tokenizer(QWEN3_STYLE)
    rows = pretrain.encode(tokenizer, [("a", "bc"), ("ab", "c")])
    inputs, labels = pretrain.collate(rows, tokenizer.pad_token_id)
    texts = [tokenizer.decode(row[row >= 0]) for row in labels]
    assert texts == ["bc<|im_end|>", "c<|im_end|>"]
    assert inputs.shape == labels.shape == (2, 4)


def test_answers_are_read_behind_the_thought():
    assert sampling.answer_of("<think>\n$\\boxed{1}$</think>\n\n$\\boxed{2}$") == "2"
    assert sampling.answer_of("The answer is $\\boxed{-3}$.") == "-3"
    assert sampling.answer_of("<think>\n$\\boxed{1}$</think>\n\nso") is None
