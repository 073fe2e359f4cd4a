"""The proof of a removal: what was removed is looked for by search and in the bytes of every file of the index."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from rag.doctor.targets import Doomed
from rag.doctor.traces import Needles, files_below, found_in
from rag.store.collections_copy import copy_of
from rag.store.schema import fts_table
from rag.store.vector_rows import Ids

PHRASES = 500
_WORD = re.compile(r"\w+")
# Everywhere a text can stand in files.db, besides the chunks that are asked for by id.
_TEXTS = (
    ("chunks", "text"),
    ("chunks", "header"),
    ("documents", "title"),
    ("documents", "warnings"),
    ("files", "path"),
    ("files", "detail"),
    ("roots", "path"),
    ("memberships", "path_words"),
    ("checks", "query"),
    ("evidence", "record"),
    ("receipts", "record"),
    ("collections", "name"),
)


def found_by_search(connection: sqlite3.Connection, gone: Doomed, collections: Iterable[int]) -> int:
    """How many of the removed chunks are still stored, or found by a phrase of theirs in a lexical index."""
    stored = connection.execute(
        "SELECT count(*) FROM json_each(?) j JOIN chunks c ON c.id = j.value", (json.dumps(gone.chunk_ids.tolist()),)
    ).fetchone()[0]
    found = 0
    for collection in collections:
        removed = set(gone.by_collection.get(collection, gone.chunk_ids).tolist())
        found += len(removed & _matching(connection, collection, gone.texts[:PHRASES]))
    return int(stored) + found


def found_in_bytes(files: Sequence[Path], texts: Sequence[str], vectors: Sequence[bytes]) -> dict[bytes, list[str]]:
    """The pieces that are in some file of the index, with the files' names. Blocking."""
    needles = Needles([*(text.encode() for text in texts), *vectors])
    found: dict[bytes, list[str]] = {}
    for file in files:
        for needle in found_in(file, needles):
            found.setdefault(needle, []).append(file.name)
    return found


def unexplained(connection: sqlite3.Connection, found: Iterable[bytes], gone: Doomed) -> list[bytes]:
    """Those pieces that nothing that is rightly in the index contains."""
    vectors = set(gone.vectors)
    return [piece for piece in found if piece in vectors or not _stands_somewhere(connection, piece.decode())]


def index_files(database: Path, vectors: Path) -> list[Path]:
    """Every file of the index, with logs and with what was moved aside when it was damaged."""
    beside = [*database.parent.glob(f"{database.name}*"), *vectors.parent.glob(f"{vectors.name}.broken-*")]
    beside += database.parent.glob(f"{copy_of(database).name}*")
    return files_below([*sorted(beside), vectors])


def still_there(ids: Ids, found: Ids) -> int:
    """How many of the ids are in `found`."""
    return len(set(ids.tolist()) & set(found.tolist()))


def _matching(connection: sqlite3.Connection, collection: int, texts: Sequence[str]) -> set[int]:
    table = fts_table(collection)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is None:
        return set()
    found: set[int] = set()
    for text in texts:
        # The first and last word may be cut.
        words = _WORD.findall(text)[1:-1]
        if words:
            phrase = '"' + " ".join(words) + '"'
            rows = connection.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH ?", (phrase,))  # noqa: S608
            found.update(row[0] for row in rows)
    return found


def _stands_somewhere(connection: sqlite3.Connection, piece: str) -> bool:
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE instr({column}, ?) LIMIT 1", (piece,)).fetchone()  # noqa: S608
        for table, column in _TEXTS
    )
