import random

import pytest

from scalediff.io.key_index import KeyIndex


def key(prefix, rest=0):
    return prefix.to_bytes(8, "little") + rest.to_bytes(8, "little")


def filled(keys, loaded):
    """An index over records with these keys, the first ``loaded`` of them read at open."""
    import numpy as np

    index = KeyIndex(lambda number: keys[number])
    prefixes = [int.from_bytes(k[:8], "little") for k in keys[:loaded]]
    if prefixes:
        index.load(np.array(prefixes, np.uint64))
    for number, each in enumerate(keys[loaded:], loaded):
        index.add(each, number)
    return index


@pytest.mark.parametrize("loaded", [0, 3, 200])
@pytest.mark.parametrize("merged", [False, True])
def test_it_finds_what_a_dictionary_finds(loaded, merged):
    rng = random.Random(1)
    keys = [key(rng.choice((0, 5, 2**64 - 1, rng.getrandbits(3))), rng.randrange(4))
            for _ in range(200)]  # fmt: skip
    index = filled(keys, loaded)
    expected = {each: number for number, each in enumerate(keys)}
    if merged:
        index.merge()
        assert index.num_new == 0
    assert {each: index.find(each) for each in expected} == expected
    assert index.find(key(5, 9)) is index.find(key(77)) is None
    assert len(index) == len(expected)


def test_keys_that_share_a_prefix_are_told_apart_across_merges():
    keys = [key(7, 1), key(7, 2), key(3), key(7, 1), key(7, 3)]
    index = filled(keys, 2)
    index.merge()
    assert [index.find(k) for k in (key(7, 1), key(7, 2), key(7, 3), key(3))] == [3, 1, 4, 2]
    assert len(index) == 4
