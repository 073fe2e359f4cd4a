"""The models on this machine: rows in jackdaw.db that point at files where they lie. Nothing is copied.

A file comes in only after its header passed our own check; it is deleted only when it lies in our models folder.
"""

from __future__ import annotations

import asyncio
import dataclasses
import difflib
import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from models.database import Database
from models.errors import BadGguf, ModelNotFound
from models.gguf import GgufHeader
from models.library_rows import (
    LIBRARY_MIGRATION,
    LIBRARY_MIGRATIONS,
    LIBRARY_ORIGIN_MIGRATION,
    LibraryModel,
    Origin,
    model_id_of,
    select_all,
    take_in,
)
from models.progress import Cancel, Report
from models.projectors import check_projector, find_projector, is_projector
from models.removal import Removed, remove_files
from models.split_gguf import model_stem, part_paths, read_model

__all__ = [
    "LIBRARY_MIGRATION",
    "LIBRARY_MIGRATIONS",
    "LIBRARY_ORIGIN_MIGRATION",
    "Library",
    "LibraryModel",
    "Origin",
    "Removed",
    "model_id_of",
]

# What general.type says about files that are not a model of their own.
NOT_A_MODEL = {
    "adapter": ("a LoRA adapter", "Import the model it was made for."),
    "mmproj": ("the picture part of a model", "Import the language model; this file goes with it."),
    "imatrix": ("an importance matrix", "It helps to quantize a model, and is none itself."),
    "controlvector": ("a control vector", "Import the model it was made for."),
}


Models = list[LibraryModel]  # inside Library the name `list` is the method's


class Library:
    """All models, in jackdaw.db; `clock` gives seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> Models:
        """All models in the order they came."""
        return await self._database.read(select_all)

    async def get(self, model_id: str) -> LibraryModel:
        """One model. Raises ModelNotFound; its hint names models with similar ids."""
        models = await self.list()
        for model in models:
            if model.id == model_id:
                return model
        raise _not_found(model_id, [model.id for model in models])

    async def import_path(
        self, path: Path, report: Report | None = None, cancel: Cancel | None = None, origin: Origin | None = None
    ) -> LibraryModel:
        """Check a GGUF file and take it in where it lies. Of a split model any part may be named.

        Raises BadGguf with the reason when no engine may see it, ModelExists when it is here already: this file, or one
        of the same sha256 where both are known. A file that was replaced since it was imported is checked anew and
        keeps its id; so does a model whose old file is gone and whose content is known to be the same.
        """
        found = await asyncio.to_thread(_examine, path, origin or Origin(), report, cancel)
        model = dataclasses.replace(found.model, added_at=self._clock())
        return await self._database.write(lambda connection: take_in(connection, model, found.modified_ns))

    async def remove(self, model_id: str, delete_below: Path, known: Iterable[Path] = ()) -> Removed:
        """Take a model out. Its files are deleted when they lie below `delete_below`, our own models folder.

        `known` are files of other stores; those that share the model's bytes are named in the answer. Raises
        ModelNotFound, and ModelsError when the files could not be deleted; then the model stays.
        """
        model, models = await self.get(model_id), await self.list()
        paths = [*known, *(other.path for other in models if other.id != model.id)]
        removed = await asyncio.to_thread(remove_files, model, models, delete_below, paths)
        await self._database.write(lambda connection: connection.execute("DELETE FROM models WHERE id = ?", [model.id]))
        return removed

    async def note_hash(self, model_id: str, sha256: str) -> None:
        """Remember the sha256 of the model's (first) file, once somebody computed it. Raises ModelNotFound."""
        await self._update(model_id, "sha256", sha256)

    async def note_projector(self, model_id: str) -> LibraryModel:
        """Look again for the picture part beside the model: it may have come later. Raises ModelNotFound, BadGguf."""
        model = await self.get(model_id)
        projector = await asyncio.to_thread(lambda: find_projector(model.path, read_model(model.path)))
        if projector is not None:
            await self._update(model_id, "projector", str(projector))
        return await self.get(model_id)

    async def accept_template(self, model_id: str) -> None:
        """Take the changed chat template as known. Raises ModelNotFound."""
        await self._update(model_id, "template_changed", 0)

    async def mark_suspect(self, model_id: str, reason: str) -> None:
        """Note why loading this file may crash the engine; "" takes that back. Raises ModelNotFound."""
        await self._update(model_id, "suspect", reason)

    async def _update(self, model_id: str, column: str, value: str | int) -> None:
        model = await self.get(model_id)
        statement = f"UPDATE models SET {column} = ? WHERE id = ?"  # noqa: S608 - our names
        await self._database.write(lambda connection: connection.execute(statement, [value, model.id]))


@dataclass(frozen=True, slots=True)
class _Found:
    model: LibraryModel
    modified_ns: int


def _examine(path: Path, origin: Origin, report: Report | None, cancel: Cancel | None) -> _Found:
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
    stem, template = model_stem(first), header.chat_template
    return _Found(
        LibraryModel(
            id=model_id_of(origin.label or stem),
            path=first,
            format="gguf",
            arch=header.architecture,
            name=header.name or origin.label or stem,
            params=header.parameter_count,
            quant=header.quant,
            bytes=header.file_bytes,
            context_length=header.context_length,
            kind=header.kind,
            has_chat_template=header.chat_template is not None,
            supports_infill=header.supports_infill,
            source=origin.source,
            licence=header.licence or origin.licence,
            added_at=0.0,
            parts=header.split_count,
            repo=origin.repo,
            commit=origin.commit,
            sha256=origin.sha256,
            projector=check_projector(origin.projector) if origin.projector else find_projector(first, header),
            source_model=origin.source_model,
            template_sha256=hashlib.sha256(template.encode(errors="surrogatepass")).hexdigest() if template else "",
        ),
        first.stat().st_mtime_ns,
    )


def _refuse_what_is_no_model(path: Path, header: GgufHeader) -> None:
    if header.file_kind in NOT_A_MODEL or is_projector(header):
        what, hint = NOT_A_MODEL.get(header.file_kind, NOT_A_MODEL["mmproj"])
        raise BadGguf(f"{path.name} is {what}, not a model.", hint=hint)
    if not header.architecture:
        raise BadGguf(f"{path.name} does not say which architecture its model has.", hint="Get the model again.")
    if not header.tensors:
        raise BadGguf(f"{path.name} holds a vocabulary and no weights.", hint="Get the file with the weights.")


def _not_found(model_id: str, ids: list[str]) -> ModelNotFound:
    wanted = model_id.lower()
    near = [known for known in ids if wanted and (wanted in known or known in wanted)]
    near += [known for known in difflib.get_close_matches(wanted, ids, n=3, cutoff=0.5) if known not in near]
    if near:
        hint = f"Did you mean {' or '.join(near[:3])}?"
    else:
        hint = "`jackdaw models list` shows all." if ids else "Import one: jackdaw models import FILE."
    return ModelNotFound(f"There is no model {model_id!r} in the library.", hint=hint)
