"""One examination of one collection: counts that must agree, what does not, and its repair."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.errors import Cancelled, ModelsError
from models.progress import Cancel
from rag.doctor import counting
from rag.doctor.counting import EXAMPLES
from rag.doctor.disk import OnDisk, on_disk
from rag.doctor.types import CollectionCounts, Finding
from rag.embedding.embedders import Embedders
from rag.errors import EmbedderFailed, EmbedderMissing, RagError, VectorsBroken
from rag.indexing.indexer import Indexer
from rag.indexing.throttle import Throttle
from rag.store import lexical
from rag.store.rows import CollectionRow, Space
from rag.store.store import FileStore
from rag.store.vector_rows import Ids
from rag.types import Embedder, Vectors
from rag.vectors import quarantine
from rag.vectors.index import VectorIndex

log = logging.getLogger(__name__)

SAMPLE = 16  # texts that are embedded again
SAME = 0.98  # cosine of a vector made now with the stored one
STORED_SAME = 0.999  # cosine of what Chroma holds with what it was given
_BATCH = 2000

Repair = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class DoctorParts:
    """What is examined, and what repairs it."""

    store: FileStore
    vectors: VectorIndex
    embedders: Embedders
    indexer: Indexer
    throttle: Throttle


class Examination:
    """Examines one collection; `findings` and `counts` are what came of it."""

    def __init__(self, parts: DoctorParts, collection: CollectionRow) -> None:
        self.findings: list[Finding] = []
        self._store, self._vectors, self._embedders = parts.store, parts.vectors, parts.embedders
        self._indexer, self._throttle = parts.indexer, parts.throttle
        self._collection = collection
        self._repairs: list[tuple[int, Repair]] = []
        self._changed: list[Path] = []
        self._index_again = False

    async def look(self, cancel: Cancel, *, deep: bool) -> CollectionCounts:
        """Find what does not agree. Raises Cancelled."""
        disk = await on_disk(self._store, self._collection, self._throttle, cancel, deep=deep)
        self._compare_disk(disk)
        space = await self._space()
        chunks = (await self._store.counts(self._collection.id)).chunks
        rows = await self._look_at_words(chunks, deep)
        stored = indexed = 0
        if space is not None:
            stored = await self._store.count_wanted(space)
            await self._look_at_stored(space)
            indexed = await self._look_at_index(space, deep)
        counts = await self._store.counts(self._collection.id)
        return CollectionCounts(
            collection=self._collection.name,
            on_disk=disk.files,
            in_database=counts.indexed,
            skipped=counts.skipped,
            failed=counts.failed,
            chunks=chunks,
            lexical_rows=max(0, rows),
            database_vectors=stored,
            index_vectors=indexed,
            chat_id=self._collection.chat_id,
        )

    async def repair(self, cancel: Cancel) -> None:
        """Repair what was found; findings that were repaired say so, others keep the reason as their hint."""
        broken: dict[int, str] = {}
        for number, repair in self._repairs:
            await self._try(number, repair, broken)
        if self._index_again or self._changed:  # which a repair may have asked for
            await self._try(-1, lambda: self._index(cancel), broken)
        failed = [number for number, finding in enumerate(self.findings) if finding.repairable and number in broken]
        for number, finding in enumerate(self.findings):
            if number in failed or (-1 in broken and finding.kind in _BY_INDEXING):
                self.findings[number] = replace(finding, hint=broken.get(number) or broken[-1])
            elif finding.repairable:
                self.findings[number] = replace(finding, repaired=True)

    async def _try(self, number: int, repair: Repair, broken: dict[int, str]) -> None:
        try:
            await repair()
        except (RagError, ModelsError) as error:
            if isinstance(error, Cancelled):
                raise
            log.warning("a repair of the index failed: %s", error)
            broken[number] = str(error)

    # What is looked at

    def _compare_disk(self, disk: OnDisk) -> None:
        self._tell("stale", disk.stale, "{} changed since they were read.")
        self._tell("new", disk.new, "{} are not in the index yet.")
        self._tell("vanished", disk.vanished, "{} are in the index, but no longer on the disk.")
        self._tell(
            "changed_content", disk.other_content, "{} have another content than was read, though not another time."
        )
        self._changed = [Path(path) for path in disk.other_content]
        self._index_again = bool(disk.stale or disk.new or disk.vanished)
        for problem in disk.unreadable:
            self._add(
                "root_missing", 1, problem, "Connect the disk, or remove the folder from the collection.", fixed=None
            )

    async def _look_at_words(self, chunks: int, deep: bool) -> int:
        number = self._collection.id
        failed = await self._store.database.read(lambda c: counting.failed(c, number))
        if failed.count:
            hint = "Each has its reason; the others are not concerned."
            message = f"{_files(failed.count)} could not be read."
            self._add("failed", failed.count, message, hint, examples=failed.examples, fixed=None)
        rows = await self._store.database.read(lambda c: counting.lexical_rows(c, number))
        said = await self._store.database.maintain(lambda c: counting.lexical_check(c, number)) if deep else ""
        if rows != chunks or said:
            message = f"The index of words has {max(0, rows)} rows for {chunks} chunks. {said}".strip()
            self._add(
                "lexical_rows",
                abs(rows - chunks) or 1,
                message,
                fixed=lambda: self._store.database.write(lambda c: lexical.rebuild(c, number)),
            )
        return rows

    async def _look_at_stored(self, space: Space) -> None:
        bad = await self._store.database.read(lambda c: counting.bad_vectors(c, space))
        if bad.count:
            message = f"{bad.count} chunks have a vector that is zero or of the wrong size: no question finds them."
            self._add("zero_vectors", bad.count, message, examples=bad.examples, fixed=lambda: self._again(space))
        listed, unlisted = await self._store.database.read(lambda c: counting.without_vector(c, space))
        if unlisted:
            message = f"{unlisted} chunks have no vector, and nothing would make one."
            self._add("missing_vectors", unlisted, message, fixed=lambda: self._list(space))
            self._index_again = True
        if listed:
            message = f"Vectors are still to come: {listed:,} of the chunks are found by their words alone."
            self._add("unfinished", listed, message, "Indexing goes on with them.", fixed=self._nothing)
            self._index_again = True

    async def _look_at_index(self, space: Space, deep: bool) -> int:
        try:
            await self._vectors.place(space)
            wanted, found = await self._store.wanted_ids(space), await self._vectors.ids(space.name)
            lacking, extra = np.setdiff1d(wanted, found), np.setdiff1d(found, wanted)
            if len(lacking):
                message = f"{len(lacking)} vectors are in the database, but not in the vector index."
                self._add("missing_vectors", len(lacking), message, fixed=lambda: self._reconcile(space))
            if len(extra):
                message = f"{len(extra)} vectors are in the vector index that nothing in the database knows."
                self._add("extra_vectors", len(extra), message, fixed=lambda: self._reconcile(space))
            wrong = await self._wrong_vectors(space, np.intersect1d(wanted, found)) if deep else 0
            agree = not len(lacking) and not len(extra)
            if wrong or (agree and not await self._vectors.holds_sample(space)):
                message = f"{wrong or 'Some'} of {len(found)} vectors in the vector index are not what it was given."
                self._add("wrong_vectors", wrong or 1, message, fixed=self._rebuild)
            return len(found)
        except VectorsBroken as error:
            self._add(
                "broken_index",
                1,
                error.message,
                "It is being made anew from the database.",
                fixed=self._vectors.wait_whole,
            )
            return 0

    async def _wrong_vectors(self, space: Space, ids: Ids) -> int:
        wrong = 0
        for start in range(0, len(ids), _BATCH):
            part = [int(number) for number in ids[start : start + _BATCH]]
            first, given = await self._store.vectors(space, part)
            second, held = await self._vectors.vectors(space.name, part)
            given, held = _unit(given[np.argsort(first)]), _unit(held[np.argsort(second)])
            if given.shape != held.shape:
                return wrong + len(part)
            wrong += int(((given * held).sum(axis=1) < STORED_SAME)[given.any(axis=1)].sum())
        return wrong

    async def _space(self) -> Space | None:
        """The space of the collection's embedder; what is wrong with it is told."""
        spaces = await self._store.spaces(self._collection.id)
        try:
            embedder = await self._embedders.open(self._collection.embedder_id)
        except (EmbedderMissing, EmbedderFailed) as error:
            message = f"The embedding model of this collection cannot be used: {error.message}"
            self._add("embedder_missing", 1, message, error.hint, fixed=None)
            return spaces[0] if spaces else None
        fitting = [space for space in spaces if space.embedder_key == embedder.identity.key]
        if spaces and not fitting:
            message = "The vectors were made by another embedding model than the collection's."
            self._add("embedder_mismatch", 1, message, fixed=self._change_embedder)
            return None
        if fitting and not await self._same_vectors(embedder, fitting[0]):
            message = "The embedding model gives other vectors now than those that are stored."
            self._add("embedder_mismatch", 1, message, fixed=lambda: self._embed_anew(fitting[0]))
        return fitting[0] if fitting else None

    async def _same_vectors(self, embedder: Embedder, space: Space) -> bool:
        """Embed some chunks again and compare."""
        ids = await self._store.wanted_ids(space)
        if not len(ids):
            return True
        sample = ids[np.linspace(0, len(ids) - 1, min(SAMPLE, len(ids))).astype(int)].tolist()
        numbers, stored = await self._store.vectors(space, sample)
        rows = dict(zip(numbers.tolist(), stored, strict=True))
        chunks = [chunk for chunk in await self._store.chunks(sample) if rows[chunk.id].any()]
        if not chunks:
            return True
        try:
            made = await embedder.embed_passages([each.chunk.embedded_text for each in chunks])
        except (EmbedderFailed, EmbedderMissing) as error:
            self._add("embedder_missing", 1, f"The embedding model failed: {error.message}", error.hint, fixed=None)
            return True
        given = _unit(np.stack([rows[each.id] for each in chunks]))
        return bool(np.median((given * _unit(made)).sum(axis=1)) >= SAME)

    # How it is repaired

    async def _index(self, cancel: Cancel) -> None:
        if self._changed:
            await self._indexer.index(self._collection.id, lambda _: None, cancel, paths=self._changed, full=True)
        await self._indexer.index(self._collection.id, lambda _: None, cancel)

    async def _reconcile(self, space: Space) -> None:
        await self._vectors.reconcile(space, every=True)

    async def _rebuild(self) -> None:
        await self._vectors.rebuild("the doctor found wrong vectors")
        await self._vectors.wait_whole()
        if self._vectors.problem:
            raise VectorsBroken(self._vectors.problem)
        await asyncio.to_thread(quarantine.drop, self._vectors.folder)  # nobody has to look at what we know

    async def _again(self, space: Space) -> None:
        await self._store.database.write(lambda c: counting.forget_bad_vectors(c, space))
        self._index_again = True

    async def _list(self, space: Space) -> None:
        await self._store.database.write(lambda c: counting.list_unlisted(c, space))

    async def _embed_anew(self, space: Space) -> None:
        await self._store.database.write(lambda c: counting.forget_vectors(c, space))
        self._index_again = True

    async def _change_embedder(self) -> None:
        collection = self._collection
        await self._indexer.change_embedder(collection.id, collection.embedder_id, lambda _: None, Cancel())

    async def _nothing(self) -> None:
        """Indexing repairs it."""

    # How it is told

    def _tell(self, kind: str, paths: list[str], message: str) -> None:
        if paths:
            self._add(
                kind, len(paths), message.format(_files(len(paths))), examples=paths[:EXAMPLES], fixed=self._nothing
            )
            self._index_again = True

    def _add(
        self,
        kind: str,
        count: int,
        message: str,
        hint: str = "",
        *,
        fixed: Repair | None,
        examples: list[str] | None = None,
    ) -> None:
        if fixed is not None:
            self._repairs.append((len(self.findings), fixed))
        hint = hint or ("`jackdaw files doctor --repair` puts it right." if fixed is not None else "")
        self.findings.append(
            Finding(
                kind,
                count,
                message,
                hint,
                self._collection.name,
                repairable=fixed is not None,
                examples=examples or [],
                chat_id=self._collection.chat_id,
            )
        )


_BY_INDEXING = frozenset(
    {
        "stale",
        "new",
        "vanished",
        "changed_content",
        "unfinished",
        "zero_vectors",
        "missing_vectors",
        "embedder_mismatch",
    }
)


def _unit(rows: Vectors) -> Vectors:
    """The rows with norm 1; those of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Vectors = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return found


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
