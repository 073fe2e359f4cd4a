"""jackdaw.db and files.db: one writer thread, a few readers, numbered migrations.

SQLite in WAL mode: readers never wait for the writer, and with synchronous=FULL what `write` returned from survives a
power cut. The file has one owner, the service; while another program holds it, a write fails with DatabaseBusy and is
never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models import database_files as files
from models.errors import DatabaseCorrupt, DatabaseTooNew
from models.progress import Cancel

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 5.0
READERS = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a database is kept. The defaults are those of chats: every write on the disk, backups before migrations.

    Without `durable` only writes that ask for it wait for the disk; a kill loses nothing even so, a power cut the last
    moments (SQLite's synchronous=NORMAL). `backups` False makes none, for what can be made again. `check_up_to_bytes`
    spares larger files the check when they are opened, which reads every page. `secure_delete` overwrites what is
    deleted. Caches are KiB per connection; `page_bytes` holds for a new file.
    """

    durable: bool = True
    backups: bool = True
    secure_delete: bool = False
    page_bytes: int = 4096
    writer_cache_kib: int = 2000
    reader_cache_kib: int = 2000
    check_up_to_bytes: int | None = None


CHATS = Tuning()


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number` becomes PRAGMA user_version; `sql` is run in one transaction."""

    number: int
    name: str
    sql: str


class Database:
    """Made by `Database.open`; closed by `close`, after which it may not be used."""

    def __init__(
        self, path: Path, writer: sqlite3.Connection, readers: Sequence[sqlite3.Connection], tuning: Tuning = CHATS
    ) -> None:
        self.path = path
        self._tuning = tuning
        self._writer = writer
        # The one that came back last is taken first: what it read is still in its own cache.
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        for reader in readers:
            self._readers.put(reader)
        self._all = (*readers, writer)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="database-write")
        self._read_threads = ThreadPoolExecutor(len(readers), thread_name_prefix="database-read")
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        migrations: Sequence[Migration],
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        tuning: Tuning = CHATS,
    ) -> Database:
        """Check the file, back it up when the schema will change, migrate, and open it.

        Makes the file (0600) when there is none. Raises DatabaseTooNew when a newer version wrote it (not a byte is
        changed), DatabaseCorrupt when it does not pass SQLite's check (a copy is set aside, and `backup` names the
        newest good one), DatabaseBusy when another program holds it for longer than `busy_timeout_s`, DiskFull.
        """
        return await asyncio.to_thread(_open, path, _in_order(migrations), busy_timeout_s, tuning)

    @staticmethod
    async def restore(path: Path) -> Path:
        """Put the newest good backup in the place of a corrupt database, and return which one it was.

        The corrupt file stays as `….corrupt-N`. Raises DatabaseCorrupt when no backup is good.
        """
        return await asyncio.to_thread(_restore, path)

    @staticmethod
    async def start_empty(path: Path) -> Path:
        """Move a corrupt database out of the way, so that `open` makes an empty one; returns its new name."""
        return await asyncio.to_thread(files.move_aside, path)

    async def read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` on a reader's connection; all its statements see the same moment. It cannot write."""
        return await self._run(self._read_threads, lambda: self._read(function))

    async def write(self, function: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Run `function` in one transaction, on the disk when this returns; an exception undoes all of it.

        Where the database's tuning is not durable, only what asks to be `durable` is waited for.

        Writes run one after the other in the order of the calls. A cancelled await does not undo a write that began.
        Raises DatabaseBusy, DiskFull or DatabaseCorrupt with nothing written, and what `function` raises, e.g.
        sqlite3.IntegrityError.
        """
        return await self._run(self._write_thread, lambda: self._write(function, durable))

    async def maintain(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run `function` on the writer's connection between two writes and outside a transaction: VACUUM, checkpoints.

        Raises as `write`.
        """
        return await self._run(self._write_thread, lambda: self._maintain(function))

    async def backup(self, cancel: Cancel | None = None) -> Path:
        """Make a checked backup now, beside the writer's work; the newest three are kept.

        Raises DiskFull, DatabaseCorrupt when the copy does not pass its check, Cancelled; then nothing is left of it.
        """
        return await self._run(self._read_threads, lambda: self._backup(cancel))

    async def close(self) -> None:
        """Wait for what runs, then close; SQLite moves its log into the file."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._close)

    async def _run(self, executor: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        if self._closed:
            raise RuntimeError(f"{self.path.name} is closed")
        return await asyncio.get_running_loop().run_in_executor(executor, call)

    def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._readers.get()
        try:
            with files.explained(self.path):
                connection.execute("BEGIN")
                return function(connection)
        finally:
            _undo(connection)
            self._readers.put(connection)

    def _write(self, function: Callable[[sqlite3.Connection], T], durable: bool) -> T:
        waits = durable and not self._tuning.durable
        with files.explained(self.path):
            if waits:
                self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                result = function(self._writer)
                self._writer.execute("COMMIT")
            finally:
                _undo(self._writer)
                if waits:
                    self._writer.execute("PRAGMA synchronous = NORMAL")
        return result

    def _maintain(self, function: Callable[[sqlite3.Connection], T]) -> T:
        with files.explained(self.path):
            try:
                return function(self._writer)
            finally:
                _undo(self._writer)

    def _backup(self, cancel: Cancel | None) -> Path:
        connection = self._readers.get()
        try:
            return files.make_backup(self.path, connection, cancel)
        finally:
            self._readers.put(connection)

    def _close(self) -> None:
        self._read_threads.shutdown()
        self._write_thread.shutdown()
        for connection in self._all:
            connection.close()


def _open(path: Path, migrations: Sequence[Migration], busy_timeout_s: float, tuning: Tuning) -> Database:
    known = migrations[-1].number if migrations else 0
    try:
        files.refuse_emptied(path)
        files.create_private(path)
        limit = tuning.check_up_to_bytes
        version = files.schema_version(path, busy_timeout_s, check=limit is None or path.stat().st_size <= limit)
    except DatabaseCorrupt as error:
        raise (_with_backup(path, error) if tuning.backups else error) from error
    if version > known:
        raise DatabaseTooNew(
            f"{path.name} was written by a newer Jackdaw: schema {version}, this one knows {known}. It was left alone.",
            hint="Update Jackdaw, or choose another data folder with --home.",
        )
    with contextlib.ExitStack() as opened, files.explained(path):
        writer = _connect(path, busy_timeout_s, tuning, tuning.writer_cache_kib)
        opened.callback(writer.close)
        writer.execute("PRAGMA journal_mode = WAL")
        if tuning.backups and 0 < version < known:
            made = files.make_backup(path, writer)
            log.info("backed up %s as %s before migrating from schema %d to %d", path, made.name, version, known)
        for migration in migrations:
            _migrate(writer, migration)
        readers = []
        for _ in range(READERS):
            reader = _connect(path, busy_timeout_s, tuning, tuning.reader_cache_kib)
            opened.callback(reader.close)
            reader.execute("PRAGMA query_only = ON")
            readers.append(reader)
        database = Database(path, writer, readers, tuning)
        opened.pop_all()
        return database


def _connect(path: Path, busy_timeout_s: float, tuning: Tuning, cache_kib: int) -> sqlite3.Connection:
    # Each connection serves one thread at a time, though not always the same one.
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    for setting in (
        f"page_size = {tuning.page_bytes:d}",
        f"cache_size = {-cache_kib:d}",
        f"synchronous = {'FULL' if tuning.durable else 'NORMAL'}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
    ):
        connection.execute(f"PRAGMA {setting}")
    if tuning.secure_delete:
        connection.execute("PRAGMA secure_delete = ON")
    return connection


def _migrate(connection: sqlite3.Connection, migration: Migration) -> None:
    """Apply one step and its number together, or nothing. A kill at any moment leaves the old schema or the new one."""
    # Tables that are rebuilt lose their references for a moment; they are checked before the commit instead.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] >= migration.number:
            return
        for statement in _statements(migration.sql):
            connection.execute(statement)
        if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
            raise sqlite3.IntegrityError(
                f"migration {migration.number} ({migration.name}) breaks a reference: {broken}"
            )
        connection.execute(f"PRAGMA user_version = {migration.number:d}")
        connection.execute("COMMIT")
    finally:
        _undo(connection)
        connection.execute("PRAGMA foreign_keys = ON")


def _statements(sql: str) -> list[str]:
    """Split a script. sqlite3's executescript would commit the transaction around it."""
    found, current = [], ""
    for piece in sql.split(";"):
        current += piece + ";"
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    if current.strip(" \n\t;"):
        found.append(current.removesuffix(";").strip())
    return [statement for statement in found if statement != ";"]


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _in_order(migrations: Sequence[Migration]) -> list[Migration]:
    ordered = sorted(migrations, key=lambda migration: migration.number)
    numbers = [migration.number for migration in ordered]
    if len(set(numbers)) != len(numbers) or any(number < 1 for number in numbers):
        raise ValueError(f"migrations need different numbers from 1 up, not {numbers}")
    return ordered


def _with_backup(path: Path, error: DatabaseCorrupt) -> DatabaseCorrupt:
    """The same finding with what was saved: a copy of the damaged file, and the backup to go on with."""
    copy = files.set_aside(path)
    backup = files.newest_good_backup(path)
    kept = f" A copy is kept as {copy.name}." if copy else " The disk has no room for a copy, so leave the file there."
    if backup:
        offer = f" The newest good backup is of {files.date_of(backup)}."
        hint = f"To go on with it, delete {path} and {path.name}-wal, then copy {backup} to {path}."
    else:
        offer = " There is no good backup."
        hint = f"To start with an empty one, delete {path} and {path.name}-wal."
    return DatabaseCorrupt(f"{error.message}{kept}{offer}", hint=hint, corrupt_copy=copy, backup=backup)


def _restore(path: Path) -> Path:
    backup = files.newest_good_backup(path)
    if backup is None:
        raise DatabaseCorrupt(f"There is no good backup of {path.name}.", hint="Start with an empty one instead.")
    files.restore(path, backup)
    return backup
