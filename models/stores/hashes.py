"""sha256 of large files, computed once: jackdaw.db remembers it for as long as a file has its inode, size and date."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

from models.database import Database, Migration
from models.progress import Cancel

FILE_HASHES_MIGRATION = Migration(
    9,
    "file_hashes",
    """
    CREATE TABLE file_hashes (
        device TEXT NOT NULL, -- as text: both are unsigned 64-bit numbers
        inode TEXT NOT NULL,
        size INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        PRIMARY KEY (device, inode)
    ) STRICT, WITHOUT ROWID;
    """,
)
CHUNK_BYTES = 1 << 22
SAMPLE_BYTES = 1 << 16


class FileChanged(Exception):
    """The file was written while it was read; its hash would be that of no file."""


class FileHashes:
    """Hashes by file, in jackdaw.db."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, path: Path) -> str | None:
        """The hash if it was computed since the file last changed. Raises OSError."""
        key = _key(await asyncio.to_thread(os.stat, path))
        return await self._database.read(lambda connection: _select(connection, key))

    async def sha256(self, path: Path, count: Callable[[int], None] | None = None, cancel: Cancel | None = None) -> str:
        """The hash, computed if need be; `count` is told the bytes of each step.

        Raises OSError, FileChanged, Cancelled.
        """
        known = await self.known(path)
        if known is not None:
            return known
        digest, info = await asyncio.to_thread(hash_file, path, count, cancel)
        key = _key(info)
        await self._database.write(lambda connection: _insert(connection, key, digest))
        return digest


def hash_file(
    path: Path, count: Callable[[int], None] | None = None, cancel: Cancel | None = None
) -> tuple[str, os.stat_result]:
    """sha256 of a whole regular file and what it was when it was read. Raises OSError, FileChanged, Cancelled."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        return hash_open(descriptor, count, cancel)
    finally:
        os.close(descriptor)


def hash_open(
    descriptor: int, count: Callable[[int], None] | None = None, cancel: Cancel | None = None
) -> tuple[str, os.stat_result]:
    """The same of an open file."""
    before, digest, offset = os.fstat(descriptor), hashlib.sha256(), 0
    if not stat.S_ISREG(before.st_mode):
        raise FileChanged("it is no regular file")
    # A file that grows as fast as it is read would keep us for ever.
    while offset <= before.st_size and (chunk := os.pread(descriptor, CHUNK_BYTES, offset)):
        if cancel is not None:
            cancel.check()
        digest.update(chunk)
        offset += len(chunk)
        if count is not None:
            count(len(chunk))
    if _key(before) != _key(os.fstat(descriptor)) or offset != before.st_size:
        raise FileChanged("it was written while it was read")
    return digest.hexdigest(), before


def sample(path: Path) -> str:
    """A hash of the size and of pieces from start, middle and end: files that differ in it are different. OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        size = os.fstat(descriptor).st_size
        digest = hashlib.sha256(str(size).encode())
        for offset in (0, size // 2, max(0, size - SAMPLE_BYTES)):
            digest.update(os.pread(descriptor, SAMPLE_BYTES, offset))
        return digest.hexdigest()
    finally:
        os.close(descriptor)


def _key(info: os.stat_result) -> tuple[str, str, int, int]:
    return str(info.st_dev), str(info.st_ino), info.st_size, info.st_mtime_ns


def _select(connection: sqlite3.Connection, key: tuple[str, str, int, int]) -> str | None:
    statement = "SELECT sha256 FROM file_hashes WHERE (device, inode, size, modified_ns) = (?, ?, ?, ?)"
    row = connection.execute(statement, key).fetchone()
    return str(row[0]) if row else None


def _insert(connection: sqlite3.Connection, key: tuple[str, str, int, int], digest: str) -> None:
    connection.execute("INSERT OR REPLACE INTO file_hashes VALUES (?, ?, ?, ?, ?)", [*key, digest])
