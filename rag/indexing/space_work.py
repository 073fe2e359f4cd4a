"""Fills one space: texts without a vector are embedded, and the vector index is given what it lacks.

SQLite lists what is to be done (the table `unplaced`), so that nothing is forgotten by a kill and nothing is done
twice. Several runs may work at one space at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import FIRST_COMPLETED
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from models.errors import Cancelled
from rag.errors import EmbedderFailed, VectorsBroken
from rag.indexing.pace import Pace
from rag.store.rows import MissingVector, Space
from rag.store.store import FileStore
from rag.types import Embedder
from rag.vectors.index import VectorIndex

CALL_TEXTS = 128  # about a second of work: what a chat has to wait for at most, at half of the processors
CALLS = 3  # while one is embedded, the next is on its way and the vectors of the last are written
_LOOK_S = 0.2
_GRACE_S = 2.0  # for calls that are under way when work is broken off: mostly they end within it, and nothing is lost


@dataclass(slots=True)
class Feed:
    """What a run tells of itself: whether chunks may still come, and where its own begin."""

    after: int = 0  # only chunks beyond this id are embedded
    written: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def end(self) -> None:
        """No more chunks are written by this run."""
        self.ended = True
        self.written.set()


class SpaceWork:
    """The work at one space; `embedded` counts texts since the start."""

    def __init__(self, store: FileStore, vectors: VectorIndex, space: Space) -> None:
        self.space = space
        self.embedded = 0
        self._store = store
        self._vectors = vectors
        self._at_work: set[bytes] = set()  # hashes of texts that some run is embedding
        self._choosing = asyncio.Lock()

    async def fill(self, embedder: Embedder, feed: Feed, pace: Pace) -> None:
        """Work until the feed has ended and nothing is left to be done.

        Raises Cancelled, EmbedderFailed, DiskFull.
        """
        calls: set[asyncio.Task[None]] = set()
        try:
            while True:
                await pace.throttle.turn(pace.cancel)
                feed.written.clear()
                if batch := await self._next(feed, calls):
                    calls.add(asyncio.create_task(self._call(embedder, batch, pace)))
                    continue
                if not calls and feed.ended and not await self._left(feed):
                    break
                await _wait(feed, calls)
                calls = _running(calls)
            await self.place()
        except Cancelled:
            if calls:
                await asyncio.wait(calls, timeout=_GRACE_S)  # what they come to is kept
            raise
        finally:
            await _end(calls)

    async def _next(self, feed: Feed, calls: set[asyncio.Task[None]]) -> list[MissingVector]:
        """Texts for one call that nobody embeds yet; from now on they are at work."""
        if len(calls) >= CALLS:
            return []
        async with self._choosing:
            found = await self._missing(feed.after)
            if calls and not feed.ended and len(found) < CALL_TEXTS:
                return []  # more are on their way: larger calls cost less
            self._at_work.update(one.text_hash for one in found)
        return found

    async def _missing(self, after: int) -> list[MissingVector]:
        found: dict[bytes, MissingVector] = {}
        at_work = set(self._at_work)  # what ends meanwhile may still be missing in what the database answers
        while len(found) < CALL_TEXTS:
            batch = await self._store.missing_vectors(self.space, CALL_TEXTS + len(at_work), after)
            if not batch:
                break
            after = batch[-1].chunk_id
            found.update((one.text_hash, one) for one in batch if one.text_hash not in at_work)
        return list(found.values())[:CALL_TEXTS]

    async def _left(self, feed: Feed) -> bool:
        return bool(await self._store.missing_vectors(self.space, 1, feed.after))

    async def _call(self, embedder: Embedder, batch: list[MissingVector], pace: Pace) -> None:
        try:
            vectors = await embedder.embed_passages([one.text for one in batch])
            if vectors.shape != (len(batch), self.space.dimensions):
                raise EmbedderFailed(
                    f"The embedding model gave vectors of shape {vectors.shape} for {len(batch)} texts.",
                    hint="Choose the model again for this collection, or another one.",
                )
            await self._store.put_vectors(self.space.embedder_key, [one.text_hash for one in batch], vectors)
        finally:
            self._at_work.difference_update(one.text_hash for one in batch)
        await self.place(max(one.chunk_id for one in batch))
        self.embedded += len(batch)
        pace.told()

    async def place(self, up_to: int | None = None) -> None:
        """Give the vector index what the database has. One that is being made anew is left alone: it gets all."""
        with contextlib.suppress(VectorsBroken):
            await self._vectors.place(self.space, up_to)


async def _wait(feed: Feed, calls: set[asyncio.Task[None]]) -> None:
    """Until a call ends, or room is left for one and more chunks are written, or it is time to look who waits."""
    more = asyncio.create_task(feed.written.wait())
    try:
        await asyncio.wait(
            {*calls, more} if len(calls) < CALLS else calls, timeout=_LOOK_S, return_when=FIRST_COMPLETED
        )
    finally:
        await _end({more})


def _running(calls: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    """Those that are still at work. Raises what one of the others failed with."""
    for call in calls:
        if call.done():
            call.result()
    return {call for call in calls if not call.done()}


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
