"""The log of files.db (`-wal`): what was deleted stands in it until it is moved into the file and cut to nothing."""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from models.database import Database
from models.errors import ModelsError

log = logging.getLogger(__name__)

RETRY_S = 0.5


class WriteLog:
    """Empties the log when asked, in the background, and only when something was deleted since the last time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holds_deleted = True  # after a kill, from before
        self._task: asyncio.Task[None] | None = None

    def note_deletion(self) -> None:
        """Something was deleted: the log holds it still."""
        self._holds_deleted = True

    def empty_soon(self) -> None:
        """Empty it as soon as nobody reads what it holds. No reader is held up; a writer waits for one checkpoint."""
        if self._holds_deleted and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._empty(), name="empty the log of files.db")

    async def close(self) -> None:
        """Stop trying: closing the database empties it anyway."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _empty(self) -> None:
        while self._holds_deleted:
            self._holds_deleted = False
            try:
                emptied = await self._database.maintain(truncate)
            except ModelsError as error:  # a full disk: the next deletion comes back to it
                log.warning("the log of %s was not emptied: %s", self._database.path.name, error)
                self._holds_deleted = True
                return
            if not emptied:
                self._holds_deleted = True
                await asyncio.sleep(RETRY_S)


def truncate(connection: sqlite3.Connection) -> bool:
    """Move the log into the file and cut it to nothing, without waiting for readers; whether that was possible now."""
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience:d}")
    return not busy
