"""Who takes how much of the disk with our models folder, and what deleting each model would give back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.blocks import freed_bytes, shares_with, used_bytes
from models.library_rows import LibraryModel
from models.removal import model_files, removable_files

PARTIAL = ".part"  # ends the name of a download that is not finished


@dataclass(frozen=True, slots=True)
class ModelRoom:
    """One model: `bytes` is what deleting it here would free, 0 when it is another program's or shared."""

    id: str
    name: str
    path: Path
    store: str
    bytes: int
    file_bytes: int  # of all its files and its projector, whoever else has them
    shared_with: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskUse:
    """The disk with our models folder; `used_bytes` counts all of ours, each file once however many names it has."""

    folder: Path
    used_bytes: int
    partial_bytes: int
    free_bytes: int
    disk_bytes: int
    models: tuple[ModelRoom, ...]


def disk_use(models: Sequence[LibraryModel], folder: Path, known: Iterable[Path] = ()) -> DiskUse:
    """Look at all files; blocking. `known` are files of other stores that may share bytes with ours."""
    paths = tuple(dict.fromkeys([*known, *(path for model in models for path in _files(model))]))
    files = _files_below(folder)
    partial = [path for path in files if path.name.endswith(PARTIAL)]
    disk = shutil.disk_usage(folder)
    return DiskUse(
        folder=folder,
        used_bytes=used_bytes(files),
        partial_bytes=used_bytes(partial),
        free_bytes=disk.free,
        disk_bytes=disk.total,
        models=tuple(_room(model, models, folder, paths) for model in models),
    )


def _room(model: LibraryModel, models: Sequence[LibraryModel], folder: Path, paths: Sequence[Path]) -> ModelRoom:
    own = {os.path.realpath(path) for path in _files(model) if not path.is_symlink()}
    others = [path for path in paths if os.path.realpath(path.parent) + os.sep + path.name not in own]
    if model.projector is not None:  # several models use one; that shares nothing
        others = [path for path in others if path != model.projector]
    return ModelRoom(
        id=model.id,
        name=model.name,
        path=model.path,
        store=model.source,
        bytes=freed_bytes(removable_files(model, models, folder)),
        file_bytes=sum(_size(path) for path in _files(model)),
        shared_with=tuple(
            dict.fromkeys(other for path in model_files(model) for other in shares_with(path, others) if other != path)
        ),
    )


def _files(model: LibraryModel) -> tuple[Path, ...]:
    return (*model_files(model), *([model.projector] if model.projector else []))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _files_below(folder: Path) -> list[Path]:
    """Regular files; links are not followed, so what lies elsewhere is not counted as ours."""
    return [
        Path(here, name) for here, _, names in os.walk(folder) for name in names if not Path(here, name).is_symlink()
    ]
