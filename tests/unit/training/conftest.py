import json

import pytest

from scalediff.domains.nano.tokenizer import build_tokenizer

# opens nothing, as Qwen3 when it thinks
PLAIN = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
# opens the thought, as DeepSeek-R1-Distill
OPENS = PLAIN.replace("assistant\\n'", "assistant\\n<think>\\n'")


def make_model(folder, template=PLAIN, **generation):
    """A tiny random Qwen3 with a byte tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = build_tokenizer(template)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, tie_word_embeddings=True,
        max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    model = Qwen3ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if generation:
        values = {"eos_token_id": tokenizer.eos_token_id, **generation}
        (folder / "generation_config.json").write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def base_model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def make_job(base_model, tmp_path):
    """A job of a few steps over rows that are easily learnt."""

    def make(num_rows=24, **values):
        rows = tmp_path / "rows.jsonl"
        pairs = [
            {"prompt": f"Problem {i}?", "response": "<think>\nhm\n</think>\n\n4"}
            for i in range(num_rows)
        ]
        rows.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
        job = {
            "task": "student", "base_model": str(base_model), "rows": str(rows), "epochs": 2.0,
            "batch_size": 4, "learning_rate": 1e-2, "schedule": "linear", "warmup_ratio": 0.1,
            "weight_decay": 1e-4, "max_length": 128, "packing": True, "train_seed": 1, "threads": 1,
        }  # fmt: skip
        return {**job, **values}

    return make
