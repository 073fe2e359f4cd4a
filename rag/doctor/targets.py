"""What a removal takes out: the files it means, and of their contents what nobody else has."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rag.doctor.probes import TEXT_PROBES, VECTOR_PROBES, spread, text_probes, vector_probes
from rag.doctor.types import ReceiptItem
from rag.store.rows import CollectionRow, RootRow
from rag.store.stored_text import real_path
from rag.store.vector_rows import STORED, Ids


@dataclass(frozen=True, slots=True)
class Target:
    """One file to take out."""

    root: RootRow
    path: str
    document_id: int | None

    @property
    def file(self) -> str:
        return str(Path(self.root.path, self.path)) if self.path else self.root.path


@dataclass(frozen=True, slots=True)
class Doomed:
    """What goes, seen before it goes: by it is proven afterwards that it is gone.

    `chunk_ids` are of contents nobody else has, `sole` those of them whose text stands in no other content either;
    `by_collection` has also those that only leave a collection. `texts` and `vectors` are pieces to look for.
    """

    targets: list[Target]
    items: list[ReceiptItem]
    chunk_ids: Ids
    sole: Ids
    by_collection: dict[int, Ids]
    texts: list[str] = field(default_factory=list)
    vectors: list[bytes] = field(default_factory=list)
    vector_count: int = 0


def targets(connection: sqlite3.Connection, collections: Sequence[CollectionRow], paths: Sequence[str]) -> list[Target]:
    """The files of these collections that are, or lie below, one of the absolute `paths`."""
    wanted = [Path(path) for path in paths]
    found = []
    for root in (root for collection in collections for root in collection.roots):
        place = Path(root.path)
        if not any(place.is_relative_to(path) or path.is_relative_to(place) for path in wanted):
            continue
        rows = connection.execute("SELECT path, document_id FROM files WHERE root_id = ? ORDER BY path", (root.id,))
        for stored, document in rows:
            target = Target(root, real_path(stored), document)
            if any(Path(target.file).is_relative_to(path) for path in wanted):
                found.append(target)
    return found


def doomed(connection: sqlite3.Connection, found: Sequence[Target]) -> Doomed:
    """What goes with these files, and by which pieces of it the proof is made."""
    going = {(target.root.id, target.path) for target in found}
    kept: dict[int, str] = {}
    for document in {target.document_id for target in found if target.document_id is not None}:
        kept[document] = _kept_because(connection, document, going)
    items = [_item(connection, target, kept) for target in found]
    ids = _chunk_ids(connection, [document for document, because in kept.items() if not because])
    leaving: dict[int, set[int]] = {}
    for target in found:
        if target.document_id is not None:
            leaving.setdefault(target.root.collection_id, set()).add(target.document_id)
    by_collection = {
        collection: _chunk_ids(connection, [each for each in documents if _leaves(connection, each, collection, going)])
        for collection, documents in leaving.items()
    }
    texts, vectors, count = _probes(connection, ids)
    return Doomed(list(found), items, ids, _sole(connection, ids), by_collection, texts, vectors, count)


def _kept_because(connection: sqlite3.Connection, document: int, going: set[tuple[int, str]]) -> str:
    rows = connection.execute(
        """SELECT r.id, r.path, f.path, c.name FROM files f JOIN roots r ON r.id = f.root_id
           JOIN collections c ON c.id = r.collection_id WHERE f.document_id = ? ORDER BY f.path""",
        (document,),
    )
    for root_id, root, path, name in rows:
        if (root_id, real_path(path)) not in going:
            file = Path(real_path(root), real_path(path)) if path else Path(real_path(root))
            return f"The same content is in {file} (collection {name or 'of a chat'})."
    return ""


def _leaves(connection: sqlite3.Connection, document: int, collection: int, going: set[tuple[int, str]]) -> bool:
    rows = connection.execute(
        """SELECT r.id, f.path FROM files f JOIN roots r ON r.id = f.root_id
           WHERE f.document_id = ? AND r.collection_id = ?""",
        (document, collection),
    )
    return all((root_id, real_path(path)) in going for root_id, path in rows)


def _item(connection: sqlite3.Connection, target: Target, kept: dict[int, str]) -> ReceiptItem:
    if target.document_id is None:
        return ReceiptItem(target.file, 0, 0)
    chunks, vectors = connection.execute(
        """SELECT count(*), coalesce(sum((SELECT count(*) FROM vectors v WHERE v.text_hash = c.text_hash)), 0)
           FROM chunks c WHERE c.document_id = ?""",
        (target.document_id,),
    ).fetchone()
    return ReceiptItem(target.file, chunks, vectors, kept[target.document_id])


def _chunk_ids(connection: sqlite3.Connection, documents: Sequence[int]) -> Ids:
    rows = connection.execute(
        "SELECT c.id FROM json_each(?) j JOIN chunks c ON c.document_id = j.value ORDER BY c.id",
        (json.dumps(list(documents)),),
    )
    return np.fromiter((row[0] for row in rows), np.int64)


def _sole(connection: sqlite3.Connection, ids: Ids) -> Ids:
    """Those of the chunks whose text stays in no other one: their vectors go too."""
    rows = connection.execute(
        """SELECT c.id FROM json_each(?1) j JOIN chunks c ON c.id = j.value
           WHERE NOT EXISTS (SELECT 1 FROM chunks o WHERE o.text_hash = c.text_hash
           AND o.id NOT IN (SELECT value FROM json_each(?1)))""",
        (json.dumps(ids.tolist()),),
    )
    return np.fromiter((row[0] for row in rows), np.int64)


def _probes(connection: sqlite3.Connection, ids: Ids) -> tuple[list[str], list[bytes], int]:
    texts: list[str] = []
    step = max(1, len(ids) // TEXT_PROBES)
    for number in ids[::step].tolist():
        text, header = connection.execute("SELECT text, header FROM chunks WHERE id = ?", (number,)).fetchone()
        texts += [*text_probes(text), *text_probes(header, 1)]
    gone = "FROM json_each(?1) j JOIN chunks c ON c.id = j.value JOIN vectors v ON v.text_hash = c.text_hash"
    wanted = json.dumps(_sole(connection, ids).tolist())
    (count,) = connection.execute(f"SELECT count(DISTINCT v.id) {gone}", (wanted,)).fetchone()
    rows = connection.execute(f"SELECT DISTINCT v.vector {gone} LIMIT ?2", (wanted, VECTOR_PROBES))
    vectors = [
        probe for (blob,) in rows for probe in vector_probes(np.frombuffer(blob, STORED).astype(np.float32)[None])
    ]
    return spread(list(dict.fromkeys(texts)), TEXT_PROBES), vectors, int(count)
