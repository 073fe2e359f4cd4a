"""The models on this machine: rows in jackdaw.db that point at files where they lie. Nothing is copied.

A file comes in only after its header passed our own check; it is deleted only when it lies in our models folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import difflib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.database import Database, Migration
from models.errors import BadGguf, ModelExists, ModelNotFound, ModelsError
from models.gguf import GgufHeader, Kind
from models.progress import Cancel, Report
from models.split_gguf import model_stem, part_paths, read_model

LIBRARY_MIGRATION = Migration(
    1,
    "library",
    """
    CREATE TABLE models (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL UNIQUE,
        format TEXT NOT NULL,
        arch TEXT NOT NULL,
        name TEXT NOT NULL,
        params INTEGER NOT NULL,
        quant TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        context_length INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('chat', 'embedding', 'rerank')),
        has_chat_template INTEGER NOT NULL,
        supports_infill INTEGER NOT NULL,
        source TEXT NOT NULL,
        licence TEXT NOT NULL,
        added_at REAL NOT NULL,
        suspect TEXT NOT NULL DEFAULT '',
        parts INTEGER NOT NULL DEFAULT 1,
        modified_ns INTEGER NOT NULL
    ) STRICT;
    """,
)

MAX_ID_CHARACTERS = 96
# What general.type says about files that are not a model of their own.
NOT_A_MODEL = {
    "adapter": ("a LoRA adapter", "Import the model it was made for."),
    "mmproj": ("the picture part of a model", "Import the language model; this file goes with it."),
    "imatrix": ("an importance matrix", "It helps to quantize a model, and is none itself."),
    "controlvector": ("a control vector", "Import the model it was made for."),
}


@dataclass(frozen=True, slots=True)
class LibraryModel:
    """One model. `path` is absolute; of a split one it is the first part. `suspect` says why loading it may crash."""

    id: str
    path: Path
    format: str
    arch: str
    name: str
    params: int
    quant: str
    bytes: int  # of all its files
    context_length: int  # tokens it was trained for, 0 when the file does not say
    kind: Kind
    has_chat_template: bool
    supports_infill: bool
    source: str
    licence: str
    added_at: float  # seconds since 1970
    suspect: str = ""
    parts: int = 1  # files it is split into


@dataclass(frozen=True, slots=True)
class Removed:
    """A model that left the library; `file_deleted` tells whether its files went too."""

    id: str
    path: Path
    file_deleted: bool


Models = list[LibraryModel]  # inside Library the name `list` is the method's
COLUMNS = tuple(column.name for column in dataclasses.fields(LibraryModel))


class Library:
    """All models, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> Models:
        """All models in the order they came."""
        return await self._database.read(_select_all)

    async def get(self, model_id: str) -> LibraryModel:
        """One model. Raises ModelNotFound; its hint names models with similar ids."""
        models = await self.list()
        for model in models:
            if model.id == model_id:
                return model
        raise _not_found(model_id, [model.id for model in models])

    async def import_path(self, path: Path, report: Report | None = None, cancel: Cancel | None = None) -> LibraryModel:
        """Check a GGUF file and take it in where it lies. Of a split model any part may be named.

        Raises BadGguf with the reason when no engine may see it, ModelExists when it is here already. A file that
        was replaced since it was imported is checked anew and keeps its id.
        """
        found = await asyncio.to_thread(_examine, path, report, cancel)
        model = dataclasses.replace(found.model, added_at=self._clock())
        return await self._database.write(lambda connection: _take_in(connection, model, found.modified_ns))

    async def remove(self, model_id: str, delete_below: Path) -> Removed:
        """Take a model out. Its files are deleted when they lie below `delete_below`, our own models folder.

        Raises ModelNotFound, and ModelsError when the files could not be deleted; then the model stays.
        """
        model = await self.get(model_id)
        deleted = await asyncio.to_thread(_delete_files, model, delete_below)
        await self._database.write(lambda connection: connection.execute("DELETE FROM models WHERE id = ?", [model.id]))
        return Removed(model.id, model.path, deleted)

    async def mark_suspect(self, model_id: str, reason: str) -> None:
        """Note why loading this file may crash the engine; "" takes that back. Raises ModelNotFound."""
        model = await self.get(model_id)
        await self._database.write(
            lambda connection: connection.execute("UPDATE models SET suspect = ? WHERE id = ?", [reason, model.id])
        )


@dataclass(frozen=True, slots=True)
class _Found:
    model: LibraryModel
    modified_ns: int


def _examine(path: Path, report: Report | None, cancel: Cancel | None) -> _Found:
    """Read the file's header and make the row of it; its id may still clash."""
    # Links stay: in the Hugging Face cache the link has the name, and its target has none.
    path = Path(os.path.abspath(path))  # noqa: PTH100
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise BadGguf(f"The name of {str(path)!a} is no valid text.", hint="Rename the file.") from None
    header = read_model(path, report, cancel)
    _refuse_what_is_no_model(path, header)
    first = part_paths(path)[0] if header.split_count > 1 else path
    stem = model_stem(first)
    return _Found(
        LibraryModel(
            id=model_id_of(stem),
            path=first,
            format="gguf",
            arch=header.architecture,
            name=header.name or stem,
            params=header.parameter_count,
            quant=header.quant,
            bytes=header.file_bytes,
            context_length=header.context_length,
            kind=header.kind,
            has_chat_template=header.chat_template is not None,
            supports_infill=header.supports_infill,
            source="import",
            licence=header.licence,
            added_at=0.0,
            parts=header.split_count,
        ),
        first.stat().st_mtime_ns,
    )


def _refuse_what_is_no_model(path: Path, header: GgufHeader) -> None:
    if header.file_kind in NOT_A_MODEL or header.architecture == "clip":
        what, hint = NOT_A_MODEL.get(header.file_kind, NOT_A_MODEL["mmproj"])
        raise BadGguf(f"{path.name} is {what}, not a model.", hint=hint)
    if not header.architecture:
        raise BadGguf(f"{path.name} does not say which architecture its model has.", hint="Get the model again.")
    if not header.tensors:
        raise BadGguf(f"{path.name} holds a vocabulary and no weights.", hint="Get the file with the weights.")


def model_id_of(stem: str) -> str:
    """An id made of a file's name: lower case, only a-z 0-9 . _ and -; "@" is for collections and never in one."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower())[:MAX_ID_CHARACTERS].strip("-._")
    return plain or "model"


def _take_in(connection: sqlite3.Connection, model: LibraryModel, modified_ns: int) -> LibraryModel:
    """Insert the row, or refresh the one whose file was replaced. Runs in the write transaction, so ids cannot race."""
    same = next((known for known in _select_all(connection) if _same_file(known.path, model.path)), None)
    if same is not None:
        if (same.bytes, _modified_ns(connection, same.id)) == (model.bytes, modified_ns):
            raise ModelExists(
                f"{model.path.name} is in the library already, as {same.id}.", model_id=same.id, hint="Choose it there."
            )
        connection.execute("DELETE FROM models WHERE id = ?", [same.id])
        model = dataclasses.replace(model, id=same.id, added_at=same.added_at)
    else:
        taken = {row[0] for row in connection.execute("SELECT id FROM models")}
        model = dataclasses.replace(model, id=_free_id(model.id, taken))
    values: dict[str, Any] = {column: getattr(model, column) for column in COLUMNS}
    values |= {"path": str(model.path), "modified_ns": modified_ns}
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO models ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608 - our names
    return model


def _free_id(wanted: str, taken: Iterable[str]) -> str:
    number, free, known = 1, wanted, set(taken)
    while free in known:
        number += 1
        free = f"{wanted}-{number}"
    return free


def _same_file(one: Path, other: Path) -> bool:
    """Whether both are one file, also by another link or name."""
    if one == other:
        return True
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def _modified_ns(connection: sqlite3.Connection, model_id: str) -> int:
    return int(connection.execute("SELECT modified_ns FROM models WHERE id = ?", [model_id]).fetchone()[0])


def _select_all(connection: sqlite3.Connection) -> list[LibraryModel]:
    rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM models ORDER BY number")  # noqa: S608 - our names
    return [_model(dict(zip(COLUMNS, row, strict=True))) for row in rows]


def _model(row: dict[str, Any]) -> LibraryModel:
    row["path"] = Path(row["path"])
    for flag in ("has_chat_template", "supports_infill"):
        row[flag] = bool(row[flag])
    return LibraryModel(**row)


def _not_found(model_id: str, ids: list[str]) -> ModelNotFound:
    wanted = model_id.lower()
    near = [known for known in ids if wanted and (wanted in known or known in wanted)]
    near += [known for known in difflib.get_close_matches(wanted, ids, n=3, cutoff=0.5) if known not in near]
    if near:
        hint = f"Did you mean {' or '.join(near[:3])}?"
    else:
        hint = "`jackdaw models list` shows all." if ids else "Import one: jackdaw models import FILE."
    return ModelNotFound(f"There is no model {model_id!r} in the library.", hint=hint)


def _delete_files(model: LibraryModel, root: Path) -> bool:
    """Delete the model's files if their folder, links resolved, is below `root`; folders that became empty go too."""
    folder, root = model.path.parent.resolve(), root.resolve()
    if not folder.is_relative_to(root):
        return False
    try:
        # A whole model may be named like a part; what looks like its siblings is not ours to delete.
        for part in part_paths(model.path) if model.parts > 1 else (model.path,):
            (folder / part.name).unlink(missing_ok=True)
    except OSError as error:
        raise ModelsError(
            f"{error.filename} cannot be deleted: {error.strerror}.", hint="Check who owns the file and its folder."
        ) from error
    with contextlib.suppress(OSError):  # not empty: somebody else's files are in it
        while folder != root:
            folder.rmdir()
            folder = folder.parent
    return True
