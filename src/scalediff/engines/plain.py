"""The forward pass of ``transformers`` itself, for models that ``lean`` does not know."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scalediff.engines.slots import KeysValues, SlotCache

if TYPE_CHECKING:
    import torch

_STEP = 32
"""Prompts are padded to multiples of this."""

PADDED_ROWS, PADDED_TOKENS = 8, 4096
"""Rows and tokens of a padded pass at most."""


class PlainForward:
    """Reads prompts as padded rows and takes steps.

    Args:
        model: A causal language model of ``transformers`` with full attention.
    """

    packs = False

    def __init__(self, model: Any) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        backbone = model.get_decoder() if hasattr(model, "get_decoder") else model.model
        # the argument was renamed in transformers 5
        names = inspect.signature(backbone.forward).parameters
        self._cache_name = "cache" if "cache" in names else "past_key_values"

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        wanted: Sequence[Sequence[int]],
        head: tuple[int, KeysValues] = (0, ()),
        keep: bool = True,
        sizes: Sequence[int] = (),
        depth: int | None = None,
    ) -> tuple[list[KeysValues], torch.Tensor]:
        """As ``LeanForward.read``; padded on the right, which a causal model does not see.

        ``sizes`` and ``depth`` are of packed passes and change nothing here.
        """
        import torch
        from transformers import DynamicCache

        assert not head[0], "only packed rows share a head"
        length = padded_length(max(len(ids) for ids in prompts))
        padded = [[*ids, *[0] * (length - len(ids))] for ids in prompts]
        places = sorted({at for ats in wanted for at in ats}) or [0]
        # as few as one or two positions would take another path through the matrix library
        kept = [*places, *[places[-1]] * (8 - len(places))]
        cache = DynamicCache()
        out = self._model(
            input_ids=torch.tensor(padded, device=self._device),
            use_cache=True,
            logits_to_keep=torch.tensor(kept, device=self._device),
            **{self._cache_name: cache},
        )
        rows = [row for row, ats in enumerate(wanted) for _ in ats]
        columns = [places.index(at) for ats in wanted for at in ats]
        layers = [(layer.keys, layer.values) for layer in cache.layers] if keep else []
        return [
            [(k[row, :, : len(ids)], v[row, :, : len(ids)]) for k, v in layers]
            for row, ids in enumerate(prompts)
        ], out.logits[rows, columns]

    def step(
        self, tokens: Sequence[int], positions: Sequence[int], cache: SlotCache, length: int
    ) -> torch.Tensor:
        """Logits after one token more in each of the first slots."""
        import torch

        at = torch.tensor(positions, device=self._device)
        mask = cache.step(at, length)
        out = self._model(
            input_ids=torch.tensor(tokens, device=self._device)[:, None],
            position_ids=at[:, None],
            attention_mask=mask,
            use_cache=True,
            **{self._cache_name: cache},
        )
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """What ``read`` gives are logits already."""
        return hidden


def padded_length(num_tokens: int) -> int:
    """The length to which a prompt is padded."""
    return -(-max(num_tokens, 1) // _STEP) * _STEP


def padded_rows(length: int) -> int:
    """Rows of a padded pass: fewer where prompts are long, to bound its memory."""
    return max(1, min(PADDED_ROWS, PADDED_TOKENS // length))
