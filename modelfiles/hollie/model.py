"""Hollie's network: a plain Qwen2 decoder whose weights, activations and KV cache can be rounded while it trains.

The rounding is the one the model runs under later: 4-bit symmetric weights with a scale per 64 inputs, 8-bit asymmetric
inputs of every linear layer and an 8-bit asymmetric KV cache, each with one static range. The gains of the norms stay 1
and are no parameters, so a compiler may fold them or not. It knows no text, no corpus and no optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 64  # weights of one row that share a scale
EMA = 0.98  # how slowly a range follows the batches


@dataclass(frozen=True)
class Shape:
    """Sizes of the network, all of them multiples of 64 where a row of weights is concerned."""

    vocab: int = 2048
    hidden: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    intermediate: int = 768
    context: int = 2048
    theta: float = 10000.0
    eps: float = 1e-6


def round_weight(weight: Tensor) -> Tensor:
    """The (rows, inputs) float32 weights as 4 bits hold them: in [-7, 7] times row_scale times an integer in 1..63."""
    groups = weight.view(weight.shape[0], -1, GROUP)
    wanted = groups.abs().amax(-1, keepdim=True) / 7
    row = wanted.amax(1, keepdim=True).clamp_min(1e-12) / 63
    scale = row * (wanted / row).round().clamp(1, 63)
    return ((groups / scale).round().clamp(-7, 7) * scale).view_as(weight)


class Straight(torch.autograd.Function):
    """Rounded bfloat16 weights forward, the gradient straight through backward."""

    @staticmethod
    def forward(ctx: object, weight: Tensor, rounded: bool) -> Tensor:
        return (round_weight(weight) if rounded else weight).bfloat16()

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return grad.float(), None


class Range(nn.Module):
    """One static 8-bit range: watches while training, rounds when `active`, and rounds nothing before."""

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.active = False

    def watch(self, x: Tensor) -> None:
        fresh = self.low == self.high
        for kept, seen in ((self.low, x.detach().amin().float()), (self.high, x.detach().amax().float())):
            kept.copy_(torch.where(fresh, seen, EMA * kept + (1 - EMA) * seen))

    def forward(self, x: Tensor) -> Tensor:
        if not self.active:
            return x
        if self.training:
            self.watch(x)
        low, high = self.low.clamp_max(0.0), self.high.clamp_min(0.0)
        scale = (high - low).clamp_min(1e-6) / 255
        zero = (-low / scale).round()
        inside = torch.minimum(torch.maximum(x.float(), -zero * scale), (255 - zero) * scale)
        return (inside + ((inside / scale).round() * scale - inside).detach()).to(x.dtype)


class Linear(nn.Module):
    """A linear layer with rounded weights and a rounded input; the input's range may be shared by several layers."""

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.rounded = False

    def forward(self, x: Tensor) -> Tensor:
        return joined(x, self)


def joined(x: Tensor, *parts: Linear) -> Tensor:
    """The outputs of linear layers with one input, side by side: a wide product is faster than several narrow ones."""
    weight = torch.cat([part.weight for part in parts]) if len(parts) > 1 else parts[0].weight
    biases = [part.bias for part in parts if part.bias is not None]
    return F.linear(x, Straight.apply(weight, parts[0].rounded), torch.cat(biases).bfloat16() if biases else None)


def normed(x: Tensor, eps: float) -> Tensor:
    return (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)).bfloat16()


def rope(shape: Shape) -> tuple[Tensor, Tensor]:
    """cos and sin, each (context, head_dim), in the two-halves order of Hugging Face."""
    speed = shape.theta ** -(torch.arange(0, shape.head_dim, 2).float() / shape.head_dim)
    angle = torch.outer(torch.arange(shape.context).float(), speed)
    return torch.cat((angle, angle), -1).cos(), torch.cat((angle, angle), -1).sin()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return (x * cos + torch.cat((-right, left), -1) * sin).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of (batch, heads, length, head_dim) under an additive mask, or plainly causal where there is none."""
    if mask is None:  # the explicit form is the faster one, but only up to about 256 tokens
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + mask, -1) @ v


def apart(documents: Tensor) -> Tensor:
    """The additive mask (batch, 1, length, length) that is causal and lets no document (batch, length) see another."""
    length = documents.shape[1]
    seen = (documents[:, :, None] == documents[:, None, :]) & torch.ones(length, length, dtype=torch.bool).tril()
    return torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, float("-inf"))[:, None]


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = Linear(shape.hidden, shape.heads * shape.head_dim, bias=True)
        self.k_proj = Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=True)
        self.v_proj = Linear(shape.hidden, shape.kv_heads * shape.head_dim, bias=True)
        self.o_proj = Linear(shape.heads * shape.head_dim, shape.hidden)
        self.ranges = nn.ModuleDict({name: Range() for name in ("input", "key", "value", "output")})

    def heads(self, x: Tensor, count: int) -> Tensor:
        return x.unflatten(-1, (count, self.shape.head_dim)).transpose(1, 2)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        shape, x = self.shape, self.ranges["input"](x)
        both = joined(x, self.q_proj, self.k_proj, self.v_proj)
        q, k, v = both.split([count * shape.head_dim for count in (shape.heads, shape.kv_heads, shape.kv_heads)], -1)
        q = rotated(self.heads(q, shape.heads), cos, sin)
        k = self.ranges["key"](rotated(self.heads(k, shape.kv_heads), cos, sin))
        v = self.ranges["value"](self.heads(v, shape.kv_heads))
        share = shape.heads // shape.kv_heads
        y = attend(q, k.repeat_interleave(share, 1), v.repeat_interleave(share, 1), mask)
        return self.o_proj(self.ranges["output"](y.transpose(1, 2).flatten(2)))


class Mlp(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = Linear(shape.hidden, shape.intermediate)
        self.up_proj = Linear(shape.hidden, shape.intermediate)
        self.down_proj = Linear(shape.intermediate, shape.hidden)
        self.ranges = nn.ModuleDict({name: Range() for name in ("input", "output")})

    def forward(self, x: Tensor) -> Tensor:
        gate, up = joined(self.ranges["input"](x), self.gate_proj, self.up_proj).chunk(2, -1)
        return self.down_proj(self.ranges["output"](F.silu(gate) * up))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.eps = shape.eps
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(normed(x, self.eps), cos, sin, mask)
        return x + self.mlp(normed(x, self.eps))


class Hollie(nn.Module):
    """Token ids (batch, length) -> logits (places, vocab) at the chosen places; embedding and head are tied."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Parameter(torch.randn(shape.vocab, shape.hidden) * 0.02)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.head_range = Range()
        self.rounded = False
        for name, table in zip(("cos", "sin"), rope(shape), strict=True):
            self.register_buffer(name, table.bfloat16(), persistent=False)
        for layer in self.layers:  # residual branches start small
            layer.self_attn.o_proj.weight.data *= 0.1
            layer.mlp.down_proj.weight.data *= 0.1

    def forward(self, ids: Tensor, places: Tensor, documents: Tensor | None = None) -> Tensor:
        """`places`: where logits are wanted, as indices into batch times length; `documents`: who may see whom."""
        x = F.embedding(ids, self.embed)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        mask = None if documents is None else apart(documents)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        x = self.head_range(normed(x.flatten(0, 1)[places], self.shape.eps))
        return F.linear(x, Straight.apply(self.embed, self.rounded))

    def round_weights(self, on: bool) -> None:
        self.rounded = on
        for module in self.modules():
            if isinstance(module, Linear):
                module.rounded = on

    def round_activations(self, on: bool) -> None:
        for module in self.modules():
            if isinstance(module, Range):
                module.active = on
