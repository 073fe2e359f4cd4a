"""What quantized files and models are called. Pure."""

from __future__ import annotations

import re

from models.gguf_format import FILE_TYPES
from models.quantize.types import ALIASES, BY_NAME

_NAMES = sorted({*BY_NAME, *FILE_TYPES.values(), *ALIASES, "FP16", "FP32"}, key=len, reverse=True)
_SUFFIX = re.compile(rf"[-._ ]+(?:{'|'.join(re.escape(name) for name in _NAMES)})$", re.IGNORECASE)
MAX_OVERRIDE_BYTES = 127  # llama_model_kv_override.val_str


def without_quant(name: str) -> str:
    """A file stem or model name without the quantization at its end: "Model-F16" → "Model"."""
    shortened = _SUFFIX.sub("", name)
    return shortened or name


def target_name(stem: str, quant: str) -> str:
    """The file a quantization of `stem` gets: "Model-F16", "Q4_K_M" → "Model-Q4_K_M.gguf"."""
    return f"{without_quant(stem)}-{quant}.gguf"


def renamed(model_name: str) -> str | None:
    """The new general.name when the old one ends in a quantization that no longer holds; None to keep it."""
    new = without_quant(model_name)
    return new if new != model_name and len(new.encode()) <= MAX_OVERRIDE_BYTES else None
