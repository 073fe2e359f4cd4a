"""Checks, evidence, receipts, embedders the user added, and single facts.

Evidence is what led to an answer, with the texts of its passages: it goes when one of its files does. Receipts name
files and hold none of their text.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rag.errors import CheckNotFound
from rag.store.rows import CheckRow
from rag.store.stored_text import stored_path, stored_text

EVIDENCE_KEPT = 200
RECEIPTS_KEPT = 500

Record = dict[str, Any]


def put_evidence(
    connection: sqlite3.Connection, evidence_id: str, record: Mapping[str, Any], files: Iterable[str]
) -> None:
    """Keep a record with the absolute paths of the files whose text it holds; the oldest ones beyond the limit go."""
    number = connection.execute(
        "INSERT OR REPLACE INTO evidence (id, record, created_at) VALUES (?, ?, ?)",
        (evidence_id, stored_text(json.dumps(dict(record), ensure_ascii=False)), time.time()),
    ).lastrowid
    connection.executemany(
        "INSERT OR IGNORE INTO evidence_files VALUES (?, ?)", ((number, stored_path(file)) for file in files)
    )
    connection.execute("DELETE FROM evidence WHERE number <= (SELECT max(number) FROM evidence) - ?", (EVIDENCE_KEPT,))


def evidence(connection: sqlite3.Connection, evidence_id: str) -> Record | None:
    """One record."""
    row = connection.execute("SELECT record FROM evidence WHERE id = ?", (evidence_id,)).fetchone()
    return None if row is None else json.loads(row[0])


def evidence_about(connection: sqlite3.Connection, files: Iterable[str]) -> list[Record]:
    """The records that hold text of one of these files (absolute paths)."""
    found = connection.execute(
        f"SELECT record FROM evidence WHERE number IN ({_ABOUT})",  # noqa: S608
        (_paths(files),),
    )
    return [json.loads(record) for (record,) in found]


def remove_evidence(connection: sqlite3.Connection, files: Iterable[str]) -> int:
    """Delete the records that hold text of one of these files (absolute paths); how many."""
    return connection.execute(
        f"DELETE FROM evidence WHERE number IN ({_ABOUT})",  # noqa: S608
        (_paths(files),),
    ).rowcount


def put_receipt(connection: sqlite3.Connection, receipt_id: str, record: Mapping[str, Any]) -> None:
    """Keep a receipt; the oldest ones beyond the limit go."""
    connection.execute(
        "INSERT INTO receipts (id, record, created_at) VALUES (?, ?, ?)",
        (receipt_id, json.dumps(dict(record)), time.time()),
    )
    connection.execute("DELETE FROM receipts WHERE number <= (SELECT max(number) FROM receipts) - ?", (RECEIPTS_KEPT,))


def receipts(connection: sqlite3.Connection, limit: int) -> list[Record]:
    """The newest receipts first."""
    found = connection.execute("SELECT record FROM receipts ORDER BY number DESC LIMIT ?", (limit,))
    return [json.loads(record) for (record,) in found]


def put_embedder(connection: sqlite3.Connection, embedder_id: str, record: Mapping[str, Any]) -> None:
    """Keep an embedder the user added, or change it."""
    connection.execute("INSERT OR REPLACE INTO embedders VALUES (?, ?)", (embedder_id, json.dumps(dict(record))))


def remove_embedder(connection: sqlite3.Connection, embedder_id: str) -> None:
    """Forget an embedder the user added."""
    connection.execute("DELETE FROM embedders WHERE id = ?", (embedder_id,))


def embedders(connection: sqlite3.Connection) -> dict[str, Record]:
    """The embedders the user added, by id."""
    found = connection.execute("SELECT id, record FROM embedders ORDER BY id")
    return {name: json.loads(record) for name, record in found}


def checks(connection: sqlite3.Connection, collection_id: int | None) -> list[CheckRow]:
    """The checks of one collection, or all."""
    found = connection.execute(
        """SELECT id, name, collection_id, query, settings, expected, passed, message, ran_at FROM checks
           WHERE ?1 IS NULL OR collection_id = ?1 ORDER BY id""",
        (collection_id,),
    )
    return [_check(row) for row in found]


def add_check(
    connection: sqlite3.Connection,
    name: str,
    collection_id: int,
    query: str,
    *,
    settings: Mapping[str, Any],
    expected: Sequence[str],
) -> CheckRow:
    """Keep a check that has not run yet."""
    number = connection.execute(
        "INSERT INTO checks (name, collection_id, query, settings, expected, message) VALUES (?, ?, ?, ?, ?, '')",
        (name, collection_id, stored_text(query), json.dumps(dict(settings)), json.dumps(list(expected))),
    ).lastrowid
    assert number is not None
    return CheckRow(number, name, collection_id, query, dict(settings), tuple(expected))


def set_check_result(connection: sqlite3.Connection, check_id: int, passed: bool, message: str) -> None:
    """Note how a check ended now. Raises CheckNotFound."""
    done = connection.execute(
        "UPDATE checks SET passed = ?, message = ?, ran_at = ? WHERE id = ?", (passed, message, time.time(), check_id)
    )
    _found(done, check_id)


def remove_check(connection: sqlite3.Connection, check_id: int) -> int:
    """Returns the id of the collection it was of. Raises CheckNotFound."""
    row = connection.execute("SELECT collection_id FROM checks WHERE id = ?", (check_id,)).fetchone()
    _found(connection.execute("DELETE FROM checks WHERE id = ?", (check_id,)), check_id)
    return int(row[0])


def fact(connection: sqlite3.Connection, name: str) -> str:
    """A single value, "" when there is none."""
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def put_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a single value."""
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


_ABOUT = "SELECT e.evidence FROM json_each(?) j JOIN evidence_files e ON e.file = j.value"


def _paths(files: Iterable[str]) -> str:
    return json.dumps([stored_path(file) for file in files])


def _found(done: sqlite3.Cursor, check_id: int) -> None:
    if not done.rowcount:
        raise CheckNotFound(f"There is no check {check_id}.", hint="`jackdaw files checks` shows all.")


def _check(row: tuple[Any, ...]) -> CheckRow:
    number, name, collection, query, settings, expected, passed, message, ran_at = row
    return CheckRow(
        number,
        name,
        collection,
        query,
        json.loads(settings),
        tuple(json.loads(expected)),
        None if passed is None else bool(passed),
        message,
        ran_at,
    )
