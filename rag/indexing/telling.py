"""Tells of runs while they go on, and lets those who wait for an answer have the processors meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from rag.embedding.embedders import Embedders
from rag.indexing.progress import IndexNow, Tracker
from rag.indexing.space_work import SpaceWork
from rag.indexing.throttle import Throttle

LOOK_EVERY_S = 0.02  # whether somebody waits for an answer: what is embedded until it is seen delays its first word
TELL_EVERY_S = 0.1
CHANGE_EVERY_S = 0.3

Tell = Callable[[IndexNow], None]


class Telling:
    """Of all runs. `on_change` gets the id of a collection, when a run begins and ends and a few times between."""

    def __init__(self, throttle: Throttle, embedders: Embedders, on_change: Callable[[int], None]) -> None:
        self._throttle = throttle
        self._embedders = embedders
        self._on_change = on_change
        self._trackers: dict[int, list[Tracker]] = defaultdict(list)

    def now(self, collection_id: int) -> IndexNow | None:
        """Where a collection's run is, of several the one with the most files; None when there is none."""
        found = [tracker.snapshot(time.monotonic()) for tracker in self._trackers.get(collection_id, ())]
        return max(found, key=lambda now: (now.files_total, now.chunks_total), default=None)

    @asynccontextmanager
    async def of(self, collection_id: int, report: Tell) -> AsyncIterator[Tracker]:
        """A tracker that is told of while the work goes on, and once more when it ended well."""
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
            self._embedders.gentle(any(self._trackers.values()) and self._throttle.busy)
            self._on_change(collection_id)

    async def _tell(self, collection_id: int, tracker: Tracker, report: Tell) -> None:
        changed_at, told = time.monotonic(), IndexNow(collection_id)
        while True:
            for _ in range(round(TELL_EVERY_S / LOOK_EVERY_S)):
                await asyncio.sleep(LOOK_EVERY_S)
                self._embedders.gentle(self._throttle.busy)
            tracker.waits_for = self._throttle.reason
            now = tracker.snapshot(time.monotonic())
            report(now)
            if now != told and time.monotonic() - changed_at >= CHANGE_EVERY_S:
                changed_at, told = time.monotonic(), now
                self._on_change(collection_id)


@contextmanager
def counted(work: SpaceWork, tracker: Tracker) -> Iterator[Callable[[], None]]:
    """Gives a function that tells the tracker what was embedded since the last time."""
    seen = work.embedded

    def told() -> None:
        nonlocal seen
        tracker.placed(work.embedded - seen)
        seen = work.embedded

    yield told
    told()
