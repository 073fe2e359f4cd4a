"""Deleting the files of a model: only what lies in our models folder, and only what no other model needs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.blocks import freed_bytes, shares_with
from models.errors import ModelsError
from models.library_rows import LibraryModel
from models.split_gguf import part_paths


@dataclass(frozen=True, slots=True)
class Removed:
    """A model that left the library; `file_deleted` tells whether its files went too.

    `freed_bytes` is what the disk got back; `shared_with` are other names of the same bytes, which still hold the room.
    """

    id: str
    path: Path
    file_deleted: bool
    freed_bytes: int = 0
    shared_with: tuple[Path, ...] = ()


def model_files(model: LibraryModel) -> tuple[Path, ...]:
    """All parts, first to last, without the projector."""
    # A whole model may be named like a part; what looks like its siblings is not its own.
    return part_paths(model.path) if model.parts > 1 else (model.path,)


def removable_files(model: LibraryModel, others: Iterable[LibraryModel], root: Path) -> tuple[Path, ...]:
    """The files that go with this model: those whose folder, links resolved, is below `root`.

    The projector goes with the last model that uses it. Empty when the model is not ours to delete.
    """
    root = root.resolve()
    files = tuple(path.parent.resolve() / path.name for path in model_files(model))
    if not files[0].is_relative_to(root):
        return ()
    if model.projector is None or any(other.projector == model.projector for other in others if other.id != model.id):
        return files
    projector = model.projector.parent.resolve() / model.projector.name
    return (*files, projector) if projector.is_relative_to(root) else files


def remove_files(model: LibraryModel, others: Iterable[LibraryModel], root: Path, known: Iterable[Path]) -> Removed:
    """Delete what is ours; folders that became empty go too. `known` are files seen elsewhere that may share bytes.

    Raises ModelsError when a file cannot be deleted.
    """
    files = removable_files(model, others, root)
    gone = set(files)
    elsewhere = [path for path in known if path.parent.resolve() / path.name not in gone]
    shared = tuple(dict.fromkeys(other for path in files for other in shares_with(path, elsewhere)))
    freed = freed_bytes(files)
    try:
        for path in files:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ModelsError(
            f"{error.filename} cannot be deleted: {error.strerror}.", hint="Check who owns the file and its folder."
        ) from error
    _remove_empty({path.parent for path in files}, root.resolve())
    return Removed(model.id, model.path, bool(files), freed, shared)


def _remove_empty(folders: Iterable[Path], root: Path) -> None:
    for start in folders:
        folder = start
        with contextlib.suppress(OSError):  # not empty: somebody else's files are in it
            while folder != root and folder.is_relative_to(root):
                os.rmdir(folder)  # noqa: PTH106 - never a link: rmdir refuses it, as it must
                folder = folder.parent
