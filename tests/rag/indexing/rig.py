"""A whole index in a folder, whose embedding models are those of a small server of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from models.progress import Cancel
from rag.embedding.choices import Definition
from rag.files import Files, FilesHooks, FilesPlaces
from rag.indexing.progress import IndexNow, IndexReport
from rag.search.types import SearchWish
from rag.store.rows import NewCollectionRow
from tests.rag.embedding.fake_servers import FakeEmbeddings


def places(folder: Path) -> FilesPlaces:
    """Everything of an index in one folder, beside which roots may lie."""
    data = folder / "data"
    return FilesPlaces(data / "files.db", data / "vectors", data / "cache", data / "run")


async def embedder(files: Files, server: FakeEmbeddings, name: str = "first") -> str:
    """The id of one of the server's models."""
    return (await files.embedders.add(Definition("openai", name, f"{server.url}/v1"))).id


@dataclass(slots=True)
class Rig:
    """An open index with one collection of one root."""

    files: Files
    server: FakeEmbeddings
    root: Path
    collection: int
    told: list[IndexNow] = field(default_factory=list)
    cancel: Cancel = field(default_factory=Cancel)
    before: int = 0  # requests of the server that others made

    def write(self, path: str, text: str) -> Path:
        """Write a file of the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    async def index(self, paths: Sequence[Path] | None = None, *, full: bool = False) -> IndexReport:
        return await self.files.indexer.index(self.collection, self.told.append, self.cancel, paths=paths, full=full)

    async def change_embedder(self, name: str) -> IndexReport:
        chosen = await embedder(self.files, self.server, name)
        return await self.files.indexer.change_embedder(self.collection, chosen, self.told.append, self.cancel)

    async def found(self, query: str, mode: str = "hybrid", k: int = 5) -> list[str]:
        """The paths of what a search finds, best first."""
        wish = SearchWish((self.collection,), query, k=k, mode=mode, merge=False)  # type: ignore[arg-type]
        return [hit.path for hit in (await self.files.searcher.search(wish)).hits]

    def embedded(self) -> list[str]:
        """All texts that were embedded as passages until now: questions and trials are those of a few words."""
        bodies = [body for _, _, body in self.server.requests[self.before :]]
        return [text for body in bodies for text in body["input"] if len(text) > 40]


@asynccontextmanager
async def rig(folder: Path, server: FakeEmbeddings, hooks: FilesHooks | None = None) -> AsyncIterator[Rig]:
    """An index of its own in `folder`; what it holds is opened again, else it gets the collection of `collection`."""
    files = await Files.open(places(folder), hooks)
    try:
        known = await files.store.collections()
        if known:
            yield Rig(files, server, folder / "root", known[0].id)
        else:
            yield await collection(files, server, folder / "root", "notes")
    finally:
        await files.close()


async def collection(files: Files, server: FakeEmbeddings, root: Path, name: str) -> Rig:
    """A collection with one root, which is made, and with an embedder nobody else has."""
    root.mkdir()
    row = await files.store.create_collection(NewCollectionRow(name, await embedder(files, server, f"first-{name}")))
    await files.store.add_root(row.id, str(root))
    return Rig(files, server, root, row.id, before=len(server.requests))


async def until(condition: Callable[[], Awaitable[object]], within_s: float = 20.0) -> float:
    """Wait for a condition; seconds until it held."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within_s
        await asyncio.sleep(0.02)
    return time.monotonic() - began
