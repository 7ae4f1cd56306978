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

_GRAIN = 16
"""Rows are alike to attention up to a multiple of this: every length is a call of its own, and of
short rows torch's fused attention would misplace its buffers on a CPU (see ``attention``)."""


class Packed:
    """Prompts end to end; for attention those of about one length lie side by side.

    Args:
        prompts: Token ids of each, after those of the head.
        head: Tokens that stand before every prompt: how many, and their keys and values.
        keep: Whether keys and values are kept.
        shared: Query heads that share a key head.
        device: Where the model is.
        sizes: Tokens that a pass may have, ascending: it is padded to the next of them. One that
            is longer than all of them stays as it is.

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
        sizes: Sequence[int] = (),
    ) -> None:
        self._head_length, self._head = head
        self._keep, self._shared = keep, shared
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._lengths = [len(ids) for ids in prompts]
        self._masks: dict[int, torch.Tensor] = {}
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.starts = [0] * len(prompts)
        for row in sorted(range(len(prompts)), key=self._lengths.__getitem__):
            self.starts[row] = len(self.ids)
            self.ids += prompts[row]
            self.positions += range(self._head_length, self._head_length + self._lengths[row])
        size = next((size for size in sizes if size >= len(self.ids)), 0)
        missing = max(0, size - len(self.ids))
        self.ids += [0] * missing
        self.positions += [self._head_length] * missing
        self._lay_out(device)

    def _lay_out(self, device: Any) -> None:
        """Find each token's place among rows that are padded to a few lengths, and its way back."""
        import torch

        there: list[int] = []
        back = [0] * len(self.ids)
        padded: list[int] = []
        for length, start in sorted(zip(self._lengths, self.starts, strict=True)):
            back[start : start + length] = range(len(there), len(there) + length)
            padded.append(-(-length // _GRAIN) * _GRAIN)
            there += range(start, start + length)
            there += [start] * (padded[-1] - length)
        self._groups = [(length, len(list(same))) for length, same in groupby(padded)]
        self._there, self._back = (torch.tensor(places, device=device) for places in (there, back))

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Causal attention of each row to itself and to the head."""
        import torch

        if self._keep:
            self._kept.append((key, value))
        out = torch.empty((len(self._there), *query.shape[1:]), dtype=query.dtype,
                          device=query.device)  # fmt: skip
        query, key, value = (t.index_select(0, self._there) for t in (query, key, value))
        start = 0
        for length, rows in self._groups:
            end = start + length * rows
            parts = (t[start:end].unflatten(0, (rows, length)) for t in (query, key, value))
            q, k, v = (part.transpose(1, 2) for part in parts)
            found = self._attend_rows(layer, q, k, v)
            out[start:end].unflatten(0, (rows, length)).copy_(found.transpose(1, 2))
            start = end
        return out.flatten(1).index_select(0, self._back)

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
        mask, shares = self._mask(query), self._shared > 1
        if shares and query.device.type != "cpu":  # with a mask, GPU kernels know no shared heads
            key, value = (t.repeat_interleave(self._shared, dim=1) for t in (key, value))
            shares = False
        return attention(query, key, value, attn_mask=mask, enable_gqa=shares)

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
