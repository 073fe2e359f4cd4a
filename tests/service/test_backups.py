"""The daily backup: when it is due by the clock, that it waits for quiet, and what a broken-off one leaves."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from desktop.paths import Paths
from desktop.service.backups import EVERY_S, Backups
from desktop.service.chats import Chats
from desktop.service.schema import MIGRATIONS
from models import database_files as files
from models.database import Database
from models.errors import Cancelled
from models.progress import Cancel
from tests.service.running import eventually, eventually_async, running

HOUR_S = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def with_database(home: Paths, use: Callable[[Database], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        database = await Database.open(home.database, MIGRATIONS)
        try:
            await use(database)
        finally:
            await database.close()

    asyncio.run(whole())


def test_a_backup_is_due_once_a_day_and_three_are_kept(home: Paths) -> None:
    clock = Clock()

    async def use(database: Database) -> None:
        backups = Backups(database, lambda: False, clock=clock)
        made = []
        for _ in range(5):
            assert await backups.due()
            await backups.make_if_due()
            made.append(files.backups(home.database)[0])
            clock.now += EVERY_S - HOUR_S
            assert not await backups.due()
            await backups.make_if_due()
            assert files.backups(home.database)[0] == made[-1]
            clock.now += HOUR_S
        assert files.backups(home.database) == made[:1:-1]
        assert all(files.schema_version(backup) == MIGRATIONS[-1].number for backup in made[2:])

    with_database(home, use)


def test_the_age_of_the_newest_backup_outlives_the_service(home: Paths) -> None:
    async def first(database: Database) -> None:
        await Backups(database, lambda: False).make_if_due()

    async def again(database: Database) -> None:
        assert not await Backups(database, lambda: False).due()
        assert await Backups(database, lambda: False, clock=lambda: time.time() + EVERY_S).due()

    with_database(home, first)
    with_database(home, again)


def test_a_backup_from_the_future_does_not_stop_the_next_ones(home: Paths) -> None:
    async def use(database: Database) -> None:
        made = await database.backup()
        tomorrow = time.time() + 400 * EVERY_S
        os.utime(made, (tomorrow, tomorrow))
        backups = Backups(database, lambda: False)
        assert await backups.due()
        await backups.make_if_due()
        assert len(files.backups(home.database)) == 2
        assert not await backups.due()

    with_database(home, use)


def test_it_is_kept_up_in_quiet_moments_while_writes_go_on(home: Paths) -> None:
    clock, busy = Clock(), True

    async def use(database: Database) -> None:
        nonlocal busy
        looked = 0

        def is_busy() -> bool:
            nonlocal looked
            looked += 1
            return busy

        async def looked_at(count: int) -> bool:
            return looked >= count

        async def made(count: int) -> bool:
            return len(files.backups(home.database)) == count

        chats = Chats(database)
        keeping = asyncio.create_task(Backups(database, is_busy, clock=clock, look_every_s=0.01, quiet_s=0).keep())
        try:
            await eventually_async(lambda: looked_at(2))
            assert files.backups(home.database) == []
            busy = False
            await eventually_async(lambda: made(1))
            await chats.create(title="written meanwhile")
            clock.now += EVERY_S
            await eventually_async(lambda: made(2))
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    with_database(home, use)


def test_a_machine_that_is_never_quiet_gets_its_backup_all_the_same(home: Paths) -> None:
    async def use(database: Database) -> None:
        async def made() -> bool:
            return len(files.backups(home.database)) == 1

        keeping = asyncio.create_task(
            Backups(database, lambda: True, look_every_s=60, quiet_s=0, patience_s=0.05).keep()
        )
        await eventually_async(made)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    with_database(home, use)


def test_one_that_is_broken_off_leaves_nothing_and_the_older_ones(home: Paths) -> None:
    async def use(database: Database) -> None:
        older = await database.backup()
        before = older.read_bytes()
        cancel = Cancel()
        cancel.set()
        with pytest.raises(Cancelled):
            await database.backup(cancel)
        assert list(files.backup_folder(home.database).iterdir()) == [older]
        assert older.read_bytes() == before
        assert await database.backup() == files.backups(home.database)[0]

    with_database(home, use)


def test_a_database_that_was_damaged_meanwhile_replaces_no_good_backup(
    home: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE filler (text TEXT)")
        connection.executemany("INSERT INTO filler VALUES (?)", [("x" * 3000,)] * 200)
        connection.execute("CREATE INDEX filler_text ON filler (text)")

    async def use(database: Database) -> None:
        await database.write(fill)
        good = await database.backup()
        damage_filler(home.database)
        clock.now += 2 * EVERY_S
        backups = Backups(database, lambda: False, clock=clock)
        with caplog.at_level(logging.WARNING):
            await backups.make_if_due()
        assert list(files.backup_folder(home.database).iterdir()) == [good]
        assert await backups.due()

    with_database(home, use)
    assert "damaged" in caplog.text
    assert "older ones are kept" in caplog.text


def damage_filler(path: Path) -> None:
    """Move the log into the file, then overwrite pages in the middle, where the filler's rows are."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 16 * 4096)


def test_a_graceful_stop_makes_the_backup_of_the_day_once(home: Paths, engine_environ: dict[str, str]) -> None:
    with running(home, environ=engine_environ):
        pass
    assert [backup.name for backup in files.backups(home.database)] == ["jackdaw-000001.db"]
    with running(home, environ=engine_environ):
        pass
    assert len(files.backups(home.database)) == 1

    yesterday = time.time() - EVERY_S - 60
    os.utime(files.backups(home.database)[0], (yesterday, yesterday))
    with running(home, environ=engine_environ) as service:
        service.use(lambda client: client.new_chat())
    eventually(lambda: len(files.backups(home.database)) == 2)
    newest = sqlite3.connect(files.backups(home.database)[0])
    assert newest.execute("SELECT count(*) FROM chats").fetchone() == (1,)
    newest.close()
