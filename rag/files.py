"""The composition root of this package: makes every part of the files' index, and closes it in reverse order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.network import NetworkRules

if TYPE_CHECKING:
    from rag.doctor.doctor import FilesDoctor
    from rag.embedding.embedders import Embedders, GgufModels
    from rag.indexing.indexer import Indexer
    from rag.indexing.watcher import Watcher
    from rag.reading.pool import ReaderPool
    from rag.reranking.rerankers import Rerankers
    from rag.search.searcher import Searcher
    from rag.store.store import FileStore
    from rag.vectors.index import VectorIndex


@dataclass(frozen=True, slots=True)
class FilesPlaces:
    """Where things lie: the database file, the folder of the vector index, a cache that may be emptied, a folder for
    the working folders of children (short-lived), and one for their pidfiles. What a user adds lies by the database."""

    database: Path
    vectors: Path
    cache: Path
    runtime: Path
    pidfiles: Path | None = None


class Files:
    """Made by `open`, ended by `close`; use it on the loop it was opened on.

    `reindex(collection_id, paths)` is what the watcher asks for: by default the indexer at once, without a job.
    """

    store: FileStore
    vectors: VectorIndex
    embedders: Embedders
    rerankers: Rerankers
    readers: ReaderPool
    indexer: Indexer
    watcher: Watcher
    searcher: Searcher
    doctor: FilesDoctor

    @classmethod
    async def open(
        cls,
        places: FilesPlaces,
        *,
        busy: Callable[[], bool] = lambda: False,
        on_change: Callable[[int], None] = lambda _: None,
        rules: Callable[[], NetworkRules] = NetworkRules,
        models: GgufModels | None = None,
        api_key: Callable[[str], Awaitable[str | None]] | None = None,
        battery_pauses: Callable[[], bool] = lambda: True,
        reindex: Callable[[int, Sequence[Path] | None], Awaitable[None]] | None = None,
        tesseract: str = "tesseract",
        watch: bool = True,
    ) -> Files:
        """Open the database and start what is needed; models and parsers start when they are first asked for.

        `busy` says whether somebody waits for a model's answer: indexing makes way then (it must not count indexing
        itself). `on_change` gets the id of a collection whose files or state have changed. `rules`, `models` and
        `api_key` as for Embedders. Raises DatabaseError as models.database does, OSError.
        """
        raise NotImplementedError

    async def start(self) -> None:
        """Reconcile the vector index with the database, then begin to watch. Returns when both are under way."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop watching, let go of running work, end every child, close the database."""
        raise NotImplementedError
