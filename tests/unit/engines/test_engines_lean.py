"""The forward pass of our own: packed rows, fused weights, and when it is left to transformers."""

import pytest
import torch

from scalediff.engines import decoder as decoders
from scalediff.engines.attention import StepAttention
from scalediff.engines.decoder import SlotDecoder
from scalediff.engines.lean import LeanForward, can_be_lean
from scalediff.engines.linear import LaidOut, Linear, linear_for
from scalediff.engines.packing import Packed

PROMPTS = [[5, 9, 17], [40] * 31, [7, 8] * 10, [200, 1, 2, 3, 4, 5], [3] * 31, [9] * 70]


def plain(model, ids):
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def small(kind, **more):
    import transformers

    sizes = {
        "vocab_size": 261, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 6, "num_key_value_heads": 3, "max_position_embeddings": 256,
        "initializer_range": 0.3, "pad_token_id": 256, "eos_token_id": 258, "bos_token_id": None,
    }  # fmt: skip
    torch.manual_seed(5)
    config = getattr(transformers, f"{kind}Config")(**sizes, **more)
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "norm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Llama", {}),
        ("Llama", {"attention_bias": True}),
        ("Llama", {"tie_word_embeddings": True}),
        (
            "Llama",
            {
                "rope_parameters": {
                    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0,
                    "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                }
            },
        ),
        ("Qwen2", {}),
        ("Qwen3", {"head_dim": 16}),
        ("Mistral", {"sliding_window": None}),
    ],
)  # fmt: skip
def test_it_gives_the_logits_of_the_model(kind, more):
    model = small(kind, **more)
    with torch.inference_mode():
        expected = [plain(model, ids) for ids in PROMPTS]
        assert can_be_lean(model)
        forward = LeanForward(model)
        wanted = [range(len(ids)) for ids in PROMPTS]
        _, hidden = forward.read(PROMPTS, wanted)
        found = forward.logits(hidden).split([len(ids) for ids in PROMPTS])
        # the model's own weights are views of the fused ones by now
        again = [plain(model, ids) for ids in PROMPTS]
        assert SlotDecoder(model, 4).is_lean
    for ours, theirs, then in zip(found, expected, again, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-4 * float(theirs.abs().max()))
        assert torch.equal(theirs, then)


def test_fused_weights_are_not_held_twice():
    model = small("Llama")
    LeanForward(model)
    mlp = model.model.layers[0].mlp
    gate, up = (part.weight.untyped_storage().data_ptr() for part in (mlp.gate_proj, mlp.up_proj))
    assert gate == up


def test_models_of_another_kind_are_left_to_transformers():
    assert not can_be_lean(small("Llama", hidden_act="gelu"))
    assert not can_be_lean(small("Llama", mlp_bias=True))
    assert not can_be_lean(small("Gemma", head_dim=8))
    model = small("Gemma", head_dim=8)
    with torch.inference_mode():
        decoder = SlotDecoder(model, 4)
        assert not decoder.is_lean
        for ids, prefill in zip(PROMPTS[:2], decoder.prefill(PROMPTS[:2]), strict=True):
            assert torch.allclose(prefill.logits, plain(model, ids)[-1], atol=1e-3)


def test_a_model_that_answers_otherwise_is_left_to_transformers(monkeypatch):
    model = small("Llama")
    monkeypatch.setattr(LeanForward, "logits", lambda self, hidden: hidden @ self._embed.T * 1.1)
    with torch.inference_mode():
        assert not SlotDecoder(model, 4).is_lean


@pytest.fixture(params=[True, False], ids=["lean", "plain"])
def decoder(request, model, monkeypatch):
    if not request.param:
        monkeypatch.setattr(decoders, "can_be_lean", lambda model: False)
    with torch.inference_mode():
        yield SlotDecoder(model, 12)


def in_batches(decoder, prompts, work):
    found = [None] * len(prompts)
    for batch in decoder.batches(prompts):
        for place, one in zip(batch, work([prompts[p] for p in batch]), strict=True):
            found[place] = one
    return found


def test_both_ways_read_and_score_alike(model, decoder):
    for ids, prefill in zip(PROMPTS, in_batches(decoder, PROMPTS, decoder.prefill), strict=True):
        assert torch.allclose(prefill.logits, plain(model, ids)[-1], atol=1e-4)
        assert [k.shape[1] for k, _ in prefill.keys_values] == [len(ids)] * 2
    scores = in_batches(decoder, PROMPTS, lambda rows: decoder.score([(ids, 2) for ids in rows]))
    for ids, (logprob, _) in zip(PROMPTS, scores, strict=True):
        logprobs = plain(model, ids).log_softmax(-1)
        expected = sum(float(logprobs[len(ids) - 3 + n, ids[len(ids) - 2 + n]]) for n in (0, 1))
        assert logprob == pytest.approx(expected, abs=1e-4)


def test_both_ways_step_alike(model, decoder):
    rows = [list(ids) for ids in PROMPTS]
    for slot, prefill in enumerate(in_batches(decoder, rows, decoder.prefill)):
        decoder.enter(slot, prefill)
    for token in range(5):
        for row in rows:
            row.append(token + 30)
        logits = decoder.step([row[-1] for row in rows], [len(row) - 1 for row in rows])
        for row, mine in zip(rows, logits, strict=False):
            assert torch.allclose(mine, plain(model, row)[-1], atol=1e-4)


def test_a_head_is_read_once_and_changes_nothing(model):
    head = [11, 12, 13, 14, 15, 16, 17, 18, 19]
    prompts = [[*head, 5, 9, 17], [*head, *[40] * 60], [7, 8] * 10, head, head[:4]]
    with torch.inference_mode():
        decoder = SlotDecoder(model, 8, head)
        read = []
        real = decoder._forward.read
        decoder._forward.read = lambda rows, *rest: (read.extend(rows), real(rows, *rest))[1]
        found = decoder.prefill(prompts)
        scores = decoder.score([(ids, 1) for ids in prompts])
        assert sorted(map(len, read))[-1] == 60
        for ids, prefill, (logprob, greedy) in zip(prompts, found, scores, strict=True):
            logits = plain(model, ids)
            assert torch.allclose(prefill.logits, logits[-1], atol=1e-4)
            assert all(k.shape[1] == v.shape[1] == len(ids) for k, v in prefill.keys_values)
            expected = logits[-2].log_softmax(-1)
            assert logprob == pytest.approx(float(expected[ids[-1]]), abs=1e-4)
            assert greedy == (int(expected.argmax()) == ids[-1])


def test_a_score_has_the_same_bits_in_any_company(qwen3):
    with torch.inference_mode():
        decoder = SlotDecoder(qwen3, 8)
        rows = [(ids, 1) for ids in PROMPTS]
        together = decoder.score(rows)
        assert together == [decoder.score([row])[0] for row in rows]


def test_batches_hold_few_tokens_and_every_prompt_once(decoder):
    prompts = [[1] * n for n in (5, 3000, 700, 40, 900, 900, 40, 1)]
    batches = decoder.batches(prompts)
    assert sorted(row for batch in batches for row in batch) == list(range(8))
    for batch in batches:
        assert len(batch) == 1 or sum(len(prompts[row]) for row in batch) <= 4096
    assert decoder.batches([]) == []


def test_where_no_sizes_are_alike_every_pass_has_one_size(model, monkeypatch):
    monkeypatch.setattr("scalediff.engines.probing.sizes_alike", lambda *_: ())
    monkeypatch.setattr(decoders, "_tried", {})
    with torch.inference_mode():
        decoder = SlotDecoder(model, 8)
        shapes = decoder.shapes
        assert (shapes.passes, shapes.score_passes, shapes.logits) == ((512,), (2048,), (64,))
        rows = [(ids, 1) for ids in PROMPTS] + [([7] * 600, 3)]
        together = decoder.score(rows)
        assert together == [decoder.score([row])[0] for row in rows]
        assert len(decoder.batches([ids for ids, _ in rows])) == 2
        assert len(decoder.batches([ids for ids, _ in rows], to_score=True)) == 1
        for (ids, m), (score, _) in zip(rows[:3], together, strict=False):
            expected = plain(model, ids)[-1 - m].log_softmax(-1)[ids[-1]]
            assert score == pytest.approx(float(expected), abs=1e-4)


def test_packed_rows_of_one_length_lie_side_by_side():
    packed = Packed([[1] * 40, [2] * 3, [3] * 40], (4, ()), False, 1, torch.device("cpu"))
    assert packed.ids[packed.starts[0] :][:40] == [1] * 40
    assert packed.ids[packed.starts[1] :][:3] == [2] * 3
    assert packed.starts[2] == packed.starts[0] + 40
    assert packed.positions[packed.starts[2] :][:3] == [4, 5, 6]
    assert len(packed.ids) == len(packed.positions) == 83
    assert packed._groups == [(16, 1), (48, 2)]


def test_a_pass_is_padded_to_the_next_size_and_a_long_one_stays():
    def tokens(*lengths):
        rows = [[1] * length for length in lengths]
        packed = Packed(rows, (4, ()), False, 1, torch.device("cpu"), (64, 96))
        assert len(packed.ids) == len(packed.positions)
        return len(packed.ids)

    assert [tokens(3), tokens(60, 4), tokens(60, 5), tokens(97)] == [64, 64, 96, 97]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_projections_laid_out_are_those_of_torch(dtype, bias):
    torch.manual_seed(0)
    weight, x, total = (torch.randn(n, m).to(dtype) for n, m in ((64, 48), (9, 48), (9, 64)))
    b = torch.randn(64).to(dtype) if bias else None
    try:
        ours = LaidOut(weight, b)
    except (AttributeError, RuntimeError):
        pytest.skip("torch without oneDNN")
    theirs = Linear(weight, b)
    close = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 0.2, "rtol": 0.02}
    assert torch.allclose(ours(x), theirs(x), **close)
    assert torch.allclose(ours.onto(x, total.clone()), theirs.onto(x, total.clone()), **close)


def test_only_weights_of_some_size_are_laid_out():
    make = linear_for(small("Llama"))
    assert type(make(torch.randn(8, 8), None)) is Linear


def test_attention_of_a_step_sees_what_the_mask_shows():
    torch.manual_seed(0)
    query, keys, values = (
        torch.randn(3, 2, 4, 16),
        torch.randn(3, 2, 64, 16),
        torch.randn(3, 2, 64, 16),
    )
    reach = torch.tensor([1, 30, 64])
    mask = (torch.arange(64) < reach[:, None])[:, None, None]
    found = StepAttention(mask, query)(query, keys, values)
    expected = torch.nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    assert torch.allclose(found, expected, atol=1e-5)
