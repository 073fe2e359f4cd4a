"""The GGUF format's numbers and tables, and the two small types a header is made of.

Source: ggml's docs/gguf.md, ggml/include/ggml.h and llama.h of the pinned llama.cpp. A test holds the tables against
gguf-py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32

# What we accept at most. Real headers stay far below: Gemma 3's 262,144 tokens make one of 16 MB.
MAX_METADATA = 100_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 64 * 1024
MAX_STRING_BYTES = 16 * 1024 * 1024
MAX_KEY_BYTES = 64 * 1024
MAX_TENSOR_NAME_BYTES = 63  # GGML_MAX_NAME less the closing zero
MAX_KEPT_TEXT_BYTES = 16 * 1024 * 1024  # all keys and strings we keep, together
MAX_ARRAY_STRINGS = 2_000_000  # in all arrays together; each costs time to step over
MAX_HEADER_BYTES = 128 * 1024 * 1024
MAX_KEPT_ITEMS = 1024  # number arrays up to this length are kept, e.g. one value per layer

STRING, ARRAY = 8, 9
# Metadata types: name, and struct's code for a single one; strings and arrays have none.
VALUE_TYPES: dict[int, tuple[str, str]] = {
    0: ("u8", "B"),
    1: ("i8", "b"),
    2: ("u16", "H"),
    3: ("i16", "h"),
    4: ("u32", "I"),
    5: ("i32", "i"),
    6: ("f32", "f"),
    7: ("bool", "?"),
    STRING: ("string", ""),
    ARRAY: ("array", ""),
    10: ("u64", "Q"),
    11: ("i64", "q"),
    12: ("f64", "d"),
}

# Tensor types: name, values per block, bytes per block. Removed types (4, 5, 31–33, 36–38) are unknown to us as well.
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 40),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
    42: ("Q2_0", 64, 18),
}

# general.file_type, by the names llama-quantize takes.
FILE_TYPES: dict[int, str] = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4_MOE",
    39: "NVFP4",
    40: "Q1_0",
    41: "Q2_0",
}

# The tokens llama.cpp takes for the start of an infill prompt, whatever the metadata say (llama-vocab.cpp).
INFILL_TOKENS = frozenset(
    text.encode()
    for text in (
        "<|fim_prefix|>",
        "<fim-prefix>",
        "<fim_prefix>",
        "<｜fim▁begin｜>",
        "<PRE>",
        "▁<PRE>",
        "<|code_prefix|>",
        "<|prefix|>",
    )
)
INFILL_KEYS = ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id")

RANK_POOLING = 4
NO_POOLING = 0
RERANK_TENSORS = frozenset({"cls.weight", "cls.output.weight"})
ENCODERS = frozenset(
    {
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "t5encoder",
    }
)


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """An array in the metadata: counted, and kept only when it holds at most 1024 numbers."""

    item_type: str  # "u32", "string", …
    count: int
    values: tuple[int | float | bool, ...] | None = None


class TensorInfo(NamedTuple):
    """One tensor; `shape` in ggml's order (row length first), `offset` in bytes from the data section's start."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    bytes: int

    @property
    def parameters(self) -> int:
        count = 1
        for length in self.shape:
            count *= length
        return count
