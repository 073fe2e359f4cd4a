"""The worker that runs a BERT folder: the built-in model, and any other plain BERT of sentence-transformers.

One such child embeds passages with all cores and low priority. Another one, with normal priority, embeds questions: so
a question waits neither for torch, nor for passages, nor for this interpreter's lock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.worker_loop import Buffers, Method
from rag.embedding.encoder import Encoder, load_runtime, load_tokenizer
from rag.embedding.trial import try_runtimes
from rag.types import Vectors

# While one call is computed the next is tokenized.
THREADS = 2


class _Held:
    """The encoder of this process, once it is loaded."""

    def __init__(self) -> None:
        self.encoder: Encoder | None = None

    def load(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{folder, runtimes, threads, lanes, gentle} → {runtime, load_ms}: the first of `runtimes` that starts."""
        began = time.perf_counter()
        folder = Path(params["folder"])
        name, self.encoder = _first(params["runtimes"], folder, params["threads"], params["lanes"])
        self.encoder.gentle(params["gentle"])
        self.encoder.encode_one("ready")
        return {"runtime": name, "load_ms": (time.perf_counter() - began) * 1000}, ()

    def passages(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{texts} → their vectors, fp32 row by row."""
        return None, (_bytes(self._loaded().encode(params["texts"])),)

    def query(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{text} → its vector."""
        return None, (_bytes(self._loaded().encode_one(params["text"])),)

    def gentle(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{on}: work with half of the time."""
        self._loaded().gentle(params["on"])
        return None, ()

    def _loaded(self) -> Encoder:
        if self.encoder is None:
            raise RuntimeError("no model is loaded")
        return self.encoder


def measure(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
    """{folder, threads, budget_s} → what try_runtimes found."""
    return try_runtimes(Path(params["folder"]), params["threads"], params["budget_s"]), ()


def _first(names: Sequence[str], folder: Path, threads: int, lanes: int) -> tuple[str, Encoder]:
    problems = []
    for name in names:
        try:
            shape, runtime = load_runtime(name, folder, threads, lanes)
        except (ImportError, RuntimeError, OSError) as error:  # a library that is missing, or not for this processor
            problems.append(f"{name}: {error}")
            continue
        return name, Encoder(shape, runtime, load_tokenizer(folder, shape.max_tokens))
    raise RuntimeError("; ".join(problems))


def _bytes(vectors: Vectors) -> bytes:
    return np.ascontiguousarray(vectors, np.float32).tobytes()


def methods() -> Mapping[str, Method]:
    """What models/worker_loop.py serves."""
    held = _Held()
    return {
        "load": held.load,
        "passages": held.passages,
        "query": held.query,
        "gentle": held.gentle,
        "measure": measure,
    }
