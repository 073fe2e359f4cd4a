"""The index of the user's files in the service: its parts, made together, started after the listeners, closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from desktop import wire_files as wire
from desktop.paths import Paths
from desktop.service.chats import Chats
from desktop.service.errors import ServiceError
from desktop.service.events import EventLog
from desktop.service.files.chat_files import ChatFiles
from desktop.service.files.checks import FileChecks
from desktop.service.files.collections import Collections, files_of_database, size_of
from desktop.service.files.evidence import Evidence
from desktop.service.files.news import FilesNews
from desktop.service.files.on_port import FilesOnPort
from desktop.service.files.reading import FileReading
from desktop.service.files.removal import Removal
from desktop.service.files.retrieval import Retrieval
from desktop.service.files.rows import files_now
from desktop.service.files.search import FileSearch
from desktop.service.model_tools import network_rules
from desktop.settings import SettingsFile
from engine.scheduler import Scheduler
from models.errors import ModelsError
from models.library import Library, LibraryModel
from models.progress import Cancel
from rag.errors import RagError
from rag.files import Files, FilesHooks, FilesPlaces
from rag.store.collections_copy import READ_AGAIN

if TYPE_CHECKING:
    from engine.llama_server import LlamaServer

log = logging.getLogger(__name__)


@dataclass
class FilesPart:
    """Everything about the user's files; `asking` and the jobs of `collections` are set once those exist."""

    index: Files
    places: FilesPlaces
    collections: Collections
    news: FilesNews
    search: FileSearch
    retrieval: Retrieval
    checks: FileChecks
    reading: FileReading
    removal: Removal
    in_chats: ChatFiles
    on_port: FilesOnPort
    chats: Chats
    settings: SettingsFile
    letting_go: Cancel = field(default_factory=Cancel)  # of what the watcher asked for
    _forgetting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """After the listeners, in the background: compare the stores, watch, forget what was attached to lost chats."""
        self.news.start()
        await self.index.start()
        await self._read_again()
        self._forgetting = asyncio.create_task(self._forget(), name="forget attached files")

    async def close(self) -> None:
        """Before the index: what is under way for it ends."""
        self.letting_go.set("end")
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)
        await self.news.close()

    async def _read_again(self) -> None:
        """Start the jobs of collections that were put back after the database was lost."""
        for row in await self.index.store.collections(None):
            if row.problem == READ_AGAIN and row.roots and not row.paused:
                try:
                    await self.collections.start_index(row.id)
                except (ServiceError, RagError, ModelsError) as error:  # its problem says it, and the next start tries
                    log.warning("the collection %d is not read again: %s", row.id, error)

    async def _forget(self) -> None:
        try:
            await self.in_chats.forget(await self.chats.ids())
        except (RagError, ModelsError) as error:  # the next start tries again
            log.warning("what was attached to deleted chats is still in the index: %s", error)

    async def status(self) -> wire.IndexStatus:
        """The index as a whole."""
        rows = await self.index.store.collections(None)
        counts = [await self.index.store.counts(row.id) for row in rows]
        vectors = await self.index.store.database.read(
            lambda connection: int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])
        )
        choices = {choice.id: choice for choice in await self.index.embedders.choices()}
        usual = choices.get(self.usual_embedder())
        figures = self.index.embedders.figures()
        return wire.IndexStatus(
            collections=sum(not row.chat_id for row in rows),
            files=sum(one.indexed for one in counts),
            chunks=sum(one.chunks for one in counts),
            vectors=vectors,
            database_bytes=size_of(*files_of_database(self.places.database)),
            vectors_bytes=size_of(*self.places.vectors.rglob("*")),
            embedder_name=usual.name if usual is not None else "",
            runtime=figures.chosen or (usual.runtime if usual is not None else ""),
            on_battery=self.index.throttle.on_battery,
            watching=len(self.index.watcher.watched),
            problem=await self._problem(),
        )

    async def _problem(self) -> str:
        watching = next(iter(self.index.watcher.problems.values()), "")
        return self.index.vectors.problem or await self.index.store.told() or watching

    def usual_embedder(self) -> str:
        """The embedder of a new collection."""
        return self.settings.current.embedder or self.index.embedders.default_id


class IndexModels:
    """The models of the library as the index uses them; knows which of a model's slots are the index's own."""

    def __init__(self, library: Library, scheduler: Scheduler) -> None:
        self._library = library
        self._scheduler = scheduler
        self._own: dict[str, int] = {}

    async def list(self) -> list[LibraryModel]:
        return await self._library.list()

    @asynccontextmanager
    async def hold(self, model_id: str) -> AsyncIterator[LlamaServer]:
        self._own[model_id] = self._own.get(model_id, 0) + 1
        try:
            async with self._scheduler.hold(model_id) as server:
                yield server
        finally:
            self._own[model_id] -= 1

    def busy(self) -> bool:
        """Whether anybody else than the index waits for a model."""
        return any(
            model.busy_slots + model.queued > self._own.get(model.model_id, 0)
            or (model.state in ("queued", "loading") and not self._own.get(model.model_id))
            for model in self._scheduler.snapshot(measured=False)
        )


@dataclass(frozen=True, slots=True)
class Around:
    """What of the service the index works with."""

    paths: Paths
    settings: SettingsFile
    environ: Mapping[str, str]
    library: Library
    scheduler: Scheduler
    chats: Chats
    events: EventLog


async def make_files(around: Around, closing: AsyncExitStack) -> FilesPart:
    """Open the index and make its parts; nothing heavy is imported or started. Raises what Files.open does."""
    paths, settings = around.paths, around.settings
    places = FilesPlaces(
        database=paths.files_database,
        vectors=paths.vectors,
        cache=paths.cache / "files",
        runtime=paths.runtime / "files",
        pidfiles=paths.children,
    )
    models = IndexModels(around.library, around.scheduler)
    made: list[FilesPart] = []  # the hooks are called once the part is made

    def on_change(collection_id: int) -> None:
        made[0].news.progress(collection_id)

    async def reindex(collection_id: int, changed: Sequence[Path]) -> None:
        await _look_again(made[0], collection_id, changed)

    hooks = FilesHooks(
        busy=models.busy,
        on_change=on_change,
        reindex=reindex,
        rules=lambda: network_rules(settings.current),
        models=models,
        battery_pauses=lambda: not settings.current.index_on_battery,
    )
    index = await Files.open(places, hooks)
    closing.push_async_callback(index.close)
    made.append(_part(index, places, around))
    closing.push_async_callback(made[0].close)
    return made[0]


def _part(index: Files, places: FilesPlaces, around: Around) -> FilesPart:
    settings = around.settings

    async def renamed(old: str, new: str | None) -> None:
        for chat_id in await around.chats.rename_collection(old, new):
            around.events.publish("chat", {"action": "changed", "id": chat_id})

    async def at_work(collection_id: int) -> list[wire.FileRow]:
        now = index.indexer.now(collection_id)
        return files_now(await index.store.collection(collection_id), now) if now is not None else []

    collections = Collections(index, places, usual_embedder=lambda: settings.current.embedder, renamed=renamed)
    news = FilesNews(around.events, collections.one, at_work)
    evidence = Evidence(index.store)
    search, retrieval = FileSearch(index, evidence), Retrieval(index, evidence)
    removal = Removal(index, collections, news, around.chats.title)
    return FilesPart(
        index=index,
        places=places,
        collections=collections,
        news=news,
        search=search,
        retrieval=retrieval,
        checks=FileChecks(index, news),
        reading=FileReading(index.store, lambda: settings.current.editor, around.environ),
        removal=removal,
        in_chats=ChatFiles(index, collections, retrieval, removal),
        on_port=FilesOnPort(index, search, retrieval, lambda: settings.current.files_on_port),
        chats=around.chats,
        settings=settings,
    )


async def _look_again(part: FilesPart, collection_id: int, changed: Sequence[Path]) -> None:
    """What the watcher saw: without a job, because nobody asked for one, and it is done in a moment."""
    report = await part.index.indexer.index(collection_id, lambda _: None, part.letting_go, paths=changed)
    if report.changed:
        part.news.changed(collection_id)
        await part.checks.run(collection_id)
