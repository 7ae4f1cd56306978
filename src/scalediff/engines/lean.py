"""A forward pass of our own for models built like Llama: fused weights, and no padding at all.

Tokens of all rows lie end to end, so that norms, projections and the feed-forward layers see
``[tokens, width]``; only attention knows which token belongs to which row. The weights are those of
the ``transformers`` model, laid side by side where they read the same input; the model's own
tensors become views of them, so memory is not needed twice. ``decoder`` compares its logits with
the model's before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalediff.engines.attention import StepAttention
from scalediff.engines.linear import Linear, linear_for
from scalediff.engines.packing import Packed
from scalediff.engines.slots import KeysValues, SlotCache

if TYPE_CHECKING:
    import torch

    from scalediff.engines.packing import Attend

_KINDS = ("llama", "mistral", "qwen2", "qwen3")

_ROPES = ("default", "linear", "llama3", "yarn")
"""Rotations that hang on the position alone, so that a table of them can be kept."""

_PARTS = {
    *(f"self_attn.{name}_proj.{kind}" for name in "qkvo" for kind in ("weight", "bias")),
    *(f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
    *(f"self_attn.{name}_norm.weight" for name in "qk"),
    *(f"{name}_layernorm.weight" for name in ("input", "post_attention")),
}
"""All parameters that a layer may have; one with others is left to ``transformers``."""

MOST_HEAD_BYTES = 2**30
"""A larger projection to logits is not kept in float32 beside the model's own."""


@dataclass(frozen=True)
class _Layer:
    """Weights of one layer, those of one input side by side."""

    before: torch.Tensor
    qkv: Linear
    qk_norm: torch.Tensor | None
    out: Linear
    after: torch.Tensor
    gate_up: Linear
    down: Linear


def can_be_lean(model: Any) -> bool:
    """Whether a model is built in the one way that ``LeanForward`` knows."""
    import torch

    config = model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if config.model_type not in _KINDS or rope not in _ROPES or config.hidden_act != "silu":
        return False
    layers = model.model.layers
    if any({name for name, _ in layer.named_parameters()} - _PARTS for layer in layers):
        return False
    return all(type(layer.self_attn.q_proj) is torch.nn.Linear for layer in layers)


class LeanForward:
    """Reads prompts and takes steps; ``decoder.SlotDecoder`` says in which shapes.

    Args:
        model: A model of which ``can_be_lean`` holds.

    Attributes:
        precise: Whether its numbers have more than 16 bits.
    """

    packs = True

    def __init__(self, model: Any) -> None:
        config = model.config
        self._num_heads, self._num_kv = config.num_attention_heads, config.num_key_value_heads
        self._size = getattr(config, "head_dim", None) or config.hidden_size // self._num_heads
        self._eps = config.rms_norm_eps
        self._embed = model.model.embed_tokens.weight
        self._norm = model.model.norm.weight
        self.precise = self._embed.dtype.itemsize >= 4
        self._linear = linear_for(model)
        self._head, self._head_dtype = _head_of(model, self._linear)
        self._rotary = model.model.rotary_emb
        self._rotations: Any = None
        self._layers = [self._fuse(layer) for layer in model.model.layers]

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        wanted: Sequence[Sequence[int]],
        head: tuple[int, KeysValues] = (0, ()),
        keep: bool = True,
        sizes: Sequence[int] = (),
        depth: int | None = None,
    ) -> tuple[list[KeysValues], torch.Tensor]:
        """Read prompts of any lengths in one pass.

        Args:
            prompts: Token ids of each, after those of the head.
            wanted: Of each prompt the places, counted in it, at which logits are wanted.
            head: Tokens that stand before every prompt: how many, and their keys and values.
            keep: Whether keys and values are wanted.
            sizes: Tokens that a pass may have, ascending; it is padded to the next of them.
            depth: Layers to go through; None is all.

        Returns:
            Keys and values of each prompt and layer (of the prompt alone), and what ``logits``
            makes logits of, a row for each place wanted.
        """
        import torch

        device = self._embed.device
        packed = Packed(prompts, head, keep, self._num_heads // self._num_kv, device, sizes)
        hidden = self._run(
            torch.tensor(packed.ids, device=device),
            self._rotation(packed.positions),
            packed.attend,
            depth,
        )
        places = [packed.starts[row] + at for row, ats in enumerate(wanted) for at in ats]
        return packed.keys_values(), hidden[torch.tensor(places, device=device)]

    def step(
        self, tokens: Sequence[int], positions: Sequence[int], cache: SlotCache, length: int
    ) -> torch.Tensor:
        """Logits after one token more in each of the first slots."""
        import torch

        device = self._embed.device
        at = torch.tensor(positions, device=device)
        attention = StepAttention(cache.step(at, length), self._embed)
        rows, shared = len(tokens), self._num_heads // self._num_kv

        def attend(
            layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
        ) -> torch.Tensor:
            keys, values = cache.append(layer, key, value)
            query = query.reshape(rows, self._num_kv, shared, self._size)
            return attention(query, keys, values).reshape(rows, -1)

        ids = torch.tensor(tokens, device=device)
        return self.logits(self._run(ids, self._rotation(positions), attend))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits ``[rows, vocabulary]``."""
        return self._head(hidden.to(self._head_dtype))

    def _run(
        self,
        ids: torch.Tensor,
        rotation: torch.Tensor,
        attend: Attend,
        depth: int | None = None,
    ) -> torch.Tensor:
        """Hidden states ``[tokens, width]`` after the last norm."""
        import torch

        functional = torch.nn.functional
        size = self._size
        num_turned = self._num_heads + self._num_kv
        hidden = self._embed[ids]
        for index, layer in enumerate(self._layers[:depth]):
            x = _norm(hidden, layer.before, self._eps)
            qkv = layer.qkv(x).view(len(ids), num_turned + self._num_kv, size)
            turned = qkv[:, :num_turned]
            if layer.qk_norm is not None:
                turned = _norm(turned, layer.qk_norm, self._eps)
            turned = _turn(turned, rotation)
            out = attend(
                index, turned[:, : self._num_heads], turned[:, self._num_heads :],
                qkv[:, num_turned:],
            )  # fmt: skip
            hidden = layer.out.onto(out, hidden)
            x = _norm(hidden, layer.after, self._eps)
            gate, up = layer.gate_up(x).chunk(2, dim=-1)
            hidden = layer.down.onto(functional.silu(gate).mul_(up), hidden)
        return _norm(hidden, self._norm, self._eps)

    def _rotation(self, positions: Sequence[int]) -> torch.Tensor:
        """The complex rotation ``[tokens, 1, head size / 2]`` of each position."""
        import torch

        reach, device = max(positions) + 1, self._embed.device
        if self._rotations is None or len(self._rotations) < reach:
            all_positions = torch.arange(max(1024, 2 * reach), device=device)[None]
            single = torch.empty(1, device=device, dtype=torch.float32)
            cosine, sine = (t[0].float() for t in self._rotary(single, all_positions))
            half = self._size // 2
            self._rotations = torch.complex(cosine[:, :half], sine[:, :half])[:, None]
        rotation: torch.Tensor = self._rotations[torch.tensor(positions, device=device)]
        return rotation

    def _fuse(self, layer: Any) -> _Layer:
        """Lay weights of one input side by side, and make the model's own views of them."""
        import torch

        attention, mlp = layer.self_attn, layer.mlp
        qkv = [attention.q_proj, attention.k_proj, attention.v_proj]
        norms = None
        if hasattr(attention, "q_norm"):
            heads = [attention.q_norm.weight] * self._num_heads
            norms = torch.stack([*heads, *[attention.k_norm.weight] * self._num_kv])
        return _Layer(
            before=layer.input_layernorm.weight,
            qkv=self._linear(
                _side_by_side([linear.weight for linear in qkv]),
                None if qkv[0].bias is None else _side_by_side([linear.bias for linear in qkv]),
            ),
            qk_norm=norms,
            out=self._linear(attention.o_proj.weight, attention.o_proj.bias),
            after=layer.post_attention_layernorm.weight,
            gate_up=self._linear(_side_by_side([mlp.gate_proj.weight, mlp.up_proj.weight]), None),
            down=self._linear(mlp.down_proj.weight, None),
        )


def _head_of(model: Any, linear: Callable[..., Linear]) -> tuple[Linear, torch.dtype]:
    """The projection to logits, and the precision of its input.

    Logits of a bfloat16 product lie in steps of an eighth or a quarter, which makes ties of what is
    none. Float32 here costs a CPU a tenth of a step, and memory.
    """
    weight, bias = model.lm_head.weight, model.lm_head.bias
    if weight.device.type == "cpu" and weight.numel() * 4 <= MOST_HEAD_BYTES:
        weight, bias = (None if t is None else t.float() for t in (weight, bias))
    return linear(weight, bias), weight.dtype


def _side_by_side(parts: list[Any]) -> torch.Tensor:
    import torch

    whole = torch.cat([part.data for part in parts])
    for part, view in zip(parts, whole.split([len(part) for part in parts]), strict=True):
        part.data = view
    return whole


def _norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMS norm over the last dimension; sums and products in float32.

    On a CPU torch's own is made of parts that each go through memory: two to five times slower.
    """
    import torch

    if x.device.type != "cpu":
        fused = torch.nn.functional.rms_norm
        if weight.dim() == 1:
            return fused(x, weight.shape, weight, eps)
        return fused(x, weight.shape[-1:], None, eps) * weight
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    scale = torch.rsqrt(length * length / x.shape[-1] + eps)
    return torch.mul(x, scale).mul_(weight).to(x.dtype)


def _turn(x: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
    """Rotary positions of ``[tokens, heads, size]``.

    A head's halves are the real and imaginary parts of ``size / 2`` numbers. They come out
    interleaved, for queries and keys alike, which leaves their products as they are.
    """
    import torch

    pairs = x.unflatten(-1, (2, -1)).transpose(-1, -2).float().contiguous()
    turned = torch.view_as_real(torch.view_as_complex(pairs) * rotation)
    return turned.flatten(-2).to(x.dtype)
