"""Files of a collection page by page, and its counts."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from rag.store.rows import Counts, FileRecord, FileRecords, RootRow
from rag.store.stored_text import real_path, stored_path

# From the few chunks of a document to the many that wait, never the other way.
_EMBEDDING = """EXISTS (SELECT 1 FROM chunks c CROSS JOIN unplaced u ON u.space_id = ?4 AND u.chunk_id = c.id
                WHERE c.document_id = f.document_id)"""
_STATES = {"indexed", "waiting", "skipped", "failed"}


def page(
    connection: sqlite3.Connection, collection_id: int, state: str, wanted: str, *, after: str, limit: int
) -> FileRecords:
    """Files by path after the cursor `after`; `state` "" is any, "embedding" is indexed with vectors still to come.

    `wanted` is a part of the path, in whatever case.
    """
    space = _space(connection, collection_id)
    where, values = _where(state, wanted, space)
    total = connection.execute(
        f"SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id WHERE {where}",  # noqa: S608
        (collection_id, *values),
    ).fetchone()[0]
    path, root = _cursor(after)
    rows = connection.execute(
        f"""SELECT f.id, f.path, f.size, f.state, f.reason, f.detail, f.indexed_at, f.document_id,
            r.id, r.collection_id, r.path, r.problem, d.chunks, d.kind, d.language, d.pages, d.warnings
            FROM files f JOIN roots r ON r.id = f.root_id LEFT JOIN documents d ON d.id = f.document_id
            WHERE {where} AND (f.path, r.id) > (?5, ?6) ORDER BY f.path, r.id LIMIT ?7""",  # noqa: S608
        (collection_id, *values, path, root, limit + 1),
    ).fetchall()
    records = tuple(_record(connection, row, space) for row in rows[:limit])
    more = json.dumps([stored_path(records[-1].path), records[-1].root.id]) if len(rows) > limit else ""
    return FileRecords(records, int(total), more, _reasons(connection, collection_id))


def counts(connection: sqlite3.Connection, collection_id: int) -> Counts:
    """What a collection holds."""
    states = dict(
        connection.execute(
            """SELECT f.state, count(*) FROM files f JOIN roots r ON r.id = f.root_id WHERE r.collection_id = ?
               GROUP BY f.state""",
            (collection_id,),
        ).fetchall()
    )
    documents, chunks, text_bytes = connection.execute(
        """SELECT count(*), coalesce(sum(d.chunks), 0), coalesce(sum(d.text_bytes), 0)
           FROM memberships m JOIN documents d ON d.id = m.document_id WHERE m.collection_id = ?""",
        (collection_id,),
    ).fetchone()
    left = connection.execute("SELECT count(*) FROM unplaced WHERE space_id = ?", (_space(connection, collection_id),))
    return Counts(
        files=sum(states.values()),
        **{state: states.get(state, 0) for state in _STATES},
        documents=documents,
        chunks=chunks,
        text_bytes=text_bytes,
        embedding=left.fetchone()[0],
    )


def _space(connection: sqlite3.Connection, collection_id: int) -> int:
    """The space that is being filled, else the newest; 0 without any."""
    row = connection.execute(
        "SELECT id FROM spaces WHERE collection_id = ? ORDER BY ready, id DESC LIMIT 1", (collection_id,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def _where(state: str, wanted: str, space: int) -> tuple[str, tuple[Any, ...]]:
    stored = "indexed" if state == "embedding" else state
    where = "r.collection_id = ?1 AND (?2 = '' OR f.state = ?2) AND (?3 = '' OR instr(lower(f.path), ?3) > 0)"
    if state == "embedding":
        where += f" AND {_EMBEDDING}"
    elif state == "indexed":
        where += f" AND NOT {_EMBEDDING}"
    else:
        where += " AND ?4 >= 0"  # every statement has the same parameters
    return where, (stored, stored_path(wanted.lower()), space)


def _cursor(after: str) -> tuple[str, int]:
    try:
        path, root = json.loads(after)
        return str(path), int(root)
    except (ValueError, TypeError):
        return "", -1


def _record(connection: sqlite3.Connection, row: tuple[Any, ...], space: int) -> FileRecord:
    number, path, size, state, reason, detail, indexed_at, document, *rest = row
    root_id, collection, root, problem, chunks, kind, language, pages, warnings = rest
    left, copies = _progress(connection, document, collection, space) if document is not None else (0, 1)
    fraction = 1 - left / chunks if chunks else None
    return FileRecord(
        id=number,
        root=RootRow(root_id, collection, real_path(root), problem),
        path=real_path(path),
        size=size,
        state="embedding" if state == "indexed" and left else state,
        reason=reason,
        detail=detail,
        chunks=chunks,
        fraction=fraction,
        kind=kind or "",
        language=language or "",
        pages=pages,
        warnings=tuple(json.loads(warnings or "[]")),
        indexed_at=indexed_at,
        copies=copies - 1,
    )


def _progress(connection: sqlite3.Connection, document: int, collection: int, space: int) -> tuple[int, int]:
    """How many chunks of the document have no vector in place yet, and how many files have it."""
    found = connection.execute(
        """SELECT (SELECT count(*) FROM chunks c CROSS JOIN unplaced u ON u.space_id = ?3 AND u.chunk_id = c.id
                   WHERE c.document_id = ?1),
                  (SELECT count(*) FROM files f JOIN roots r ON r.id = f.root_id
                   WHERE f.document_id = ?1 AND r.collection_id = ?2)""",
        (document, collection, space),
    )
    left, copies = found.fetchone()
    return int(left), int(copies)


def _reasons(connection: sqlite3.Connection, collection_id: int) -> dict[str, int]:
    found = connection.execute(
        """SELECT f.reason, count(*) FROM files f JOIN roots r ON r.id = f.root_id
           WHERE r.collection_id = ? AND f.reason <> '' GROUP BY f.reason ORDER BY 2 DESC""",
        (collection_id,),
    )
    return dict(found.fetchall())
