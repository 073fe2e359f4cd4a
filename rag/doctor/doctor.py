"""`Doctor`: whether the index is right, putting it right, and removal that can be proven."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from models.progress import Cancel
from rag.doctor import counting
from rag.doctor.examination import DoctorParts, Examination
from rag.doctor.proof import index_files
from rag.doctor.removal import Removal
from rag.doctor.types import CollectionCounts, Finding, Receipt, Report
from rag.store import changes, salvage
from rag.store.rows import CollectionRow
from rag.vectors import quarantine

__all__ = ["Doctor", "DoctorParts", "Receipt", "Report"]


class Doctor:
    """Made by Files. Examinations and removals run one after the other."""

    def __init__(self, parts: DoctorParts) -> None:
        self._parts = parts
        self._store, self._vectors = parts.store, parts.vectors
        self._removal = Removal(parts.store, parts.vectors, parts.indexer.apply)
        self._alone = asyncio.Lock()

    async def examine(
        self,
        collection_ids: Sequence[int] | None = None,
        *,
        repair: bool = False,
        deep: bool = False,
        cancel: Cancel | None = None,
    ) -> Report:
        """Look at these collections, or at all with those of chats, and at what they share.

        `repair` puts right what can be: nothing the user has is touched, only the index. `deep` reads every file again
        and compares all vectors. Raises CollectionNotFound, Cancelled.
        """
        cancel = cancel or Cancel()
        async with self._alone:
            began = time.monotonic()
            every = await self._store.collections(None)
            wanted = [row for row in every if collection_ids is None or row.id in collection_ids]
            findings = await self._shared(repair=repair, deep=deep)
            counts: list[CollectionCounts] = []
            for collection in wanted:
                counts.append(await self._collection(collection, findings, cancel, repair=repair, deep=deep))
            return await self._report(counts, findings, began)

    async def remove_paths(self, collection_ids: Sequence[int], paths: Sequence[str]) -> Receipt:
        """See Removal.remove_paths."""
        async with self._alone:
            return await self._removal.remove_paths(collection_ids, paths)

    async def remove_collection(self, collection_id: int) -> Receipt:
        """See Removal.remove_collection."""
        async with self._alone:
            return await self._removal.remove_collection(collection_id)

    async def _collection(
        self, collection: CollectionRow, findings: list[Finding], cancel: Cancel, *, repair: bool, deep: bool
    ) -> CollectionCounts:
        examination = Examination(self._parts, collection)
        counts = await examination.look(cancel, deep=deep)
        if repair and examination.findings:
            await examination.repair(cancel)
            after = Examination(self._parts, await self._store.collection(collection.id))
            counts = await after.look(cancel, deep=False)
        findings += examination.findings
        return counts

    async def _shared(self, *, repair: bool, deep: bool) -> list[Finding]:
        found = []
        database = self._store.database
        if deep and (said := await database.read(counting.check)):
            message = f"files.db is damaged: {said[0]}"
            hint = "Close Jackdaw and move files.db away: the collections are read again from their folders."
            found.append(Finding("broken_database", len(said), message, hint, repairable=False))
        if pairs := await database.read(counting.orphans):
            count = len({document for _, document in pairs})
            message = f"{count} contents are in the index without a file, or a file without its content."
            found.append(Finding("orphan_chunks", count, message, repaired=repair))
            if repair:
                await database.write(lambda c: changes.settle(c, pairs))
        if unused := await database.read(counting.unused_vectors):
            message = f"{unused} stored vectors belong to no chunk."
            found.append(Finding("orphan_vectors", unused, message, repaired=repair))
            if repair:
                await database.write(counting.forget_unused_vectors)
        kept = [*salvage.quarantined(database.path), *quarantine.quarantined(self._vectors.folder)]
        if kept:
            message, hint = "What was damaged once was moved aside and is still there.", "Nothing needs it."
            message = f"{await self._store.told()} {message}".lstrip()
            names = [str(path) for path in kept]
            found.append(Finding("quarantined", len(kept), message, hint, repaired=repair, examples=names))
            if repair:
                await asyncio.to_thread(self._removal.drop_quarantined)
        return found

    async def _report(self, counts: list[CollectionCounts], findings: list[Finding], began: float) -> Report:
        files = await asyncio.to_thread(index_files, self._store.database.path, self._vectors.folder)
        sizes = {file: _size(file) for file in files}
        below = {file: size for file, size in sizes.items() if file.is_relative_to(self._vectors.folder)}
        return Report(
            ok=not any(finding.repairable and not finding.repaired for finding in findings),
            counts=counts,
            findings=findings,
            repaired=sum(finding.repaired for finding in findings),
            took_ms=(time.monotonic() - began) * 1000,
            database_bytes=sum(sizes.values()) - sum(below.values()),
            vectors_bytes=sum(below.values()),
        )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
