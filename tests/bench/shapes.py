"""Models of real sizes and many kinds, made on the spot: the estimator is judged by what they take when they run.

Their weights are one block of random numbers repeated, so writing them is as fast as the disk; memory and speed do not
depend on the values. Tensors and keys are those llama.cpp asks for in src/models/{llama,gemma3,mamba}.cpp.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from models.tiny_vocabulary import CHATML, END_OF_TEXT, TURN_END, byte_vocabulary

Family = Literal["llama", "gemma3", "mamba"]
Quant = Literal["F16", "Q8_0", "Q4_0", "Q4_K"]
FILE_TYPES = {"F16": 1, "Q4_0": 2, "Q8_0": 7, "Q4_K": 15}  # llama_ftype, include/llama.h


@dataclass(frozen=True, slots=True)
class RealShape:
    """Sizes of one model. `experts` 0 for a dense one; `window` and `heads` do not concern a Mamba."""

    name: str
    family: Family
    layers: int
    embedding: int
    feed_forward: int
    heads: int = 1
    kv_heads: int = 1
    head_length: int = 64
    vocabulary: int = 32_000
    context: int = 32_768
    experts: int = 0
    experts_used: int = 0
    window: int = 0
    state: int = 16  # of a Mamba, per channel


def write_model(path: Path, shape: RealShape, quant: Quant = "Q8_0") -> Path:
    """Write one model and return its path; a file that is there already is kept."""
    if path.exists():
        return path
    import gguf
    import numpy as np

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    vocabulary = byte_vocabulary(infill=False, size=shape.vocabulary)
    writer = gguf.GGUFWriter(part, shape.family)
    try:
        _metadata(writer, shape, quant)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(vocabulary.tokens)
        writer.add_token_types(vocabulary.types)
        writer.add_token_merges(vocabulary.merges)
        writer.add_bos_token_id(vocabulary.special[END_OF_TEXT])
        writer.add_eos_token_id(vocabulary.special[TURN_END])
        writer.add_add_bos_token(False)
        writer.add_chat_template(CHATML)
        tensors = [(name, dims, _stored(dims, quant, name)) for name, dims in _tensors(shape)]
        for name, dims, stored in tensors:
            kind = gguf.GGMLQuantizationType[stored]
            writer.add_tensor_info(name, dims, np.dtype(np.float32), _bytes(dims, stored), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, dims, stored in tensors:
            writer.write_tensor_data(_values(name, dims, stored))
        writer.close()
        part.replace(path)
    finally:
        writer.close()
        part.unlink(missing_ok=True)
    return path


def _metadata(writer: Any, shape: RealShape, quant: Quant) -> None:
    writer.add_type("model")
    writer.add_name(shape.name)
    writer.add_file_type(FILE_TYPES[quant])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(shape.vocabulary)
    if shape.family == "mamba":
        writer.add_head_count(0)
        writer.add_ssm_conv_kernel(4)
        writer.add_ssm_inner_size(2 * shape.embedding)
        writer.add_ssm_state_size(shape.state)
        writer.add_ssm_time_step_rank(shape.embedding // 16)
        return
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_length)
    writer.add_value_length(shape.head_length)
    writer.add_rope_freq_base(1_000_000.0)
    writer.add_rope_dimension_count(shape.head_length)
    if shape.window:
        writer.add_sliding_window(shape.window)
    if shape.experts:
        writer.add_expert_count(shape.experts)
        writer.add_expert_used_count(shape.experts_used)


def _tensors(shape: RealShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and numpy shapes (rows first)."""
    width = shape.embedding
    yield "token_embd.weight", (shape.vocabulary, width)
    yield "output_norm.weight", (width,)
    if shape.family != "gemma3":
        yield "output.weight", (shape.vocabulary, width)
    for layer in range(shape.layers):
        yield f"blk.{layer}.attn_norm.weight", (width,)
        make = _mamba_layer if shape.family == "mamba" else _attention_layer
        for name, dims in make(shape):
            yield f"blk.{layer}.{name}", dims


def _attention_layer(shape: RealShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, forward, length = shape.embedding, shape.feed_forward, shape.head_length
    yield "attn_q.weight", (shape.heads * length, width)
    yield "attn_k.weight", (shape.kv_heads * length, width)
    yield "attn_v.weight", (shape.kv_heads * length, width)
    yield "attn_output.weight", (width, shape.heads * length)
    if shape.family == "gemma3":
        yield from (("attn_q_norm.weight", (length,)), ("attn_k_norm.weight", (length,)))
        yield from (("post_attention_norm.weight", (width,)), ("post_ffw_norm.weight", (width,)))
    yield "ffn_norm.weight", (width,)
    if shape.experts:
        yield "ffn_gate_inp.weight", (shape.experts, width)
        yield "ffn_gate_exps.weight", (shape.experts, forward, width)
        yield "ffn_up_exps.weight", (shape.experts, forward, width)
        yield "ffn_down_exps.weight", (shape.experts, width, forward)
        return
    yield "ffn_gate.weight", (forward, width)
    yield "ffn_up.weight", (forward, width)
    yield "ffn_down.weight", (width, forward)


def _mamba_layer(shape: RealShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, inner, rank = shape.embedding, 2 * shape.embedding, shape.embedding // 16
    yield "ssm_in.weight", (2 * inner, width)
    yield "ssm_conv1d.weight", (inner, 4)
    yield "ssm_conv1d.bias", (inner,)
    yield "ssm_x.weight", (rank + 2 * shape.state, inner)
    yield "ssm_dt.weight", (inner, rank)
    yield "ssm_dt.bias", (inner,)
    yield "ssm_a", (inner, shape.state)
    yield "ssm_d", (inner,)
    yield "ssm_out.weight", (width, inner)


def _stored(dims: tuple[int, ...], quant: Quant, name: str) -> str:
    plain = len(dims) == 1 or "ssm_a" in name or "conv1d" in name or "gate_inp" in name
    block = 256 if quant == "Q4_K" else 32
    return "F32" if plain else (quant if dims[-1] % block == 0 else "F16")


def _bytes(dims: tuple[int, ...], stored: str) -> int:
    import gguf

    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[stored]]
    values = 1
    for length in dims:
        values *= length
    return int(values // block * size)


def _values(name: str, dims: tuple[int, ...], stored: str) -> Any:
    import gguf
    import numpy as np

    if name == "ssm_a" or name.endswith("ssm_a"):
        return -np.ones(dims, dtype=np.float32)
    if len(dims) == 1:
        return np.full(dims, 0.1 if "bias" in name else 1.0, dtype=np.float32)
    rng = np.random.default_rng(len(name))
    total = _bytes(dims, stored)
    if stored == "Q4_K":  # gguf-py reads K-quants and does not write them: ggml's block_q4_K, small scales, random bits
        blocks = rng.integers(0, 256, (4096, 144), dtype=np.uint8)
        blocks[:, :4] = np.frombuffer(
            np.array([2e-4 / dims[-1] ** 0.5, 6e-3 / dims[-1] ** 0.5], np.float16).tobytes(), np.uint8
        )
        unit = blocks.reshape(-1)
    else:
        row = rng.standard_normal((64, 4096), dtype=np.float32) * np.float32(dims[-1] ** -0.5)
        kind = gguf.GGMLQuantizationType[stored]
        unit = gguf.quants.quantize(row, kind).view(np.uint8).reshape(-1)
    return np.resize(unit, (*dims[:-1], total // int(np.prod(dims[:-1]))))
