"""Attention of one new token in each row, in the way that gives a row the same bits in any slot.

On a CPU torch's fused attention keeps a scratch buffer for each thread, and where such a buffer
does not begin on a cache line, MKL sums in another order: with three query heads to a key head and
two threads, half the rows of a step had other bits than the other half. Batched products know no
such buffers and cost the same, but in bfloat16 they change with the length (1,024 to 1,536), which
the fused attention does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class StepAttention:
    """Attention of a step; made once and used by every layer.

    Args:
        mask: ``[rows, 1, 1, length]``, true where a row may look.
        like: For precision and device.
    """

    def __init__(self, mask: torch.Tensor, like: torch.Tensor) -> None:
        import torch

        self._mask = mask
        self._bias: torch.Tensor | None = None
        if like.dtype == torch.float32 and like.device.type == "cpu":
            bias = torch.zeros(mask.shape, dtype=like.dtype)
            self._bias = bias.masked_fill_(~mask, float("-inf"))[:, 0]

    def __call__(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """What is seen, ``[rows, key heads, shared, size]``, of a query of that shape."""
        import torch

        if self._bias is None:
            attention = torch.nn.functional.scaled_dot_product_attention
            return attention(query, keys, values, attn_mask=self._mask)
        rows, num_kv, shared, size = query.shape
        bias = self._bias[:, None].expand(rows, num_kv, 1, -1).flatten(0, 1)
        scores = torch.baddbmm(
            bias, query.flatten(0, 1), keys.flatten(0, 1).transpose(1, 2), alpha=size**-0.5
        )
        return torch.bmm(scores.softmax(-1), values.flatten(0, 1)).view(rows, num_kv, shared, size)


def attend_lean(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, positions: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """``StepAttention`` for ``exact``: query heads ``[rows, heads, 1, size]``, rows' positions."""
    import torch

    reach = torch.arange(key.shape[2], device=key.device)
    mask = (reach[None, :] <= positions[:, None])[:, None, None, :]
    rows, num_kv, _, size = key.shape
    query = query.reshape(rows, num_kv, -1, size)
    return (StepAttention(mask, query)(query, key, value),)
