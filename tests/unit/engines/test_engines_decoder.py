"""The decoder against a plain forward pass, and the shapes that change no bit."""

import pytest
import torch

from scalediff.engines.decoder import SlotDecoder, logprob
from scalediff.engines.exact import Shapes, attention_lengths, sizes_alike
from scalediff.engines.slots import SlotCache

PROMPTS = [[5, 9, 17], [40] * 31, [7, 8] * 10, [200, 1, 2, 3, 4, 5]]


@pytest.fixture
def decoder(model):
    with torch.inference_mode():
        yield SlotDecoder(model, 12)


def plain(model, ids):
    """Logits at every position, one row alone."""
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def test_a_prefill_gives_the_logits_of_a_plain_forward_pass(model, decoder):
    for ids, prefill in zip(PROMPTS, decoder.prefill(PROMPTS), strict=True):
        assert prefill.num_tokens == len(ids)
        assert torch.allclose(prefill.logits, plain(model, ids)[-1], atol=1e-4)


def test_steps_give_the_logits_of_a_plain_forward_pass(model, decoder):
    rows = [list(ids) for ids in PROMPTS]
    slots = [0, 3, 4, 11]
    for slot, prefill in zip(slots, decoder.prefill(rows), strict=True):
        decoder.enter(slot, prefill)
    noise = torch.Generator().manual_seed(4)
    for step in range(70):  # over a length of attention
        if step == 40:
            decoder.move(11, 1, len(rows[3]))
            slots[3] = 1
        tokens, positions = [0] * (max(slots) + 1), [0] * (max(slots) + 1)
        for slot, row in zip(slots, rows, strict=True):
            row.append(int(torch.randint(250, (1,), generator=noise)))
            tokens[slot], positions[slot] = row[-1], len(row) - 1
        logits = decoder.step(tokens, positions)
        if step % 6:
            continue
        for slot, row in zip(slots, rows, strict=True):
            assert torch.allclose(logits[slot], plain(model, row)[-1], atol=1e-4)


def test_scores_are_those_of_a_plain_forward_pass(model, decoder):
    rows = [([5, 9, 17], 1), ([40] * 20 + [3, 4, 5, 6], 4), ([7, 8] * 10, 19), ([1, 2], 0)]
    found = decoder.score(rows)
    for (ids, m), (score, is_greedy) in zip(rows, found, strict=True):
        logits = plain(model, ids)[len(ids) - m - 1 : len(ids) - 1]
        targets = torch.tensor(ids[len(ids) - m :], dtype=torch.long)
        expected = logits.log_softmax(-1).gather(-1, targets[:, None]).sum()
        assert score == pytest.approx(float(expected), abs=1e-4)
        assert is_greedy == (logits.argmax(-1) == targets).all()


def test_is_greedy_wants_every_token(model, decoder):
    ids = [5, 9, 17]
    best = int(plain(model, ids)[-1].argmax())
    then = int(plain(model, [*ids, best])[-1].argmax())
    both = ([*ids, best, then], 2)
    first = ([*ids, best, (then + 1) % 256], 2)
    assert [greedy for _, greedy in decoder.score([both, first])] == [True, False]


def test_a_row_has_the_same_bits_wherever_it_stands(qwen3):
    """The claim of ``exact.py``, tried on what it found for this machine."""
    with torch.inference_mode():
        decoder = SlotDecoder(qwen3, 16)
        one = decoder.prefill([PROMPTS[2]])[0]
        seen = []
        for slot, others in ((0, 0), (0, 15), (7, 3), (15, 15), (9, 12)):
            decoder = SlotDecoder(qwen3, 16)
            noise = torch.Generator().manual_seed(slot)
            tokens, positions = [0] * (max(slot, others) + 1), [0] * (max(slot, others) + 1)
            for other in range(others + 1):
                ids = torch.randint(250, (30,), generator=noise).tolist()
                decoder.enter(other, decoder.prefill([ids])[0])
                tokens[other], positions[other] = 3, 30
            decoder.enter(slot, one)
            tokens[slot], positions[slot] = 99, one.num_tokens
            seen.append(decoder.step(tokens, positions)[slot])
    assert all(torch.equal(seen[0], other) for other in seen[1:])


def test_prefills_have_the_same_bits_in_any_company(qwen3):
    with torch.inference_mode():
        decoder = SlotDecoder(qwen3, 8)
        alone = decoder.prefill([PROMPTS[0]])[0]
        among = decoder.prefill([PROMPTS[1], PROMPTS[3], PROMPTS[0]])[2]
    assert torch.equal(alone.logits, among.logits)
    for ours, theirs in zip(alone.keys_values, among.keys_values, strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


def test_found_lengths_change_no_bit(qwen3):
    from scalediff.engines.exact import BLOCK, _attend

    keys = torch.zeros(1, 2, 1, 16)
    lengths = attention_lengths(qwen3.config, keys, 6)
    noise = torch.Generator().manual_seed(9)
    query = torch.randn(6, 6, 1, 16, generator=noise)
    key, value = (torch.randn(6, 2, BLOCK, 16, generator=noise) for _ in range(2))
    for length in lengths:
        positions = torch.tensor([0, 1, length // 2, length - 3, length - 2, length - 1])
        positions = positions.clamp(min=length - 64)
        short = _attend(query, key[:, :, :length], value[:, :, :length], positions)
        whole = _attend(query, key, value, positions)
        assert all(torch.equal(a, b) for a, b in zip(short, whole, strict=True))


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ("aaaa", (64, 96, 128, 160)),
        ("baaa", (96, 128, 160)),  # the smallest goes another way
        ("aaab", (64, 96, 128)),
        ("abcc", ()),  # the first that have company would be too large
        ("a?aa", ()),  # a row's place changes it
    ],
)
def test_sizes_alike_are_found_by_trying(kinds, found):
    def rows_at(size):
        kind = kinds[(size - 64) // 32]
        yield 0, torch.tensor([ord(kind)])
        yield 0, torch.tensor([ord(kind) + (kind == "?")])

    assert sizes_alike((64, 96, 128, 160), rows_at, 96) == found


def test_a_log_probability_has_the_same_bits_in_any_company():
    logits = torch.randn(40, 49_152, generator=torch.Generator().manual_seed(4))
    tokens = torch.arange(40)
    together = logprob(logits, tokens)
    assert together == [logprob(logits[i : i + 1], tokens[i : i + 1])[0] for i in range(40)]


def test_shapes_are_the_smallest_that_hold():
    shapes = Shapes(rows=(8, 32, 64), lengths=(64, 192))
    assert [shapes.rows_for(n) for n in (1, 8, 9, 33, 64)] == [8, 8, 32, 64, 64]
    reaches = (1, 64, 65, 192, 193, 512, 513)
    assert [shapes.length_for(n) for n in reaches] == [64, 64, 192, 192, 512, 512, 1024]


def test_a_cache_grows_and_keeps_what_it_holds():
    cache = SlotCache(3)
    keys = torch.randn(2, 5, 4)
    cache.put(1, [(keys, -keys)], 5)
    cache.step(torch.tensor([0, 5, 0]), 2000)
    assert cache.capacity >= 2000
    new = torch.randn(3, 2, 1, 4)
    found, values = cache.update(new, -new, 0)
    assert found.shape == (3, 2, 2000, 4)
    assert torch.equal(found[1, :, :5], keys)
    assert torch.equal(found[1, :, 5], new[1, :, 0])
    assert torch.equal(values, -found)
