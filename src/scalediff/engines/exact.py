"""Which shapes of a computation give a row the same bits: found by trying, not by trust.

Measured on x86-64, torch 2.13: a row's bits do not hang on its place. With AVX-512 in float32 they
do not hang on the number of rows from 4 up either; with AMX in bfloat16 some products of 33 to 512
rows sum in one order, and those of fewer and of more in another. They hang on the length of the
attention beyond some 200 positions, where the matrix library splits its sums in another place.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Attend = Callable[
    ["torch.Tensor", "torch.Tensor", "torch.Tensor", "torch.Tensor"], "tuple[torch.Tensor, ...]"
]
"""Query, keys, values and each row's position to what is seen, in one or more ways."""

BLOCK = 512
"""Attention kernels work through the keys in blocks of at most this length, one after the other,
and a block that is all masked adds exactly nothing: so multiples of it give the same bits."""

_STEP = 64


@dataclass(frozen=True)
class Shapes:
    """Shapes that may vary without changing a bit of a row.

    Attributes:
        rows: Row counts of a step, ascending; the last is all slots.
        lengths: Lengths of attention below ``BLOCK``, ascending; above come its multiples.
        passes: Tokens of a packed pass that prefills, ascending.
        score_passes: Tokens of a packed pass that scores, ascending.
        logits: Rows of which logits are made at once, ascending.
        any_prefill: Whether a padded prefill may have any number of rows.
        any_slot: Whether a row may stand anywhere in a step. Nothing can be done where not, but
            it should be known.
    """

    rows: tuple[int, ...]
    lengths: tuple[int, ...]
    passes: tuple[int, ...] = ()
    score_passes: tuple[int, ...] = ()
    logits: tuple[int, ...] = ()
    any_prefill: bool = False
    any_slot: bool = True

    def rows_for(self, used: int) -> int:
        """The smallest row count that holds the slots used."""
        return self.rows[bisect.bisect_left(self.rows, used)]

    def passes_for(self, *, to_score: bool) -> tuple[int, ...]:
        """Tokens that a packed pass may have."""
        return self.score_passes if to_score else self.passes

    def length_for(self, reach: int) -> int:
        """The smallest length of attention that reaches this many positions."""
        place = bisect.bisect_left(self.lengths, reach)
        return self.lengths[place] if place < len(self.lengths) else -(-reach // BLOCK) * BLOCK


def sizes_alike(
    sizes: Sequence[int],
    rows_at: Callable[[int], Iterable[tuple[int, torch.Tensor]]],
    largest_first: int,
) -> tuple[int, ...]:
    """The sizes, one after the other, at which each row has the same bits; none if only one has.

    Args:
        sizes: Ascending.
        rows_at: Computes something of a size, and gives rows of it with their names; rows of one
            name were computed from the same.
        largest_first: The first of them is this at most: the smaller ones may go another way.
    """
    import torch

    found: list[int] = []
    known: dict[int, torch.Tensor] = {}
    for size in sizes:
        now = list(rows_at(size))
        if not all(torch.equal(row, known.setdefault(name, row)) for name, row in now):
            if len(found) > 1 or size > largest_first:
                break
            known = {}
            if not all(torch.equal(row, known.setdefault(name, row)) for name, row in now):
                break  # a row's place changes it
            found = []
        found.append(size)
    return tuple(found) if len(found) > 1 else ()


def attention_lengths(
    config: Any, keys: torch.Tensor, num_slots: int, attend: Attend | None = None
) -> tuple[int, ...]:
    """Lengths below ``BLOCK`` at which attention gives the bits that it gives at ``BLOCK``.

    Args:
        config: The model's, for its number of heads.
        keys: Of one layer, for heads, head size, precision and device.
        num_slots: Rows.
        attend: The attention of a step; without it that of ``transformers``.
    """
    import torch

    attend = attend or _attend
    num_kv, _, size = keys.shape[-3:]
    num_heads = config.get_text_config().num_attention_heads
    noise = torch.Generator().manual_seed(2)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=noise).to(keys)

    steps = range(_STEP, BLOCK, _STEP)
    if num_slots == 1:
        return tuple(steps)  # a row alone meets no length but its own
    query = random(num_slots, num_heads, 1, size)
    key, value = random(num_slots, num_kv, BLOCK, size), random(num_slots, num_kv, BLOCK, size)
    lengths = []
    for length in steps:
        same = True
        for start in range(length - _STEP, length, num_slots):
            positions = torch.arange(num_slots, device=keys.device) % _STEP + start
            positions = positions.clamp(max=length - 1)
            short, whole = (
                attend(query, key[:, :, :n], value[:, :, :n], positions) for n in (length, BLOCK)
            )
            same = same and all(torch.equal(a, b) for a, b in zip(short, whole, strict=True))
        if same:
            lengths.append(length)
    return tuple(lengths)


def _attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, positions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of one token, with heads packed or keys repeated: versions do either."""
    import torch

    attention = torch.nn.functional.scaled_dot_product_attention
    slots, num_heads, _, size = query.shape
    num_kv = key.shape[1]
    shared = num_heads // num_kv
    reach = torch.arange(key.shape[2], device=key.device)
    mask = (reach[None, :] <= positions[:, None])[:, None, None, :]
    packed = query.reshape(slots, num_kv, shared, size)
    repeated = (t.repeat_interleave(shared, dim=1) for t in (key, value))
    return (
        attention(packed, key, value, attn_mask=mask),
        attention(query, *repeated, attn_mask=mask),
    )
