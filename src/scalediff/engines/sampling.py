"""Drawing tokens so that a sample depends on its own seed and nothing else.

Every token of a request has its own uniform number, a hash of the request's seed and the token's
index, so there is no generator whose state the order of rows could change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scalediff.core.engine import Sampling

if TYPE_CHECKING:
    import numpy as np
    import torch

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

_CANDIDATES = (256, 4096)
"""Most nuclei have fewer tokens: sorting these alone spares sorting the vocabulary."""


def uniforms(seeds: Sequence[int], indices: Sequence[int]) -> np.ndarray[Any, Any]:
    """A number in [0, 1) for each (seed, token index): SplitMix64 (Steele et al., OOPSLA 2014).

    The seed is hashed before the index is added, so that neighbouring seeds share no numbers.

    Example:
        >>> uniforms([1, 1], [0, 1]).shape
        (2,)
    """
    import numpy as np

    x = _mix(np.asarray([seed & _MASK for seed in seeds], np.uint64))
    x = _mix(x + np.asarray(indices, np.uint64))
    numbers: np.ndarray[Any, Any] = (x >> np.uint64(11)).astype(np.float64) / float(1 << 53)
    return numbers


def _mix(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One output of SplitMix64 for each state (arrays of uint64 wrap around silently)."""
    import numpy as np

    x = x + np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray[Any, Any] = x ^ (x >> np.uint64(31))
    return mixed


def draw(logits: torch.Tensor, sampling: Sampling, numbers: np.ndarray[Any, Any]) -> torch.Tensor:
    """One token for each row by inversion of the filtered distribution.

    Args:
        logits: ``[rows, vocabulary]``.
        sampling: The same for all rows.
        numbers: A uniform number for each row.

    Returns:
        Token ids ``[rows]``. The order of the filters is that of ``transformers``: temperature,
        top_k, top_p, min_p. At temperature 0 the most probable token.
    """
    import torch

    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / sampling.temperature
    targets = torch.from_numpy(numbers).to(logits.device)
    if sampling.top_p >= 1 and sampling.min_p <= 0 and not 0 < sampling.top_k < logits.shape[-1]:
        return _invert(logits.softmax(-1).double(), targets)  # nothing to filter, so no sorting
    if 0 < sampling.top_k < logits.shape[-1]:
        values, ids = logits.topk(sampling.top_k, dim=-1)
        return _choose(values.softmax(-1).double(), ids, sampling, targets)
    return _draw_nucleus(logits.softmax(-1), sampling, targets)


def _draw_nucleus(
    probabilities: torch.Tensor, sampling: Sampling, targets: torch.Tensor
) -> torch.Tensor:
    """A token of each row's nucleus, sorting no more of the vocabulary than that row needs."""
    import torch

    vocabulary = probabilities.shape[-1]
    tokens = torch.empty(len(probabilities), dtype=torch.long, device=probabilities.device)
    rows = torch.arange(len(probabilities), device=probabilities.device)
    for num in (*(n for n in _CANDIDATES if n < vocabulary), vocabulary):
        if num < vocabulary:
            values, ids = probabilities[rows].topk(num, dim=-1)
        else:
            values, ids = probabilities[rows].sort(dim=-1, descending=True, stable=True)
        tokens[rows] = _choose(values.double(), ids, sampling, targets[rows])
        # which way a row goes hangs on that row alone
        wide = values.double().sum(-1) < sampling.top_p
        if sampling.min_p > 0:
            wide &= values[:, -1] >= sampling.min_p * values[:, 0]
        rows = rows[wide] if num < vocabulary else rows[:0]
        if not len(rows):
            break
    return tokens


def _choose(
    probabilities: torch.Tensor, ids: torch.Tensor, sampling: Sampling, targets: torch.Tensor
) -> torch.Tensor:
    """A token of each row's nucleus; probabilities are sorted, the greatest first."""
    before = probabilities.cumsum(-1) - probabilities
    kept = before < sampling.top_p
    if sampling.min_p > 0:
        kept &= probabilities >= sampling.min_p * probabilities[:, :1]
    kept[:, 0] = True
    chosen = _invert(probabilities * kept, targets)
    return ids.gather(-1, chosen[:, None]).squeeze(-1)


def _invert(weights: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The first column of each row whose cumulated weight exceeds its target's share of the sum.

    A column of weight 0 adds nothing to the cumulated weight, so it is never the first.
    """
    import torch

    mass = weights.cumsum(-1)
    total = mass[:, -1:]
    # a product that rounding lifts to the total itself would fall off the end
    goal = torch.minimum(targets[:, None] * total, torch.nextafter(total, total * 0))
    return torch.searchsorted(mass, goal, right=True).squeeze(-1)
