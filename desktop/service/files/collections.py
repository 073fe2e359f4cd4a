"""Collections as the window and the command line handle them: made, changed, filled by jobs, told of."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from desktop import wire_files as wire
from desktop.service.errors import BadRequest
from desktop.service.files.rows import CollectionFacts, collection_row, stored_rules
from desktop.service.job_record import JobRecord
from desktop.service.jobs import Jobs
from rag.errors import BadCollection, CollectionNotFound, RootNotFound
from rag.files import Files, FilesPlaces
from rag.store.rows import CollectionRow, NewCollectionRow

USUAL_NAME = "files"
# Reading them as files has no end, or no sense.
NO_ROOTS = ("/", "/proc", "/sys", "/dev", "/run")

Renamed = Callable[[str, str | None], Awaitable[object]]


def subject_of(collection_id: int) -> str:
    """What the jobs of a collection are about."""
    return f"collection {collection_id}"


class Collections:
    """The user's collections. `jobs` and `renamed` are set once the jobs exist: they need this in turn."""

    jobs: Jobs

    def __init__(
        self, index: Files, places: FilesPlaces, *, usual_embedder: Callable[[], str], renamed: Renamed
    ) -> None:
        self._index = index
        self._places = places
        self._usual_embedder = usual_embedder
        self._renamed = renamed

    # reading

    async def all(self) -> list[wire.Collection]:
        """Those of no chat, by name."""
        rows = await self._index.store.collections()
        return await self._wire(rows)

    async def one(self, collection_id: int) -> wire.Collection:
        """Raises CollectionNotFound."""
        return (await self._wire([await self._index.store.collection(collection_id)]))[0]

    async def _wire(self, rows: Sequence[CollectionRow]) -> list[wire.Collection]:
        names = {choice.id: choice.name for choice in await self._index.embedders.choices()}
        files = await self._index.store.database.read(_files_by_root)
        chunks, total_bytes = await self._index.store.database.read(_chunks), self.disk_bytes()
        failing = Counter(check.collection_id for check in await self._index.store.checks() if check.passed is False)
        found = []
        for row in rows:
            counts = await self._index.store.counts(row.id)
            job = self._job(row.id)
            facts = CollectionFacts(
                counts=counts,
                embedder_name=names.get(row.embedder_id, ""),
                watched=self._index.watcher.watched,
                root_problems=self._index.watcher.problems,
                root_files=files,
                index_bytes=total_bytes * counts.chunks // max(1, chunks),
                now=self._index.indexer.now(row.id),
                job_id=job.id if job else "",
                job_state=job.row.state if job else "",
                job_error=job.row.error if job and job.row.state == "failed" else "",
                failing_checks=failing[row.id],
            )
            found.append(collection_row(row, facts))
        return found

    def disk_bytes(self) -> int:
        """What the index takes on the disk, all stores together."""
        return size_of(*files_of_database(self._places.database)) + size_of(*self._places.vectors.rglob("*"))

    def _job(self, collection_id: int) -> JobRecord | None:
        """The job that is at work on it, else the last one when that rests or failed."""
        jobs = [job for job in self.jobs.all() if job.row.subject == subject_of(collection_id)]
        active = [job for job in jobs if job.is_active]
        last = jobs[-1] if jobs and jobs[-1].row.state in ("paused", "interrupted", "failed") else None
        return active[0] if active else last

    # making and changing

    async def create(self, new: wire.NewCollection, chat_id: str = "") -> wire.Collection:
        """Raises BadCollection, CollectionExists, RootNotFound, EmbedderMissing; then nothing was made."""
        paths = self._checked_roots(new.roots)
        if new.embedder:
            await self._index.embedders.open(new.embedder)
        await self._check_reranker(new.reranker)
        row = await self._index.store.create_collection(
            NewCollectionRow(
                name=_checked_name(new.name),
                embedder_id=new.embedder or self._usual_embedder() or self._index.embedders.default_id,
                chat_id=chat_id,
                rules=stored_rules(new.rules),
                reranker_id=new.reranker,
                local_only=new.local_only,
                watch=new.watch,
            )
        )
        for path in paths:
            await self._index.store.add_root(row.id, path)
        if paths:
            await self.start_index(row.id)
        return await self.one(row.id)

    async def add_roots(self, request: wire.AddRoots) -> wire.AddedRoots:
        """Add to a collection, which is made when there is none. Raises as `create`."""
        paths = self._checked_roots(request.paths)
        name = request.collection or USUAL_NAME
        try:
            row = await self._index.store.by_name(name, request.chat_id)
        except CollectionNotFound:
            made = await self.create(wire.NewCollection(name=name), request.chat_id)
            row = await self._index.store.collection(made.id)
        for path in paths:
            await self._index.store.add_root(row.id, path)
        job = await self.start_index(row.id)
        return wire.AddedRoots(collection=await self.one(row.id), job_id=job.id)

    async def change(self, collection_id: int, patch: wire.CollectionPatch) -> wire.Collection:
        """Change what is set in `patch`.

        Raises CollectionNotFound, CollectionExists, BadCollection, EmbedderMissing.
        """
        store = self._index.store
        before = await store.collection(collection_id)
        asked = {name: value for name in patch.model_fields_set if (value := getattr(patch, name)) is not None}
        columns: dict[str, Any] = {name: asked[name] for name in ("local_only", "watch", "paused") if name in asked}
        if "name" in asked:
            columns["name"] = _checked_name(asked["name"])
        if patch.rules is not None:
            columns["rules"] = stored_rules(patch.rules)
        if patch.reranker is not None:
            columns["reranker_id"] = patch.reranker
        if patch.embedder is not None:
            await self._index.embedders.open(patch.embedder)  # it must be here before anything is said to change
        await self._check_reranker(patch.reranker or "")
        if columns:
            await store.update_collection(collection_id, **columns)
        if columns.get("name", before.name) != before.name and not before.chat_id:
            await self._renamed(before.name, columns["name"])
        if patch.paused is not None:
            await self._pause_jobs(collection_id, patch.paused)
        if patch.embedder is not None:
            await self._change_embedder(before, patch.embedder)
        await self._index.watcher.refresh()
        if patch.rules is not None or patch.paused is False:
            await self.start_index(collection_id)
        return await self.one(collection_id)

    async def start_index(self, collection_id: int, *, full: bool = False) -> JobRecord:
        """Start the job that makes the index say what the disk says."""
        options = {"collection": collection_id, **({"full": True} if full else {})}
        job = await self.jobs.start("index", options)
        await self._index.watcher.refresh()
        return job

    async def _check_reranker(self, reranker_id: str) -> None:
        known = {option.id for option in await self._index.rerankers.choices()}
        if reranker_id and reranker_id not in known:
            names = ", ".join(sorted(known)) or "none"
            raise BadRequest("no_reranker", f"There is no reranker {reranker_id!r}.", hint=f"There are: {names}.")

    async def _change_embedder(self, row: CollectionRow, embedder_id: str) -> None:
        for job in self.jobs.about(subject_of(row.id)):
            if job.row.kind == "embed" and job.row.options.get("embedder") != embedder_id:
                await self.jobs.cancel(job.id)
        if embedder_id != row.embedder_id:
            await self.jobs.start("embed", {"collection": row.id, "embedder": embedder_id})

    async def _pause_jobs(self, collection_id: int, paused: bool) -> None:
        for job in self.jobs.all():
            if job.row.subject != subject_of(collection_id):
                continue
            if paused and job.can_pause:
                await self.jobs.pause(job.id)
            elif not paused and job.row.state == "paused" and job.can_resume:
                await self.jobs.resume(job.id)

    async def stop_jobs(self, collection_id: int) -> None:
        """End what is at work on a collection that is to go."""
        for job in self.jobs.all():
            if job.row.subject == subject_of(collection_id) and (job.is_active or job.can_resume):
                await self.jobs.cancel(job.id)

    async def gone(self, row: CollectionRow) -> None:
        """A collection was removed: nothing watches it, and no chat asks it, any more."""
        await self._index.watcher.refresh()
        if not row.chat_id:
            await self._renamed(row.name, None)

    def _checked_roots(self, paths: Iterable[str]) -> list[str]:
        found = [str(self._checked_root(Path(path))) for path in paths]
        return list(dict.fromkeys(found))

    def _checked_root(self, path: Path) -> Path:
        if not path.is_absolute() or "\x00" in str(path):
            raise BadRequest("bad_path", f"{str(path)[:200]!r} is no absolute path.")
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            hint = "Check how it is written, and that its disk is there."
            raise RootNotFound(f"{path} is not there, or cannot be read.", hint=hint) from error
        if str(real) in NO_ROOTS or any(real.is_relative_to(folder) for folder in NO_ROOTS[1:]):
            raise BadCollection(f"{real} is no folder of documents.", hint="Add the folders that hold them.")
        if real.is_relative_to(self._places.database.parent):
            raise BadCollection(f"{real} is Jackdaw's own.", hint="Add a folder of yours.")
        if not (real.is_dir() or real.is_file()):
            raise BadCollection(f"{real} is neither a file nor a folder.")
        return real


def _checked_name(name: str) -> str:
    """A name that is one line, can stand behind the @ of a model's name, and is not read as an id."""
    trimmed = name.strip()
    if not trimmed or not trimmed.isprintable() or "@" in trimmed or trimmed.startswith("#"):
        raise BadCollection(f"{name!r} is no name for a collection.", hint="Use one line of text without @ and #.")
    return trimmed


def _files_by_root(connection: sqlite3.Connection) -> dict[int, int]:
    return dict(
        connection.execute("SELECT root_id, count(*) FROM files WHERE state IN ('indexed', 'waiting') GROUP BY root_id")
    )


def _chunks(connection: sqlite3.Connection) -> int:
    """Over all collections, a chunk that is in two of them counted twice."""
    total = "SELECT coalesce(sum(d.chunks), 0) FROM memberships m JOIN documents d ON d.id = m.document_id"
    return int(connection.execute(total).fetchone()[0])


def files_of_database(database: Path) -> tuple[Path, ...]:
    """The file with its log."""
    return (database, database.with_name(f"{database.name}-wal"))


def size_of(*paths: Path) -> int:
    """Bytes of those files that are there."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total
