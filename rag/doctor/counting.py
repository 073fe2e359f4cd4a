"""Numbers and lists that show whether files.db agrees with itself. Read with one connection, at one moment."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from rag.store import lexical
from rag.store.rows import Space
from rag.store.schema import fts_table
from rag.store.stored_text import real_path

EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Told:
    """How many of something, and some of them in words."""

    count: int
    examples: list[str]


def check(connection: sqlite3.Connection) -> list[str]:
    """What SQLite says about the file; [] when it is sound. Reads all of it."""
    found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(10)")]
    return [] if found == ["ok"] else found


def lexical_check(connection: sqlite3.Connection, collection_id: int) -> str:
    """What FTS5 says about a lexical index, "" when it is sound. Asked of the writer's connection."""
    table = fts_table(collection_id)
    try:
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")  # noqa: S608
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def orphans(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Pairs (collection, document) whose membership does not follow from the files; collection 0 for documents that no
    file has."""
    wrong = """SELECT m.collection_id, m.document_id FROM memberships m WHERE NOT EXISTS
               (SELECT 1 FROM files f JOIN roots r ON r.id = f.root_id
                WHERE f.document_id = m.document_id AND r.collection_id = m.collection_id)
               UNION SELECT r.collection_id, f.document_id FROM files f JOIN roots r ON r.id = f.root_id
               WHERE f.document_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM memberships m
               WHERE m.collection_id = r.collection_id AND m.document_id = f.document_id)
               UNION SELECT 0, d.id FROM documents d WHERE NOT EXISTS
               (SELECT 1 FROM files f WHERE f.document_id = d.id)"""
    return [(int(collection), int(document)) for collection, document in connection.execute(wrong)]


def unused_vectors(connection: sqlite3.Connection) -> int:
    """How many stored vectors belong to no chunk."""
    found = connection.execute(
        "SELECT count(*) FROM vectors v WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.text_hash = v.text_hash)"
    )
    return int(found.fetchone()[0])


def bad_vectors(connection: sqlite3.Connection, space: Space) -> Told:
    """Vectors of a space's chunks that are zero throughout, or of another size than the space's."""
    rows = connection.execute(
        """SELECT c.id, f.path FROM memberships m JOIN chunks c ON c.document_id = m.document_id
           JOIN vectors v ON v.text_hash = c.text_hash AND v.embedder = ?1
           LEFT JOIN files f ON f.document_id = c.document_id
           WHERE m.collection_id = ?2 AND (v.vector = zeroblob(?3) OR length(v.vector) <> ?3) GROUP BY c.id""",
        (space.embedder_key, space.collection_id, 2 * space.dimensions),
    ).fetchall()
    return Told(len(rows), [f"{real_path(path or '')} (chunk {number})" for number, path in rows[:EXAMPLES]])


def without_vector(connection: sqlite3.Connection, space: Space) -> tuple[int, int]:
    """Chunks of a space that have no vector: those that are on the list to be embedded, and those that are not."""
    listed, total = connection.execute(
        """SELECT coalesce(sum(EXISTS (SELECT 1 FROM unplaced u WHERE u.space_id = ?1 AND u.chunk_id = c.id)), 0),
           count(*) FROM memberships m JOIN chunks c ON c.document_id = m.document_id
           WHERE m.collection_id = ?2 AND NOT EXISTS
           (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.embedder = ?3)""",
        (space.id, space.collection_id, space.embedder_key),
    ).fetchone()
    return int(listed), int(total - listed)


def failed(connection: sqlite3.Connection, collection_id: int) -> Told:
    """Files that could not be read, with why."""
    rows = connection.execute(
        """SELECT f.path, f.detail, f.reason FROM files f JOIN roots r ON r.id = f.root_id
           WHERE r.collection_id = ? AND f.state = 'failed' ORDER BY f.path""",
        (collection_id,),
    ).fetchall()
    return Told(len(rows), [f"{real_path(path)}: {detail or reason}" for path, detail, reason in rows[:EXAMPLES]])


def lexical_rows(connection: sqlite3.Connection, collection_id: int) -> int:
    """Rows of a lexical index, -1 when there is none."""
    try:
        return lexical.rows_in(connection, collection_id)
    except sqlite3.OperationalError:
        return -1


def forget_bad_vectors(connection: sqlite3.Connection, space: Space) -> None:
    """Delete what `bad_vectors` found and have the chunks embedded again."""
    connection.execute(
        """INSERT OR IGNORE INTO unplaced SELECT ?1, c.id FROM memberships m
           JOIN chunks c ON c.document_id = m.document_id
           JOIN vectors v ON v.text_hash = c.text_hash AND v.embedder = ?2
           WHERE m.collection_id = ?3 AND (v.vector = zeroblob(?4) OR length(v.vector) <> ?4)""",
        (space.id, space.embedder_key, space.collection_id, 2 * space.dimensions),
    )
    connection.execute(
        "DELETE FROM vectors WHERE embedder = ?1 AND (vector = zeroblob(?2) OR length(vector) <> ?2)",
        (space.embedder_key, 2 * space.dimensions),
    )


def list_unlisted(connection: sqlite3.Connection, space: Space) -> None:
    """List the chunks that have no vector, so that they are embedded."""
    connection.execute(
        """INSERT OR IGNORE INTO unplaced SELECT ?1, c.id FROM memberships m
           JOIN chunks c ON c.document_id = m.document_id WHERE m.collection_id = ?2 AND NOT EXISTS
           (SELECT 1 FROM vectors v WHERE v.text_hash = c.text_hash AND v.embedder = ?3)""",
        (space.id, space.collection_id, space.embedder_key),
    )


def forget_unused_vectors(connection: sqlite3.Connection) -> None:
    """Delete the vectors that belong to no chunk."""
    connection.execute(
        "DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.text_hash = vectors.text_hash)"
    )


def forget_vectors(connection: sqlite3.Connection, space: Space) -> None:
    """Delete all vectors of a space's chunks and have the chunks embedded again."""
    connection.execute(
        """DELETE FROM vectors WHERE embedder = ?1 AND text_hash IN (SELECT c.text_hash FROM memberships m
           JOIN chunks c ON c.document_id = m.document_id WHERE m.collection_id = ?2)""",
        (space.embedder_key, space.collection_id),
    )
    list_unlisted(connection, space)
