import asyncio

import pytest

TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def byte_tokenizer(template=TEMPLATE):
    """Bytes, two chat marks, an end and the tags of a thought: 261 tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    marks = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in marks])
    backend.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>")])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=template,
    )


def tiny_model(kind):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    sizes = {
        "vocab_size": 261,
        "hidden_size": 48,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "max_position_embeddings": 256,
        "eos_token_id": 258,
        "bos_token_id": None,
        "pad_token_id": 256,
        "initializer_range": 0.3,  # far from uniform, so that tokens are not near ties
        "tie_word_embeddings": False,
    }
    torch.manual_seed(11)
    if kind == "qwen3":
        model = Qwen3ForCausalLM(Qwen3Config(**sizes, num_key_value_heads=2, head_dim=16))
    else:
        model = LlamaForCausalLM(LlamaConfig(**sizes, num_key_value_heads=3))
    with torch.no_grad():
        printable = torch.zeros(261, dtype=torch.bool)
        printable[[*range(94), *range(256, 261)]] = True  # the first bytes of the alphabet: ! to ~
        model.lm_head.weight[~printable] = 0
        model.lm_head.weight[258] *= 2  # so that some responses end by themselves
    return model.eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    return byte_tokenizer()


@pytest.fixture(scope="session", params=["qwen3", "llama"])
def model(request):
    return tiny_model(request.param)


@pytest.fixture(scope="session")
def qwen3():
    return tiny_model("qwen3")


@pytest.fixture
def with_engine(tokenizer):
    """Runs a coroutine function with an engine over a model, and closes the engine."""
    from scalediff.core.engine import EngineInfo
    from scalediff.engines import EngineConfig
    from scalediff.engines.transformers import TransformersEngine

    def run(model, use, slots=8, window=256, tokenizer=tokenizer):
        async def main():
            info = EngineInfo(model="tiny", fingerprint="tiny", window=window)
            config = EngineConfig(slots=slots, threads=1)
            engine = TransformersEngine(model, tokenizer, info, config)
            try:
                return await asyncio.wait_for(use(engine), 240)
            finally:
                await engine.close()

        return asyncio.run(main())

    return run


@pytest.fixture
def model_folder(tmp_path, qwen3, tokenizer):
    """A complete folder of the tiny model."""
    folder = tmp_path / "tiny"
    qwen3.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def tokenizer_with():
    """Makes the byte tokenizer with another template."""
    return byte_tokenizer
