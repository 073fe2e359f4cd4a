"""The spaces that are worked at: one SpaceWork each, shared by all runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from rag.errors import VectorsBroken
from rag.indexing.space_work import SpaceWork
from rag.store.rows import Space
from rag.store.store import FileStore
from rag.types import Embedder
from rag.vectors.index import VectorIndex


class Spaces:
    """Of all collections."""

    def __init__(self, store: FileStore, vectors: VectorIndex) -> None:
        self._store = store
        self._vectors = vectors
        self._works: dict[int, SpaceWork] = {}

    async def open(self, collection_id: int, embedder: Embedder) -> SpaceWork:
        """The work at a collection's vectors by an embedder; the space is made when there is none."""
        return self._of(await self._store.open_space(collection_id, embedder.identity))

    async def place(self, collection_id: int) -> None:
        """What is gone goes from every space, also from one that is being made; what has its vectors comes in."""
        for space in await self._store.spaces(collection_id):
            await self._of(space).place()

    async def forget(self, spaces: Sequence[Space]) -> None:
        """Drop spaces that the database has forgotten from the vector index."""
        for space in spaces:
            self._works.pop(space.id, None)
            with suppress(VectorsBroken):  # one that is made anew gets only the spaces that the database knows
                await self._vectors.drop(space.name)

    def _of(self, space: Space) -> SpaceWork:
        if space.id not in self._works:
            self._works[space.id] = SpaceWork(self._store, self._vectors, space)
        return self._works[space.id]
