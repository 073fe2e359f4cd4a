"""The models the benches run: written once, kept in the cache folder under the hash of what writes them."""

from __future__ import annotations

import hashlib
import inspect
import subprocess
from pathlib import Path

from desktop.paths import engine_cache
from models import tiny_model as maker
from models import tiny_vocabulary
from models.llamacpp import EngineBuild, binary
from models.tiny_model import HALF_BILLION, TINY, TinyShape, write_tiny_model


def tiny_model(build: EngineBuild) -> Path:
    """About 1.5 M parameters in Q8_0: all that is left to measure is the way of a token to the client."""
    return _quantized(build, TINY, "tiny", "Q8_0")


def half_billion_model(build: EngineBuild) -> Path:
    """The sizes of Qwen2.5-0.5B in Q4_K_M, 395 MB: as fast as a small model people use."""
    return _quantized(build, HALF_BILLION, "half-billion", "Q4_K_M")


def _quantized(build: EngineBuild, shape: TinyShape, name: str, quant: str) -> Path:
    source = inspect.getsource(maker) + inspect.getsource(tiny_vocabulary)
    key = hashlib.sha256(source.encode()).hexdigest()[:12]
    folder = engine_cache().parent / "bench-models" / key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = folder / f"{name}-{quant.lower()}.gguf"
    if not made.exists():
        full = write_tiny_model(folder / f"{name}-f16.gguf", shape=shape)
        part = made.with_suffix(".part")
        argv = [str(binary(build, "llama-quantize")), str(full), str(part), quant]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        part.rename(made)
        full.unlink()
    return made
