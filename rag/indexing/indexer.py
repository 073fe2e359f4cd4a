"""Keeps the index of a collection as its folders are: looks, reads, embeds, and goes on where a kill cut it short."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import Cancelled
from models.progress import Cancel
from rag.embedding.embedders import Embedders
from rag.errors import RagError, VectorsBroken
from rag.indexing.order import Order
from rag.indexing.pace import Pace
from rag.indexing.progress import IndexNow, IndexReport, Tracker
from rag.indexing.run import Run
from rag.indexing.space_work import Feed, SpaceWork
from rag.indexing.throttle import Throttle
from rag.reading.pool import ReaderPool
from rag.store.rows import Applied, CollectionRow, FileChange, Space
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex

TELL_EVERY_S = 0.1
CHANGE_EVERY_S = 0.3

Tell = Callable[[IndexNow], None]


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
        self._parts = parts
        self._store = parts.store
        self._throttle = throttle
        self._on_change = on_change
        self._orders: defaultdict[int, Order] = defaultdict(Order)
        self._whole: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._works: dict[int, SpaceWork] = {}
        self._trackers: dict[int, list[Tracker]] = defaultdict(list)

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
        began = time.monotonic()
        collection = await self._store.collection(collection_id)
        order = self._orders[collection_id]
        # Two runs over all files would both read what neither has read yet; runs over single paths need not wait.
        whole = self._whole[collection_id] if paths is None or _holds_a_root(collection, paths) else nullcontext()
        async with whole, order.run() as ticket, self._telling(collection_id, report) as tracker:
            pace = Pace(self._throttle, cancel)
            await self._allow_roots()
            run = Run(
                self._store, self._parts.readers, collection, tracker, lambda changes: order.newest(ticket, changes)
            )
            embedded = await self._make(run, collection, pace, tracker, paths=paths, full=full)
            await self._store.update_collection(collection_id, indexed_at=time.time(), problem="")
        return run.report(embedded, time.monotonic() - began)

    async def change_embedder(self, collection_id: int, embedder_id: str, report: Tell, cancel: Cancel) -> IndexReport:
        """Embed all chunks anew by another model; the old vectors answer until the new ones are whole.

        Cancelled with the reason "cancel" the new vectors are dropped and the old embedder stays; with "pause" or
        "end" they are kept, and the same call goes on with them. Raises as `index`.
        """
        began = time.monotonic()
        await self._store.collection(collection_id)
        embedder = await self._parts.embedders.open(embedder_id)
        before = await self._store.spaces(collection_id)
        space = await self._store.open_space(collection_id, embedder.identity)
        work = self._work(space)
        embedded = work.embedded
        try:
            await self._store.update_collection(collection_id, next_embedder_id=embedder_id)
            async with self._telling(collection_id, report) as tracker:
                tracker.again((await self._store.counts(collection_id)).chunks)
                with self._counted(work, tracker) as told:
                    pace = Pace(self._throttle, cancel, told)
                    await work.fill(embedder, Feed(ended=True), pace)
                    async with self._orders[collection_id].alone():
                        await work.fill(embedder, Feed(ended=True), pace)
                        dropped = await self._store.switch_embedder(collection_id, embedder_id, space)
        except Cancelled:
            if cancel.reason == "cancel":
                await self._store.update_collection(collection_id, next_embedder_id="")
                if not before or space.id != before[0].id:  # the oldest is the one that answers
                    await self._store.drop_space(space.id)
                    await self._forget([space])
            raise
        await self._forget(dropped)
        self._on_change(collection_id)
        return IndexReport(collection_id, embedded=work.embedded - embedded, seconds=time.monotonic() - began)

    async def apply(self, collection_id: int, changes: Sequence[FileChange]) -> Applied:
        """Make changes of files that no run which has begun before undoes: of what the user takes out."""
        order = self._orders[collection_id]
        async with order.run() as ticket:
            return await self._store.apply(order.newest(ticket, changes))

    def now(self, collection_id: int) -> IndexNow | None:
        """Where the indexing of a collection is at this moment; None when none is at work.

        Of several runs the one with the most files.
        """
        found = [tracker.snapshot(time.monotonic()) for tracker in self._trackers.get(collection_id, ())]
        return max(found, key=lambda now: (now.files_total, now.chunks_total), default=None)

    async def _make(
        self,
        run: Run,
        collection: CollectionRow,
        pace: Pace,
        tracker: Tracker,
        *,
        paths: Sequence[Path] | None,
        full: bool,
    ) -> int:
        """All of one run; the number of texts that were embedded."""
        backlog, last_chunk = await self._store.database.read(lambda connection: _backlog(connection, collection.id))
        made = await run.look(paths, full, pace)
        # What another run has left to be embedded is that one's: whoever paused it does not want it done now.
        feed = Feed(after=last_chunk if paths is not None and backlog else 0)
        tracker.backlog(backlog if not feed.after else 0)
        embedding = made.read or (backlog and not feed.after)
        filling = asyncio.create_task(self._fill(collection, feed, pace, tracker)) if embedding else None
        try:
            await run.settle(made)
            tracker.enter("reading")
            if made.read:
                await run.read(made, pace, feed.written.set)
                await run.remove(made)
            tracker.enter("embedding")
            feed.end()
            embedded = await filling if filling is not None else 0
        except RagError as error:
            await self._store.update_collection(collection.id, problem=error.message)
            raise
        finally:
            if filling is not None:
                filling.cancel()
                await asyncio.gather(filling, return_exceptions=True)
        await self._place_rest(collection.id)
        return embedded

    async def _fill(self, collection: CollectionRow, feed: Feed, pace: Pace, tracker: Tracker) -> int:
        embedder = await self._parts.embedders.open(collection.embedder_id)
        work = self._work(await self._store.open_space(collection.id, embedder.identity))
        before = work.embedded
        with self._counted(work, tracker) as told:
            await work.fill(embedder, feed, Pace(pace.throttle, pace.cancel, told))
        return work.embedded - before

    async def _place_rest(self, collection_id: int) -> None:
        """What is gone goes from every space, also from one that is being made; what has its vectors comes in."""
        for space in await self._store.spaces(collection_id):
            await self._work(space).place()

    async def _forget(self, spaces: Sequence[Space]) -> None:
        for space in spaces:
            self._works.pop(space.id, None)
            with suppress(VectorsBroken):  # one that is made anew gets only the spaces that the database knows
                await self._parts.vectors.drop(space.name)

    async def _allow_roots(self) -> None:
        collections = await self._store.collections(None)
        self._parts.readers.allow(outermost(Path(root.path) for one in collections for root in one.roots))

    def _work(self, space: Space) -> SpaceWork:
        if space.id not in self._works:
            self._works[space.id] = SpaceWork(self._store, self._parts.vectors, space)
        return self._works[space.id]

    @contextmanager
    def _counted(self, work: SpaceWork, tracker: Tracker) -> Iterator[Callable[[], None]]:
        """Gives a function that tells the tracker what was embedded since the last time."""
        seen = work.embedded

        def told() -> None:
            nonlocal seen
            tracker.placed(work.embedded - seen)
            seen = work.embedded

        yield told
        told()

    @asynccontextmanager
    async def _telling(self, collection_id: int, report: Tell) -> AsyncIterator[Tracker]:
        """A tracker that is told of while the work goes on, and once more at the end."""
        tracker = Tracker(collection_id)
        self._trackers[collection_id].append(tracker)
        self._on_change(collection_id)
        telling = asyncio.create_task(self._tell(collection_id, tracker, report), name=f"progress {collection_id}")
        try:
            yield tracker
            tracker.finish()
            report(tracker.snapshot(time.monotonic()))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            self._trackers[collection_id].remove(tracker)
            self._be_gentle()
            self._on_change(collection_id)

    async def _tell(self, collection_id: int, tracker: Tracker, report: Tell) -> None:
        changed_at, told = time.monotonic(), IndexNow(collection_id)
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self._be_gentle()
            tracker.waits_for = self._throttle.reason
            now = tracker.snapshot(time.monotonic())
            report(now)
            if now != told and time.monotonic() - changed_at >= CHANGE_EVERY_S:
                changed_at, told = time.monotonic(), now
                self._on_change(collection_id)

    def _be_gentle(self) -> None:
        self._parts.embedders.gentle(self._throttle.busy)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """`paths` without those that lie in another of them, so that fewer additions mean other rights for the readers."""
    found: list[Path] = []
    for path in sorted(set(paths)):
        if not (found and path.is_relative_to(found[-1])):
            found.append(path)
    return found


def _holds_a_root(collection: CollectionRow, paths: Sequence[Path]) -> bool:
    return any(Path(root.path).is_relative_to(path) for root in collection.roots for path in paths)


def _backlog(connection: sqlite3.Connection, collection_id: int) -> tuple[int, int]:
    """How many chunks earlier runs have left to be placed, and the highest chunk id there is."""
    (left,) = connection.execute(
        "SELECT count(*) FROM unplaced WHERE space_id IN (SELECT id FROM spaces WHERE collection_id = ?)",
        (collection_id,),
    ).fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    return int(left), int(row[0]) if row else 0
