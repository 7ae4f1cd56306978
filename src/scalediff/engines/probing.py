"""Run a model on noise in several shapes, when it opens, and see which give the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

from scalediff.engines.attention import attend_lean
from scalediff.engines.exact import Shapes, attention_lengths, sizes_alike
from scalediff.engines.lean import LeanForward
from scalediff.engines.plain import PADDED_ROWS, PlainForward
from scalediff.engines.slots import KeysValues, SlotCache

if TYPE_CHECKING:
    import torch

_MOST_TOKENS, _MOST_TOKENS_GPU = 2048, 8192
"""Tokens of a packed pass at most, if it has more than one row. More is no faster on a CPU."""

_LARGEST_FIRST = 128
"""A pass of one short prompt is padded to so many tokens at most."""

_ENOUGH, _ENOUGH_GPU = 1024, 2048
"""Passes of fewer tokens leave the matrix units idle."""

_ALWAYS_PREFILL = 512
_ALWAYS = 2048
"""Tokens of every pass where no sizes, or too small ones, give a row the same bits. Scores come by
the thousand, prompts of samples a few at a time, so that smaller passes pay for these on a CPU."""

_LAYERS = 2
"""Layers are alike, so that a few of them tell."""

_MIN_ROWS = 8
"""Rows of a step or of logits at least: one or two take another path through the library."""

_LOGIT_ROWS = (_MIN_ROWS, 16, 32, 64, 128, 256)
"""Rows of logits at once: a row of a large vocabulary is half a megabyte."""

_ALWAYS_LOGITS = 64

Forward = LeanForward | PlainForward


def find_shapes(model: Any, forward: Forward, cache: SlotCache, num_slots: int) -> Shapes:
    """Shapes that may vary without changing a bit of a row.

    Args:
        model: Of ``transformers``.
        forward: How it is run.
        cache: Of as many slots; what is in it is written over.
        num_slots: Rows of a step at most.
    """
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    is_lean = isinstance(forward, LeanForward)
    noise = torch.Generator().manual_seed(0)
    length = 40 if is_lean else 120
    ids = torch.randint(vocabulary, (PADDED_ROWS, length), generator=noise).tolist()
    if is_lean:
        ids = [row[: 40 - 3 * (place % 5)] for place, row in enumerate(ids)]
    layers, hidden = forward.read(ids, _last(ids))
    on_cpu = hidden.device.type == "cpu"
    passes, score_passes = _passes(forward, ids, on_cpu=on_cpu) if is_lean else ((), ())
    for slot in range(num_slots):
        place = slot % PADDED_ROWS
        cache.put(slot, layers[place], len(ids[place]))
    attend = attend_lean if is_lean else None
    rows, any_slot = _step_rows(forward, cache, vocabulary, num_slots)
    return Shapes(
        rows=rows,
        lengths=attention_lengths(model.config, layers[0][0][0], num_slots, attend),
        passes=passes,
        score_passes=score_passes,
        logits=_logit_rows(forward, hidden),
        any_prefill=not is_lean and _is_any_prefill(forward, ids, layers, hidden),
        any_slot=any_slot,
    )


def _last(ids: list[list[int]]) -> list[list[int]]:
    return [[len(row) - 1] for row in ids]


def _passes(
    forward: Forward, ids: list[list[int]], *, on_cpu: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens of a packed pass, to prefill and to score, that give each row the same bits."""
    ids = sorted(ids, key=len)

    def rows_at(size: int) -> Iterator[tuple[int, torch.Tensor]]:
        names: list[int] = []
        tokens = 0
        for name in cycle(range(len(ids))):
            tokens += len(ids[name])
            if tokens > size:
                break
            names.append(name)
        rows = [ids[name] for name in names]
        wanted = [range(len(row)) for row in rows]
        _, hidden = forward.read(rows, wanted, keep=False, sizes=(size,), depth=_LAYERS)
        yield from zip(names, hidden.split([len(row) for row in rows]), strict=True)

    sizes = _pass_sizes(_MOST_TOKENS if on_cpu else _MOST_TOKENS_GPU)
    found = sizes_alike(sizes, rows_at, _LARGEST_FIRST)
    if found and found[-1] >= (_ENOUGH if on_cpu else _ENOUGH_GPU):
        return found, found
    if on_cpu:
        return found or (_ALWAYS_PREFILL,), (_ALWAYS,)
    return (_ALWAYS,), (_ALWAYS,)


def _pass_sizes(most: int) -> list[int]:
    """64, 96, 128, 160, ... and from 256 on four steps to each doubling."""
    sizes = [64]
    while sizes[-1] < most:
        sizes.append(sizes[-1] + max(32, 2 ** (sizes[-1].bit_length() - 1) // 4))
    return sizes


def _logit_rows(forward: Forward, hidden: torch.Tensor) -> tuple[int, ...]:
    """Rows at once that give each row the same logits."""

    def rows_at(size: int) -> Iterator[tuple[int, torch.Tensor]]:
        names = [place % len(hidden) for place in range(size)]
        yield from zip(names, forward.logits(hidden[names]), strict=True)

    return sizes_alike(_LOGIT_ROWS, rows_at, _ALWAYS_LOGITS // 2) or (_ALWAYS_LOGITS,)


def _is_any_prefill(
    forward: Forward, ids: list[list[int]], layers: list[KeysValues], hidden: torch.Tensor
) -> bool:
    """Whether a padded pass of fewer rows gives each the bits of the full one."""
    import torch

    for rows in (slice(0, 1), slice(5, 8)):
        fewer, their_hidden = forward.read(ids[rows], _last(ids[rows]))
        if not torch.equal(hidden[rows], their_hidden):
            return False
        for mine, theirs in zip(layers[rows], fewer, strict=True):
            pairs = zip(mine, theirs, strict=True)
            if not all(torch.equal(v, w) for (_, v), (_, w) in pairs):
                return False
    return True


def _step_rows(
    forward: Forward, cache: SlotCache, vocabulary: int, num_slots: int
) -> tuple[tuple[int, ...], bool]:
    """Row counts that give each row the bits of a step of all slots, and whether slots do."""
    import torch

    noise = torch.Generator().manual_seed(1)
    tokens = torch.randint(vocabulary, (PADDED_ROWS,), generator=noise).tolist()
    positions = torch.randint(28, (PADDED_ROWS,), generator=noise).tolist()
    tokens, positions = (
        [few[slot % PADDED_ROWS] for slot in range(num_slots)] for few in (tokens, positions)
    )
    whole = forward.step(tokens, positions, cache, 64)
    found = [num_slots]
    for rows in _row_counts(num_slots):
        fewer = forward.step(tokens[:rows], positions[:rows], cache, 64)
        if torch.equal(whole[:rows], fewer):
            found.append(rows)
    anywhere = all(torch.equal(row, whole[slot % PADDED_ROWS]) for slot, row in enumerate(whole))
    return tuple(sorted(found)), anywhere


def _row_counts(num_slots: int) -> Iterator[int]:
    """Row counts worth a try: 8, 12, 16, 24, 32, 48, ..."""
    rows = _MIN_ROWS
    while rows < num_slots:
        yield rows
        if rows * 3 // 2 < num_slots:
            yield rows * 3 // 2
        rows *= 2
