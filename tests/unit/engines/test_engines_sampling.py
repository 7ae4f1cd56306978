import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalediff.core.engine import Sampling
from scalediff.engines.sampling import draw, uniforms


def reference(logits, sampling):
    """The distribution that transformers samples from."""
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    chain = LogitsProcessorList([TemperatureLogitsWarper(sampling.temperature)])
    if sampling.top_k:
        chain.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chain.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p:
        chain.append(MinPLogitsWarper(sampling.min_p))
    return chain(None, logits).softmax(-1)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_p=1.0, top_k=0),
        Sampling(temperature=0.6, top_p=0.95, top_k=20),
        Sampling(temperature=1.3, top_p=0.7, top_k=0),
        Sampling(temperature=1.0, top_p=1.0, top_k=3),
        Sampling(temperature=1.0, top_p=1.0, top_k=0, min_p=0.2),
        Sampling(temperature=0.8, top_p=0.9, top_k=15, min_p=0.1),
    ],
    ids=str,
)
def test_the_distribution_is_that_of_transformers(sampling):
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(3)) * 2
    # evenly spread numbers hit each token in proportion to its probability
    num = 20_000
    numbers = (np.arange(num) + 0.5) / num
    tokens = draw(logits.expand(num, -1), sampling, numbers)
    found = torch.bincount(tokens, minlength=50) / num
    assert torch.allclose(found, reference(logits, sampling)[0], atol=2 / num)


@pytest.mark.parametrize("top_k", [0, 5])
def test_the_ends_of_the_unit_interval_are_kept_tokens(top_k):
    logits = torch.tensor([[3.0, 1.0, 2.0, -9.0, -float("inf"), 0.0]])
    sampling = Sampling(temperature=1.0, top_p=0.9, top_k=top_k)
    allowed = reference(logits, sampling)[0] > 0
    for number in (0.0, 1 - 2**-53):
        assert allowed[draw(logits, sampling, np.array([number]))[0]]


def test_temperature_zero_is_the_argmax():
    logits = torch.randn(9, 40, generator=torch.Generator().manual_seed(1))
    tokens = draw(logits, Sampling(temperature=0), np.zeros(9))
    assert tokens.tolist() == logits.argmax(-1).tolist()


def test_a_row_is_drawn_alike_alone_and_among_others():
    logits = torch.randn(64, 300, generator=torch.Generator().manual_seed(2))
    numbers = uniforms(range(64), [5] * 64)
    for sampling in (Sampling(), Sampling(top_k=0), Sampling(top_k=0, top_p=1.0)):
        together = draw(logits, sampling, numbers)
        alone = [draw(logits[i : i + 1], sampling, numbers[i : i + 1])[0] for i in range(64)]
        assert together.tolist() == [int(token) for token in alone]


@given(st.lists(st.tuples(st.integers(-(2**70), 2**70), st.integers(0, 2**40)), min_size=1))
def test_numbers_hang_on_seed_and_index_alone(pairs):
    seeds, indices = zip(*pairs, strict=True)
    together = uniforms(seeds, indices)
    assert ((together >= 0) & (together < 1)).all()
    assert together.tolist() == [uniforms([s], [i])[0] for s, i in pairs]


def test_numbers_are_even_and_neighbouring_seeds_share_none():
    numbers = np.concatenate([uniforms([seed] * 500, range(500)) for seed in range(40)])
    assert len(set(numbers.tolist())) == len(numbers)
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    # 1,000 expected in a bin, standard deviation about 31
    assert abs(counts - 1000).max() < 150


def test_a_wide_nucleus_is_drawn_as_from_the_whole_vocabulary():
    generator = torch.Generator().manual_seed(5)
    flat, peaked = torch.zeros(1, 4000), 8 * torch.randn(1, 4000, generator=generator)
    sampling = Sampling(temperature=1, top_p=0.95, top_k=0)
    numbers = np.linspace(0, 0.999, 500)
    drawn = draw(flat.expand(500, -1), sampling, numbers)
    # 95 % of equal tokens: the first 3,800, evenly
    assert drawn.tolist() == [int(number * 3800) for number in numbers]
    mixed = draw(torch.cat([flat, peaked]), sampling, numbers[[100, 100]])
    assert mixed[0] == drawn[100]
    assert mixed[1] == draw(peaked, sampling, numbers[[100]])[0]
