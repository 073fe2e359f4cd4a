"""The events `files`: what happens to collections, told at most ten times a second all together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from desktop import wire_files as wire
from desktop.service.events import EventLog
from rag.errors import CollectionNotFound

log = logging.getLogger(__name__)

EVERY_S = 0.1  # between two flushes
PROGRESS_EVERY_S = 0.5  # of one collection: its row costs counting

Row = Callable[[int], Awaitable[wire.Collection]]
Rows = Callable[[int], Awaitable[list[wire.FileRow]]]


class FilesNews:
    """Gathers what changed and tells it. `row` reads a collection, `at_work` its files that are at work."""

    def __init__(self, events: EventLog, row: Row, at_work: Rows) -> None:
        self._events = events
        self._row = row
        self._at_work = at_work
        self._changed: dict[int, bool] = {}  # whether it is more than progress
        self._told_at: dict[int, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="news of files")

    async def close(self) -> None:
        """Tell nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def progress(self, collection_id: int) -> None:
        """Its index moves on; may be called as often as it does."""
        self._changed.setdefault(collection_id, False)
        self._wake.set()

    def changed(self, collection_id: int) -> None:
        """The collection is another than before, for good."""
        self._changed[collection_id] = True
        self._wake.set()

    async def added(self, collection_id: int) -> None:
        """Tell of a new one at once."""
        await self._tell("added", collection_id)

    def removed(self, collection_id: int) -> None:
        """Tell that it is gone."""
        self._changed.pop(collection_id, None)
        self._events.publish("files", wire.FilesEvent(action="removed", id=collection_id).model_dump())

    def check_failed(self, collection_id: int, check: wire.Check) -> None:
        """Tell that a check which held before does no longer."""
        event = wire.FilesEvent(action="check_failed", id=collection_id, check=check)
        self._events.publish("files", event.model_dump())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            now = loop.time()
            due = [one for one, lasting in self._changed.items() if lasting or self._is_due(one, now)]
            for collection_id in due:
                lasting = self._changed.pop(collection_id)
                self._told_at[collection_id] = now
                await self._tell("changed" if lasting else "progress", collection_id)
            await asyncio.sleep(EVERY_S)
            if self._changed:
                self._wake.set()

    def _is_due(self, collection_id: int, now: float) -> bool:
        return now - self._told_at.get(collection_id, 0.0) >= PROGRESS_EVERY_S

    async def _tell(self, action: str, collection_id: int) -> None:
        passing = action == "progress"
        if passing and not self._events.listeners:
            return
        try:
            row = await self._row(collection_id)
            files = await self._at_work(collection_id)
        except CollectionNotFound:
            return  # it went away meanwhile
        except Exception:  # the edge of a background task: it is worth a line, never the service
            log.exception("What changed in collection %d could not be told", collection_id)
            return
        event = wire.FilesEvent.model_validate(
            {"action": action, "id": collection_id, "collection": row, "files": files}
        )
        key = f"files {collection_id}" if passing else None
        self._events.publish("files", event.model_dump(), passing_key=key)
