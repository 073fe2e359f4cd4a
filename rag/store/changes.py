"""Changes of files, as one transaction: what is read, left out, gone or moved, and what follows for the indexes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from rag.store import documents, lexical
from rag.store.documents import Tally
from rag.store.rows import (
    Applied,
    FileChange,
    FileStat,
    Indexed,
    Kept,
    KnownFile,
    Moved,
    NewDocument,
    Removed,
    Skipped,
    Touched,
    Waiting,
)
from rag.store.stored_text import real_path, stored_path, stored_text


def known_files(connection: sqlite3.Connection, root_id: int) -> dict[str, KnownFile]:
    """Every file of a root, by its path."""
    found = connection.execute(
        """SELECT f.path, f.size, f.mtime_ns, f.inode, f.device, f.state, f.reason, d.sha256, f.document_id
           FROM files f LEFT JOIN documents d ON d.id = f.document_id WHERE f.root_id = ?""",
        (root_id,),
    )
    files = (
        KnownFile(
            real_path(path),
            FileStat(size, mtime_ns, _unsigned(inode), _unsigned(device)),
            state,
            reason,
            sha256,
            document,
        )
        for path, size, mtime_ns, inode, device, state, reason, sha256, document in found
    )
    return {file.path: file for file in files}


def apply(connection: sqlite3.Connection, changes: Sequence[FileChange]) -> Applied:
    """Make all changes; what of the old contents nobody has any more goes in the same transaction.

    A change that concerns a root, or a document, that was removed meanwhile does nothing.
    """
    batch = _Batch(connection)
    for change in changes:
        batch.make(change)
    batch.settle()
    tally = batch.tally
    return Applied(tally.chunks_added, tally.chunks_removed, tally.documents_added, tally.documents_removed)


def settle(connection: sqlite3.Connection, pairs: Sequence[tuple[int, int]]) -> Applied:
    """Bring memberships, given as (collection, document), in line with the files, and remove unused documents."""
    batch = _Batch(connection)
    batch.touch(pairs)
    batch.settle()
    tally = batch.tally
    return Applied(tally.chunks_added, tally.chunks_removed, tally.documents_added, tally.documents_removed)


def remove_root(connection: sqlite3.Connection, root_id: int) -> Applied:
    """Remove a root with its files and all that was of them alone."""
    paths = connection.execute("SELECT path FROM files WHERE root_id = ?", (root_id,)).fetchall()
    applied = apply(connection, [Removed(root_id, real_path(path)) for (path,) in paths])
    connection.execute("DELETE FROM roots WHERE id = ?", (root_id,))
    return applied


def remove_collection(connection: sqlite3.Connection, collection_id: int) -> Applied:
    """Remove a collection with its lexical index, its spaces and all documents that no other one has."""
    tally = Tally()
    lexical.drop(connection, collection_id)
    found = connection.execute(
        "DELETE FROM memberships WHERE collection_id = ? RETURNING document_id", (collection_id,)
    ).fetchall()
    connection.execute(
        "DELETE FROM files WHERE root_id IN (SELECT id FROM roots WHERE collection_id = ?)", (collection_id,)
    )
    _remove_unused(connection, [document for (document,) in found], tally)
    connection.execute(
        "DELETE FROM unplaced WHERE space_id IN (SELECT id FROM spaces WHERE collection_id = ?)", (collection_id,)
    )
    for table in ("spaces", "checks", "roots"):
        connection.execute(f"DELETE FROM {table} WHERE collection_id = ?", (collection_id,))  # noqa: S608
    connection.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
    return Applied(tally.chunks_added, tally.chunks_removed, tally.documents_added, tally.documents_removed)


class _Batch:
    """The changes of one transaction; `settle` brings memberships and documents in line with the files."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.tally = Tally()
        self._connection = connection
        self._collections: dict[int, int | None] = {}
        self._touched: dict[tuple[int, int], None] = {}

    def make(self, change: FileChange) -> None:
        collection = self._collection(change.root_id)
        if collection is None:
            return
        match change:
            case Indexed():
                self._index(change, collection)
            case Skipped():
                self._forget(change.root_id, change.path, collection)
                state = "failed" if change.failed else "skipped"
                self._put(change, state, reason=change.reason, detail=stored_text(change.detail))
            case Kept():
                _, document = self._file(change.root_id, change.path)
                self._put(change, "failed", reason=change.reason, detail=stored_text(change.detail), document=document)
            case Waiting():
                _, document = self._file(change.root_id, change.path)
                self._put(change, "waiting", document=document)
            case Touched():
                self._connection.execute(
                    "UPDATE files SET size = ?, mtime_ns = ?, inode = ?, device = ? WHERE root_id = ? AND path = ?",
                    (*_stat(change.stat), change.root_id, stored_path(change.path)),
                )
            case Removed():
                self._forget(change.root_id, change.path, collection)
                self._delete(change.root_id, change.path)
            case Moved():
                self._move(change, collection)

    def touch(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Have these collections and documents looked at."""
        self._touched.update(dict.fromkeys(pairs))

    def settle(self) -> None:
        for collection, document in self._touched:
            if files := self._paths(collection, document):
                documents.join(self._connection, collection, document, lexical.path_words(files))
            else:
                documents.leave(self._connection, collection, document)
        _remove_unused(self._connection, [document for _, document in self._touched], self.tally)

    def _index(self, change: Indexed, collection: int) -> None:
        _, old = self._file(change.root_id, change.path)
        document = self._document(change.document, old)
        if document is None:
            return
        if old is not None and old != document:
            self._touched[collection, old] = None
        self._touched[collection, document] = None
        self._put(change, "indexed", document=document, indexed_at=time.time())

    def _document(self, wanted: NewDocument | int, old: int | None) -> int | None:
        if isinstance(wanted, int):
            row = self._connection.execute("SELECT id FROM documents WHERE id = ?", (wanted,)).fetchone()
            return None if row is None else wanted
        found = documents.by_hash(self._connection, wanted.sha256, wanted.variant, wanted.parser_version)
        if found is not None:
            return found
        if old is not None and self._files_of(old) == 1:
            documents.rewrite(self._connection, old, wanted, self.tally)
            return old
        return documents.insert(self._connection, wanted, self.tally)

    def _move(self, change: Moved, collection: int) -> None:
        number, document = self._file(change.root_id, change.path)
        if number is None or self._collection(change.to_root_id) != collection:
            return
        self._forget(change.to_root_id, change.to_path, collection)
        self._delete(change.to_root_id, change.to_path)
        self._connection.execute(
            "UPDATE files SET root_id = ?, path = ?, size = ?, mtime_ns = ?, inode = ?, device = ? WHERE id = ?",
            (change.to_root_id, stored_path(change.to_path), *_stat(change.stat), number),
        )
        if document is not None:
            self._touched[collection, document] = None

    def _forget(self, root_id: int, path: str, collection: int) -> None:
        _, document = self._file(root_id, path)
        if document is not None:
            self._touched[collection, document] = None

    def _delete(self, root_id: int, path: str) -> None:
        self._connection.execute("DELETE FROM files WHERE root_id = ? AND path = ?", (root_id, stored_path(path)))

    def _put(
        self,
        change: Indexed | Skipped | Kept | Waiting,
        state: str,
        *,
        reason: str = "",
        detail: str = "",
        document: int | None = None,
        indexed_at: float | None = None,
    ) -> None:
        self._connection.execute(
            """INSERT INTO files (root_id, path, size, mtime_ns, inode, device, state, reason, detail, document_id,
               indexed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (root_id, path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
               inode = excluded.inode, device = excluded.device, state = excluded.state, reason = excluded.reason,
               detail = excluded.detail, document_id = excluded.document_id,
               indexed_at = coalesce(excluded.indexed_at, indexed_at)""",
            (
                change.root_id,
                stored_path(change.path),
                *_stat(change.stat),
                state,
                reason,
                detail,
                document,
                indexed_at,
            ),
        )

    def _collection(self, root_id: int) -> int | None:
        if root_id not in self._collections:
            row = self._connection.execute("SELECT collection_id FROM roots WHERE id = ?", (root_id,)).fetchone()
            self._collections[root_id] = None if row is None else int(row[0])
        return self._collections[root_id]

    def _file(self, root_id: int, path: str) -> tuple[int | None, int | None]:
        row = self._connection.execute(
            "SELECT id, document_id FROM files WHERE root_id = ? AND path = ?", (root_id, stored_path(path))
        ).fetchone()
        return (None, None) if row is None else (row[0], row[1])

    def _files_of(self, document: int) -> int:
        found = self._connection.execute("SELECT count(*) FROM files WHERE document_id = ?", (document,))
        return int(found.fetchone()[0])

    def _paths(self, collection: int, document: int) -> list[tuple[str, str]]:
        found: list[tuple[Any, Any]] = self._connection.execute(
            """SELECT r.path, f.path FROM files f JOIN roots r ON r.id = f.root_id
               WHERE f.document_id = ? AND r.collection_id = ?""",
            (document, collection),
        ).fetchall()
        return found


def _remove_unused(connection: sqlite3.Connection, found: Sequence[int], tally: Tally) -> None:
    for document in dict.fromkeys(found):
        used = connection.execute("SELECT 1 FROM files WHERE document_id = ? LIMIT 1", (document,)).fetchone()
        if used is None:
            documents.remove(connection, document, tally)
    documents.free_vectors(connection, tally.hashes_freed)


def _stat(stat: FileStat) -> tuple[int, int, int, int]:
    return stat.size, stat.mtime_ns, _signed(stat.inode), _signed(stat.device)


def _signed(number: int) -> int:
    """Inodes can have 64 bits; SQLite's numbers are signed."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _unsigned(number: int) -> int:
    return number & 0xFFFF_FFFF_FFFF_FFFF
