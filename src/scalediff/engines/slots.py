"""A cache with a fixed number of rows, each at a position of its own.

``transformers`` takes any object with ``update`` as its cache. This one writes each row's new key
and value where that row stands, so that finished rows leave and new ones enter at any step. A row's
keys begin at position 0, whatever the others do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

KeysValues = Sequence["tuple[torch.Tensor, torch.Tensor]"]
"""Of each layer the keys and the values, ``[heads, length, head size]``."""

_GROWTH = 256
"""Capacities are multiples of this."""


class SlotCache:
    """Keys and values ``[slots, heads, capacity, head size]`` of each layer.

    Args:
        num_slots: Rows.
    """

    is_compileable = False

    def __init__(self, num_slots: int) -> None:
        self.capacity = 0
        self._num_slots = num_slots
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._rows: Any = None
        self._positions: Any = None
        self._length = 0

    def put(self, slot: int, keys_values: KeysValues, n: int) -> None:
        """Write the first ``n`` positions of a prefilled row into a slot."""
        if not self._keys:
            empty = [(k.new_empty(self._shape(k, 0)), v.new_empty(self._shape(v, 0)))
                     for k, v in keys_values]  # fmt: skip
            self._keys, self._values = [k for k, _ in empty], [v for _, v in empty]
        self.reserve(n)
        for layer, (keys, values) in enumerate(keys_values):
            self._keys[layer][slot, :, :n] = keys[:, :n]
            self._values[layer][slot, :, :n] = values[:, :n]

    def _shape(self, one: torch.Tensor, capacity: int) -> tuple[int, int, int, int]:
        return self._num_slots, one.shape[0], capacity, one.shape[-1]

    def move(self, source: int, target: int, n: int) -> None:
        """Copy the first ``n`` positions of a slot into another."""
        for buffer in (*self._keys, *self._values):
            buffer[target, :, :n] = buffer[source, :, :n]

    def reserve(self, length: int) -> None:
        """Make room for rows of ``length`` tokens; half as much again where it has to grow."""
        if length <= self.capacity:
            return
        wanted = max(length, self.capacity * 3 // 2)
        capacity = -(-wanted // _GROWTH) * _GROWTH
        for buffers in (self._keys, self._values):
            for layer, old in enumerate(buffers):
                wider = old.new_zeros(*old.shape[:2], capacity, old.shape[-1])
                wider[:, :, : self.capacity] = old
                buffers[layer] = wider
        self.capacity = capacity

    def step(self, positions: torch.Tensor, length: int) -> torch.Tensor:
        """Get ready for one token in each of the first rows.

        Args:
            positions: Where each row's token stands, ``[rows]``; rows beyond stay untouched.
            length: Positions to attend to, at least the greatest position and one.

        Returns:
            The attention mask ``[rows, 1, 1, length]``, true where a row may look.
        """
        import torch

        self.reserve(length)
        self._rows = torch.arange(len(positions), device=positions.device)
        self._positions, self._length = positions, length
        reach = torch.arange(length, device=positions.device)
        return (reach[None, :] <= positions[:, None])[:, None, None, :]

    def append(
        self, layer: int, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write a token's ``[rows, heads, size]``; what the first rows then attend to."""
        rows, length = len(self._rows), self._length
        self._keys[layer][self._rows, :, self._positions] = keys
        self._values[layer][self._rows, :, self._positions] = values
        return self._keys[layer][:rows, :, :length], self._values[layer][:rows, :, :length]

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Called by the attention of ``transformers`` with ``[rows, heads, 1, size]``."""
        return self.append(layer_idx, keys[:, :, 0], values[:, :, 0])

    def get_seq_length(self, *_: Any, **__: Any) -> int:
        """Positions are always given, so nothing is counted from here."""
        return 0
