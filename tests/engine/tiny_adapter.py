"""A LoRA adapter for the tiny models, written by the tests: random, so that it changes what the model says."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from models.tiny_model import TINY, TinyShape


def write_tiny_adapter(
    path: Path, *, shape: TinyShape = TINY, rank: int = 4, seed: int = 1, architecture: str = "qwen2"
) -> Path:
    """A LoRA of the layers' down projections for a model of `shape`; alpha is the rank, so the scale is what it says.

    Names and shapes as llama.cpp src/llama-adapter.cpp wants them: NAME.lora_a (rank, inputs), NAME.lora_b (outputs,
    rank).
    """
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(shape.layers):
        name = f"blk.{layer}.ffn_down.weight"
        a = rng.standard_normal((rank, shape.feed_forward), dtype=np.float32)
        b = rng.standard_normal((shape.embedding, rank), dtype=np.float32)
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
