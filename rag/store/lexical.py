"""The lexical index of one collection: rows in, rows out, made anew, merged.

A row is deleted by stating what it was made from. That is computed again from the chunk and from the path words of the
membership, so every change of either goes through here, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from rag.store.lexical_text import VERSION, lexical_text
from rag.store.schema import TOKENIZER, fts_table, terms_table
from rag.store.stored_text import stored_path

PATHS_INDEXED = 8  # of one document in a collection: copies beyond these add no words

# Chunk id, text, header: what a row is made from, besides the path words.
Row = tuple[int, str, str]


def path_words(files: Iterable[tuple[str, str]]) -> str:
    """What the column `path` is made from: (root, relative path) of a document's files, the first few by name."""
    found = sorted(stored_path(f"{PurePosixPath(root).name}/{path}") for root, path in files)
    return "\n".join(found[:PATHS_INDEXED])


def create(connection: sqlite3.Connection, collection_id: int) -> None:
    """Make the empty lexical index of a collection."""
    table, terms = fts_table(collection_id), terms_table(collection_id)
    connection.execute(
        f"""CREATE VIRTUAL TABLE {table} USING fts5(text, header, path, content='', tokenize="{TOKENIZER}")"""
    )
    connection.execute(f"CREATE VIRTUAL TABLE {terms} USING fts5vocab({table}, 'row')")
    connection.execute("UPDATE collections SET lexical_version = ? WHERE id = ?", (VERSION, collection_id))


def drop(connection: sqlite3.Connection, collection_id: int) -> None:
    """Take the whole lexical index of a collection away."""
    connection.execute(f"DROP TABLE IF EXISTS {terms_table(collection_id)}")
    connection.execute(f"DROP TABLE IF EXISTS {fts_table(collection_id)}")


def insert(connection: sqlite3.Connection, collection_id: int, rows: Sequence[Row], words: str) -> None:
    """Index chunks of one document, which is known by the path words `words`."""
    table, path = fts_table(collection_id), lexical_text(words)
    connection.executemany(
        f"INSERT INTO {table} (rowid, text, header, path) VALUES (?, ?, ?, ?)",  # noqa: S608
        ((number, lexical_text(text), lexical_text(header), path) for number, text, header in rows),
    )


def delete(connection: sqlite3.Connection, collection_id: int, rows: Sequence[Row], words: str) -> None:
    """Take out what `insert` was given, with the very same values."""
    table, path = fts_table(collection_id), lexical_text(words)
    connection.executemany(
        f"INSERT INTO {table} ({table}, rowid, text, header, path) VALUES ('delete', ?, ?, ?, ?)",  # noqa: S608
        ((number, lexical_text(text), lexical_text(header), path) for number, text, header in rows),
    )


def rebuild(connection: sqlite3.Connection, collection_id: int) -> None:
    """Make the lexical index anew from the chunks."""
    drop(connection, collection_id)
    create(connection, collection_id)
    found = connection.execute(
        """SELECT m.document_id, m.path_words FROM memberships m WHERE m.collection_id = ? ORDER BY m.document_id""",
        (collection_id,),
    ).fetchall()
    for document, words in found:
        insert(connection, collection_id, rows_of(connection, document), words)


def rebuild_outdated(connection: sqlite3.Connection) -> None:
    """Make those indexes anew that an older `lexical_text` made: their rows could not be deleted any more."""
    for (number,) in connection.execute("SELECT id FROM collections WHERE lexical_version <> ?", (VERSION,)).fetchall():
        rebuild(connection, number)


def merge(connection: sqlite3.Connection, collection_id: int) -> None:
    """Merge all segments into one, which leaves nothing of deleted rows. Takes seconds per 100,000 chunks."""
    table = fts_table(collection_id)
    connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")  # noqa: S608


def rows_in(connection: sqlite3.Connection, collection_id: int) -> int:
    """How many rows the index has."""
    found = connection.execute(f"SELECT count(*) FROM {fts_table(collection_id)}_docsize")  # noqa: S608
    return int(found.fetchone()[0])


def rows_of(connection: sqlite3.Connection, document_id: int) -> list[Row]:
    """The rows of a document's chunks."""
    return connection.execute(
        "SELECT id, text, header FROM chunks WHERE document_id = ? ORDER BY ordinal", (document_id,)
    ).fetchall()
