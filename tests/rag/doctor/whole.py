"""A whole index over a real folder: store, vectors, readers and indexer, with an embedder that needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from models.progress import Cancel
from rag.doctor.doctor import Doctor, DoctorParts
from rag.embedding.embedders import Embedders
from rag.indexing.indexer import Indexer, IndexParts
from rag.indexing.throttle import Throttle
from rag.reading.pool import ReaderPool
from rag.store.store import FileStore
from rag.types import EmbedderIdentity, Vectors
from rag.vectors.index import VectorIndex
from tests.rag.store.filled import IDENTITY, new_collection, vector


class PlainEmbedder:
    """An embedder whose vectors follow from the texts alone; `salt` makes it another model under the same name."""

    identity: EmbedderIdentity = IDENTITY

    def __init__(self) -> None:
        self.salt = ""

    async def embed_passages(self, texts: list[str]) -> Vectors:
        return np.stack([vector(self.salt + text) for text in texts])

    async def embed_query(self, text: str) -> Vectors:
        return vector(self.salt + text)


class OneEmbedder:
    """What the indexer and the doctor ask of Embedders, with one embedder."""

    def __init__(self) -> None:
        self.one = PlainEmbedder()

    async def open(self, _: str) -> PlainEmbedder:
        return self.one

    def gentle(self, _: bool) -> None:
        """It is quick enough."""


class Whole:
    """Made by `open`, ended by `close`."""

    def __init__(self, folder: Path, store: FileStore, collection_id: int) -> None:
        self.folder, self.store, self.collection_id = folder / "mine", store, collection_id
        self.vectors = VectorIndex(folder / "vectors", store)
        self.embedders = OneEmbedder()
        self.readers = ReaderPool(folder / "reading", None, workers=1, idle_s=600)
        embedders: Any = cast(Embedders, self.embedders)
        throttle = Throttle(lambda: False)
        self.indexer = Indexer(IndexParts(store, self.vectors, embedders, self.readers), throttle, lambda _: None)
        self.doctor = Doctor(DoctorParts(store, self.vectors, embedders, self.indexer, throttle))

    @classmethod
    async def open(cls, folder: Path) -> Whole:
        (folder / "mine").mkdir()
        store = await FileStore.open(folder / "files.db")
        return cls(folder, store, (await new_collection(store, root=str(folder / "mine"))).id)

    async def index_these(self, texts: Mapping[str, str]) -> None:
        """Have these files in the folder, none else, and the index say so."""
        self.folder.mkdir(exist_ok=True)
        for file in self.folder.iterdir():
            file.unlink()
        for name, text in texts.items():
            (self.folder / name).write_text(text)
        await self.index()

    async def index(self) -> None:
        """Make the index say what the folder says."""
        await self.indexer.index(self.collection_id, lambda _: None, Cancel())

    async def close(self) -> None:
        await self.readers.close()
        await self.vectors.close()
        await self.store.close()
