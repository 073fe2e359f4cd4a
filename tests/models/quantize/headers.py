"""Model files of any size that take no room: a true header, and weights that are a hole in the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np


@dataclass(frozen=True)
class Shape:
    architecture: str
    layers: int
    embedding: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    experts: int = 0
    tied: bool = False
    fused: bool = False  # one tensor for query, key and value


SHAPES = {
    "0.5B": Shape("qwen2", 24, 896, 14, 2, 4864, 151_936, tied=True),
    "8B": Shape("llama", 32, 4096, 32, 8, 14_336, 128_256),
    "ungrouped": Shape("llama", 9, 512, 8, 8, 1376, 32_000),
    "70B": Shape("llama", 80, 8192, 64, 8, 28_672, 32_000),
    "8 experts": Shape("llama", 32, 4096, 32, 8, 14_336, 32_000, experts=8),
    "64 experts": Shape("llama", 16, 2048, 16, 16, 1024, 50_304, experts=64),
    "fused": Shape("phi3", 32, 3072, 32, 32, 8192, 32_064, fused=True),
}


def write_sparse_model(path: Path, shape: Shape, type_name: str = "F16") -> Path:
    """A model of that shape whose matrices are of one type; the file is a hole of the right length."""
    writer = gguf.GGUFWriter(path, shape.architecture)
    writer.add_type("model")
    writer.add_file_type(1)
    writer.add_block_count(shape.layers)
    writer.add_context_length(8192)
    writer.add_embedding_length(shape.embedding)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.embedding // shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.vocabulary)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(2)
    end = 0
    for name, rows in _tensors(shape):
        kind = "F32" if len(rows) == 1 else type_name
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        bytes_ = int(np.prod(rows)) // block * size
        stored = rows if kind in ("F32", "F16") else (*rows[:-1], rows[-1] // block * size)
        dtype = np.dtype(np.float32 if kind == "F32" else np.float16 if kind == "F16" else np.uint8)
        writer.add_tensor_info(name, stored, dtype, bytes_, raw_dtype=gguf.GGMLQuantizationType[kind])
        end += -(-bytes_ // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(-(-path.stat().st_size // 32) * 32 + end)
    return path


def _tensors(shape: Shape) -> list[tuple[str, tuple[int, ...]]]:
    embedding, kv = shape.embedding, shape.embedding // shape.heads * shape.kv_heads
    found: list[tuple[str, tuple[int, ...]]] = [("token_embd.weight", (shape.vocabulary, embedding))]
    found.append(("output_norm.weight", (embedding,)))
    if not shape.tied:
        found.append(("output.weight", (shape.vocabulary, embedding)))
    for layer in range(shape.layers):
        prefix = f"blk.{layer}"
        found.append((f"{prefix}.attn_norm.weight", (embedding,)))
        if shape.fused:
            found.append((f"{prefix}.attn_qkv.weight", (embedding + 2 * kv, embedding)))
        else:
            found += [
                (f"{prefix}.attn_{which}.weight", (rows, embedding))
                for which, rows in zip("qkv", (embedding, kv, kv), strict=True)
            ]
        found.append((f"{prefix}.attn_output.weight", (embedding, embedding)))
        found.append((f"{prefix}.ffn_norm.weight", (embedding,)))
        experts = (shape.experts,) if shape.experts else ()
        suffix = "_exps" if experts else ""
        if experts:
            found.append((f"{prefix}.ffn_gate_inp.weight", (shape.experts, embedding)))
        for which, rows in (
            ("gate", (shape.feed_forward, embedding)),
            ("up", (shape.feed_forward, embedding)),
            ("down", (embedding, shape.feed_forward)),
        ):
            found.append((f"{prefix}.ffn_{which}{suffix}.weight", (*experts, *rows)))
    return found
