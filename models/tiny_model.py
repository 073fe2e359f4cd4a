"""Writes small GGUF models with random weights: for the engine's proof, the tests and the benches.

They mean nothing, but they are whole: llama-server loads them, streams text, embeds, reranks and infills, and
llama-quantize makes Q4_K and Q8_0 of them. The same arguments give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models.tiny_vocabulary import CHATML, END_OF_TEXT, TURN_END, Vocabulary, byte_vocabulary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CHATML", "HALF_BILLION", "TINY", "Dtype", "Kind", "TinyShape", "write_tiny_model"]

Kind = Literal["chat", "embedding", "rerank"]
Dtype = Literal["F32", "F16", "Q8_0"]

CHUNK_VALUES = 1 << 22  # random numbers are drawn 4 Mi at a time: 16 MiB of float32


@dataclass(frozen=True, slots=True)
class TinyShape:
    """The sizes of a Qwen2-like transformer. Rows of 256 values and multiples of it can be quantized to K-quants."""

    layers: int
    embedding: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int  # tokens the model says it was trained for
    vocabulary: int | None = None  # tokens; None: as many as there are
    tied: bool = False  # the output layer is the token embedding

    @property
    def head_length(self) -> int:
        return self.embedding // self.heads


TINY = TinyShape(layers=2, embedding=256, heads=4, kv_heads=2, feed_forward=512, context=4096)

# The sizes of Qwen2.5-0.5B, from its config.json: as fast and as large as the real one.
HALF_BILLION = TinyShape(
    layers=24,
    embedding=896,
    heads=14,
    kv_heads=2,
    feed_forward=4864,
    context=32768,
    vocabulary=151_936,
    tied=True,
)


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]  # numpy order: rows first
    deviation: float  # of the random values; 0 with `fill` for a constant
    fill: float = 0.0
    values: tuple[float, ...] | None = None


def write_tiny_model(
    path: Path,
    *,
    shape: TinyShape = TINY,
    seed: int = 0,
    dtype: Dtype = "F16",
    chat_template: str | None = CHATML,
    kind: Kind = "chat",
    fim: bool = False,
    name: str = "Jackdaw tiny",
) -> Path:
    """Write one model to `path` and return it.

    `kind` "embedding" gets mean pooling, "rerank" a classifier head with rank pooling (llama-server --rerank); both
    are Qwen3-like, since llama.cpp has that head there and not in Qwen2. `fim` adds the tokens /infill needs.
    Matrices are stored as `dtype`, vectors as F32. The file appears under its name only when it is whole. TINY
    (1.3 M parameters) takes 0.2 s, HALF_BILLION (494 M parameters, 1 GB in F16) under 30 s and 0.5 GB of memory.
    """
    import gguf
    import numpy as np

    vocabulary = byte_vocabulary(infill=fim, size=shape.vocabulary)
    architecture = "qwen2" if kind == "chat" else "qwen3"
    tensors = list(_tensors(shape, vocabulary, kind))
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    writer = gguf.GGUFWriter(part, architecture)
    try:
        _add_metadata(writer, shape, dtype, kind, name)
        _add_vocabulary(writer, vocabulary, kind, chat_template if kind == "chat" else None)
        rng = np.random.default_rng(seed)
        for tensor in tensors:
            stored = _stored_type(tensor, dtype)
            writer.add_tensor_info(
                tensor.name,
                tensor.shape,
                np.dtype(np.float32),
                _stored_bytes(tensor, stored),
                raw_dtype=gguf.GGMLQuantizationType[stored],
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in tensors:
            writer.write_tensor_data(_values(tensor, _stored_type(tensor, dtype), rng))
        writer.close()
        part.replace(path)
    finally:
        writer.close()
        part.unlink(missing_ok=True)
    return path


def _add_metadata(writer: Any, shape: TinyShape, dtype: Dtype, kind: Kind, name: str) -> None:
    import gguf

    writer.add_type("model")
    writer.add_name(name)
    writer.add_license("cc0-1.0")
    file_types = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16}
    writer.add_file_type(int(file_types.get(dtype, gguf.LlamaFileType.MOSTLY_Q8_0)))
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    if kind != "chat":
        writer.add_key_length(shape.head_length)
        writer.add_value_length(shape.head_length)
        writer.add_pooling_type(gguf.PoolingType.RANK if kind == "rerank" else gguf.PoolingType.MEAN)
    if kind == "rerank":
        writer.add_classifier_output_labels(["yes", "no"])


def _add_vocabulary(writer: Any, vocabulary: Vocabulary, kind: Kind, chat_template: str | None) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_token_merges(vocabulary.merges)
    writer.add_bos_token_id(vocabulary.special[END_OF_TEXT])
    writer.add_eos_token_id(vocabulary.special[TURN_END])
    writer.add_pad_token_id(vocabulary.special[END_OF_TEXT])
    writer.add_add_bos_token(False)
    if kind == "rerank":
        # llama-server joins query and document as: query EOS SEP document EOS.
        writer.add_sep_token_id(vocabulary.special[END_OF_TEXT])
        writer.add_add_sep_token(True)
        writer.add_add_eos_token(True)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _tensors(shape: TinyShape, vocabulary: Vocabulary, kind: Kind) -> Iterator[_Tensor]:
    """All tensors in file order. Deviations keep every layer's output near 1 and logits about 3 apart.

    So the layers, not the last token's own embedding, decide what comes next, and the best token is rarely in doubt:
    greedy answers do not change with the batch size.
    """
    tokens, embedding = len(vocabulary.tokens), shape.embedding
    logit_deviation = 3.2 / embedding**0.5
    yield _Tensor("token_embd.weight", (tokens, embedding), logit_deviation)
    yield _Tensor("output_norm.weight", (embedding,), 0.0, fill=1.0)
    if kind == "chat":
        yield _Tensor("output.bias", (tokens,), 0.0, values=tuple(vocabulary.output_bias()))
    if kind == "rerank":
        yield _Tensor("cls.output.weight", (2, embedding), embedding**-0.5)
    elif not shape.tied:
        yield _Tensor("output.weight", (tokens, embedding), logit_deviation)
    for layer in range(shape.layers):
        yield from _layer_tensors(f"blk.{layer}", shape, kind)


def _layer_tensors(prefix: str, shape: TinyShape, kind: Kind) -> Iterator[_Tensor]:
    embedding, feed_forward, kv = shape.embedding, shape.feed_forward, shape.kv_heads * shape.head_length
    yield _Tensor(f"{prefix}.attn_norm.weight", (embedding,), 0.0, fill=1.0)
    for which, rows in (("q", embedding), ("k", kv), ("v", kv), ("output", embedding)):
        yield _Tensor(f"{prefix}.attn_{which}.weight", (rows, embedding), embedding**-0.5)
        if kind == "chat" and which != "output":
            yield _Tensor(f"{prefix}.attn_{which}.bias", (rows,), 0.1)
        if kind != "chat" and which in "qk":
            yield _Tensor(f"{prefix}.attn_{which}_norm.weight", (shape.head_length,), 0.0, fill=1.0)
    yield _Tensor(f"{prefix}.ffn_norm.weight", (embedding,), 0.0, fill=1.0)
    yield _Tensor(f"{prefix}.ffn_gate.weight", (feed_forward, embedding), embedding**-0.5)
    yield _Tensor(f"{prefix}.ffn_up.weight", (feed_forward, embedding), embedding**-0.5)
    # silu(gate) * up has a root mean square of about 0.6, hence a little more than 1 / sqrt(feed_forward).
    yield _Tensor(f"{prefix}.ffn_down.weight", (embedding, feed_forward), 1.7 * feed_forward**-0.5)


def _stored_type(tensor: _Tensor, dtype: Dtype) -> Dtype:
    return dtype if len(tensor.shape) > 1 else "F32"


def _stored_bytes(tensor: _Tensor, stored: Dtype) -> int:
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[stored]]
    values = 1
    for length in tensor.shape:
        values *= length
    return int(values // block * size)


def _values(tensor: _Tensor, stored: Dtype, rng: np.random.Generator) -> NDArray[Any]:
    """The tensor as it is stored; only one chunk of it is ever in float32."""
    import gguf
    import numpy as np

    if tensor.values is not None:
        return np.asarray(tensor.values, dtype=np.float32)
    if tensor.deviation == 0:
        return np.full(tensor.shape, tensor.fill, dtype=np.float32)
    if stored == "F32":
        return rng.standard_normal(tensor.shape, dtype=np.float32) * np.float32(tensor.deviation)
    rows, row = tensor.shape
    stored_row = _stored_bytes(tensor, stored) // rows
    result = np.empty((rows, stored_row), dtype=np.uint8)
    step = max(1, CHUNK_VALUES // row)
    for first in range(0, rows, step):
        chunk = rng.standard_normal((min(step, rows - first), row), dtype=np.float32) * np.float32(tensor.deviation)
        quantized = gguf.quants.quantize(chunk, gguf.GGMLQuantizationType[stored])
        result[first : first + len(chunk)] = quantized.view(np.uint8)
    return result
