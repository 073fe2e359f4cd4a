"""Which runtime is the fastest here: each computes the same texts in turns, so that noise meets all alike.

Runs in a worker. The texts are pieces of this Python's own library, which are everywhere and look like what is indexed.
"""

from __future__ import annotations

import dataclasses
import inspect
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.cpu import read_cpu_flags
from rag.embedding.encoder import RUNTIMES, Encoder, load_runtime, load_tokenizer
from rag.embedding.figures import usual_runtime
from rag.types import Vectors

# About 185 tokens of MiniLM.
_TEXT_CHARACTERS = 740
_TEXTS = 24
_MOST_ROUNDS = 20
_ALWAYS = 2  # the reference and the usual one
_QUERIES = 20
_QUERY = "how is a file opened without following links"


def try_runtimes(folder: Path, threads: int, budget_s: float) -> list[dict[str, Any]]:
    """Figures of every runtime, as RuntimeFigure without `chosen`, in about `budget_s` seconds on a quiet machine.

    The first one is fp32 on OpenVINO, which the others are compared with; it and the usual one are tried however long
    that takes. A runtime that cannot be loaded, or for which no time was left, has a speed of 0 and a note.
    """
    texts, ends = sample_texts(), time.monotonic() + budget_s
    trials: list[_Trial] = []
    reference: Vectors | None = None
    for name in _in_order():
        if len(trials) >= _ALWAYS and time.monotonic() > ends - budget_s / 4:
            trials.append(_Trial.failed(name, "There was no time left to try it."))
            continue
        trials.append(trial := _Trial.load(name, folder, threads, texts))
        if reference is None and trial.encoder is not None:
            reference = trial.vectors
    running = [trial for trial in trials if trial.encoder is not None]
    for number in range(_MOST_ROUNDS):
        if number > 1 and time.monotonic() > ends:
            break
        for trial in running:
            trial.round(texts)
    return [trial.figure(reference) for trial in trials]


def _in_order() -> list[str]:
    first = dict.fromkeys(("openvino f32", usual_runtime(read_cpu_flags())))
    return list(first | dict.fromkeys(RUNTIMES))


def sample_texts(count: int = _TEXTS) -> list[str]:
    """Pieces of the standard library's source, of differing lengths around 740 characters."""
    source = inspect.getsource(inspect) + inspect.getsource(dataclasses)
    texts, at = [], 0
    for number in range(count):
        size = _TEXT_CHARACTERS * (50 + 37 * number % 101) // 100
        texts.append(source[at : at + size])
        at += size
    return texts


class _Trial:
    """One runtime with what was measured of it."""

    def __init__(self, name: str, encoder: Encoder | None, note: str = "") -> None:
        self.name = name
        self.encoder = encoder
        self.note = note
        self.load_ms = 0.0
        self.vectors: Vectors = np.empty((0, 0), np.float32)
        self._speeds: list[float] = []
        self._query_ms: list[float] = []

    @classmethod
    def failed(cls, name: str, note: str) -> _Trial:
        return cls(name, None, note)

    @classmethod
    def load(cls, name: str, folder: Path, threads: int, texts: Sequence[str]) -> _Trial:
        began = time.perf_counter()
        try:
            shape, runtime = load_runtime(name, folder, threads, threads)
            encoder = Encoder(shape, runtime, load_tokenizer(folder, shape.max_tokens))
            trial = cls(name, encoder)
            trial.load_ms = (time.perf_counter() - began) * 1000
            trial.vectors = encoder.encode(texts)  # also prepares the shapes, which is not measured
        except Exception as error:  # whatever a library says on a machine it was not made for, the others go on
            return cls.failed(name, f"{type(error).__name__}: {error}"[:200])
        return trial

    def round(self, texts: Sequence[str]) -> None:
        assert self.encoder is not None
        began = time.perf_counter()
        self.encoder.encode(texts)
        self._speeds.append(len(texts) / (time.perf_counter() - began))
        for _ in range(_QUERIES):
            began = time.perf_counter()
            self.encoder.encode_one(_QUERY)
            self._query_ms.append((time.perf_counter() - began) * 1000)

    def figure(self, reference: Vectors | None) -> dict[str, Any]:
        cosine = 0.0 if reference is None or self.encoder is None else float((self.vectors * reference).sum(1).mean())
        done = bool(self._speeds)
        if self.encoder is not None:
            self.encoder.close()
        return {
            "name": self.name,
            "chunks_per_s": round(max(self._speeds), 1) if done else 0.0,
            "cosine": cosine,
            "load_ms": round(self.load_ms, 1),
            "query_ms": round(statistics.median(self._query_ms), 2) if done else 0.0,
            "note": self.note,
        }
