"""Rows of different lengths laid end to end, and attention that keeps them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from scalediff.engines.slots import KeysValues

if TYPE_CHECKING:
    import torch

Attend = Callable[[int, "torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""Layer, query, key and value ``[tokens, heads, size]`` to what is seen, ``[tokens, width]``."""

LEAST_TOKENS = 32
"""A pass has at least so many tokens: very few take another path through the matrix library."""

_GRAIN = 16


class Packed:
    """Prompts end to end, those of one length side by side.

    Args:
        prompts: Token ids of each, after those of the head.
        head: Tokens that stand before every prompt: how many, and their keys and values.
        keep: Whether keys and values are kept.
        shared: Query heads that share a key head.
        device: Where the model is.

    Attributes:
        ids: All tokens.
        positions: Where each stands in its row.
        starts: Where each prompt begins in ``ids``.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        head: tuple[int, KeysValues],
        keep: bool,
        shared: int,
        device: Any,
    ) -> None:
        self._head_length, self._head = head
        self._keep, self._shared = keep, shared
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._lengths = [len(ids) for ids in prompts]
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.starts = [0] * len(prompts)
        padded: list[int] = []
        for row in sorted(range(len(prompts)), key=self._lengths.__getitem__):
            length = _padded(self._lengths[row], device)
            self.starts[row] = len(self.ids)
            self.ids += [*prompts[row], *[0] * (length - self._lengths[row])]
            self.positions += range(self._head_length, self._head_length + length)
            padded.append(length)
        if (missing := LEAST_TOKENS - len(self.ids)) > 0:
            self.ids += [0] * missing
            self.positions += range(self._head_length, self._head_length + missing)
            padded.append(missing)
        self._groups = [(length, len(list(same))) for length, same in groupby(padded)]
        self._masks: dict[int, torch.Tensor] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Causal attention of each row to itself and to the head."""
        import torch

        if self._keep:
            self._kept.append((key, value))
        out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
        start = 0
        for length, rows in self._groups:
            end = start + length * rows
            parts = (t[start:end].unflatten(0, (rows, length)) for t in (query, key, value))
            q, k, v = (part.transpose(1, 2) for part in parts)
            found = self._attend_rows(layer, q, k, v)
            out[start:end].unflatten(0, (rows, length)).copy_(found.transpose(1, 2))
            start = end
        return out.flatten(1)

    def _attend_rows(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        import torch

        attention = torch.nn.functional.scaled_dot_product_attention
        if not self._head_length:
            return attention(query, key, value, is_causal=True, enable_gqa=self._shared > 1)
        rows = len(query)
        before = (t[None].expand(rows, -1, -1, -1) for t in self._head[layer])
        key, value = (torch.cat(both, 2) for both in zip(before, (key, value), strict=True))
        if self._shared > 1:  # with a mask, GPU kernels know no shared heads
            key, value = (t.repeat_interleave(self._shared, dim=1) for t in (key, value))
        return attention(query, key, value, attn_mask=self._mask(query))

    def _mask(self, query: torch.Tensor) -> torch.Tensor:
        import torch

        length, reach = query.shape[2], self._head_length + query.shape[2]
        if length not in self._masks:
            ones = torch.ones(length, reach, dtype=torch.bool, device=query.device)
            self._masks[length] = ones.tril(self._head_length)
        return self._masks[length]

    def keys_values(self) -> list[KeysValues]:
        """Of each prompt and layer the keys and values ``[heads, length, size]``: views."""
        spans = [
            slice(start, start + length)
            for start, length in zip(self.starts, self._lengths, strict=True)
        ]
        return [
            [(k[span].transpose(0, 1), v[span].transpose(0, 1)) for k, v in self._kept]
            for span in spans
        ]


def _padded(length: int, device: Any) -> int:
    """A row's length with its padding.

    On a GPU every length is a launch of its own, and padding costs less. On a CPU rows go as they
    are, but short ones would make the fused attention misplace its buffers (see ``attention``).
    """
    if device.type == "cpu" and length >= LEAST_TOKENS:
        return length
    return -(-length // _GRAIN) * _GRAIN
