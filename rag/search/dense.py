"""The dense side: the chunks of a collection whose vectors are nearest to that of the query."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from rag.errors import EmbedderFailed, EmbedderMissing, EmbeddingMismatch, RagError, VectorsBroken
from rag.search.analysis import Analysis
from rag.store.rows import CollectionRow, Space
from rag.store.vector_rows import Ids
from rag.types import Embedder, Vectors

if TYPE_CHECKING:
    from rag.embedding.embedders import Embedders
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex

log = logging.getLogger(__name__)

EXACT = 4_000  # chunks: a search confined to no more compares all their vectors
NEIGHBOURS = 10  # of a candidate, among the candidates
CONFINED = 2_000  # nearest that are looked through when it is confined to more


@dataclass(frozen=True, slots=True)
class Nearest:
    """What the dense side of one collection says: pairs of chunk id and cosine, nearest first.

    `space` and `vector` are None when it cannot say anything; `note` says why. `complete` is False while vectors of
    the collection are still to come.
    """

    found: tuple[tuple[int, float], ...] = ()
    space: Space | None = None
    vector: Vectors | None = None
    embedder: str = ""
    complete: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """By chunk id: the cosine to the query, and how crowded it is around the chunk (see crowding_of)."""

    cosines: Mapping[int, float] = field(default_factory=dict)
    crowding: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """The vectors some chunks (`asked`) have in a space: float32 `rows` of those in `ids`, in no order."""

    asked: Sequence[int] = ()
    space: Space | None = None
    ids: Ids = field(default_factory=lambda: np.empty(0, np.int64))
    rows: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))


class DenseSide:
    """Embeds queries and asks the vector index; never raises for what the lexical side can do without."""

    def __init__(self, store: FileStore, vectors: VectorIndex, embedders: Embedders) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders

    async def nearest(
        self, collection: CollectionRow, analysis: Analysis, limit: int, allowed: Sequence[int] | None
    ) -> Nearest:
        """The nearest chunks of a collection; `allowed` are the ids of chunks it is confined to."""
        try:
            embedder = await self._embedders.open(collection.embedder_id)
            space = await self._space(collection, embedder)
            if space is None:
                return Nearest(complete=False)
            vector = await query_vector(embedder, analysis.pieces)
            found = await self._found(space, vector, limit, allowed)
        except (EmbedderMissing, EmbedderFailed, EmbeddingMismatch, VectorsBroken) as error:
            log.info("a search of collection %d goes without vectors: %s", collection.id, error.message)
            return Nearest(complete=not isinstance(error, VectorsBroken), note=_note(error))
        return Nearest(found, space, vector, embedder.identity.model, space.ready)

    async def stored(self, collection: CollectionRow, ids: Sequence[int]) -> Stored:
        """The vectors of candidates, read before the vector of the query is known."""
        try:
            space = await self._space(collection, await self._embedders.open(collection.embedder_id))
        except (EmbedderMissing, EmbedderFailed, EmbeddingMismatch):
            space = None  # `nearest` says why
        if space is None or not ids:
            return Stored(ids)
        return Stored(ids, space, *await self._store.vectors(space, ids))

    async def compare(self, nearest: Nearest, stored: Stored, others: Sequence[int]) -> Compared:
        """Candidates by their stored vectors, as far as they have one."""
        if nearest.space is None or nearest.vector is None:
            return Compared()
        if stored.space != nearest.space:  # the collection's embedder was changed in between
            stored, others = Stored(), [*stored.asked, *others]
        known, rows = await self._store.vectors(nearest.space, others)
        if len(stored.ids):
            known, rows = np.concatenate((stored.ids, known)), np.concatenate((stored.rows, rows))
        cosines, crowding = rows @ nearest.vector, crowding_of(rows)
        return Compared(
            dict(nearest.found) | dict(zip(known.tolist(), cosines.tolist(), strict=True)),
            dict(zip(known.tolist(), crowding.tolist(), strict=True)),
        )

    async def _space(self, collection: CollectionRow, embedder: Embedder) -> Space | None:
        spaces = await self._store.spaces(collection.id)
        return next((space for space in spaces if space.embedder_key == embedder.identity.key), None)

    async def _found(
        self, space: Space, vector: Vectors, limit: int, allowed: Sequence[int] | None
    ) -> tuple[tuple[int, float], ...]:
        if allowed is None:
            return tuple(await self._vectors.query(space.name, vector, limit))
        if len(allowed) <= EXACT:
            ids, rows = await self._store.vectors(space, allowed)
            cosines = rows @ vector
            best = np.argsort(-cosines, kind="stable")[:limit]
            return tuple(zip(ids[best].tolist(), cosines[best].tolist(), strict=True))
        wanted = set(allowed)
        near = await self._vectors.query(space.name, vector, CONFINED)
        return tuple(each for each in near if each[0] in wanted)[:limit]


def crowding_of(rows: Vectors) -> Vectors:
    """How near the nearest others are to each of some candidates: the mean cosine to NEIGHBOURS of them.

    What lies in the middle of a crowd is near to many queries and says little about any one of them ("hubness").
    """
    others = min(NEIGHBOURS, len(rows) - 1)
    if others < 1:
        return np.zeros(len(rows), np.float32)
    near = rows @ rows.T
    np.fill_diagonal(near, -np.inf)
    return np.asarray(np.partition(near, -others, axis=1)[:, -others:].mean(axis=1), np.float32)


async def query_vector(embedder: Embedder, pieces: Sequence[str]) -> Vectors:
    """The vector of a query: the mean of its pieces', with norm 1."""
    vectors = [await embedder.embed_query(piece) for piece in pieces]
    total = np.sum(vectors, axis=0, dtype=np.float32)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32)


def _note(error: RagError) -> str:
    return f"Searched by words alone: {error.message}"
