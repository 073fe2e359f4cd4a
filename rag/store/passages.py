"""Chunks as search and previews read them: with the files that hold them."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from rag.store.rows import FileRef, StoredChunk
from rag.store.stored_text import real_path, stored_path
from rag.types import Chunk

_COLUMNS = """c.id, c.document_id, d.language, d.title, c.ordinal, c.start_char, c.end_char, c.file_start, c.file_end,
              c.start_line, c.end_line, c.text, c.kind, c.header, c.page, c.end_page, c.place"""


def by_ids(connection: sqlite3.Connection, ids: Sequence[int], collection_id: int | None) -> list[StoredChunk]:
    """The chunks of these ids that a file (of the collection, when one is given) has, in the order of `ids`."""
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM json_each(?) j JOIN chunks c ON c.id = j.value
            JOIN documents d ON d.id = c.document_id ORDER BY j.key""",  # noqa: S608
        (json.dumps([int(number) for number in ids]),),
    ).fetchall()
    return _with_files(connection, rows, collection_id)


def of_document(
    connection: sqlite3.Connection, document_id: int, first: int, last: int, collection_id: int | None
) -> list[StoredChunk]:
    """The chunks of a document with ordinals from `first` to `last`, both included, in order."""
    rows = connection.execute(
        f"""SELECT {_COLUMNS} FROM chunks c JOIN documents d ON d.id = c.document_id
            WHERE c.document_id = ? AND c.ordinal BETWEEN ? AND ? ORDER BY c.ordinal""",  # noqa: S608
        (document_id, first, last),
    ).fetchall()
    return _with_files(connection, rows, collection_id)


def files_of(
    connection: sqlite3.Connection, document_ids: Iterable[int], collection_id: int | None
) -> dict[int, tuple[FileRef, ...]]:
    """The files that have these documents, by path."""
    found = connection.execute(
        """SELECT f.document_id, r.collection_id, r.id, r.path, f.path FROM json_each(?1) j
           JOIN files f ON f.document_id = j.value JOIN roots r ON r.id = f.root_id
           WHERE ?2 IS NULL OR r.collection_id = ?2 ORDER BY f.path, r.path""",
        (json.dumps(sorted(set(document_ids))), collection_id),
    )
    files: defaultdict[int, list[FileRef]] = defaultdict(list)
    for document, collection, root_id, root, path in found:
        files[document].append(FileRef(collection, root_id, real_path(root), real_path(path)))
    return {document: tuple(refs) for document, refs in files.items()}


def document_of_file(connection: sqlite3.Connection, root: str, path: str) -> int | None:
    """The document of a file given by its root and relative path, in whichever collection has it."""
    row = connection.execute(
        """SELECT f.document_id FROM files f JOIN roots r ON r.id = f.root_id
           WHERE r.path = ? AND f.path = ? AND f.document_id IS NOT NULL LIMIT 1""",
        (stored_path(root), stored_path(path)),
    ).fetchone()
    return None if row is None else int(row[0])


def _with_files(
    connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], collection_id: int | None
) -> list[StoredChunk]:
    files = files_of(connection, (row[1] for row in rows), collection_id)
    return [_stored(row, files[row[1]]) for row in rows if row[1] in files]


def _stored(row: tuple[Any, ...], files: tuple[FileRef, ...]) -> StoredChunk:
    number, document, language, title, *positions = row
    return StoredChunk(number, document, Chunk(*positions), language, title, files)
