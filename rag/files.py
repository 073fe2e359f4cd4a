"""The composition root of this package: makes every part of the files' index, and closes it in reverse order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from models.errors import ModelsError
from models.network import NetworkRules
from models.progress import Cancel
from rag.doctor.doctor import Doctor, DoctorParts
from rag.embedding.embedders import Embedders
from rag.embedding.gguf_models import GgufModels
from rag.errors import RagError
from rag.indexing.indexer import Indexer, IndexParts
from rag.indexing.throttle import Throttle
from rag.indexing.watcher import Reindex, Watcher
from rag.reading.pool import ReaderPool
from rag.reranking.rerankers import Rerankers
from rag.search.searcher import Searcher
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilesPlaces:
    """Where things lie: the database file, the folder of the vector index, a cache that may be emptied, a folder for
    the working folders of children (short-lived), and one for their pidfiles. What a user adds lies by the database."""

    database: Path
    vectors: Path
    cache: Path
    runtime: Path
    pidfiles: Path | None = None


@dataclass(frozen=True, slots=True)
class FilesHooks:
    """What the owner of the index gives it.

    `busy` says whether somebody waits for a model's answer: indexing makes way then (indexing itself must not count).
    `on_change` gets the id of a collection whose files or state have changed, some times a second at most. `reindex` is
    what the watcher asks for, a collection and paths; None lets the indexer do it at once. `rules`, `models` and
    `api_key` are those of Embedders. `battery_pauses` is the setting. `tesseract` reads scanned pages.
    """

    busy: Callable[[], bool] = lambda: False
    on_change: Callable[[int], None] = lambda _: None
    reindex: Reindex | None = None
    rules: Callable[[], NetworkRules] = NetworkRules
    models: GgufModels | None = None
    api_key: Callable[[str], Awaitable[str | None]] | None = None
    battery_pauses: Callable[[], bool] = lambda: True
    tesseract: str = "tesseract"


class Files:
    """Made by `open`, ended by `close`; use it on the loop it was opened on."""

    def __init__(self, store: FileStore, places: FilesPlaces, hooks: FilesHooks) -> None:
        self.store = store
        self.vectors = VectorIndex(places.vectors, store, pidfiles=places.pidfiles, changed=self._vectors_changed)
        self.embedders = Embedders(
            cache=places.cache / "embedding",
            runtime=places.runtime / "embedding",
            pidfiles=places.pidfiles,
            definitions=places.database.with_name("embedders.json"),
            rules=hooks.rules,
            models=hooks.models,
            api_key=hooks.api_key,
        )
        self.rerankers = Rerankers(
            runtime=places.runtime / "reranking",
            pidfiles=places.pidfiles,
            definitions=places.database.with_name("rerankers.json"),
            models=hooks.models,
        )
        self.readers = ReaderPool(places.runtime / "reading", places.pidfiles, tesseract=hooks.tesseract)
        self.throttle = Throttle(hooks.busy, battery_pauses=hooks.battery_pauses)
        parts = IndexParts(store, self.vectors, self.embedders, self.readers)
        self.indexer = Indexer(parts, self.throttle, hooks.on_change)
        self.watcher = Watcher(store, hooks.reindex or self._reindex, hooks.on_change)
        self.searcher = Searcher(store, self.vectors, self.embedders, self.rerankers)
        self.doctor = Doctor(DoctorParts(store, self.vectors, self.embedders, self.indexer, self.throttle))
        self._on_change = hooks.on_change
        self._starting: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._letting_go = Cancel()

    @classmethod
    async def open(cls, places: FilesPlaces, hooks: FilesHooks | None = None) -> Files:
        """Open the database; models, parsers and the vector index start when they are first asked for.

        Raises DatabaseBusy, DiskFull, IndexTooNew, OSError.
        """
        for folder in (places.vectors, places.cache, places.runtime):
            await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        return cls(await FileStore.open(places.database), places, hooks or FilesHooks())

    async def start(self, *, watch: bool = True) -> None:
        """In the background: make the vector index as the database says, then begin to watch."""
        self._starting = asyncio.create_task(self._start(watch), name="start files")

    async def close(self) -> None:
        """Stop watching, let go of running work, end every child, close the database."""
        self._letting_go.set("end")
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self.store.close)
            for part in (self.vectors, self.rerankers, self.embedders, self.readers, self.watcher):
                closing.push_async_callback(part.close)
            tasks = [*self._telling, *([self._starting] if self._starting else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self, watch: bool) -> None:
        try:
            await self.vectors.start()
        except (RagError, ModelsError) as error:
            log.warning("the vector index was not compared with the database: %s", error)
        if watch:
            try:
                await self.watcher.start()
            except (RagError, ModelsError) as error:
                log.warning("folders are not watched: %s", error)

    def _vectors_changed(self) -> None:
        task = asyncio.get_running_loop().create_task(self._tell_all(), name="vectors changed")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_all(self) -> None:
        for collection in await self.store.collections(None):
            self._on_change(collection.id)

    async def _reindex(self, collection_id: int, paths: Sequence[Path]) -> None:
        await self.indexer.index(collection_id, lambda _: None, self._letting_go, paths=paths)
