"""A damaged files.db: moved aside, and what the user had added taken over as far as it can be read.

The files themselves are read again: nothing of them is lost. One damaged file is kept for who wants to look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from pathlib import Path

from models import database_files
from rag.store import lexical

log = logging.getLogger(__name__)

_TAKEN = ("collections", "roots", "embedders", "checks", "receipts")


async def move_aside(path: Path) -> Path:
    """Move the damaged database to `….corrupt-1` in the place of an older one; returns its new name."""
    return await asyncio.to_thread(_move_aside, path)


def quarantined(path: Path) -> list[Path]:
    """Damaged databases that lie beside this one, with their logs."""
    return sorted(path.parent.glob(f"{path.name}.corrupt-*"))


def take_over(connection: sqlite3.Connection, damaged: Path) -> None:
    """Copy the tables of what the user had added, but for what is here; a table that cannot be read is left out."""
    here = set(connection.execute("SELECT id FROM collections"))
    with contextlib.ExitStack() as opened:
        try:
            source = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)
            opened.callback(source.close)
            for table in _TAKEN:
                _copy(source, connection, table)
        except sqlite3.Error as error:
            log.warning("%s cannot be read: %s", damaged.name, error)
    for (number,) in set(connection.execute("SELECT id FROM collections")) - here:
        lexical.create(connection, number)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    names = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    marks = ", ".join("?" * len(names))
    try:
        for row in source.execute(f"SELECT {', '.join(names)} FROM {table}"):  # noqa: S608
            with contextlib.suppress(sqlite3.IntegrityError):
                target.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", row)  # noqa: S608
    except sqlite3.Error as error:
        log.warning("the table %s of a damaged index cannot be read: %s", table, error)


def _move_aside(path: Path) -> Path:
    for old in quarantined(path):
        old.unlink()
    return database_files.move_aside(path)
