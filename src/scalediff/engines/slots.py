"""A cache with a fixed number of rows, each at a position of its own.

``transformers`` takes any object with ``update`` as its cache. This one writes each row's new key
and value where that row stands, so that finished rows leave and new ones enter at any step. Decoding
always runs all rows (idle ones compute nothing anybody reads), and a row's keys begin at position 0:
so what a row computes has the same shapes whatever the others do.
"""

from __future__ import annotations

from typing import Any

import torch

LENGTH_STEP = 64
"""Cache lengths are multiples of this, so that few shapes occur."""


def rounded(length: int) -> int:
    """The next multiple of ``LENGTH_STEP``."""
    return -(-length // LENGTH_STEP) * LENGTH_STEP


class SlotCache:
    """Keys and values ``[slots, heads, length, head size]`` for each layer.

    Args:
        num_slots: Rows.
        device: Where the buffers live.
    """

    is_compileable = False

    def __init__(self, num_slots: int, device: torch.device) -> None:
        self._num_slots = num_slots
        self._device = device
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._rows = torch.arange(num_slots, device=device)
        self._positions = torch.zeros(num_slots, dtype=torch.long, device=device)
        self._used = LENGTH_STEP
        self.length = 0

    def reserve(self, length: int, like: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Make room for rows of up to ``length`` tokens; ``like`` has the shapes of a prefill."""
        length = rounded(length)
        if length <= self.length:
            return
        for buffers, part in ((self._keys, 0), (self._values, 1)):
            for layer, pair in enumerate(like):
                _, heads, _, size = pair[part].shape
                wider = torch.zeros(
                    self._num_slots, heads, length, size, dtype=pair[part].dtype,
                    device=self._device,
                )  # fmt: skip
                if layer < len(buffers):
                    wider[:, :, : self.length] = buffers[layer]
                    buffers[layer] = wider
                else:
                    buffers.append(wider)
        self.length = length

    def put(self, slot: int, prefill: list[tuple[torch.Tensor, torch.Tensor]], row: int, n: int) -> None:
        """Copy the first ``n`` positions of a prefilled row into a slot."""
        for layer, (keys, values) in enumerate(prefill):
            self._keys[layer][slot, :, :n] = keys[row, :, :n]
            self._values[layer][slot, :, :n] = values[row, :, :n]

    def step(self, positions: torch.Tensor, used: int) -> torch.Tensor:
        """Get ready for one token a row; the attention mask ``[slots, 1, 1, used]``.

        Args:
            positions: Where each row's token stands, ``[slots]``.
            used: Length to attend to; a multiple of ``LENGTH_STEP``.
        """
        self._positions = positions
        self._used = used
        reach = torch.arange(used, device=self._device)
        return (reach[None, :] <= positions[:, None])[:, None, None, :]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the model's attention with ``[slots, heads, 1, size]``."""
        self._keys[layer_idx][self._rows, :, self._positions] = keys[:, :, 0]
        self._values[layer_idx][self._rows, :, self._positions] = values[:, :, 0]
        used = self._used
        return self._keys[layer_idx][:, :, :used], self._values[layer_idx][:, :, :used]

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        """Positions are always given, so nothing is counted from here."""
        return 0
