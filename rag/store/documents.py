"""Documents and their chunks: stored once per content, rewritten in place where one file changed, dropped unused."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.store import lexical
from rag.store.rows import DocumentRow, NewDocument
from rag.store.stored_text import stored_text
from rag.types import Chunk

HASH_BYTES = 16


@dataclass(slots=True)
class Tally:
    """Counts of one transaction."""

    chunks_added: int = 0
    chunks_removed: int = 0
    documents_added: int = 0
    documents_removed: int = 0
    hashes_freed: set[bytes] = field(default_factory=set)


def text_hash(embedded_text: str) -> bytes:
    """What a vector is known by, besides its embedder: BLAKE2b of the text that is embedded."""
    return hashlib.blake2b(embedded_text.encode("utf-8", "replace"), digest_size=HASH_BYTES).digest()


def by_hash(connection: sqlite3.Connection, sha256: bytes, variant: str, parser_version: int) -> int | None:
    """The document that this content is, read in this way."""
    row = connection.execute(
        "SELECT id FROM documents WHERE sha256 = ? AND variant = ? AND parser_version = ?",
        (sha256, variant, parser_version),
    ).fetchone()
    return None if row is None else int(row[0])


def one(connection: sqlite3.Connection, document_id: int) -> DocumentRow | None:
    """A document's facts."""
    row = connection.execute(
        """SELECT id, sha256, kind, language, title, pages, encoding, lossy, warnings, chunks
           FROM documents WHERE id = ?""",
        (document_id,),
    ).fetchone()
    if row is None:
        return None
    number, sha256, kind, language, title, pages, encoding, lossy, warnings, chunks = row
    return DocumentRow(
        number, sha256, kind, language, title, pages, encoding, bool(lossy), tuple(json.loads(warnings)), chunks
    )


def insert(connection: sqlite3.Connection, new: NewDocument, tally: Tally) -> int:
    """Store a content that is not there yet; returns its id."""
    facts = _facts(new)
    marks = ", ".join("?" * len(facts))
    number = connection.execute(
        f"INSERT INTO documents ({', '.join(facts)}) VALUES ({marks})",  # noqa: S608
        tuple(facts.values()),
    ).lastrowid
    assert number is not None
    _insert_chunks(connection, number, new.chunks)
    tally.documents_added += 1
    tally.chunks_added += len(new.chunks)
    return number


def rewrite(connection: sqlite3.Connection, document_id: int, new: NewDocument, tally: Tally) -> None:
    """Let a document become `new`: for a file that changed and whose old content nobody else has.

    Chunks that are the same keep their ids, and with them their rows in every index.
    """
    facts = _facts(new)
    settings = ", ".join(f"{name} = ?" for name in facts)
    connection.execute(f"UPDATE documents SET {settings} WHERE id = ?", (*facts.values(), document_id))  # noqa: S608
    old: defaultdict[tuple[bytes, str], list[int]] = defaultdict(list)
    found = connection.execute(
        "SELECT text_hash, header, id FROM chunks WHERE document_id = ? ORDER BY ordinal DESC", (document_id,)
    )
    for digest, header, number in found:
        old[digest, header].append(number)
    kept: list[tuple[int, Chunk]] = []
    added: list[Chunk] = []
    for chunk in new.chunks:
        if same := old.get((text_hash(chunk.embedded_text), stored_text(chunk.header))):
            kept.append((same.pop(), chunk))
        else:
            added.append(chunk)
    _remove_chunks(connection, document_id, [number for numbers in old.values() for number in numbers], tally)
    connection.executemany(
        f"UPDATE chunks SET {', '.join(f'{name} = ?' for name in _POSITION_COLUMNS)} WHERE id = ?",  # noqa: S608
        ((*_positions(chunk), number) for number, chunk in kept),
    )
    first = _insert_chunks(connection, document_id, added)
    _index_new(connection, document_id, first)
    tally.chunks_added += len(added)


def join(connection: sqlite3.Connection, collection_id: int, document_id: int, words: str) -> None:
    """Make a document part of a collection, or give it other path words there."""
    row = connection.execute(
        "SELECT path_words FROM memberships WHERE collection_id = ? AND document_id = ?", (collection_id, document_id)
    ).fetchone()
    if row is not None and row[0] == words:
        return
    rows = lexical.rows_of(connection, document_id)
    if row is not None:
        lexical.delete(connection, collection_id, rows, row[0])
    lexical.insert(connection, collection_id, rows, words)
    connection.execute(
        "INSERT OR REPLACE INTO memberships (collection_id, document_id, path_words) VALUES (?, ?, ?)",
        (collection_id, document_id, words),
    )
    if row is None:
        note_unplaced(connection, collection_id, (number for number, *_ in rows))


def leave(connection: sqlite3.Connection, collection_id: int, document_id: int) -> None:
    """Take a document out of a collection's indexes."""
    row = connection.execute(
        "DELETE FROM memberships WHERE collection_id = ? AND document_id = ? RETURNING path_words",
        (collection_id, document_id),
    ).fetchone()
    if row is not None:
        rows = lexical.rows_of(connection, document_id)
        lexical.delete(connection, collection_id, rows, row[0])
        note_unplaced(connection, collection_id, (number for number, *_ in rows))


def remove(connection: sqlite3.Connection, document_id: int, tally: Tally) -> None:
    """Delete a document that no file has any more."""
    found = connection.execute("SELECT text_hash FROM chunks WHERE document_id = ?", (document_id,)).fetchall()
    tally.hashes_freed.update(digest for (digest,) in found)
    connection.execute("DELETE FROM chunks WHERE document_id = ?", (document_id,))
    connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    tally.documents_removed += 1
    tally.chunks_removed += len(found)


def free_vectors(connection: sqlite3.Connection, hashes: Iterable[bytes]) -> None:
    """Delete the vectors of texts that no chunk has any more."""
    connection.executemany(
        "DELETE FROM vectors WHERE text_hash = ?1 AND NOT EXISTS (SELECT 1 FROM chunks WHERE text_hash = ?1)",
        ((digest,) for digest in hashes),
    )


def note_unplaced(connection: sqlite3.Connection, collection_id: int, chunk_ids: Iterable[int]) -> None:
    """Note that these chunks have to be looked at in every vector space of the collection."""
    spaces = connection.execute("SELECT id FROM spaces WHERE collection_id = ?", (collection_id,)).fetchall()
    numbers = list(chunk_ids)
    for (space,) in spaces:
        connection.executemany("INSERT OR IGNORE INTO unplaced VALUES (?, ?)", ((space, each) for each in numbers))


def _remove_chunks(connection: sqlite3.Connection, document_id: int, numbers: list[int], tally: Tally) -> None:
    """Take single chunks out of a document and of every collection that has it."""
    rows = [
        connection.execute("SELECT id, text, header FROM chunks WHERE id = ?", (number,)).fetchone()
        for number in numbers
    ]
    for collection, words in _memberships(connection, document_id):
        lexical.delete(connection, collection, rows, words)
        note_unplaced(connection, collection, numbers)
    for number in numbers:
        digest = connection.execute("DELETE FROM chunks WHERE id = ? RETURNING text_hash", (number,)).fetchone()[0]
        tally.hashes_freed.add(digest)
    tally.chunks_removed += len(numbers)


def _index_new(connection: sqlite3.Connection, document_id: int, first_id: int | None) -> None:
    """Put the chunks from `first_id` on into the indexes of every collection that has the document."""
    if first_id is None:
        return
    rows = connection.execute(
        "SELECT id, text, header FROM chunks WHERE document_id = ? AND id >= ? ORDER BY id", (document_id, first_id)
    ).fetchall()
    for collection, words in _memberships(connection, document_id):
        lexical.insert(connection, collection, rows, words)
        note_unplaced(connection, collection, (number for number, *_ in rows))


def _memberships(connection: sqlite3.Connection, document_id: int) -> list[tuple[int, str]]:
    return connection.execute(
        "SELECT collection_id, path_words FROM memberships WHERE document_id = ?", (document_id,)
    ).fetchall()


def _insert_chunks(connection: sqlite3.Connection, document_id: int, chunks: Sequence[Chunk]) -> int | None:
    """Store chunks under new, ascending ids; the first of them."""
    if not chunks:
        return None
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first = int(row[0]) + 1 if row else 1
    columns = ("id", "document_id", "text_hash", "header", "text", *_POSITION_COLUMNS)
    connection.executemany(
        f"INSERT INTO chunks ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
        (
            (
                number,
                document_id,
                text_hash(chunk.embedded_text),
                stored_text(chunk.header),
                stored_text(chunk.text),
                *_positions(chunk),
            )
            for number, chunk in enumerate(chunks, first)
        ),
    )
    return first


_POSITION_COLUMNS = (
    "ordinal",
    "start_char",
    "end_char",
    "file_start",
    "file_end",
    "start_line",
    "end_line",
    "page",
    "end_page",
    "kind",
    "place",
)


def _positions(chunk: Chunk) -> tuple[Any, ...]:
    return (
        chunk.ordinal,
        chunk.start,
        chunk.end,
        chunk.file_start,
        chunk.file_end,
        chunk.start_line,
        chunk.end_line,
        chunk.page,
        chunk.end_page,
        chunk.kind,
        stored_text(chunk.place),
    )


def _facts(new: NewDocument) -> dict[str, Any]:
    return {
        "sha256": new.sha256,
        "variant": new.variant,
        "parser_version": new.parser_version,
        "kind": new.kind,
        "language": new.language,
        "title": stored_text(new.title),
        "pages": new.pages,
        "encoding": new.encoding,
        "lossy": new.lossy,
        "warnings": json.dumps(new.warnings),
        "chunks": len(new.chunks),
        "text_bytes": sum(len(chunk.text.encode("utf-8", "replace")) for chunk in new.chunks),
    }
