"""A model as rows that come and go: prefill, one token for each row, and scores.

The same row has to give the same bits whatever stands in the other rows, or a sample would hang on
what else is in flight. Matrix libraries choose their order of summation by the shapes, so the
shapes that a row meets have to hang on the row alone, or change nothing. Which ones change nothing
differs with processor, library and precision: it is tried when the decoder is made (``exact``).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalediff.engines.exact import Shapes, attention_lengths
from scalediff.engines.slots import KeysValues, SlotCache

if TYPE_CHECKING:
    import torch

PREFILL_ROWS = 8
"""Rows of a prefill at most."""

_PREFILL_TOKENS = 4096
_PREFILL_STEP = 32
"""Prompts are padded to multiples of this."""

_MIN_ROWS = 8
"""A step has at least so many rows: one or two take another path through the matrix library."""


_tried: dict[Any, Shapes] = {}


@dataclass(frozen=True)
class Prefill:
    """A prompt that the model has read.

    Attributes:
        keys_values: Of each layer, at least the prompt's positions.
        num_tokens: Tokens of the prompt.
        logits: Of the first token of the response, ``[vocabulary]``.
    """

    keys_values: KeysValues
    num_tokens: int
    logits: torch.Tensor


def prefill_length(num_tokens: int) -> int:
    """The length to which a prompt is padded; prompts of equal length share a prefill."""
    return -(-max(num_tokens, 1) // _PREFILL_STEP) * _PREFILL_STEP


def prefill_rows(length: int) -> int:
    """Rows of a prefill of this length: fewer where prompts are long, to bound its memory."""
    return max(1, min(PREFILL_ROWS, _PREFILL_TOKENS // length))


class SlotDecoder:
    """A decoder model with a fixed number of slots.

    Args:
        model: A causal language model of ``transformers`` with full attention.
        num_slots: Rows that are decoded together.

    Attributes:
        shapes: Which shapes may vary without changing a bit of a row.
    """

    def __init__(self, model: Any, num_slots: int) -> None:
        self.num_slots = num_slots
        self._model = model
        self._device = next(model.parameters()).device
        backbone = model.get_decoder() if hasattr(model, "get_decoder") else model.model
        # the argument was renamed in transformers 5
        names = inspect.signature(backbone.forward).parameters
        self._cache_name = "cache" if "cache" in names else "past_key_values"
        self._cache = SlotCache(num_slots)
        self.shapes = Shapes(rows=(num_slots,), lengths=(), any_prefill=False)
        # models of one architecture give the same answer, and a line opens several
        kind = (self._device, num_slots, *((p.shape, p.dtype) for p in model.parameters()))
        if kind not in _tried:
            _tried[kind] = self._try_shapes()
        self.shapes = _tried[kind]

    def prefill(self, prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        """Read prompts of the same ``prefill_length``, at most ``prefill_rows`` of it."""
        last = sorted({len(ids) - 1 for ids in prompts})
        layers, logits = self._read(prompts, last)
        return [
            Prefill(
                # a copy, so that one kept row does not keep the whole batch
                [(k[row, :, : len(ids)].clone(), v[row, :, : len(ids)].clone()) for k, v in layers],
                len(ids),
                logits[row, last.index(len(ids) - 1)].clone(),
            )
            for row, ids in enumerate(prompts)
        ]

    def score(self, rows: Sequence[tuple[Sequence[int], int]]) -> list[tuple[float, bool]]:
        """Log-probability of the last tokens of each row, and whether each is the argmax.

        Args:
            rows: Token ids and how many of the last are the continuation.
        """
        import torch

        wanted = sorted({at for ids, m in rows for at in range(len(ids) - m - 1, len(ids) - 1)})
        places = {at: place for place, at in enumerate(wanted)}
        _, logits = self._read([ids for ids, _ in rows], wanted or [0])
        results = []
        for row, (ids, m) in enumerate(rows):
            first = places.get(len(ids) - m - 1, 0)
            mine = logits[row, first : first + m].float()
            targets = torch.tensor(list(ids[len(ids) - m :]), device=self._device)
            logprobs = mine.log_softmax(-1).gather(-1, targets[:, None])
            is_greedy = bool((mine.argmax(-1) == targets).all())
            results.append((float(logprobs.double().sum()), is_greedy))
        return results

    def enter(self, slot: int, prefill: Prefill) -> None:
        """Put a prefilled prompt into a slot."""
        self._cache.put(slot, prefill.keys_values, prefill.num_tokens)

    def move(self, source: int, target: int, n: int) -> None:
        """Move a row of ``n`` tokens to another slot."""
        self._cache.move(source, target, n)

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """One token further in the first slots; logits ``[slots used, vocabulary]``.

        Args:
            tokens: The newest token of each slot; those of idle slots do not matter.
            positions: Where it stands; 0 for idle slots.
        """
        rows = self.shapes.rows_for(len(tokens))
        idle = [0] * (rows - len(tokens))
        return self._step([*tokens, *idle], [*positions, *idle], max(positions) + 1)

    def _step(self, tokens: list[int], positions: list[int], reach: int) -> torch.Tensor:
        import torch

        at = torch.tensor(positions, device=self._device)
        mask = self._cache.step(at, self.shapes.length_for(reach))
        out = self._model(
            input_ids=torch.tensor(tokens, device=self._device)[:, None],
            position_ids=at[:, None],
            attention_mask=mask,
            use_cache=True,
            **{self._cache_name: self._cache},
        )
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def _read(
        self, prompts: Sequence[Sequence[int]], wanted: Sequence[int], rows: int | None = None
    ) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
        """Keys and values of each layer, and the logits at the wanted positions of every row.

        Rows are padded on the right, which a causal model does not see.
        """
        import torch
        from transformers import DynamicCache

        length = prefill_length(max(len(ids) for ids in prompts))
        padded = [[*ids, *[0] * (length - len(ids))] for ids in prompts]
        # as few as one or two positions would take another path through the matrix library
        wanted = [*wanted, *[wanted[-1]] * (_MIN_ROWS - len(wanted))]
        if rows is None:
            rows = len(padded) if self.shapes.any_prefill else prefill_rows(length)
        padded += padded[-1:] * (rows - len(padded))
        cache = DynamicCache()
        out = self._model(
            input_ids=torch.tensor(padded, device=self._device),
            use_cache=True,
            logits_to_keep=torch.tensor(wanted, device=self._device),
            **{self._cache_name: cache},
        )
        return [(layer.keys, layer.values) for layer in cache.layers], out.logits

    def _try_shapes(self) -> Shapes:
        """Run the model on noise in several shapes and see which give the same bits."""
        import torch

        with torch.inference_mode():
            vocabulary = self._model.get_input_embeddings().weight.shape[0]
            noise = torch.Generator().manual_seed(0)
            ids = torch.randint(vocabulary, (PREFILL_ROWS, 40), generator=noise).tolist()
            layers, logits = self._read(ids, [39], PREFILL_ROWS)
            any_prefill = True
            for rows in (1, 3):
                fewer, their_logits = self._read(ids[:rows], [39], rows)
                pairs = zip(layers, fewer, strict=True)
                any_prefill &= torch.equal(logits[:rows], their_logits)
                any_prefill &= all(torch.equal(v[:rows], w) for (_, v), (_, w) in pairs)
            self._fill(layers)
            lengths = attention_lengths(self._model.config, layers[0][0], self.num_slots)
            return Shapes(self._exact_rows(vocabulary), lengths, any_prefill)

    def _fill(self, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Put a prefill of noise into every slot."""
        for slot in range(self.num_slots):
            row = slot % PREFILL_ROWS
            self._cache.put(slot, [(k[row], v[row]) for k, v in layers], 40)

    def _exact_rows(self, vocabulary: int) -> tuple[int, ...]:
        """Row counts that give each row the bits that a step of all slots gives it."""
        import torch

        noise = torch.Generator().manual_seed(1)
        tokens = torch.randint(vocabulary, (self.num_slots,), generator=noise).tolist()
        positions = torch.randint(40, (self.num_slots,), generator=noise).tolist()
        whole = self._step(tokens, positions, 40)
        found, rows = [self.num_slots], _MIN_ROWS
        while rows < self.num_slots:
            if torch.equal(whole[:rows], self._step(tokens[:rows], positions[:rows], 40)):
                found.append(rows)
            rows *= 2
        return tuple(sorted(found))
