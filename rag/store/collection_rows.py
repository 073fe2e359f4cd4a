"""Collections and roots: what the user added."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from rag.errors import BadCollection, CollectionExists, CollectionNotFound, RootNotFound
from rag.store import lexical
from rag.store.rows import CollectionRow, NewCollectionRow, RootRow
from rag.store.stored_text import real_path, stored_path

_COLUMNS = (
    "id, name, embedder_id, chat_id, rules, next_embedder_id, reranker_id, local_only, watch, paused, created_at,"
    " indexed_at, problem"
)
CHANGEABLE = frozenset(
    (
        *("name", "rules", "embedder_id", "next_embedder_id", "reranker_id", "local_only"),
        *("watch", "paused", "indexed_at", "problem"),
    )
)


def every(connection: sqlite3.Connection, chat_id: str | None) -> list[CollectionRow]:
    """The collections of a chat ("" for those of no chat, None for all), by name."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM collections WHERE ?1 IS NULL OR chat_id = ?1 ORDER BY name, id",  # noqa: S608
        (chat_id,),
    ).fetchall()
    roots = defaultdict(list)
    for row in connection.execute("SELECT id, collection_id, path, problem FROM roots ORDER BY path"):
        roots[row[1]].append(_root(row))
    return [_collection(row, tuple(roots[row[0]])) for row in found]


def one(connection: sqlite3.Connection, collection_id: int) -> CollectionRow:
    """Raises CollectionNotFound."""
    return _found(connection, "id = ?", (collection_id,), str(collection_id))


def by_name(connection: sqlite3.Connection, name: str, chat_id: str) -> CollectionRow:
    """Raises CollectionNotFound."""
    return _found(connection, "name = ? AND chat_id = ?", (name, chat_id), name)


def create(connection: sqlite3.Connection, new: NewCollectionRow, number: int | None = None) -> CollectionRow:
    """Make an empty collection with its lexical index; `number` is its id. Raises CollectionExists, BadCollection."""
    _check_name(new.name)
    values = (number, new.name, new.chat_id, json.dumps(dict(new.rules)), new.embedder_id, new.reranker_id)
    flags = (new.local_only, new.watch, time.time())
    try:
        made = connection.execute(
            """INSERT INTO collections (id, name, chat_id, rules, embedder_id, reranker_id, local_only, watch,
               created_at, next_embedder_id, paused, problem, lexical_version)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, '', 0)""",
            (*values, *flags),
        ).lastrowid
    except sqlite3.IntegrityError as error:
        raise _exists(new.name) from error
    assert made is not None
    lexical.create(connection, made)
    return one(connection, made)


def update(connection: sqlite3.Connection, collection_id: int, changes: Mapping[str, Any]) -> CollectionRow:
    """Change columns of a collection. Raises CollectionNotFound, CollectionExists, BadCollection."""
    one(connection, collection_id)
    if unknown := set(changes) - CHANGEABLE:
        raise ValueError(f"these cannot be changed: {sorted(unknown)}")
    if "name" in changes:
        _check_name(changes["name"])
    for name, value in changes.items():
        stored = json.dumps(dict(value)) if name == "rules" else value
        try:
            connection.execute(f"UPDATE collections SET {name} = ? WHERE id = ?", (stored, collection_id))  # noqa: S608
        except sqlite3.IntegrityError as error:
            raise _exists(str(value)) from error
    return one(connection, collection_id)


def add_root(connection: sqlite3.Connection, collection_id: int, path: str) -> RootRow:
    """Add a folder or file; one that is there already is given back. Raises CollectionNotFound."""
    one(connection, collection_id)
    connection.execute(
        "INSERT OR IGNORE INTO roots (collection_id, path, problem) VALUES (?, ?, '')",
        (collection_id, stored_path(path)),
    )
    found = connection.execute(
        "SELECT id, collection_id, path, problem FROM roots WHERE collection_id = ? AND path = ?",
        (collection_id, stored_path(path)),
    )
    return _root(found.fetchone())


def root(connection: sqlite3.Connection, root_id: int) -> RootRow:
    """Raises RootNotFound."""
    row = connection.execute("SELECT id, collection_id, path, problem FROM roots WHERE id = ?", (root_id,)).fetchone()
    if row is None:
        raise RootNotFound("This folder is in no collection.", hint="Add it again.")
    return _root(row)


def set_root_problem(connection: sqlite3.Connection, root_id: int, problem: str) -> None:
    """Note why a root cannot be read now, "" when it can."""
    connection.execute("UPDATE roots SET problem = ? WHERE id = ? AND problem <> ?1", (problem, root_id))


def _found(connection: sqlite3.Connection, where: str, values: tuple[Any, ...], name: str) -> CollectionRow:
    row = connection.execute(f"SELECT {_COLUMNS} FROM collections WHERE {where}", values).fetchone()  # noqa: S608
    if row is None:
        raise CollectionNotFound(f"There is no collection “{name}”.", hint="`jackdaw files collections` shows all.")
    found = connection.execute(
        "SELECT id, collection_id, path, problem FROM roots WHERE collection_id = ? ORDER BY path", (row[0],)
    )
    return _collection(row, tuple(_root(each) for each in found))


def _collection(row: tuple[Any, ...], roots: tuple[RootRow, ...]) -> CollectionRow:
    number, name, embedder, chat, rules, following, reranker, local, watch, paused, created, indexed, problem = row
    return CollectionRow(
        id=number,
        name=name,
        embedder_id=embedder,
        chat_id=chat,
        rules=json.loads(rules),
        next_embedder_id=following,
        reranker_id=reranker,
        local_only=bool(local),
        watch=bool(watch),
        paused=bool(paused),
        created_at=created,
        indexed_at=indexed,
        problem=problem,
        roots=roots,
    )


def _root(row: tuple[Any, ...]) -> RootRow:
    found = RootRow(*row)
    return dataclasses.replace(found, path=real_path(found.path))


def _check_name(name: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > 80 or not name.isprintable() or set(name) & set("/@\\"):
        raise BadCollection(
            f"“{name[:80]}” cannot name a collection.",
            hint="Use 1 to 80 characters without /, \\ and @, with none of them blank at the ends.",
        )


def _exists(name: str) -> CollectionExists:
    return CollectionExists(f"There is a collection “{name}” already.", hint="Choose another name.")
