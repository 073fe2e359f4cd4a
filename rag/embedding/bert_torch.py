"""The same BERT on torch, without transformers: its import would take three seconds more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.embedding.bert import BertShape, Weights
from rag.types import Vectors

_MASKED = 1e4


class TorchBert:
    """An encoder that computes with all `threads` on one request at a time. `precision` is "f32" or "bf16"."""

    lanes = 1

    def __init__(self, shape: BertShape, weights: Weights, precision: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch
        self._type = torch.bfloat16 if precision == "bf16" else torch.float32
        self._shape = shape
        self._weights = {name: torch.from_numpy(tensor).to(self._type) for name, tensor in weights.items()}
        types = torch.from_numpy(weights["embeddings.token_type_embeddings.weight"][0])
        words = torch.from_numpy(weights["embeddings.word_embeddings.weight"])
        self._words = (words + types).to(self._type)

    def run(self, lane: int, ids: NDArray[np.int64], mask: NDArray[np.float32]) -> Vectors:
        """As OpenVinoBert.run; `lane` is always 0."""
        torch = self._torch
        with torch.inference_mode():
            seen = torch.from_numpy(mask)
            bias = ((seen - 1.0) * _MASKED).to(self._type)[:, None, None, :]
            x = (
                self._words[torch.from_numpy(ids)]
                + self._weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
            )
            x = self._normed(x, "embeddings.LayerNorm")
            for layer in range(self._shape.layers):
                x = self._layer(x, None if mask.all() else bias, f"encoder.layer.{layer}.")
            vectors: Vectors = self._pooled(x.float(), seen).numpy()
            return vectors

    def _layer(self, x: Any, bias: Any, name: str) -> Any:
        functions = self._torch.nn.functional
        query, key, value = (self._heads(x, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
        mixed = functions.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        joined = mixed.transpose(1, 2).reshape(x.shape)
        x = self._normed(x + self._linear(joined, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
        inner = functions.gelu(self._linear(x, f"{name}intermediate.dense"))
        return self._normed(x + self._linear(inner, f"{name}output.dense"), f"{name}output.LayerNorm")

    def _heads(self, x: Any, name: str) -> Any:
        shape = (x.shape[0], x.shape[1], self._shape.heads, self._shape.head_size)
        return self._linear(x, name).view(shape).transpose(1, 2)

    def _linear(self, x: Any, name: str) -> Any:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._torch.nn.functional.linear(x, weight, bias)

    def _normed(self, x: Any, name: str) -> Any:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        size = (self._shape.hidden,)
        return self._torch.nn.functional.layer_norm(x, size, weight, bias, eps=self._shape.epsilon)

    def _pooled(self, x: Any, seen: Any) -> Any:
        mean = (x * seen[:, :, None]).sum(1) / seen.sum(1, keepdim=True)
        vectors = x[:, 0] if self._shape.cls_pooling else mean
        return self._torch.nn.functional.normalize(vectors, dim=1)
