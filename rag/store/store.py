"""`FileStore`: files.db as the rest of the package asks it. What each call does stands in the module it names."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from models.database import Database
from models.errors import DatabaseCorrupt, DatabaseTooNew
from rag.errors import IndexTooNew
from rag.store import (
    changes,
    collection_rows,
    collections_copy,
    documents,
    lexical,
    listing,
    passages,
    records,
    salvage,
    vector_rows,
)
from rag.store.rows import (
    Applied,
    CheckRow,
    CollectionRow,
    Counts,
    DocumentRow,
    FileChange,
    FileRecords,
    FileRef,
    KnownFile,
    MissingVector,
    NewCollectionRow,
    RootRow,
    Space,
    StoredChunk,
)
from rag.store.schema import MIGRATIONS, TUNING
from rag.store.vector_rows import Ids, Placement
from rag.store.write_log import WriteLog
from rag.types import EmbedderIdentity, Vectors

log = logging.getLogger(__name__)

_MARK = "mark"
_REPLACED = "replaced"  # fact: what is told of a damaged database whose place this one took

T = TypeVar("T")


class FileStore:
    """Made by `FileStore.open`. All calls may be made at the same time; writes run one after the other.

    Besides what each call names, all raise DatabaseBusy, DiskFull and DatabaseCorrupt (models/errors.py), with nothing
    written. `database` is for reading where no call fits; the tables are described in rag/store/schema.py.
    """

    def __init__(self, database: Database, mark: str) -> None:
        self.database = database
        self.log = WriteLog(database)
        self._copy = collections_copy.copy_of(database.path)
        self.mark = mark  # of this database: its spaces are not those of another one in the same place

    @classmethod
    async def open(cls, path: Path) -> FileStore:
        """Open the index, or make an empty one.

        A damaged one is moved to `….corrupt-1` (one is kept). What the user had added is taken over into the empty one
        in its place, from a copy (rag/store/collections_copy.py) and from what can be read of the damaged one; `told`
        says so. Its files are then to be read again: the collections say so by their `problem`.
        Raises IndexTooNew, DatabaseBusy, DiskFull.
        """
        damaged: Path | None = None
        try:
            database = await Database.open(path, MIGRATIONS, tuning=TUNING)
        except DatabaseTooNew as error:
            raise IndexTooNew(error.message, hint=error.hint) from error
        except DatabaseCorrupt as error:
            log.warning("%s Its collections are taken over into an empty index.", error.message)
            damaged = await salvage.move_aside(path)
            database = await Database.open(path, MIGRATIONS, tuning=TUNING)
        mark = await database.write(lambda connection: _begin(connection, path, damaged), durable=True)
        store = cls(database, mark)
        await store._write_copy()
        return store

    async def told(self) -> str:
        """That the index was damaged and what became of it, in a sentence, while the damaged one is still there."""
        kept = await asyncio.to_thread(salvage.quarantined, self.database.path)
        return await self.fact(_REPLACED) if kept else ""

    async def close(self) -> None:
        """Wait for what runs, then close."""
        await self.log.close()
        await self.database.close()

    # Collections and roots: rag/store/collection_rows.py. What the user said is on the disk when these return.

    async def collections(self, chat_id: str | None = "") -> list[CollectionRow]:
        """Those of a chat, "" for those of no chat, None for all; by name."""
        return await self.database.read(lambda c: collection_rows.every(c, chat_id))

    async def collection(self, collection_id: int) -> CollectionRow:
        """Raises CollectionNotFound."""
        return await self.database.read(lambda c: collection_rows.one(c, collection_id))

    async def by_name(self, name: str, chat_id: str = "") -> CollectionRow:
        """Raises CollectionNotFound."""
        return await self.database.read(lambda c: collection_rows.by_name(c, name, chat_id))

    async def create_collection(self, new: NewCollectionRow) -> CollectionRow:
        """Raises CollectionExists, BadCollection."""
        return await self._said(lambda c: collection_rows.create(c, new))

    async def update_collection(self, collection_id: int, **columns: Any) -> CollectionRow:
        """Change columns by their names in CollectionRow: `name="x", paused=True`.

        Raises CollectionNotFound, CollectionExists, BadCollection.
        """
        if not columns.keys() & collections_copy.KEPT:
            return await self.database.write(lambda c: collection_rows.update(c, collection_id, columns), durable=True)
        return await self._said(lambda c: collection_rows.update(c, collection_id, columns))

    async def remove_collection(self, collection_id: int) -> Applied:
        """Remove it with everything that is of it alone; its Chroma spaces are the caller's (see `spaces`).

        What is proven gone is made by rag/doctor/removal.py.
        """
        return await self._said(lambda c: changes.remove_collection(c, collection_id))

    async def add_root(self, collection_id: int, path: str) -> RootRow:
        """Add an absolute path; one that is there already is given back. Raises CollectionNotFound."""
        return await self._said(lambda c: collection_rows.add_root(c, collection_id, path))

    async def root(self, root_id: int) -> RootRow:
        """Raises RootNotFound."""
        return await self.database.read(lambda c: collection_rows.root(c, root_id))

    async def remove_root(self, root_id: int) -> Applied:
        """Remove a root with its files and all that is of them alone."""
        return await self._said(lambda c: changes.remove_root(c, root_id))

    async def set_root_problem(self, root_id: int, problem: str) -> None:
        """Note why a root cannot be read now; "" when it can."""
        await self.database.write(lambda c: collection_rows.set_root_problem(c, root_id, problem))

    # Files: rag/store/changes.py

    async def known_files(self, root_id: int) -> dict[str, KnownFile]:
        """Every file of a root by its relative path: 20,000 take about 0.1 s."""
        return await self.database.read(lambda c: changes.known_files(c, root_id))

    async def apply(self, batch: Sequence[FileChange]) -> Applied:
        """Make these changes in one transaction: files, documents, chunks, lexical rows, what is still to be placed.

        A batch costs one commit; some dozens of files, or 2,000 chunks, are a good size. Old chunks of a file answer
        until this returns.
        """
        applied = await self.database.write(lambda c: changes.apply(c, batch))
        if applied.chunks_removed or applied.documents_removed:
            self.log.note_deletion()
        return applied

    async def document_by_hash(self, sha256: bytes, variant: str, parser_version: int) -> int | None:
        """The document that this content is, when it was read before."""
        return await self.database.read(lambda c: documents.by_hash(c, sha256, variant, parser_version))

    async def document(self, document_id: int) -> DocumentRow | None:
        """The facts of a document."""
        return await self.database.read(lambda c: documents.one(c, document_id))

    async def file_page(
        self, collection_id: int, state: str = "", wanted: str = "", after: str = "", limit: int = 200
    ) -> FileRecords:
        """Files by path; `wanted` is a part of it. See rag/store/listing.py."""
        return await self.database.read(
            lambda c: listing.page(c, collection_id, state, wanted, after=after, limit=limit)
        )

    async def counts(self, collection_id: int) -> Counts:
        """What a collection holds."""
        return await self.database.read(lambda c: listing.counts(c, collection_id))

    # Passages: rag/store/passages.py

    async def chunks(self, ids: Sequence[int], collection_id: int | None = None) -> list[StoredChunk]:
        """Those of these chunks that a file (of the collection) has, in the order of `ids`."""
        return await self.database.read(lambda c: passages.by_ids(c, ids, collection_id))

    async def document_chunks(
        self, document_id: int, first: int = 0, last: int = 1 << 60, collection_id: int | None = None
    ) -> list[StoredChunk]:
        """The chunks of a document with ordinals `first` to `last`, both included, in order."""
        return await self.database.read(lambda c: passages.of_document(c, document_id, first, last, collection_id))

    async def files_of(
        self, document_ids: Iterable[int], collection_id: int | None = None
    ) -> dict[int, tuple[FileRef, ...]]:
        """The files that have these documents."""
        return await self.database.read(lambda c: passages.files_of(c, document_ids, collection_id))

    async def document_of_file(self, root: str, path: str) -> int | None:
        """The document of a file, given by its root and its relative path."""
        return await self.database.read(lambda c: passages.document_of_file(c, root, path))

    # Vectors: rag/store/vector_rows.py

    async def open_space(self, collection_id: int, identity: EmbedderIdentity) -> Space:
        """The space of a collection by an embedder. A new one is not `ready`: all its chunks are unplaced."""
        return await self.database.write(lambda c: vector_rows.open_space(c, collection_id, identity, self.mark))

    async def spaces(self, collection_id: int | None = None) -> list[Space]:
        """The spaces of one collection or of all, oldest first."""
        return await self.database.read(lambda c: vector_rows.spaces(c, collection_id, self.mark))

    async def space_identity(self, space_id: int) -> EmbedderIdentity | None:
        """The embedder of a space."""
        return await self.database.read(lambda c: vector_rows.identity_of(c, space_id))

    async def drop_space(self, space_id: int) -> None:
        """Forget a space; the vectors of its embedder go with its last space. Chroma's part is the caller's."""
        await self.database.write(lambda c: vector_rows.drop_space(c, space_id))

    async def switch_embedder(self, collection_id: int, embedder_id: str, space: Space) -> list[Space]:
        """Let another space answer for a collection from now on; the others, given back, are forgotten at once.

        Chroma's part of them is the caller's. Raises CollectionNotFound.
        """
        return await self._said(lambda c: vector_rows.switch(c, collection_id, embedder_id, space, mark=self.mark))

    async def missing_vectors(self, space: Space, limit: int = 1024, after: int = 0) -> list[MissingVector]:
        """Chunks of the space that are to be embedded, in the order of their ids, equal texts once."""
        return await self.database.read(lambda c: vector_rows.missing(c, space, limit, after))

    async def put_vectors(self, embedder_key: str, hashes: Sequence[bytes], vectors: Vectors) -> None:
        """Keep vectors (float32, one row per text hash). Raises EmbeddingMismatch for other dimensions.

        Then place them: VectorIndex.place.
        """
        await self.database.write(lambda c: vector_rows.put(c, embedder_key, hashes, vectors))

    async def placement(self, space: Space, limit: int = 2048, up_to: int | None = None) -> Placement:
        """What Chroma is to be given next for this space; `up_to` is the highest chunk id that is looked at."""
        return await self.database.read(lambda c: vector_rows.placement(c, space, limit, up_to))

    async def placed(self, space: Space, done: Placement) -> bool:
        """Chroma has acknowledged `done`; whether the space is complete now."""
        return await self.database.write(lambda c: vector_rows.placed(c, space, done))

    async def vectors(self, space: Space, chunk_ids: Sequence[int]) -> tuple[Ids, Vectors]:
        """Ids of those chunks that have a vector, in no order, and float32 rows for them."""
        return await self.database.read(
            lambda c: vector_rows.vectors_of(c, space.embedder_key, chunk_ids, space.dimensions)
        )

    async def wanted_ids(self, space: Space) -> Ids:
        """Ascending ids of all chunks Chroma should have in this space."""
        return await self.database.read(lambda c: vector_rows.wanted_ids(c, space))

    async def count_wanted(self, space: Space) -> int:
        """How many chunks Chroma should have in this space."""
        return await self.database.read(lambda c: vector_rows.count_wanted(c, space))

    async def sample_vectors(self, space: Space, size: int) -> Vectors:
        """Up to `size` vectors from all over the space."""
        return await self.database.read(lambda c: vector_rows.sample(c, space, size))

    async def iter_vectors(self, space: Space, size: int = 2048) -> AsyncIterator[tuple[Ids, Vectors]]:
        """All vectors of a space, some at a time; what changes meanwhile may be missed."""
        ids = await self.wanted_ids(space)
        for start in range(0, len(ids), size):
            yield await self.vectors(space, ids[start : start + size].tolist())

    async def note_unplaced(self, space: Space, chunk_ids: Sequence[int]) -> None:
        """Have these chunks looked at again: put into the space, or taken out of it."""
        await self.database.write(lambda c: vector_rows.note(c, space, chunk_ids))

    async def note_all_unplaced(self, space: Space) -> None:
        """Have every chunk of the space placed again."""
        await self.database.write(lambda c: vector_rows.note_all(c, space))

    # Checks, evidence, receipts, embedders: rag/store/records.py

    async def put_evidence(self, evidence_id: str, record: Mapping[str, Any], files: Iterable[str]) -> None:
        """Keep what led to an answer, with the absolute paths of all files whose text it holds; the newest 200 stay."""
        await self.database.write(lambda c: records.put_evidence(c, evidence_id, record, files))

    async def evidence(self, evidence_id: str) -> dict[str, Any] | None:
        """One record, None when it is gone."""
        return await self.database.read(lambda c: records.evidence(c, evidence_id))

    async def put_receipt(self, receipt_id: str, record: Mapping[str, Any]) -> None:
        """Keep a receipt of a removal."""
        await self.database.write(lambda c: records.put_receipt(c, receipt_id, record), durable=True)

    async def receipts(self, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first."""
        return await self.database.read(lambda c: records.receipts(c, limit))

    async def put_embedder(self, embedder_id: str, record: Mapping[str, Any]) -> None:
        """Keep an embedder the user added."""
        await self.database.write(lambda c: records.put_embedder(c, embedder_id, record), durable=True)

    async def remove_embedder(self, embedder_id: str) -> None:
        """Forget an embedder the user added."""
        await self.database.write(lambda c: records.remove_embedder(c, embedder_id), durable=True)

    async def embedders(self) -> dict[str, dict[str, Any]]:
        """The embedders the user added, by id."""
        return await self.database.read(records.embedders)

    async def checks(self, collection_id: int | None = None) -> list[CheckRow]:
        """The checks of one collection, or all."""
        return await self.database.read(lambda c: records.checks(c, collection_id))

    async def add_check(
        self, name: str, collection_id: int, query: str, settings: Mapping[str, Any], expected: Sequence[str]
    ) -> CheckRow:
        """Keep a check."""
        return await self.database.write(
            lambda c: records.add_check(c, name, collection_id, query, settings=settings, expected=expected),
            durable=True,
        )

    async def set_check_result(self, check_id: int, passed: bool, message: str) -> None:
        """Note how a check ended now. Raises CheckNotFound."""
        await self.database.write(lambda c: records.set_check_result(c, check_id, passed, message))

    async def remove_check(self, check_id: int) -> int:
        """Returns the id of the collection it was of. Raises CheckNotFound."""
        return await self.database.write(lambda c: records.remove_check(c, check_id), durable=True)

    async def fact(self, name: str) -> str:
        """A single value by its name, "" when there is none."""
        return await self.database.read(lambda c: records.fact(c, name))

    async def put_fact(self, name: str, value: str) -> None:
        """Keep a single value."""
        await self.database.write(lambda c: records.put_fact(c, name, value))

    async def _said(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Write what the user said, then the copy of that."""
        done = await self.database.write(change, durable=True)
        await self._write_copy()
        return done

    async def _write_copy(self) -> None:
        await self.database.maintain(lambda connection: collections_copy.write(connection, self._copy))


def _begin(connection: sqlite3.Connection, path: Path, damaged: Path | None) -> str:
    """What is done at each start: indexes of an older tokenization are made anew, a new database gets its mark."""
    if not records.fact(connection, _MARK):
        _take_over(connection, path, damaged)
        records.put_fact(connection, _MARK, f"s{secrets.token_hex(4)}")
    lexical.rebuild_outdated(connection)
    return records.fact(connection, _MARK)


def _take_over(connection: sqlite3.Connection, path: Path, damaged: Path | None) -> None:
    """Fill a new database with what the user had said to the one before it."""
    collections_copy.put_back(connection, collections_copy.read(collections_copy.copy_of(path)))
    if damaged is not None:
        salvage.take_over(connection, damaged)
    numbers = [row.id for row in collection_rows.every(connection, None)]
    for number in numbers:
        anew = {"problem": collections_copy.READ_AGAIN, "indexed_at": None, "next_embedder_id": ""}
        collection_rows.update(connection, number, anew)
    if damaged is not None:
        records.put_fact(connection, _REPLACED, _replaced(damaged, len(numbers)))


def _replaced(damaged: Path, collections: int) -> str:
    done = {
        0: "No collection of it could be put back: add your folders again.",
        1: "Its collection was put back, and the files are read again.",
    }.get(collections, f"Its {collections} collections were put back, and the files are read again.")
    return f"The index was damaged and is kept as {damaged.name}. {done}"
