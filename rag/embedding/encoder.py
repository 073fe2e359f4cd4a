"""Texts to unit vectors inside a worker: tokenized in one thread while others compute, sorted by length, in batches."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding.batches import Batch, batches, by_length
from rag.embedding.bert import BertShape, read_shape, read_weights
from rag.types import Vectors

# Texts tokenized at once: enough that batches of one length come out, few enough that the model starts soon.
TEXTS_AHEAD = 128
# The longest rest between two batches: what never moves on is no index, and who waits hardly notices one in so long.
REST_S = 2.0

RUNTIMES = ("openvino bf16", "openvino f32", "torch bf16", "torch f32")


class Runtime(Protocol):
    """Runs batches; `lanes` of them at the same time, each from a thread of its own."""

    lanes: int

    def run(self, lane: int, ids: NDArray[np.int64], mask: NDArray[np.float32]) -> Vectors: ...


def load_runtime(name: str, folder: Path, threads: int, lanes: int) -> tuple[BertShape, Runtime]:
    """Load a folder's model into one of RUNTIMES. Raises what the libraries raise, ImportError among it."""
    library, _, precision = name.partition(" ")
    shape, weights = read_shape(folder), read_weights(folder)
    if library == "openvino":
        from rag.embedding.bert_openvino import OpenVinoBert

        return shape, OpenVinoBert(shape, weights, precision, threads, lanes)
    from rag.embedding.bert_torch import TorchBert

    return shape, TorchBert(shape, weights, precision, threads)


def load_tokenizer(folder: Path, max_tokens: int) -> Any:
    """The folder's tokenizer, which cuts texts at `max_tokens` and pads nothing, whatever the folder says."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.fspath(folder / "tokenizer.json"))
    tokenizer.enable_truncation(max_tokens)
    tokenizer.no_padding()
    return tokenizer


class Encoder:
    """One loaded model. `encode` may be called from several threads; they share the lanes."""

    def __init__(self, shape: BertShape, runtime: Runtime, tokenizer: Any) -> None:
        self.shape = shape
        self._runtime = runtime
        self._tokenizer = tokenizer
        self._lanes: queue.SimpleQueue[int] = queue.SimpleQueue()
        for lane in range(runtime.lanes):
            self._lanes.put(lane)
        self._computing = ThreadPoolExecutor(runtime.lanes, thread_name_prefix="lane")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        self._free = threading.Event()
        self._free.set()
        self._ended_at = float("-inf")  # when the last batch of `encode` did

    def gentle(self, on: bool) -> None:
        """Rest between the batches of `encode` until this is taken back, REST_S at most each time."""
        if on:
            self._free.clear()
        else:
            self._free.set()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Shape (len(texts), hidden), rows of norm 1, in order."""
        vectors = np.empty((len(texts), self.shape.hidden), np.float32)
        running: list[Future[None]] = []
        for rows, tokens in self._tokenized(texts):
            for batch in batches(tokens, self.shape.pad_id, self.shape.max_tokens):
                places = [rows[row] for row in batch.rows]
                running.append(self._computing.submit(self._run, batch, places, vectors))
        for future in running:
            future.result()
        return vectors

    def encode_one(self, text: str) -> Vectors:
        """Shape (1, hidden), without handing it from thread to thread."""
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        lane = self._lanes.get()
        try:
            return self._runtime.run(lane, ids, np.ones(ids.shape, np.float32))
        finally:
            self._lanes.put(lane)

    def close(self) -> None:
        self._computing.shutdown()
        self._reading.shutdown()

    def _tokenized(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[list[int]]]]:
        # Characters tell the order of lengths well enough to bring like texts together.
        order = by_length([len(text) for text in texts])
        groups = [order[at : at + TEXTS_AHEAD] for at in range(0, len(order), TEXTS_AHEAD)]
        reading = [self._reading.submit(self._tokens, [texts[row] for row in rows]) for rows in groups]
        for rows, tokens in zip(groups, reading, strict=True):
            yield rows, tokens.result()

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts)]

    def _run(self, batch: Batch, places: list[int], vectors: Vectors) -> None:
        self._free.wait(max(0.0, self._ended_at + REST_S - time.monotonic()))
        lane = self._lanes.get()
        try:
            vectors[places] = self._runtime.run(lane, batch.ids, batch.mask)
        finally:
            self._ended_at = time.monotonic()
            self._lanes.put(lane)
