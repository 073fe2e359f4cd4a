"""The adapters on this machine: rows in jackdaw.db that point at GGUF files where they lie."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from models.adapters.shapes import AdapterShape, adapter_shape, fits
from models.database import Database, Migration
from models.errors import BadGguf, ModelExists, ModelNotFound, ModelsError
from models.gguf import GgufHeader, read_header
from models.library import LibraryModel, model_id_of
from models.split_gguf import read_model

ADAPTERS_MIGRATION = Migration(
    8,
    "adapters",
    """
    CREATE TABLE adapters (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        arch TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        alpha REAL NOT NULL,
        base_model TEXT NOT NULL,
        added_at REAL NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter. `path` is absolute; `rank` is the largest of its matrices; `base_model` as the file names it."""

    id: str
    path: Path
    name: str
    arch: str
    bytes: int
    rank: int
    alpha: float
    base_model: str
    added_at: float  # seconds since 1970


@dataclass(frozen=True, slots=True)
class RemovedAdapter:
    """An adapter that left the library; `file_deleted` tells whether its file went too."""

    id: str
    path: Path
    file_deleted: bool


Adapters = list[Adapter]  # inside AdapterLibrary the name `list` is the method's
COLUMNS = tuple(column.name for column in dataclasses.fields(Adapter))


class AdapterLibrary:
    """All adapters, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._headers: dict[tuple[Path, int, int], GgufHeader] = {}  # by path, size and time: reading takes a while

    async def list(self) -> Adapters:
        """All adapters in the order they came."""
        return await self._database.read(_select_all)

    async def get(self, adapter_id: str) -> Adapter:
        """One adapter. Raises ModelNotFound."""
        adapters = await self.list()
        for adapter in adapters:
            if adapter.id == adapter_id:
                return adapter
        hint = f"There are: {', '.join(one.id for one in adapters[:8])}." if adapters else "Import one first."
        raise ModelNotFound(f"There is no adapter {adapter_id!r}.", hint=hint)

    async def import_path(self, path: Path, name: str = "", base_model: str = "") -> Adapter:
        """Take in a GGUF adapter where it lies; `name` and `base_model` go before what the file says.

        Raises BadGguf for anything but a LoRA adapter, ModelExists when it is here already.
        """
        found = await asyncio.to_thread(_examine, path, name, base_model)
        adapter = dataclasses.replace(found, added_at=self._clock())
        return await self._database.write(lambda connection: _take_in(connection, adapter))

    async def remove(self, adapter_id: str, delete_below: Path) -> RemovedAdapter:
        """Take an adapter out; its file is deleted when it lies below `delete_below`, our own models folder.

        Raises ModelNotFound, and ModelsError when the file cannot be deleted; then the adapter stays.
        """
        adapter = await self.get(adapter_id)
        deleted = await asyncio.to_thread(_delete, adapter.path, delete_below)
        await self._database.write(lambda rows: rows.execute("DELETE FROM adapters WHERE id = ?", [adapter.id]))
        return RemovedAdapter(adapter.id, adapter.path, deleted)

    async def fits_models(self, adapter: Adapter, models: Iterable[LibraryModel]) -> tuple[str, ...]:
        """Ids of the models it can be attached to; a model or an adapter whose file is gone fits nothing."""
        candidates = [model for model in models if model.arch == adapter.arch]
        return await asyncio.to_thread(self._fitting, adapter, candidates)

    def _fitting(self, adapter: Adapter, models: Iterable[LibraryModel]) -> tuple[str, ...]:
        try:
            shape = adapter_shape(self._header(adapter.path), adapter.path.name)
        except (BadGguf, OSError):
            return ()
        return tuple(model.id for model in models if self._fits(shape, model.path))

    def _fits(self, shape: AdapterShape, path: Path) -> bool:
        try:
            return fits(shape, self._header(path))
        except (BadGguf, OSError):
            return False

    def _header(self, path: Path) -> GgufHeader:
        info = path.stat()
        key = (path, info.st_size, info.st_mtime_ns)
        if key not in self._headers:
            self._headers[key] = read_model(path)
        return self._headers[key]


def _examine(path: Path, name: str, base_model: str) -> Adapter:
    path = Path(os.path.abspath(path))  # noqa: PTH100 - a link keeps its name
    header = read_header(path)
    shape = adapter_shape(header, path.name)
    return Adapter(
        id=model_id_of(name or path.stem),
        path=path,
        name=name or header.name or path.stem,
        arch=shape.architecture,
        bytes=header.file_bytes,
        rank=shape.rank,
        alpha=shape.alpha,
        base_model=base_model or shape.base_model,
        added_at=0.0,
    )


def _take_in(connection: sqlite3.Connection, adapter: Adapter) -> Adapter:
    """Insert the row. Runs in the write transaction, so ids cannot race."""
    known = _select_all(connection)
    same = next((one for one in known if one.path == adapter.path), None)
    if same is not None:
        raise ModelExists(
            f"{adapter.path.name} is here already, as {same.id}.", model_id=same.id, hint="Choose it there."
        )
    taken = {one.id for one in known}
    number, free = 1, adapter.id
    while free in taken:
        number += 1
        free = f"{adapter.id}-{number}"
    adapter = dataclasses.replace(adapter, id=free)
    values = [str(adapter.path) if column == "path" else getattr(adapter, column) for column in COLUMNS]
    marks = ", ".join("?" * len(COLUMNS))
    connection.execute(f"INSERT INTO adapters ({', '.join(COLUMNS)}) VALUES ({marks})", values)  # noqa: S608 - our names
    return adapter


def _select_all(connection: sqlite3.Connection) -> Adapters:
    rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM adapters ORDER BY number")  # noqa: S608 - our names
    return [
        Adapter(**{**dict(zip(COLUMNS, row, strict=True)), "path": Path(row[COLUMNS.index("path")])}) for row in rows
    ]


def _delete(path: Path, root: Path) -> bool:
    """Delete the file if its folder, links resolved, is below `root`; folders that became empty go too."""
    folder, root = path.parent.resolve(), root.resolve()
    if not folder.is_relative_to(root):
        return False
    try:
        (folder / path.name).unlink(missing_ok=True)
    except OSError as error:
        raise ModelsError(
            f"{path} cannot be deleted: {error.strerror}.", hint="Check who owns the file and its folder."
        ) from error
    with contextlib.suppress(OSError):  # not empty: somebody else's files are in it
        while folder != root:
            folder.rmdir()
            folder = folder.parent
    return True
