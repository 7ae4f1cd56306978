"""A model as rows that come and go: prefill, one token for each row, and scores.

The same row has to give the same bits whatever stands in the other rows, or a sample would hang on
what else is in flight. Matrix libraries choose their order of summation by the shapes, so the
shapes that a row meets have to hang on the row alone, or change nothing. Which ones change nothing
differs with processor, library and precision: it is tried when the decoder is made (``probing``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalediff.engines.exact import Shapes
from scalediff.engines.lean import LeanForward, can_be_lean
from scalediff.engines.plain import PlainForward, padded_length, padded_rows
from scalediff.engines.probing import find_shapes
from scalediff.engines.slots import KeysValues, SlotCache

if TYPE_CHECKING:
    import torch

LEAST_HEAD = 8
"""A head of fewer tokens is not worth a mask."""

_tried: dict[Any, Shapes] = {}


@dataclass(frozen=True)
class Prefill:
    """A prompt that the model has read.

    Attributes:
        keys_values: Of each layer, of the prompt's positions.
        num_tokens: Tokens of the prompt.
        logits: Of the first token of the response, ``[vocabulary]``.
    """

    keys_values: KeysValues
    num_tokens: int
    logits: torch.Tensor


class SlotDecoder:
    """A decoder model with a fixed number of slots.

    Args:
        model: A causal language model of ``transformers`` with full attention.
        num_slots: Rows that are decoded together.
        head: Tokens that most prompts begin with; they are read once.

    Attributes:
        shapes: Which shapes may vary without changing a bit of a row.
        is_lean: Whether the forward pass is our own.
    """

    def __init__(self, model: Any, num_slots: int, head: Sequence[int] = ()) -> None:
        import torch

        self.num_slots = num_slots
        self._device = next(model.parameters()).device
        self._head_ids: list[int] = []
        self._head: tuple[int, KeysValues] = (0, ())
        self._cache = SlotCache(num_slots)
        self.shapes = Shapes(rows=(num_slots,), lengths=())
        with torch.inference_mode():
            self._forward = _forward_of(model)
            self.is_lean = self._forward.packs
            # models of one architecture give the same answer, and a line opens several
            sizes = ((p.shape, p.dtype) for p in model.parameters())
            kind = (self.is_lean, self._device, torch.get_num_threads(), num_slots, *sizes)
            if kind not in _tried:
                _tried[kind] = find_shapes(model, self._forward, self._cache, num_slots)
            self.shapes = _tried[kind]
            if self.is_lean and len(head) >= LEAST_HEAD:
                (layers,), _ = self._forward.read([head], [[0]])
                self._head = len(head), [(k.clone(), v.clone()) for k, v in layers]
                self._head_ids = list(head)

    def batches(
        self, prompts: Sequence[Sequence[int]], *, to_score: bool = False
    ) -> list[list[int]]:
        """Which prompts to prefill together, or which rows to score, by their index."""
        passes = self.shapes.passes_for(to_score=to_score)
        order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
        batches: list[list[int]] = []
        tokens, length = 0, -1
        for row in order:
            if self.is_lean:
                mine = len(prompts[row])
                full = tokens + mine > passes[-1]
            else:
                mine = padded_length(len(prompts[row]))
                full = mine != length or len(batches[-1]) >= padded_rows(mine)
            if full or not batches:
                batches.append([])
                tokens, length = 0, mine
            tokens += mine
            batches[-1].append(row)
        return batches

    def prefill(self, prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        """Read prompts of one of the ``batches``."""
        found: list[Prefill | None] = [None] * len(prompts)
        for rows, head, own in self._by_head(prompts):
            layers, hidden = self._read(own, [[len(ids) - 1] for ids in own], head)
            logits = self._logits(hidden)
            for place, row in enumerate(rows):
                # a copy, so that one kept row does not keep the whole batch
                keys_values = [_joined(head, n, pair) for n, pair in enumerate(layers[place])]
                found[row] = Prefill(keys_values, len(prompts[row]), logits[place].clone())
        return [prefill for prefill in found if prefill is not None]

    def score(self, rows: Sequence[tuple[Sequence[int], int]]) -> list[tuple[float, bool]]:
        """Log-probability of the last tokens of each row, and whether each is the argmax.

        The last token is not read: what follows it is not asked.

        Args:
            rows: Token ids and how many of the last are the continuation.
        """
        results = [(0.0, True)] * len(rows)
        asked = [row for row, (_, m) in enumerate(rows) if m]
        for places, head, own in self._by_head([rows[row][0][:-1] for row in asked]):
            mine = [asked[place] for place in places]
            nums = [rows[row][1] for row in mine]
            wanted = [range(len(ids) - m, len(ids)) for ids, m in zip(own, nums, strict=True)]
            _, hidden = self._read(own, wanted, head, to_score=True)
            targets = [token for row in mine for token in rows[row][0][-rows[row][1] :]]
            logprobs, greedy = self._compare(hidden, targets)
            start = 0
            for row, m in zip(mine, nums, strict=True):
                span = slice(start, start + m)
                results[row] = sum(logprobs[span]), all(greedy[span])
                start += m
        return results

    def _compare(self, hidden: torch.Tensor, targets: list[int]) -> tuple[list[float], list[bool]]:
        """Of each row the log-probability of its target, and whether that is the argmax."""
        import torch

        logprobs: list[float] = []
        greedy: list[bool] = []
        most = self.shapes.logits[-1]
        for start in range(0, len(targets), most):
            logits = self._logits(hidden[start : start + most]).float()
            asked = torch.tensor(targets[start : start + most], device=self._device)
            logprobs += logprob(logits, asked)
            greedy += (logits.argmax(-1) == asked).tolist()
        return logprobs, greedy

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
        length = self.shapes.length_for(max(positions) + 1)
        return self._forward.step([*tokens, *idle], [*positions, *idle], self._cache, length)

    def _by_head(
        self, prompts: Sequence[Sequence[int]]
    ) -> Iterator[tuple[list[int], tuple[int, KeysValues], list[Sequence[int]]]]:
        """Prompts that begin with the head, and those that do not, each with what is its own."""
        num = len(self._head_ids)
        begins = [
            bool(num) and len(ids) > num and list(ids[:num]) == self._head_ids for ids in prompts
        ]
        for has_head in (True, False):
            rows = [row for row, begin in enumerate(begins) if begin == has_head]
            if rows:
                head = self._head if has_head else (0, ())
                yield rows, head, [prompts[row][num if has_head else 0 :] for row in rows]

    def _read(
        self,
        prompts: Sequence[Sequence[int]],
        wanted: Sequence[Sequence[int]],
        head: tuple[int, KeysValues] = (0, ()),
        *,
        to_score: bool = False,
    ) -> tuple[list[KeysValues], torch.Tensor]:
        """Keys and values of each prompt (none to score); hidden states at the places wanted."""
        if not self.is_lean and not self.shapes.any_prefill:
            # the number of rows has to hang on their length alone
            more = padded_rows(padded_length(len(prompts[0]))) - len(prompts)
            prompts = [*prompts, *[prompts[-1]] * more]
            wanted = [*wanted, *[[]] * more]
        passes = self.shapes.passes_for(to_score=to_score)
        return self._forward.read(prompts, wanted, head, not to_score, passes)

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states, of as many rows at once as give each the same bits."""
        import torch

        most = self.shapes.logits[-1]
        if len(hidden) > most:
            return torch.cat([self._logits(part) for part in hidden.split(most)])
        rows = len(hidden)
        size = next(size for size in self.shapes.logits if size >= rows)
        if size > rows:
            hidden = hidden[[*range(rows), *[rows - 1] * (size - rows)]]
        return self._forward.logits(hidden)[:rows]


def logprob(logits: torch.Tensor, tokens: torch.Tensor) -> list[float]:
    """Natural log-probability of a token for each row of logits."""
    # not logsumexp, which splits the sum of a lone row between threads
    chosen = logits.float().log_softmax(-1).gather(-1, tokens[:, None])
    found: list[float] = chosen.squeeze(-1).double().tolist()
    return found


def _joined(
    head: tuple[int, KeysValues], layer: int, own: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """A layer's keys and values of the head and of what follows it."""
    import torch

    if not head[0]:
        return own[0].clone(), own[1].clone()
    before = head[1][layer]
    return torch.cat([before[0], own[0]], 1), torch.cat([before[1], own[1]], 1)


def _forward_of(model: Any) -> LeanForward | PlainForward:
    """Our own forward pass where it gives the model's own logits, else that of the model."""
    import torch

    plain = PlainForward(model)
    if not can_be_lean(model):
        return plain
    lean = LeanForward(model)
    noise = torch.Generator().manual_seed(3)
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(vocabulary, (2, 32), generator=noise).tolist()
    ids[1] = ids[1][:20]
    wanted = [[len(row) - 1, 3] for row in ids]
    ours, theirs = (way.logits(way.read(ids, wanted)[1]).float() for way in (lean, plain))
    # bfloat16 rounds at other places: a wrong model is off by as much as its logits
    share = 1e-3 if lean.precise else 0.1
    return lean if (ours - theirs).abs().max() <= share * ours.abs().max() else plain
