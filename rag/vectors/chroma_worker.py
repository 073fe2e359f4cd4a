"""The worker that owns the vector index: the only code that knows Chroma. Run by models/worker.py.

Chroma gets ids and unit vectors, never a text. Ids are decimal chunk ids; buffers are int64 ids and float32 rows.
Two clients on one folder break it, so nothing else may open the folder while this runs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
import numpy as np
from chromadb.config import Settings
from chromadb.errors import NotFoundError
from numpy.typing import NDArray

from rag.doctor.traces import Needles, files_below, overwrite

if TYPE_CHECKING:
    from models.worker_loop import Buffers, Method

THREADS = 4  # queries do not wait behind what is being added

# Recall of the 50 nearest is .99 at 50,000 vectors, a query takes about a millisecond.
NEIGHBOURS = 16
EF_CONSTRUCTION = 128
EF_SEARCH = 128
# Up to here every row is compared: a graph of few rows in tight groups may have no way from one group to another, and
# then it misses even the very nearest.
EXACT_ROWS = 4000
FILE = "chroma.sqlite3"
# A query waits for what is being added just then, so that is little at a time, and queries that wait go first.
ADDED_AT_ONCE = 64
QUERIES_FIRST_S = 1.0  # however many there are, something is added
# How many rows Chroma keeps in its log before it writes the whole graph again: small ones are written often, large
# ones not for each thousand rows. What is in the log is added again at the next start, some thousand rows a second.
SYNC_SHARE = 20
SYNC_LEAST, SYNC_MOST = 1000, 10_000


class IndexGone(Exception):
    """The files of the index were deleted, or others lie in their place."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """All rows of a space as they were at a change of it."""

    change: int
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def nearest(self, vector: NDArray[np.float32], k: int) -> Buffers:
        """The k nearest ids with their cosines, of rows and a vector of norm 1."""
        if not len(self.ids):
            return b"", b""
        cosines = self.vectors @ vector
        best = np.argsort(-cosines, kind="stable")[:k]
        return self.ids[best].tobytes(), cosines[best].tobytes()


class VectorIndexWorker:
    """Chroma on one folder."""

    def __init__(self) -> None:
        self._client: Any = None
        self._folder = Path()
        self._file: list[int] | None = None
        self._collections: dict[str, Any] = {}
        self._exact: dict[str, _Rows] = {}
        self._changes: Counter[str] = Counter()
        self._large: set[str] = set()
        self._writing = threading.Lock()
        self._asking = 0
        self._quiet = threading.Condition()

    def open(self, params: Mapping[str, Any], _: list[memoryview]) -> tuple[Any, Buffers]:
        """Open the folder, with a client of Chroma that reads no environment and sends nothing.

        `file` is what this answered before: the same one has to be there.
        """
        self._folder = Path(params["folder"])
        self._file = params["file"]
        self.look()
        settings = Settings(_env_file=None, anonymized_telemetry=False, allow_reset=False)
        self._client = chromadb.PersistentClient(path=str(self._folder), settings=settings)
        self._file = _identity(self._folder / FILE)
        return {"version": chromadb.__version__, "file": self._file}, ()

    def look(self) -> None:
        """Chroma goes on with what it has in memory when its files are deleted. Raises IndexGone then."""
        if self._file is not None and _identity(self._folder / FILE) != self._file:
            raise IndexGone(f"{FILE} is not the one that was opened")

    def spaces(self, _: Mapping[str, Any], __: list[memoryview]) -> tuple[Any, Buffers]:
        """The names of all spaces."""
        return sorted(collection.name for collection in self._client.list_collections()), ()

    def add(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """Put rows under ids, in the place of older ones."""
        ids = np.frombuffer(buffers[0], np.int64)
        vectors = np.frombuffer(buffers[1], np.float32).reshape(len(ids), -1)
        with self._writing:
            collection = self._made(params["space"])
            for start in range(0, len(ids), self._most):
                part = slice(start, start + self._most)
                self._let_queries_go()
                with self._changing(params["space"]):
                    collection.upsert(ids=[str(number) for number in ids[part]], embeddings=vectors[part])
            self._tune(collection)
        return None, ()

    def delete(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """Take ids out."""
        ids = np.frombuffer(buffers[0], np.int64)
        with self._writing:
            collection = self._found(params["space"])
            for start in range(0, len(ids), self._most) if collection is not None else ():
                self._let_queries_go()
                with self._changing(params["space"]):
                    collection.delete(ids=[str(number) for number in ids[start : start + self._most]])
        return None, ()

    def query(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """The nearest ids with their cosines."""
        collection = self._found(params["space"])
        if collection is None:
            return None, (b"", b"")
        vector = np.frombuffer(buffers[0], np.float32)
        with self._first():
            if (rows := self._few(params["space"], collection)) is not None:
                return None, rows.nearest(vector, params["k"])
            found = collection.query(query_embeddings=[vector], n_results=params["k"], include=["distances"])
        ids = np.array([int(name) for name in found["ids"][0]], np.int64)
        cosines = 1 - np.array(found["distances"][0], np.float32)
        return None, (ids.tobytes(), cosines.tobytes())

    def count(self, params: Mapping[str, Any], _: list[memoryview]) -> tuple[Any, Buffers]:
        """How many rows a space has."""
        collection = self._found(params["space"])
        return 0 if collection is None else collection.count(), ()

    def ids(self, params: Mapping[str, Any], _: list[memoryview]) -> tuple[Any, Buffers]:
        """All ids of a space, ascending."""
        collection = self._found(params["space"])
        names = [] if collection is None else collection.get(include=[])["ids"]
        return None, (np.sort(np.array([int(name) for name in names], np.int64)).tobytes(),)

    def vectors(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """What the space holds under these ids: those that are there, and their rows."""
        collection = self._found(params["space"])
        wanted = [str(number) for number in np.frombuffer(buffers[0], np.int64)]
        if collection is None or not wanted:
            return None, (b"", b"")
        found = collection.get(ids=wanted, include=["embeddings"])
        ids = np.array([int(name) for name in found["ids"]], np.int64)
        return None, (ids.tobytes(), np.asarray(found["embeddings"], np.float32).tobytes())

    def drop(self, params: Mapping[str, Any], _: list[memoryview]) -> tuple[Any, Buffers]:
        """Remove a space."""
        with self._writing, self._changing(params["space"]):
            self._collections.pop(params["space"], None)
            self._large.discard(params["space"])
            with contextlib.suppress(NotFoundError):
                self._client.delete_collection(params["space"])
        return None, ()

    def compact(self, params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        """Close Chroma for good and leave nothing on the disk of what was deleted.

        Its database is written anew and folders of dropped spaces go. Rows that are deleted from a graph stay in its
        file, marked, until the space is made anew: the buffers are such rows, which are overwritten with zeros.
        """
        with self._writing:
            self._collections.clear()
            self._client.close()
        folder = Path(params["folder"])
        with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            used = {row[0] for row in connection.execute("SELECT id FROM segments")}
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        left = [entry for entry in folder.iterdir() if entry.is_dir() and entry.name not in used]
        for entry in left:
            for file in entry.iterdir():
                file.unlink()
            entry.rmdir()
        needles = Needles(bytes(buffer) for buffer in buffers)
        return sum(overwrite(file, needles) for file in files_below([folder])) if len(needles) else 0, ()

    @contextlib.contextmanager
    def _changing(self, space: str) -> Iterator[None]:
        """What was read of the space before or meanwhile is not used any more."""
        self._changes[space] += 1
        try:
            yield
        finally:
            self._changes[space] += 1
            self._exact.pop(space, None)

    def _few(self, space: str, collection: Any) -> _Rows | None:
        """All rows of a space that has few; None for others."""
        rows = self._exact.get(space)
        if rows is not None and rows.change == self._changes[space]:
            return rows
        if space in self._large:
            return None
        change = self._changes[space]
        if collection.count() > EXACT_ROWS:
            self._large.add(space)
            return None
        found = collection.get(include=["embeddings"])
        ids = np.array([int(name) for name in found["ids"]], np.int64)
        rows = _Rows(change, ids, np.asarray(found["embeddings"], np.float32).reshape(len(ids), -1))
        self._exact[space] = rows
        return rows

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        with self._quiet:
            self._asking += 1
        try:
            yield
        finally:
            with self._quiet:
                self._asking -= 1
                self._quiet.notify_all()

    def _let_queries_go(self) -> None:
        with self._quiet:
            self._quiet.wait_for(lambda: self._asking == 0, timeout=QUERIES_FIRST_S)

    @property
    def _most(self) -> int:
        return min(ADDED_AT_ONCE, int(self._client.get_max_batch_size()))

    def _found(self, space: str) -> Any:
        if space not in self._collections:
            try:
                self._collections[space] = self._client.get_collection(space, embedding_function=None)
            except NotFoundError:
                return None
        return self._collections[space]

    def _made(self, space: str) -> Any:
        if (found := self._found(space)) is not None:
            return found
        hnsw = {
            "space": "cosine",
            "max_neighbors": NEIGHBOURS,
            "ef_construction": EF_CONSTRUCTION,
            "ef_search": EF_SEARCH,
            "num_threads": max(1, (os.cpu_count() or 2) // 2),
            "sync_threshold": SYNC_LEAST,
        }
        self._collections[space] = self._client.create_collection(
            space, embedding_function=None, configuration={"hnsw": hnsw}
        )
        return self._collections[space]

    def _tune(self, collection: Any) -> None:
        """Let a growing space be written less often."""
        wanted = max(SYNC_LEAST, min(SYNC_MOST, collection.count() // SYNC_SHARE))
        if wanted >= 1.5 * collection.configuration["hnsw"]["sync_threshold"]:
            collection.modify(configuration={"hnsw": {"sync_threshold": wanted}})


def methods() -> Mapping[str, Method]:
    """What the parent may ask."""
    os.umask(0o077)  # Chroma makes its files by it: 0644 otherwise
    worker = VectorIndexWorker()
    names = ("spaces", "add", "delete", "query", "count", "ids", "vectors", "drop", "compact")
    return {"open": worker.open, **{name: _looking(worker, getattr(worker, name)) for name in names}}


def _looking(worker: VectorIndexWorker, method: Method) -> Method:
    def call(params: Mapping[str, Any], buffers: list[memoryview]) -> tuple[Any, Buffers]:
        worker.look()
        return method(params, buffers)

    return call


def _identity(file: Path) -> list[int] | None:
    try:
        facts = file.stat()
    except OSError:
        return None
    return [facts.st_dev, facts.st_ino]
