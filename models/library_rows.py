"""The rows of the library in jackdaw.db: their schema, reading them, and taking one in inside a write transaction."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.database import Migration
from models.errors import ModelExists
from models.gguf import Kind

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
LIBRARY_ORIGIN_MIGRATION = Migration(
    4,
    "library_origin",
    """
    ALTER TABLE models ADD COLUMN repo TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN commit_sha TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN projector TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN source_model TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN template_sha256 TEXT NOT NULL DEFAULT '';
    ALTER TABLE models ADD COLUMN template_changed INTEGER NOT NULL DEFAULT 0;
    """,
)
LIBRARY_MIGRATIONS = (LIBRARY_MIGRATION, LIBRARY_ORIGIN_MIGRATION)

MAX_ID_CHARACTERS = 96


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
    bytes: int  # of all its files, without the projector
    context_length: int  # tokens it was trained for, 0 when the file does not say
    kind: Kind
    has_chat_template: bool
    supports_infill: bool
    source: str  # "import", "hub", "made", or the store whose file it is: "ollama", "lm-studio", …
    licence: str
    added_at: float  # seconds since 1970
    suspect: str = ""
    parts: int = 1  # files it is split into
    repo: str = ""  # on the Hub, "author/name"
    commit: str = ""  # of that repo
    sha256: str = ""  # of `path`, 64 hex digits: computed, or as the store it lies in names it; "" while not known
    projector: Path | None = None  # the picture part
    source_model: str = ""  # id of the model it was made from
    template_sha256: str = ""  # of the chat template's UTF-8 text; "" without one
    template_changed: bool = False  # the file under this id was replaced by one with another chat template


@dataclass(frozen=True, slots=True)
class Origin:
    """What the importer knows beyond the file. `label` is its name in its store ("llama3.2:3b"): the id is made of it.

    `projector` None lets the library look for one beside the file.
    """

    source: str = "import"
    label: str = ""
    repo: str = ""
    commit: str = ""
    sha256: str = ""
    projector: Path | None = None
    source_model: str = ""
    licence: str = ""


COLUMN_OF = {field.name: field.name for field in dataclasses.fields(LibraryModel)} | {"commit": "commit_sha"}


def model_id_of(stem: str) -> str:
    """An id made of a file's name: lower case, only a-z 0-9 . _ and -; "@" is for collections and never in one."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower())[:MAX_ID_CHARACTERS].strip("-._")
    return plain or "model"


def select_all(connection: sqlite3.Connection) -> list[LibraryModel]:
    """All rows in the order they came."""
    rows = connection.execute(f"SELECT {', '.join(COLUMN_OF.values())} FROM models ORDER BY number")  # noqa: S608 - our names
    return [_model(dict(zip(COLUMN_OF, row, strict=True))) for row in rows]


def take_in(connection: sqlite3.Connection, model: LibraryModel, modified_ns: int) -> LibraryModel:
    """Insert the row, or refresh the one whose file was replaced. Runs in the write transaction, so ids cannot race.

    Raises ModelExists when the file, or another one with its content, is in the library.
    """
    known = select_all(connection)
    earlier = _earlier_row(connection, known, model, modified_ns)
    if earlier is not None:
        connection.execute("DELETE FROM models WHERE id = ?", [earlier.id])
        model = dataclasses.replace(model, id=earlier.id, added_at=earlier.added_at)
    else:
        model = dataclasses.replace(model, id=_free_id(model.id, {other.id for other in known}))
    model = dataclasses.replace(model, template_changed=_template_changed(earlier, known, model))
    values = _values(model) | {"modified_ns": modified_ns}
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO models ({names}) VALUES ({marks})", list(values.values()))  # noqa: S608 - our names
    return model


def _earlier_row(
    connection: sqlite3.Connection, known: Iterable[LibraryModel], model: LibraryModel, modified_ns: int
) -> LibraryModel | None:
    """The row this model takes the place of: its file was replaced, or moved here. Raises ModelExists."""
    for other in known:
        if same_file(other.path, model.path):
            if (other.bytes, _modified_ns(connection, other.id)) != (model.bytes, modified_ns):
                return other
            raise ModelExists(
                f"{model.path.name} is in the library already, as {other.id}.",
                model_id=other.id,
                hint="Choose it there.",
            )
        if _same_content(other, model):
            if not os.path.exists(other.path):  # noqa: PTH110 - False too where it may not be seen
                return other
            raise ModelExists(
                f"{other.id} in the library has the same content as {model.path.name}.",
                model_id=other.id,
                hint="Choose it there.",
            )
    return None


def _same_content(one: LibraryModel, other: LibraryModel) -> bool:
    # The first part of a split model may hold metadata alone, and then equals that of other models.
    return bool(one.sha256) and (one.sha256, one.bytes, one.parts) == (other.sha256, other.bytes, 1)


def _template_changed(earlier: LibraryModel | None, known: Iterable[LibraryModel], model: LibraryModel) -> bool:
    """Whether this model came with another chat template before: under this id, or at another commit of its repo."""
    before = [earlier] if earlier is not None else []
    before += [
        other for other in known if model.repo and (other.repo, other.path.name) == (model.repo, model.path.name)
    ]
    return any(old.template_sha256 and old.template_sha256 != model.template_sha256 for old in before)


def _free_id(wanted: str, taken: Iterable[str]) -> str:
    number, free, known = 1, wanted, set(taken)
    while free in known:
        number += 1
        free = f"{wanted}-{number}"
    return free


def same_file(one: Path, other: Path) -> bool:
    """Whether both are one file, also by another link or name."""
    if one == other:
        return True
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False


def _modified_ns(connection: sqlite3.Connection, model_id: str) -> int:
    return int(connection.execute("SELECT modified_ns FROM models WHERE id = ?", [model_id]).fetchone()[0])


def _values(model: LibraryModel) -> dict[str, Any]:
    values: dict[str, Any] = {column: getattr(model, name) for name, column in COLUMN_OF.items()}
    return values | {"path": str(model.path), "projector": str(model.projector or "")}


def _model(row: dict[str, Any]) -> LibraryModel:
    row["path"] = Path(row["path"])
    row["projector"] = Path(row["projector"]) if row["projector"] else None
    for flag in ("has_chat_template", "supports_infill", "template_changed"):
        row[flag] = bool(row[flag])
    return LibraryModel(**row)
