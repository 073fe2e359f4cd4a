"""Takes files out of the index so that nothing of them is left, and shows it.

Deleting a row leaves its bytes in many places: in free pages and the log of SQLite, in segments of the lexical index
that are not merged yet, in records of why an answer was given, in Chroma's own log and graph. Each is cleaned here,
then all files of the index are searched for pieces of what was removed. Chats keep what they quoted: they are no index.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from models.errors import DatabaseBusy
from rag.doctor import proof
from rag.doctor.targets import Doomed, doomed, targets
from rag.doctor.types import Receipt
from rag.errors import VectorsBroken
from rag.scan.patterns import rule_for
from rag.store import lexical, records, salvage
from rag.store.rows import Applied, CollectionRow, FileChange, Removed, Space
from rag.store.store import FileStore
from rag.vectors import quarantine
from rag.vectors.index import VectorIndex

log = logging.getLogger(__name__)

VACUUM_BELOW_BYTES = 256 << 20  # larger ones are written anew only when that is needed
TRIES = 3
CHECKPOINT_S = 10.0

# Applies changes of a collection's files so that no run of the indexer that began before brings them back.
Apply = Callable[[int, Sequence[FileChange]], Awaitable[Applied]]


class Removal:
    """Removes, cleans and proves. One removal at a time."""

    def __init__(self, store: FileStore, vectors: VectorIndex, apply: Apply) -> None:
        self._store = store
        self._vectors = vectors
        self._apply = apply
        self._alone = asyncio.Lock()

    async def remove_paths(self, collection_ids: Sequence[int], paths: Sequence[str]) -> Receipt:
        """Take files, and what lies below folders, out of these collections. A root that is named goes with its files;
        what lies below a root is left out by the collection's rules from now on. Raises CollectionNotFound, DiskFull.
        """
        async with self._alone:
            began = time.monotonic()
            collections = [await self._store.collection(number) for number in collection_ids]
            gone = await self._store.database.read(lambda c: doomed(c, targets(c, collections, paths)))
            rows = await self._stored_rows(gone)
            for collection in collections:
                await self._leave_out(collection, paths)
                await self._remove(collection, gone, paths)
            return await self._receipt(gone, rows, [each.id for each in collections], began)

    async def remove_collection(self, collection_id: int) -> Receipt:
        """Take a whole collection out. Raises CollectionNotFound, DiskFull."""
        async with self._alone:
            began = time.monotonic()
            collection = await self._store.collection(collection_id)
            roots = [root.path for root in collection.roots]
            gone = await self._store.database.read(lambda c: doomed(c, targets(c, [collection], roots)))
            rows = await self._stored_rows(gone)
            spaces = await self._store.spaces(collection_id)
            await self._store.remove_collection(collection_id)
            for space in spaces:
                with contextlib.suppress(VectorsBroken):
                    await self._vectors.drop(space.name)
            return await self._receipt(gone, rows, [], began)

    async def _remove(self, collection: CollectionRow, gone: Doomed, paths: Sequence[str]) -> None:
        mine = [target for target in gone.targets if target.root.collection_id == collection.id]
        await self._apply(collection.id, [Removed(target.root.id, target.path) for target in mine])
        for root in collection.roots:
            if any(Path(root.path).is_relative_to(path) for path in paths):
                await self._store.remove_root(root.id)

    async def _leave_out(self, collection: CollectionRow, paths: Sequence[str]) -> None:
        """Otherwise the next look at the folder would bring back what the user took out."""
        there = await asyncio.to_thread(lambda: [Path(path) for path in paths if os.path.lexists(path)])
        below = [
            path.as_posix()
            for path in there
            if any(path.is_relative_to(root.path) and path != Path(root.path) for root in collection.roots)
        ]
        before = list(collection.rules.get("exclude", ()))
        # By the whole path: another root may have a file of the same name.
        added = [rule for path in below if (rule := rule_for(path)) not in before]
        if added:
            rules = {**collection.rules, "exclude": [*before, *dict.fromkeys(added)]}
            await self._store.update_collection(collection.id, rules=rules)

    async def _stored_rows(self, gone: Doomed) -> list[bytes]:
        """The removed vectors as Chroma's files hold them."""
        rows: list[bytes] = []
        with contextlib.suppress(VectorsBroken):
            for space in await self._store.spaces():
                for start in range(0, len(gone.sole), 1000):
                    part = gone.sole[start : start + 1000]
                    _, held = await self._vectors.vectors(space.name, part)
                    _, given = await self._store.vectors(space, part.tolist())
                    rows += [row.tobytes() for matrix in (held, given) for row in matrix if row.any()]
        return rows

    async def _receipt(self, gone: Doomed, rows: list[bytes], collections: Sequence[int], began: float) -> Receipt:
        files = [target.file for target in gone.targets]
        await self._store.database.write(lambda c: records.remove_evidence(c, files), durable=True)
        await self._clean(gone, rows, collections)
        found = await self._search_bytes(gone)
        for _ in range(TRIES):
            if not found:
                break
            log.info(
                "traces of what was removed are in %s", sorted({name for names in found.values() for name in names})
            )
            await self._clean_harder(collections)
            found = await self._search_bytes(gone)
        by_search = await self._store.database.read(lambda c: proof.found_by_search(c, gone, collections))
        receipt = _made(gone, by_search + await self._in_vectors(gone, collections), len(found), began)
        receipt = replace(receipt, files_checked=[str(file) for file in await asyncio.to_thread(self._files)])
        await self._store.put_receipt(receipt.id, asdict(receipt))
        return receipt

    async def _clean(self, gone: Doomed, rows: list[bytes], collections: Sequence[int]) -> None:
        await asyncio.to_thread(self.drop_quarantined)
        with contextlib.suppress(VectorsBroken):  # it is made anew from what is left
            for space in await self._spaces(collections):
                await self._vectors.place(space)
            await self._vectors.compact(rows)
        for collection in collections:
            await self._store.database.write(lambda c, number=collection: lexical.merge(c, number))  # type: ignore[misc]
        await self._store.database.maintain(_vacuum_small)

    async def _clean_harder(self, collections: Sequence[int]) -> None:
        """Write the whole database anew, and make the collections' vector spaces anew."""
        await self._store.database.maintain(_vacuum)
        with contextlib.suppress(VectorsBroken):
            for space in await self._spaces(collections):
                await self._vectors.drop(space.name)
                await self._store.note_all_unplaced(space)
                await self._vectors.place(space)
            await self._vectors.compact()

    async def _search_bytes(self, gone: Doomed) -> dict[bytes, list[str]]:
        files = await asyncio.to_thread(self._files)
        found = await asyncio.to_thread(proof.found_in_bytes, files, gone.texts, gone.vectors)
        bad = await self._store.database.read(lambda c: proof.unexplained(c, found, gone))
        return {piece: found[piece] for piece in bad}

    async def _in_vectors(self, gone: Doomed, collections: Sequence[int]) -> int:
        found = 0
        with contextlib.suppress(VectorsBroken):
            for space in await self._spaces(collections):
                ids = gone.by_collection.get(space.collection_id)
                if ids is not None:
                    found += proof.still_there(ids, await self._vectors.ids(space.name))
        return found

    async def _spaces(self, collections: Sequence[int]) -> list[Space]:
        return [space for number in collections for space in await self._store.spaces(number)]

    def _files(self) -> list[Path]:
        return proof.index_files(self._store.database.path, self._vectors.folder)

    def drop_quarantined(self) -> None:
        """Delete what was moved aside when it was damaged. Blocking."""
        for file in salvage.quarantined(self._store.database.path):
            file.unlink(missing_ok=True)
        quarantine.drop(self._vectors.folder)


def _made(gone: Doomed, by_search: int, in_bytes: int, began: float) -> Receipt:
    removed = [item for item in gone.items if not item.kept_because]
    proven = by_search == 0 and in_bytes == 0
    return Receipt(
        id=secrets.token_hex(8),
        items=gone.items,
        files=len(gone.items),
        chunks=len(gone.chunk_ids),
        vectors=gone.vector_count,
        probes=len(gone.texts) + len(gone.vectors),
        found_by_search=by_search,
        found_in_bytes=in_bytes,
        proven=proven,
        files_checked=[],
        message=_message(len(gone.items), len(gone.items) - len(removed), proven),
        created_at=time.time(),
        took_ms=(time.monotonic() - began) * 1000,
    )


def _message(files: int, kept: int, proven: bool) -> str:
    if not files:
        return "None of this was in the index."
    noun = "file was" if files == 1 else "files were"
    words = f"{files} {noun} taken out of the index. "
    if kept:
        words += f"The content of {kept} stays, because other files have it. "
    if proven:
        words += "Nothing of the rest is found by search or in the bytes of the index. "
    else:
        words += "Traces were still found: run `jackdaw files doctor --repair`, then look again. "
    return words + "Chats keep what they quoted."


def _vacuum_small(connection: sqlite3.Connection) -> None:
    """Write a small database anew, or one that is a quarter free; empty the log."""
    (pages,), (free,), (size,) = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
    )
    if pages * size < VACUUM_BELOW_BYTES or free > pages // 4:
        connection.execute("VACUUM")
    _empty_log(connection)


def _vacuum(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    _empty_log(connection)


def _empty_log(connection: sqlite3.Connection) -> None:
    """Move the log into the file and cut it to nothing; readers that are at work have to end first."""
    until = time.monotonic() + CHECKPOINT_S
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > until:
            raise DatabaseBusy(
                "Something reads the index all the time; its log could not be emptied.", hint="Try again."
            )
        time.sleep(0.02)
