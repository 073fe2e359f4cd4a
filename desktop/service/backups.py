"""The daily backup of the database: made in a quiet moment while the service runs, or when it ends.

A backup reads beside the writer (WAL), so no chat waits for it; quiet moments are chosen for its use of disk and
processor alone. What is kept and how it is checked is decided in models/database_files.py.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable

from desktop.service.quiet import run_when_quiet
from models.database import Database
from models.database_files import backups
from models.errors import ModelsError
from models.progress import Cancel

log = logging.getLogger(__name__)

EVERY_S = 24 * 3600.0
LOOK_EVERY_S = 1800.0
QUIET_S = 30.0
PATIENCE_S = 6 * 3600.0  # a machine that is never quiet gets its backup all the same


class Backups:
    """Keeps the newest backup younger than a day. `clock` is wall time in seconds, as files are dated by it."""

    def __init__(
        self,
        database: Database,
        busy: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.time,
        look_every_s: float = LOOK_EVERY_S,
        quiet_s: float = QUIET_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._database = database
        self._busy = busy
        self._clock = clock
        self._look_every_s = look_every_s
        self._quiet_s = quiet_s
        self._patience_s = patience_s
        self._made_at: float | None = None

    async def keep(self) -> None:
        """For as long as the service runs: a backup each day. A failure is logged and tried again at the next look."""
        while True:
            if await self.due():
                await self._make_in_a_quiet_moment()
            await asyncio.sleep(self._look_every_s)

    async def due(self) -> bool:
        """Whether the newest backup is older than a day, or dated in the future by a clock that was wrong."""
        if self._made_at is None:
            self._made_at = await asyncio.to_thread(_newest_date, self._database)
        return not 0 <= self._clock() - self._made_at < EVERY_S

    async def make_if_due(self) -> None:
        """A backup now if it is due; failures are logged. Cancelling breaks it off and leaves nothing of it."""
        if not await self.due():
            return
        try:
            await self._make()
        except (ModelsError, sqlite3.Error, OSError) as error:
            log.warning("The daily backup was not made; the older ones are kept. %s", error)

    async def _make_in_a_quiet_moment(self) -> None:
        try:
            async with asyncio.timeout(self._patience_s):
                await run_when_quiet(self.make_if_due, self._busy, quiet_s=self._quiet_s)
        except TimeoutError:
            await self.make_if_due()

    async def _make(self) -> None:
        cancel = Cancel()
        now = self._clock()
        making = asyncio.create_task(self._database.backup(cancel), name="daily backup")
        try:
            made = await asyncio.shield(making)
        except asyncio.CancelledError:
            # its thread goes on until it looks: two of them would write to one unfinished file
            cancel.set()
            await asyncio.gather(making, return_exceptions=True)
            raise
        self._made_at = now
        log.info("Made the daily backup %s", made.name)


def _newest_date(database: Database) -> float:
    """When the newest backup was made, in seconds; 0 when there is none."""
    newest = next(iter(backups(database.path)), None)
    return newest.stat().st_mtime if newest else 0.0
