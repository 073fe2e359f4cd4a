"""The worker that runs a cross-encoder folder by sentence-transformers, on torch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.cpu import read_cpu_flags
from models.worker_loop import Buffers, Method
from rag.embedding.figures import has_bf16
from rag.embedding.trial import sample_texts

_BATCH = 16
_SAMPLES = 4
# bf16 is taken when it moves no probability of the samples by more than this.
_MOST_CHANGE = 0.02


class NotAReranker(ValueError):
    """The model sorts pairs into several classes instead of scoring them."""


class _Held:
    """The model of this process, once it is loaded."""

    def __init__(self) -> None:
        self._model: Any = None

    def load(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{folder, threads} → {runtime, load_ms}. Raises NotAReranker."""
        import torch

        began = time.perf_counter()
        torch.set_num_threads(params["threads"])
        self._model = _open(params["folder"])
        runtime = self._halve(params["folder"]) if has_bf16(read_cpu_flags()) else "torch f32"
        return {"runtime": runtime, "load_ms": (time.perf_counter() - began) * 1000}, ()

    def score(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """{query, passages} → their logits as fp32, in order."""
        return None, (self._logits(params["query"], params["passages"]).tobytes(),)

    def _halve(self, folder: str) -> str:
        question, *texts = sample_texts(_SAMPLES + 1)
        exact = self._logits(question, texts)
        self._model.model.bfloat16()
        change = np.abs(_probabilities(self._logits(question, texts)) - _probabilities(exact))
        if np.isfinite(change).all() and change.max() <= _MOST_CHANGE:
            return "torch bf16"
        self._model = _open(folder)
        return "torch f32"

    def _logits(self, query: str, passages: Sequence[str]) -> NDArray[np.float32]:
        import torch

        scores = self._model.predict(
            [(query, passage) for passage in passages],
            batch_size=_BATCH,
            activation_fn=torch.nn.Identity(),
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.ascontiguousarray(scores, np.float32)


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _open(folder: str) -> Any:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(
        folder,
        device="cpu",
        local_files_only=True,
        trust_remote_code=False,
        model_kwargs={"use_safetensors": True},
    )
    if model.num_labels != 1:
        raise NotAReranker(f"it sorts pairs into {model.num_labels} classes instead of scoring them")
    return model


def methods() -> Mapping[str, Method]:
    """What models/worker_loop.py serves."""
    held = _Held()
    return {"load": held.load, "score": held.score}
