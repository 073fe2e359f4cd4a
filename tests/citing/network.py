"""The network in torch, in the form of llama.cpp's qwen2: RMS norms, rotary positions, grouped attention, SwiGLU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

SEEN_SHARE = 0.3  # of what a head has seen, beside the token's own embedding
COMPARED = 1.6
SLOW_PAIRS = (5, 6, 7)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The shape of the network; `context` is the longest prompt with its answer, in tokens."""

    tokens: int
    width: int = 128
    layers: int = 5
    heads: int = 4
    feed_forward: int = 384
    context: int = 2048
    rope_base: float = 1_000_000.0
    epsilon: float = 1e-6


class Norm(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(sizes.width))
        self.epsilon = sizes.epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon)).to(x.dtype) * self.weight


class Layer(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, forward = sizes.width, sizes.feed_forward
        self.heads = sizes.heads
        self.attn_norm, self.ffn_norm = Norm(sizes), Norm(sizes)
        self.attn_q, self.attn_k, self.attn_v = (nn.Linear(width, width, bias=True) for _ in range(3))
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate, self.ffn_up = (nn.Linear(width, forward, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(forward, width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        y = self.attn_norm(x)
        query, key, value = (self._split(project(y)) for project in (self.attn_q, self.attn_k, self.attn_v))
        query, key = _turned(query, cosine, sine), _turned(key, cosine, sine)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.attn_output(seen.transpose(1, 2).flatten(2))
        y = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(y)) * self.ffn_up(y))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Network(nn.Module):
    """Token ids of shape (batch, length) to logits of shape (batch, length, tokens)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.token_embd = nn.Embedding(sizes.tokens, sizes.width)
        self.blk = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.output_norm = Norm(sizes)
        nn.init.normal_(self.token_embd.weight, std=sizes.width**-0.5)
        for layer in self.blk:
            nn.init.normal_(layer.attn_output.weight, std=0.5 * sizes.width**-0.5 / sizes.layers**0.5)  # type: ignore[arg-type]
            nn.init.normal_(layer.ffn_down.weight, std=0.5 * sizes.feed_forward**-0.5 / sizes.layers**0.5)  # type: ignore[arg-type]
        with torch.no_grad():
            _begin_to_copy(list(self.blk), sizes)  # type: ignore[arg-type]

    def forward(self, ids: Tensor) -> Tensor:
        return self.logits(self.hidden(ids))

    def hidden(self, ids: Tensor) -> Tensor:
        cosine, sine = self._angles(ids.shape[1])
        x = self.token_embd(ids)
        for layer in self.blk:
            x = layer(x, cosine, sine)
        out: Tensor = self.output_norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden @ self.token_embd.weight.T

    @torch.no_grad()
    def see_labels(self, ids: Tensor, labels: Tensor) -> None:
        """Let layer 2 look at the last of the tokens that `labels` marks, so that every token knows its passage.

        Both have the shape (batch, length). What tells such a token from others is fitted to what two layers make of
        `ids`; what is nearer scores higher, because some pairs of its heads turn slowly over a whole prompt.
        """
        cosine, sine = self._angles(ids.shape[1])
        x = self.token_embd(ids)
        for layer in self.blk[:2]:
            x = layer(x, cosine, sine)
        third = self.blk[2]
        known = third.attn_norm(x)[ids > 0]  # type: ignore[operator]
        known = torch.cat((known, torch.ones(len(known), 1)), 1)
        found = torch.linalg.lstsq(known, labels[ids > 0].float()[:, None]).solution[:, 0]
        length = self.sizes.width // self.sizes.heads
        for row in (head * length + pair for head in range(self.sizes.heads) for pair in SLOW_PAIRS):
            third.attn_q.bias[row] = 10.0  # type: ignore[union-attr, operator, index]
            third.attn_k.weight[row] = 12.0 * found[:-1]  # type: ignore[union-attr, operator, index]
            third.attn_k.bias[row] = 12.0 * found[-1]  # type: ignore[union-attr, operator, index]

    def _angles(self, length: int) -> tuple[Tensor, Tensor]:
        half = self.sizes.width // self.sizes.heads // 2
        speeds = self.sizes.rope_base ** (-torch.arange(half) / half)
        angles = torch.arange(length)[:, None] * speeds
        return torch.cat((angles, angles), -1).cos(), torch.cat((angles, angles), -1).sin()


def _begin_to_copy(layers: list[Layer], sizes: Sizes) -> None:
    """Begin with the heads that copying and citing need, so that training starts where it would arrive in hours.

    Layer 0 looks one, two, three … tokens back and writes down what it sees. Layer 1 compares what stands before the
    current token with what stands before earlier ones and copies the token that came next: the "induction heads" of
    Olsson et al. (2022). Layer 2 hands on what it looks at: see `see_labels`. Layer 3 compares the last token alone,
    the end of a value, and copies what layer 2 knows of the place where it stood.
    """
    length = sizes.width // sizes.heads
    blocks = nn.init.orthogonal_(torch.empty(sizes.width, sizes.width)).split(length)
    seen = nn.init.orthogonal_(torch.empty(length, sizes.width))
    for layer in layers[:4]:
        for projection in (layer.attn_q, layer.attn_k, layer.attn_v):
            nn.init.normal_(projection.weight, std=0.02)
            nn.init.zeros_(projection.bias)
    for head in range(sizes.heads):
        rows = slice(head * length, (head + 1) * length)
        _look_back(layers[0], rows, head + 1, sizes)
        layers[0].attn_v.weight[rows] += seen
        layers[0].attn_output.weight[:, rows] += SEEN_SHARE * blocks[head].T
        layers[1].attn_q.weight[rows] += COMPARED * (seen if head == 0 else blocks[head - 1])
        layers[1].attn_k.weight[rows] += COMPARED * blocks[head]
        layers[3].attn_q.weight[rows] += 2 * COMPARED * blocks[0]
        layers[3].attn_k.weight[rows] += 2 * COMPARED * blocks[1]
        for layer in layers[1:4]:
            layer.attn_v.weight[rows] += blocks[head]
            layer.attn_output.weight[:, rows] += SEEN_SHARE * blocks[head].T


def _look_back(layer: Layer, rows: slice, offset: int, sizes: Sizes) -> None:
    """Let a head see the token `offset` before, by its biases alone: the rotation of their positions does the rest."""
    half = (rows.stop - rows.start) // 2
    angle = offset * sizes.rope_base ** (-torch.arange(half) / half)
    strength = torch.where(torch.arange(half) < half // 2, 5.0, 0.0)
    layer.attn_q.bias[rows] = torch.cat((strength, torch.zeros(half)))
    layer.attn_k.bias[rows] = torch.cat((strength * angle.cos(), strength * angle.sin()))


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cosine.to(x.dtype) + torch.cat((-right, left), -1) * sine.to(x.dtype)
