"""The worker that runs a sentence-transformers folder by that library itself, on torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.cpu import read_cpu_flags
from models.worker_loop import Buffers, Method
from rag.embedding.figures import LEAST_COSINE, has_bf16
from rag.embedding.trial import sample_texts
from rag.types import Vectors

# A question is computed beside passages.
THREADS = 2
_BATCH = 16
_SAMPLES = 4


class _Held:
    """The model of this process, once it is loaded."""

    def __init__(self) -> None:
        self._model: Any = None
        self._gentle = False

    def load(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{folder, threads, dimensions, gentle} → {runtime, dimensions, max_tokens, load_ms}."""
        import torch

        began = time.perf_counter()
        torch.set_num_threads(params["threads"])
        self._gentle = params["gentle"]
        self._model = _open(params["folder"], params["dimensions"])
        runtime = "torch f32"
        if has_bf16(read_cpu_flags()):
            runtime = self._halve(params)
        dimensions = self._encode([""], "").shape[1]
        answer = {"runtime": runtime, "dimensions": dimensions, "max_tokens": int(self._model.max_seq_length or 512)}
        return {**answer, "load_ms": (time.perf_counter() - began) * 1000}, ()

    def encode(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{texts, prefix} → their vectors, fp32 row by row."""
        began = time.monotonic()
        vectors = self._encode(params["texts"], params["prefix"])
        if self._gentle:
            time.sleep(time.monotonic() - began)
        return None, (vectors.tobytes(),)

    def gentle(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{on}: work with half of the time."""
        self._gentle = params["on"]
        return None, ()

    def _halve(self, params: Mapping[str, Any]) -> str:
        """bf16, if the vectors stay the same by it."""
        texts = sample_texts(_SAMPLES)
        exact = self._encode(texts, "")
        self._model.bfloat16()
        if (self._encode(texts, "") * exact).sum(1).mean() >= LEAST_COSINE:
            return "torch bf16"
        self._model = _open(params["folder"], params["dimensions"])
        return "torch f32"

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        vectors = self._model.encode(
            list(texts),
            prompt=prefix or None,
            batch_size=_BATCH,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(vectors, np.float32)


def _open(folder: str, dimensions: int | None) -> Any:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        folder,
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
        truncate_dim=dimensions,
    )
    model.default_prompt_name = None  # prefixes are ours to put
    return model


def methods() -> Mapping[str, Method]:
    """What models/worker_loop.py serves."""
    held = _Held()
    return {"load": held.load, "encode": held.encode, "gentle": held.gentle}
