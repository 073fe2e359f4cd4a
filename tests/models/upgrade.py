"""Upgrades the database that is named as its argument and writes five notes, telling of each: a process for faults."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

from models.database import Database, Migration
from models.errors import ModelsError

NOTES = Migration(1, "notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;")
TAGS = Migration(2, "tags", "CREATE TABLE tags (tag TEXT NOT NULL) STRICT; INSERT INTO tags VALUES ('new');")


async def main(path: Path) -> None:
    database = await Database.open(path, [NOTES, TAGS])
    try:
        for number in range(5):
            text = f"new {number}"

            def write(connection: sqlite3.Connection, text: str = text) -> None:
                connection.execute("INSERT INTO notes (text) VALUES (?)", [text])

            await database.write(write)
            print(text, flush=True)
        await database.backup()
    finally:
        await database.close()


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1])))
        print("done")
    except ModelsError as error:
        print("refused:", error.kind, error.message, error.hint)
