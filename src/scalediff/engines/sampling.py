"""Drawing tokens so that a sample depends on its own seed and nothing else.

Every token of a request has its own uniform number, a hash of the request's seed and the token's
index, so there is no generator whose state the order of rows could change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from scalediff.core.engine import Sampling

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniforms(seeds: Sequence[int], indices: Sequence[int]) -> np.ndarray[Any, Any]:
    """A number in [0, 1) for each (seed, token index): SplitMix64 (Steele et al., OOPSLA 2014).

    Example:
        >>> uniforms([1, 1], [0, 1]).shape
        (2,)
    """
    with np.errstate(over="ignore"):
        x = np.asarray(seeds, np.uint64) + np.asarray(indices, np.uint64) * _GOLDEN
        for _ in range(2):
            x = x + _GOLDEN
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x = x ^ (x >> np.uint64(31))
    return np.asarray((x >> np.uint64(11)).astype(np.float64) / float(1 << 53))


def draw(logits: torch.Tensor, sampling: Sampling, numbers: np.ndarray[Any, Any]) -> torch.Tensor:
    """One token for each row by inversion of the filtered distribution.

    Args:
        logits: ``[rows, vocabulary]``.
        sampling: The same for all rows.
        numbers: A uniform number for each row.

    Returns:
        Token ids ``[rows]``. The order of the filters is that of ``transformers``: temperature,
        top_k, top_p, min_p.
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        values, ids = logits.topk(sampling.top_k, dim=-1)
    else:
        values, ids = logits.sort(dim=-1, descending=True, stable=True)
    probabilities = values.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    kept = before < sampling.top_p
    if sampling.min_p > 0:
        kept &= probabilities >= sampling.min_p * probabilities[:, :1]
    kept[:, 0] = True
    mass = torch.where(kept, probabilities, 0.0).cumsum(-1)
    target = torch.from_numpy(numbers).to(mass) * mass[:, -1]
    chosen = (mass <= target[:, None]).sum(-1).clamp(max=kept.shape[-1] - 1)
    # float32 rounding may put the target on the total: step back to the last kept token
    last = kept.shape[-1] - 1 - kept.flip(-1).to(torch.uint8).argmax(-1)
    return ids.gather(-1, torch.minimum(chosen, last)[:, None]).squeeze(-1)
