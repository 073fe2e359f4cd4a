"""Keeps the index of a collection as its folders are: scans, reads, embeds, and goes on where a kill cut it short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from models.progress import Cancel
from rag.indexing.progress import IndexNow, IndexReport
from rag.indexing.throttle import Throttle

if TYPE_CHECKING:
    from rag.embedding.embedders import Embedders
    from rag.reading.pool import ReaderPool
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex

Tell = Callable[[IndexNow], None]


class Indexer:
    """Made by Files. Runs may overlap, also of one collection; all methods belong on one asyncio loop.

    `on_change` gets the id of a collection whose files or state have changed, at most four times a second each.
    """

    def __init__(
        self,
        store: FileStore,
        vectors: VectorIndex,
        embedders: Embedders,
        readers: ReaderPool,
        throttle: Throttle,
        on_change: Callable[[int], None],
    ) -> None:
        raise NotImplementedError

    async def index(
        self,
        collection_id: int,
        report: Tell,
        cancel: Cancel,
        *,
        paths: Sequence[Path] | None = None,
        full: bool = False,
    ) -> IndexReport:
        """Make the index say what the disk says: everything, or what lies at `paths` (absolute, files or folders).

        `full` reads every file again. A file that fails keeps its old passages and is told of in the report; it never
        stops the others. What is done stays done when this is cancelled or killed. `report` gets an IndexNow some ten
        times a second; its `progress` is what a job tells.
        Raises CollectionNotFound, EmbedderMissing and EmbedderFailed (what was read can be found by its words then),
        DiskFull, Cancelled.
        """
        raise NotImplementedError

    async def change_embedder(self, collection_id: int, embedder_id: str, report: Tell, cancel: Cancel) -> IndexReport:
        """Embed all chunks anew by another model; the old vectors answer until the new ones are whole.

        Cancelled with the reason "cancel" the new vectors are dropped and the old embedder stays; with "pause" or
        "end" they are kept, and the same call goes on with them. Raises as `index`.
        """
        raise NotImplementedError

    async def forget(self, collection_id: int, spaces_only: bool = False) -> None:
        """Drop the vectors of a collection that is removed from the search index."""
        raise NotImplementedError

    def now(self, collection_id: int) -> IndexNow | None:
        """Where the indexing of a collection is at this moment; None when none is at work."""
        raise NotImplementedError

    async def reconcile(self) -> None:
        """Make the search index hold the vectors that the database has, no more and no less. Called once, at start."""
        raise NotImplementedError
