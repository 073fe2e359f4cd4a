"""The search over the user's files: FTS5 and vectors at once, fused by what the query and the results look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.search.types import Found, SearchWish

if TYPE_CHECKING:
    from rag.embedding.embedders import Embedders
    from rag.reranking.rerankers import Rerankers
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex


class Searcher:
    """Reads only: the store's own database through its readers, and the vector index. Safe to use concurrently."""

    def __init__(
        self, store: FileStore, vectors: VectorIndex, embedders: Embedders, rerankers: Rerankers | None = None
    ) -> None:
        self._store = store
        self._vectors = vectors
        self._embedders = embedders
        self._rerankers = rerankers

    async def search(self, wish: SearchWish) -> Found:
        """Find the passages that answer `wish.query`, with everything that led to them.

        Without vectors (no embedder, a broken index, an index that is being built) the lexical side answers alone and
        `note` says so. Raises BadQuery when the query holds nothing to search for or `path` is no pattern,
        CollectionNotFound for an id there is not.
        """
        raise NotImplementedError
