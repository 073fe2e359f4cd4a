"""Vectors as float16, the spaces they form, and the list of what is still to be put in its place.

A chunk belongs into a space when its document is in the space's collection and its text has a vector of the space's
embedder. `unplaced` lists the chunks for which that may differ from what Chroma holds.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from rag.errors import EmbeddingMismatch
from rag.store import collection_rows
from rag.store.rows import MissingVector, Space
from rag.types import Chunk, EmbedderIdentity, Vectors

Ids = NDArray[np.int64]
STORED = np.dtype("<f2")
_LOOKED_AT = 20_000  # ids in which a chunk of the space is looked for


@dataclass(frozen=True, slots=True)
class Placement:
    """What a space in Chroma is to be given: rows of `vectors` (float32) under `add`, and `delete` taken out."""

    add: Ids
    vectors: Vectors
    delete: Ids

    @property
    def empty(self) -> bool:
        return not len(self.add) and not len(self.delete)


def open_space(connection: sqlite3.Connection, collection_id: int, identity: EmbedderIdentity, mark: str) -> Space:
    """The space of a collection by an embedder; a new one has all chunks of the collection still to come."""
    found = [space for space in spaces(connection, collection_id, mark) if space.embedder_key == identity.key]
    if found:
        return found[0]
    connection.execute(
        "INSERT INTO spaces (collection_id, embedder, dimensions, identity, ready) VALUES (?, ?, ?, ?, 0)",
        (collection_id, identity.key, identity.dimensions, json.dumps(asdict(identity))),
    )
    (space,) = (each for each in spaces(connection, collection_id, mark) if each.embedder_key == identity.key)
    note_all(connection, space)
    return space


def note_all(connection: sqlite3.Connection, space: Space) -> None:
    """List every chunk of the space's collection as unplaced."""
    connection.execute(
        """INSERT OR IGNORE INTO unplaced
           SELECT ?, c.id FROM memberships m JOIN chunks c ON c.document_id = m.document_id
           WHERE m.collection_id = ?""",
        (space.id, space.collection_id),
    )


def note(connection: sqlite3.Connection, space: Space, chunk_ids: Sequence[int]) -> None:
    """List these chunks as unplaced."""
    connection.executemany("INSERT OR IGNORE INTO unplaced VALUES (?, ?)", ((space.id, each) for each in chunk_ids))


def spaces(connection: sqlite3.Connection, collection_id: int | None, mark: str) -> list[Space]:
    """The spaces of one collection or of all, oldest first. `mark` tells the spaces of this database from others'."""
    found = connection.execute(
        """SELECT id, collection_id, embedder, dimensions, ready FROM spaces
           WHERE ?1 IS NULL OR collection_id = ?1 ORDER BY id""",
        (collection_id,),
    )
    return [
        Space(number, f"{mark}-{number}", collection, embedder, dimensions, bool(ready))
        for number, collection, embedder, dimensions, ready in found
    ]


def identity_of(connection: sqlite3.Connection, space_id: int) -> EmbedderIdentity | None:
    """The embedder that made a space's vectors."""
    row = connection.execute("SELECT identity FROM spaces WHERE id = ?", (space_id,)).fetchone()
    return None if row is None else EmbedderIdentity(**json.loads(row[0]))


def drop_space(connection: sqlite3.Connection, space_id: int) -> None:
    """Forget a space, and the vectors no other space of their embedder may need."""
    row = connection.execute("SELECT embedder FROM spaces WHERE id = ?", (space_id,)).fetchone()
    if row is None:
        return
    connection.execute("DELETE FROM unplaced WHERE space_id = ?", (space_id,))
    connection.execute("DELETE FROM spaces WHERE id = ?", (space_id,))
    connection.execute(
        "DELETE FROM vectors WHERE embedder = ?1 AND NOT EXISTS (SELECT 1 FROM spaces WHERE embedder = ?1)", row
    )


def switch(
    connection: sqlite3.Connection, collection_id: int, embedder_id: str, space: Space, *, mark: str
) -> list[Space]:
    """Make `space` the one of the collection, and forget the others, which are given back."""
    collection_rows.update(connection, collection_id, {"embedder_id": embedder_id, "next_embedder_id": ""})
    others = [other for other in spaces(connection, collection_id, mark) if other.id != space.id]
    for other in others:
        drop_space(connection, other.id)
    return others


def missing(connection: sqlite3.Connection, space: Space, limit: int, after: int) -> list[MissingVector]:
    """Chunks beyond the id `after` that have no vector, in the order of their ids, each text once."""
    found = connection.execute(
        """SELECT c.id, c.text_hash, c.header, c.text FROM unplaced u
           JOIN chunks c ON c.id = u.chunk_id
           JOIN memberships m ON m.document_id = c.document_id AND m.collection_id = ?
           WHERE u.space_id = ? AND u.chunk_id > ?
           AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.embedder = ?)
           ORDER BY u.chunk_id LIMIT ?""",
        (space.collection_id, space.id, after, space.embedder_key, limit),
    )
    texts: dict[bytes, MissingVector] = {}
    for number, digest, header, text in found:
        texts.setdefault(digest, MissingVector(number, digest, embedded_text(header, text)))
    return list(texts.values())


def put(connection: sqlite3.Connection, embedder_key: str, hashes: Sequence[bytes], vectors: Vectors) -> None:
    """Store vectors of texts, in order; one that is there stays. Raises EmbeddingMismatch for other dimensions."""
    row = connection.execute("SELECT dimensions FROM spaces WHERE embedder = ? LIMIT 1", (embedder_key,)).fetchone()
    if vectors.shape != (len(hashes), row[0] if row else vectors.shape[-1]):
        raise EmbeddingMismatch(
            f"The embedder gave vectors of shape {vectors.shape}, the index has {row and row[0]} dimensions.",
            hint="Choose the embedder again for this collection: its vectors are then made anew.",
        )
    stored = vectors.astype(STORED)
    connection.executemany(
        """INSERT OR IGNORE INTO vectors (embedder, text_hash, vector) SELECT ?1, ?2, ?3
           WHERE EXISTS (SELECT 1 FROM chunks WHERE text_hash = ?2)""",  # its file may be gone by now
        ((embedder_key, digest, row.tobytes()) for digest, row in zip(hashes, stored, strict=True)),
    )


def placement(connection: sqlite3.Connection, space: Space, limit: int, up_to: int | None) -> Placement:
    """What is to be put into the space now, at most `limit` chunks, of those up to the id `up_to`."""
    found = connection.execute(
        """SELECT u.chunk_id, CASE WHEN m.document_id IS NOT NULL THEN v.vector END FROM unplaced u
           LEFT JOIN chunks c ON c.id = u.chunk_id
           LEFT JOIN memberships m ON m.document_id = c.document_id AND m.collection_id = ?1
           LEFT JOIN vectors v ON v.text_hash = c.text_hash AND v.embedder = ?2
           WHERE u.space_id = ?3 AND (?4 IS NULL OR u.chunk_id <= ?4) AND (m.document_id IS NULL OR v.id IS NOT NULL)
           ORDER BY u.chunk_id LIMIT ?5""",
        (space.collection_id, space.embedder_key, space.id, up_to, limit),
    ).fetchall()
    add = [(number, blob) for number, blob in found if blob is not None]
    return Placement(
        np.array([number for number, _ in add], np.int64),
        _matrix([blob for _, blob in add], space.dimensions),
        np.array([number for number, blob in found if blob is None], np.int64),
    )


def placed(connection: sqlite3.Connection, space: Space, done: Placement) -> bool:
    """Take off the list what Chroma has acknowledged; whether nothing is left, which makes the space ready.

    A chunk that changed sides meanwhile stays on the list.
    """
    wanted = """EXISTS (SELECT 1 FROM chunks c JOIN memberships m ON m.document_id = c.document_id
                AND m.collection_id = ?3 WHERE c.id = ?2)"""
    for numbers, still in ((done.add, wanted), (done.delete, f"NOT {wanted}")):
        connection.executemany(
            f"DELETE FROM unplaced WHERE space_id = ?1 AND chunk_id = ?2 AND {still}",  # noqa: S608
            ((space.id, number, space.collection_id) for number in numbers.tolist()),
        )
    left = connection.execute("SELECT 1 FROM unplaced WHERE space_id = ? LIMIT 1", (space.id,)).fetchone()
    if left is None:
        connection.execute("UPDATE spaces SET ready = 1 WHERE id = ? AND ready = 0", (space.id,))
    return left is None


def vectors_of(
    connection: sqlite3.Connection, embedder_key: str, chunk_ids: Sequence[int], size: int
) -> tuple[Ids, Vectors]:
    """The vectors of these chunks: ids of those that have one, and a row for each."""
    found = connection.execute(
        """SELECT c.id, v.vector FROM json_each(?) j JOIN chunks c ON c.id = j.value
           JOIN vectors v ON v.text_hash = c.text_hash AND v.embedder = ?""",
        (json.dumps([int(number) for number in chunk_ids]), embedder_key),
    ).fetchall()
    return _columns(found, size)


def count_wanted(connection: sqlite3.Connection, space: Space) -> int:
    """How many chunks belong into a space."""
    found = connection.execute(
        """SELECT count(*) FROM memberships m JOIN chunks c ON c.document_id = m.document_id
           WHERE m.collection_id = ? AND EXISTS
           (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.embedder = ?)""",
        (space.collection_id, space.embedder_key),
    )
    return int(found.fetchone()[0])


def sample(connection: sqlite3.Connection, space: Space, size: int) -> Vectors:
    """Up to `size` vectors of a space, of chunks from all over it."""
    first, last = connection.execute("SELECT min(id), max(id) FROM chunks").fetchone()
    if first is None:
        return _matrix([], space.dimensions)
    found: dict[int, bytes] = {}
    for start in np.linspace(first, last, size).astype(int).tolist():
        row = connection.execute(
            """SELECT c.id, v.vector FROM chunks c
               JOIN memberships m ON m.document_id = c.document_id AND m.collection_id = ?
               JOIN vectors v ON v.text_hash = c.text_hash AND v.embedder = ?
               WHERE c.id BETWEEN ? AND ? ORDER BY c.id LIMIT 1""",
            (space.collection_id, space.embedder_key, start, start + _LOOKED_AT),
        ).fetchone()
        if row is not None:
            found[row[0]] = row[1]
    return _matrix(list(found.values()), space.dimensions)


def wanted_ids(connection: sqlite3.Connection, space: Space) -> Ids:
    """Ascending ids of all chunks that belong into a space."""
    found = connection.execute(
        """SELECT c.id FROM memberships m JOIN chunks c ON c.document_id = m.document_id
           WHERE m.collection_id = ? AND EXISTS
           (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.embedder = ?)""",
        (space.collection_id, space.embedder_key),
    )
    return np.sort(np.fromiter((row[0] for row in found), np.int64))


def batches(connection: sqlite3.Connection, space: Space, ids: Ids, size: int = 2048) -> Iterator[tuple[Ids, Vectors]]:
    """The vectors of many chunks, some at a time."""
    for start in range(0, len(ids), size):
        yield vectors_of(connection, space.embedder_key, ids[start : start + size].tolist(), space.dimensions)


def embedded_text(header: str, text: str) -> str:
    """What the embedder reads of a stored chunk."""
    return Chunk(0, 0, 0, 0, 0, 0, 0, text, "prose", header).embedded_text


def _columns(found: list[tuple[int, bytes]], size: int) -> tuple[Ids, Vectors]:
    return np.array([number for number, _ in found], np.int64), _matrix([blob for _, blob in found], size)


def _matrix(blobs: list[bytes], size: int) -> Vectors:
    return np.frombuffer(b"".join(blobs), STORED).reshape(len(blobs), size).astype(np.float32)
