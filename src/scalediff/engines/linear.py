"""Projections: oneDNN with weights laid out for it where that is to be had, else torch's own.

Torch lays a weight out anew at every call. Measured on x86-64 with AVX512-bf16, one thread, the
shapes of SmolLM2-135M: with weights laid out once a step of 8 rows takes 0.54 (bfloat16) to 0.70
(float32) of the time, one of 64 rows 0.84 to 0.76, a prefill 0.94 to 0.86.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

MOST_BYTES = 4 * 2**30
"""Weights of larger models are not laid out a second time, for they take as much memory again."""

LEAST_WEIGHTS = 200_000
"""Smaller weights stay in the processor's caches, and torch's own call costs less."""


class Linear:
    """A projection as torch computes it.

    Args:
        weight: ``[out, in]``.
        bias: ``[out]`` or None.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``[rows, out]`` of ``[rows, in]``."""
        import torch

        return torch.nn.functional.linear(x, self._weight, self._bias)

    def onto(self, x: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
        """The projection and ``total``, which may be overwritten, together."""
        if self._bias is not None:
            total = total + self._bias
        return total.addmm_(x, self._weight.t())


class LaidOut(Linear):
    """A projection by oneDNN."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        import torch

        super().__init__(torch.ops.mkldnn._reorder_linear_weight(weight, 64), bias)
        self._run: Any = torch.ops.mkldnn._linear_pointwise

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """``[rows, out]`` of ``[rows, in]``."""
        y: torch.Tensor = self._run(x, self._weight, self._bias, "none", [], "")
        return y

    def onto(self, x: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
        """The projection and ``total`` together."""
        y: torch.Tensor = self._run(x, total, self._weight, self._bias, "add")
        return y


def linear_for(model: Any) -> Callable[[torch.Tensor, torch.Tensor | None], Linear]:
    """What makes a model's projections."""
    import torch

    first = next(model.parameters())
    size = sum(p.numel() * p.dtype.itemsize for p in model.parameters())
    if first.device.type != "cpu" or size > MOST_BYTES or not torch.backends.mkldnn.is_available():
        return Linear
    try:  # these operators are torch's own business, and may go or refuse a processor
        with torch.inference_mode():
            weight = torch.ones(16, 16, dtype=first.dtype)
            tried = LaidOut(weight, None)
            tried.onto(tried(weight), weight)
    except (AttributeError, RuntimeError):
        return Linear
    return lambda weight, bias: (LaidOut if weight.numel() >= LEAST_WEIGHTS else Linear)(
        weight, bias
    )
