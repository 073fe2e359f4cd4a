"""Embedders that sentence-transformers runs: any of its folders, in a child of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.child import Jail
from models.worker import WorkerSpec
from rag.embedding.folder import ModelFolder
from rag.embedding.identity import identity_of, name_with_hash, unit_vectors
from rag.embedding.kept_worker import FAILURES, KeptWorker, sentence
from rag.embedding.package import IDLE_S, compute_threads
from rag.embedding.texts import prefixed, valid
from rag.errors import EmbedderFailed, EmbedderMissing
from rag.types import EmbedderIdentity, Vectors

# Few, so that a question finds the child free soon.
TEXTS_PER_CALL = 64
_MODULE = "rag.embedding.folder_worker"


class TransformerEmbedder:
    """One folder in one child, which is ended when it was not asked for a while. Made by `open_transformer`."""

    def __init__(self, identity: EmbedderIdentity, worker: KeptWorker, switch: _Gentle) -> None:
        self._identity = identity
        self._switch = switch
        self.worker = worker

    @property
    def identity(self) -> EmbedderIdentity:
        return self._identity

    async def embed_passages(self, texts: list[str]) -> Vectors:
        """As Embedder.embed_passages."""
        # By length over all of them, so that a call's texts are alike: little padding.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        vectors = np.empty((len(texts), self._identity.dimensions), np.float32)
        for at in range(0, len(order), TEXTS_PER_CALL):
            places = order[at : at + TEXTS_PER_CALL]
            vectors[places] = await self._embed(
                prefixed("", [texts[place] for place in places]), self._identity.passage_prefix
            )
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        """As Embedder.embed_query. It is computed beside the passages, in the same child."""
        vector: Vectors = (await self._embed([valid(text)], self._identity.query_prefix))[0]
        return vector

    @property
    def is_gentle(self) -> bool:
        """What `gentle` was told last."""
        return self._switch.on

    async def gentle(self, on: bool) -> None:
        """Embed with half of the time, or with all of it again."""
        if on != self._switch.on:
            self._switch.on = on
            if self.worker.pid is not None:
                await _told(self.worker.call("gentle", {"on": on}), self._identity.model)

    async def close(self) -> None:
        await self.worker.close()

    async def _embed(self, texts: list[str], prefix: str) -> Vectors:
        reply = await _told(self.worker.call("encode", {"texts": texts, "prefix": prefix}), self._identity.model)
        numbers = np.frombuffer(reply.buffers[0], np.float32)
        rows = numbers.reshape(len(texts), -1)
        return unit_vectors(rows, len(texts), self._identity.dimensions, self._identity.model)


class _Gentle:
    """Whether a child that starts is to be gentle from the beginning."""

    on = False


async def open_transformer(
    model: ModelFolder, work: Path, pidfiles: Path | None, dimensions: int | None = None
) -> TransformerEmbedder:
    """Start the folder's child and learn its sizes. Raises EmbedderMissing when it cannot be loaded."""
    switch = _Gentle()

    def loading() -> Mapping[str, Any]:
        wanted = {"folder": str(model.folder), "threads": compute_threads(), "dimensions": dimensions}
        return {**wanted, "gentle": switch.on}

    jail = Jail(read=(model.folder,), write=(work,))
    spec = WorkerSpec(_MODULE, f"embedding by {model.name}", work, jail=jail, pidfiles=pidfiles, nice=10)
    worker = KeptWorker(spec, loading, idle_s=IDLE_S)
    try:
        await worker.start()
    except FAILURES as error:
        await worker.close()
        raise EmbedderMissing(
            f"The embedding model {model.name} cannot be loaded: {sentence(error)}",
            hint="Its folder may be incomplete, or torch is not installed: `jackdaw doctor` says.",
        ) from error
    identity = identity_of(
        name_with_hash(model.name, model.weights),
        worker.loaded["dimensions"],
        worker.loaded["max_tokens"],
        model.pooling,
        query_prefix=model.query_prefix,
        passage_prefix=model.passage_prefix,
    )
    return TransformerEmbedder(identity, worker, switch)


async def _told(call: Any, name: str) -> Any:
    try:
        return await call
    except FAILURES as error:
        raise EmbedderFailed(
            f"The embedding model {name} failed: {sentence(error)}",
            hint="Try again; `jackdaw files doctor` looks at it more closely.",
        ) from error
