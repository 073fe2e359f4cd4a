"""Keeps the index of a collection as its folders are: looks, reads, embeds, and goes on where a kill cut it short."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from models.errors import BinaryMissing, Cancelled
from models.progress import Cancel
from rag.embedding.embedders import Embedders
from rag.errors import RagError
from rag.indexing.order import Order
from rag.indexing.pace import Pace
from rag.indexing.plan import IndexPlan
from rag.indexing.progress import IndexNow, IndexReport, Tracker
from rag.indexing.run import Run
from rag.indexing.space_work import Feed
from rag.indexing.spaces import Spaces
from rag.indexing.telling import Tell, Telling, counted
from rag.indexing.throttle import Throttle
from rag.reading.pool import ReaderPool
from rag.store.rows import Applied, CollectionRow, FileChange, Space
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex

# What the watcher brings of so much is done on the battery as well: it is what somebody works at.
SMALL_BYTES = 1024 * 1024
# So much is done at once, though somebody waits for an answer: in an editor that completes lines somebody always does.
LITTLE_BYTES = 128 * 1024
LITTLE_BACKLOG = 100
# Chunks that are embedded by whoever comes: a model that failed for a moment left them.
SMALL_BACKLOG = 2000


@dataclass(frozen=True, slots=True)
class IndexParts:
    """What indexing works with."""

    store: FileStore
    vectors: VectorIndex
    embedders: Embedders
    readers: ReaderPool


class Indexer:
    """Made by Files. Runs may overlap, also of one collection; all methods belong on one asyncio loop.

    `on_change` gets the id of a collection whose files or state have changed, a few times a second at most.
    """

    def __init__(self, parts: IndexParts, throttle: Throttle, on_change: Callable[[int], None]) -> None:
        self._store, self._embedders, self._readers = parts.store, parts.embedders, parts.readers
        self._throttle = throttle
        self._on_change = on_change
        self._telling = Telling(throttle, parts.embedders, on_change)
        self._spaces = Spaces(parts.store, parts.vectors)
        self._orders: defaultdict[int, Order] = defaultdict(Order)
        self._whole: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

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
        BinaryMissing when no reader can be started, DiskFull, Cancelled. The next run goes on where this one ended.
        """
        began = time.monotonic()
        order = self._orders[collection_id]
        # Two runs over all files would both read what neither has read yet; runs over single paths need not wait.
        whole = _holds_a_root(await self._store.collection(collection_id), paths)
        async with self._whole[collection_id] if whole else nullcontext(), order.run() as ticket:
            collection = await self._store.collection(collection_id)  # while this waited it may have changed
            run = Run(self._store, self._readers, collection, lambda batch: order.newest(ticket, batch))
            pace = Pace(self._throttle, cancel)
            # A watcher brings much that comes to nothing: nobody is told of that, and nothing is written.
            # But where the last run failed, what it left undone is done now, though no file has changed since.
            made = None if paths is None or (whole and collection.problem) else await run.look(paths, full, pace)
            embedded = 0
            if made is None or not made.is_empty:
                try:
                    embedded = await self._told(run, collection, pace, report, made, full=full)
                finally:
                    self._store.log.empty_soon()  # what files said before stands in it
            elif run.roots_changed:
                self._on_change(collection_id)
        return run.report(embedded, time.monotonic() - began)

    async def change_embedder(self, collection_id: int, embedder_id: str, report: Tell, cancel: Cancel) -> IndexReport:
        """Embed all chunks anew by another model; the old vectors answer until the new ones are whole.

        Cancelled with the reason "cancel" the new vectors are dropped and the old embedder stays; with "pause" or
        "end" they are kept, and the same call goes on with them. Raises as `index`.
        """
        began = time.monotonic()
        await self._store.collection(collection_id)
        embedder = await self._embedders.open(embedder_id)
        before = await self._store.spaces(collection_id)
        work = await self._spaces.open(collection_id, embedder)
        embedded = work.embedded
        try:
            await self._store.update_collection(collection_id, next_embedder_id=embedder_id)
            async with self._telling.of(collection_id, report) as tracker:
                chunks = (await self._store.counts(collection_id)).chunks
                tracker.again(chunks, done=min(chunks, await self._store.count_wanted(work.space)))
                with counted(work, tracker) as told:
                    pace = Pace(self._throttle, cancel, told)
                    await work.fill(embedder, Feed(ended=True), pace)
                    async with self._orders[collection_id].alone():
                        await work.fill(embedder, Feed(ended=True), pace)
                        old = await self._store.switch_embedder(collection_id, embedder_id, work.space)
        except Cancelled:
            if cancel.reason == "cancel":
                await self._give_up(collection_id, work.space, before)
            raise
        await self._spaces.forget(old)
        return IndexReport(collection_id, embedded=work.embedded - embedded, seconds=time.monotonic() - began)

    async def apply(self, collection_id: int, changes: Sequence[FileChange]) -> Applied:
        """Make changes of files that no run which has begun before undoes: of what the user takes out."""
        order = self._orders[collection_id]
        async with order.run() as ticket:
            return await self._store.apply(order.newest(ticket, changes))

    def now(self, collection_id: int) -> IndexNow | None:
        """Where the indexing of a collection is at this moment, of several runs the largest; None without any."""
        return self._telling.now(collection_id)

    async def _told(
        self, run: Run, collection: CollectionRow, pace: Pace, report: Tell, made: IndexPlan | None, *, full: bool
    ) -> int:
        """A run with a plan, or over everything, that is told of; the number of texts that were embedded."""
        async with self._telling.of(collection.id, report) as tracker:
            await self._allow_roots()
            try:
                embedded = await self._make(run, collection, pace, tracker, made, full=full)
            except (RagError, BinaryMissing) as error:
                await self._store.update_collection(collection.id, problem=error.message)
                raise
            await self._store.update_collection(collection.id, indexed_at=time.time(), problem="")
            return embedded

    async def _make(
        self,
        run: Run,
        collection: CollectionRow,
        pace: Pace,
        tracker: Tracker,
        made: IndexPlan | None,
        *,
        full: bool,
    ) -> int:
        backlog, last_chunk = await self._store.database.read(lambda connection: _backlog(connection, collection.id))
        of_paths = made is not None
        if made is None:
            made = await run.look(None, full, pace)
        elif (size := _bytes(made)) <= SMALL_BYTES:
            little = size <= LITTLE_BYTES and backlog <= LITTLE_BACKLOG
            throttle = self._throttle.at_once() if little else self._throttle.on_any_power()
            pace = Pace(throttle, pace.cancel)
        # What a long run has left to be embedded is that one's: whoever paused it does not want it done now.
        feed = Feed(after=last_chunk if of_paths and backlog > SMALL_BACKLOG else 0)
        tracker.backlog(backlog if not feed.after else 0)
        embedding = made.read or (backlog and not feed.after)
        filling = asyncio.create_task(self._fill(collection, feed, pace, tracker)) if embedding else None
        try:
            await self._read(run, made, pace, tracker, feed)
            embedded = await filling if filling is not None else 0
        finally:
            if filling is not None:
                filling.cancel()
                await asyncio.gather(filling, return_exceptions=True)
        await self._spaces.place(collection.id)
        return embedded

    async def _read(self, run: Run, made: IndexPlan, pace: Pace, tracker: Tracker, feed: Feed) -> None:
        await run.settle(made)
        if made.read:
            tracker.enter("reading")
            await run.read(made, pace, tracker, feed.written.set)
            await run.remove(made)
        tracker.enter("embedding")
        feed.end()

    async def _fill(self, collection: CollectionRow, feed: Feed, pace: Pace, tracker: Tracker) -> int:
        embedder = await self._embedders.open(collection.embedder_id)
        work = await self._spaces.open(collection.id, embedder)
        before = work.embedded
        with counted(work, tracker) as told:
            await work.fill(embedder, feed, Pace(pace.throttle, pace.cancel, told))
        return work.embedded - before

    async def _give_up(self, collection_id: int, space: Space, before: Sequence[Space]) -> None:
        await self._store.update_collection(collection_id, next_embedder_id="")
        if not before or space.id != before[0].id:  # the oldest is the one that answers
            await self._store.drop_space(space.id)
            await self._spaces.forget([space])

    async def _allow_roots(self) -> None:
        collections = await self._store.collections(None)
        self._readers.allow(outermost(Path(root.path) for one in collections for root in one.roots))


def outermost(paths: Iterable[Path]) -> list[Path]:
    """`paths` without those that lie in another of them, so that fewer additions mean other rights for the readers."""
    found: list[Path] = []
    for path in sorted(set(paths)):
        if not (found and path.is_relative_to(found[-1])):
            found.append(path)
    return found


def _holds_a_root(collection: CollectionRow, paths: Sequence[Path] | None) -> bool:
    return paths is None or any(Path(root.path).is_relative_to(path) for root in collection.roots for path in paths)


def _bytes(made: IndexPlan) -> int:
    return sum(one.file.size for one in made.read)


def _backlog(connection: sqlite3.Connection, collection_id: int) -> tuple[int, int]:
    """How many chunks earlier runs have left to be placed, and the highest chunk id there is."""
    (left,) = connection.execute(
        "SELECT count(*) FROM unplaced WHERE space_id IN (SELECT id FROM spaces WHERE collection_id = ?)",
        (collection_id,),
    ).fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return int(left), int(row[0]) if row else 0
