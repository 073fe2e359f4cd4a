"""BERT on OpenVINO: the graph is built from the weights directly, so nothing is converted or kept on the disk.

Building and compiling takes 0.2 to 0.4 s, importing 0.15 s. `openvino.opset13` has the fused attention that the CPU
plugin computes without writing the scores out: without it fp32 was half as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.embedding.bert import BertShape, Weights
from rag.types import Vectors

# What fp16 and bf16 can both hold, and far below any score that counts.
_MASKED = 1e4


class OpenVinoBert:
    """A compiled encoder with `lanes` requests that may run at the same time, each on its share of the threads.

    `precision` is "f32" or "bf16": the arithmetic of the matrix products. The first run of each shape costs about a
    millisecond more.
    """

    def __init__(self, shape: BertShape, weights: Weights, precision: str, threads: int, lanes: int = 1) -> None:
        import openvino

        model = _Graph(shape, weights).model()
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": lanes,
            "ENABLE_CPU_PINNING": False,  # the machine has other work, too: the system places the threads
        }
        compiled = openvino.Core().compile_model(model, "CPU", settings)
        self.lanes = lanes
        self._requests = [compiled.create_infer_request() for _ in range(lanes)]

    def run(self, lane: int, ids: NDArray[np.int64], mask: NDArray[np.float32]) -> Vectors:
        """Unit vectors, shape (rows, hidden), of token ids and their mask, both of shape (rows, length)."""
        result: Vectors = self._requests[lane].infer([ids, mask])[0]
        return np.array(result, np.float32)


class _Graph:
    """Builds the graph of one encoder; the names are those of BertModel's weights."""

    def __init__(self, shape: BertShape, weights: Weights) -> None:
        import openvino
        from openvino import opset13

        self._openvino: Any = openvino
        self._op: Any = opset13
        self._shape = shape
        self._weights = weights

    def model(self) -> Any:
        op, types = self._op, self._openvino.Type
        ids = op.parameter([-1, -1], types.i64)
        mask = op.parameter([-1, -1], types.f32)
        seen = op.subtract(op.unsqueeze(mask, self._ints(1, 2)), self._number(1.0))
        bias = op.multiply(seen, self._number(_MASKED))
        x = self._embeddings(ids)
        for layer in range(self._shape.layers):
            x = self._layer(x, bias, f"encoder.layer.{layer}.")
        return self._openvino.Model([op.result(self._pooled(x, mask))], [ids, mask], "bert")

    def _embeddings(self, ids: Any) -> Any:
        op, weights = self._op, self._weights
        # Every token is of the first type, so its row can be added to all words beforehand.
        words = weights["embeddings.word_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
        length = op.squeeze(op.gather(op.shape_of(ids), self._ints(1), self._ints(0)), self._ints(0))
        positions = op.range(self._int(0), length, self._int(1), "i64")
        places = op.gather(self._weight("embeddings.position_embeddings.weight"), positions, self._int(0))
        return self._normed(op.add(op.gather(op.constant(words), ids, self._int(0)), places), "embeddings.LayerNorm")

    def _layer(self, x: Any, bias: Any, name: str) -> Any:
        op = self._op
        query, key, value = (self._heads(x, f"{name}attention.self.{part}") for part in ("query", "key", "value"))
        mixed = op.scaled_dot_product_attention(query, key, value, bias)
        joined = op.reshape(op.transpose(mixed, self._ints(0, 2, 1, 3)), self._ints(0, 0, self._shape.hidden), True)
        attended = op.add(x, self._linear(joined, f"{name}attention.output.dense"))
        x = self._normed(attended, f"{name}attention.output.LayerNorm")
        inner = op.gelu(self._linear(x, f"{name}intermediate.dense"), "erf")
        return self._normed(op.add(x, self._linear(inner, f"{name}output.dense")), f"{name}output.LayerNorm")

    def _heads(self, x: Any, name: str) -> Any:
        split = self._ints(0, 0, self._shape.heads, self._shape.head_size)
        return self._op.transpose(self._op.reshape(self._linear(x, name), split, True), self._ints(0, 2, 1, 3))

    def _linear(self, x: Any, name: str) -> Any:
        product = self._op.matmul(x, self._weight(f"{name}.weight"), False, True)
        return self._op.add(product, self._weight(f"{name}.bias"))

    def _normed(self, x: Any, name: str) -> Any:
        plain = self._op.mvn(x, self._ints(-1), True, self._shape.epsilon, "inside_sqrt")
        scaled = self._op.multiply(plain, self._weight(f"{name}.weight"))
        return self._op.add(scaled, self._weight(f"{name}.bias"))

    def _pooled(self, x: Any, mask: Any) -> Any:
        op = self._op
        if self._shape.cls_pooling:
            vector = op.gather(x, self._int(0), self._int(1))
        else:
            total = op.reduce_sum(op.multiply(x, op.unsqueeze(mask, self._ints(2))), self._ints(1), False)
            vector = op.divide(total, op.reduce_sum(mask, self._ints(1), True))
        return op.normalize_l2(vector, self._ints(1), 1e-24, "max")

    def _weight(self, name: str) -> Any:
        return self._op.constant(np.ascontiguousarray(self._weights[name]))

    def _number(self, value: float) -> Any:
        return self._op.constant(np.float32(value))

    def _int(self, value: int) -> Any:
        return self._op.constant(np.array(value, np.int64))

    def _ints(self, *values: int) -> Any:
        return self._op.constant(np.array(values, np.int64))
