"""A copy of what the user said of collections, beside files.db: when that is lost or damaged, it puts them back.

Names, folders, rules and choices only, nothing of what is in the files. It is written anew after every change, so that
a collection that was removed stands in it no longer.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.durable import sync
from rag.errors import CollectionExists, RagError
from rag.store import collection_rows
from rag.store.rows import CollectionRow, NewCollectionRow

log = logging.getLogger(__name__)

VERSION = 1
_SAID = ("name", "chat_id", "rules", "embedder_id", "reranker_id", "local_only", "watch", "paused")
KEPT = frozenset(_SAID)
# Of a collection, until its files are read again.
READ_AGAIN = "The index was lost or damaged and is being made anew: the files are read again."


@dataclass(frozen=True, slots=True)
class KeptCollection:
    """One collection of the copy; `roots` are absolute paths."""

    id: int
    paused: bool
    said: NewCollectionRow
    roots: tuple[str, ...]


def copy_of(database: Path) -> Path:
    """Where the copy lies."""
    return database.with_name(f"{database.stem}-collections.json")


def write(connection: sqlite3.Connection, path: Path) -> None:
    """Make the copy say what the database says. One that cannot be written is deleted: it would name what is gone."""
    rows = [_kept(row) for row in collection_rows.every(connection, None)]
    text = json.dumps({"version": VERSION, "collections": rows}, indent=1)
    try:
        if not rows:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            _replace(path, text)
    except (OSError, ValueError) as error:
        log.warning("the copy of the collections was not written: %s", error)
        for file in (_part(path), path):
            file.unlink(missing_ok=True)


def read(path: Path) -> list[KeptCollection]:
    """What the copy says; [] without one. What cannot be understood in it is left out."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        entries = stored["collections"] if stored["version"] == VERSION else []
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the copy of the collections cannot be read: %s", error)
        return []
    found = []
    for entry in entries if isinstance(entries, list) else ():
        try:
            found.append(_understood(entry))
        except (KeyError, TypeError, ValueError) as error:
            log.warning("a collection in the copy cannot be understood: %s", error)
    return found


def put_back(connection: sqlite3.Connection, kept: list[KeptCollection]) -> None:
    """Make these collections, with their old ids: jobs and checks know them by those."""
    for one in kept:
        try:
            made = collection_rows.create(connection, one.said, one.id)
        except CollectionExists:
            continue
        except RagError as error:
            log.warning("a collection of the copy was not made: %s", error)
            continue
        if one.paused:
            collection_rows.update(connection, made.id, {"paused": True})
        for root in one.roots:
            collection_rows.add_root(connection, made.id, root)


def _kept(row: CollectionRow) -> dict[str, Any]:
    said = {name: value for name, value in asdict(row).items() if name in KEPT}
    return {"id": row.id, **said, "roots": [root.path for root in row.roots]}


def _understood(entry: dict[str, Any]) -> KeptCollection:
    said = NewCollectionRow(
        name=_typed(entry["name"], str),
        embedder_id=_typed(entry["embedder_id"], str),
        chat_id=_typed(entry["chat_id"], str),
        rules=_typed(entry["rules"], dict),
        reranker_id=_typed(entry["reranker_id"], str),
        local_only=_typed(entry["local_only"], bool),
        watch=_typed(entry["watch"], bool),
    )
    roots = tuple(_typed(root, str) for root in _typed(entry["roots"], list))
    return KeptCollection(_typed(entry["id"], int), _typed(entry["paused"], bool), said, roots)


def _typed(value: Any, kind: type[Any]) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} expected")
    return value


def _replace(path: Path, text: str) -> None:
    part = _part(path)
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    sync(part)
    part.replace(path)
    sync(path.parent)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")
