"""Stores, duplicates and room on the disk, as the wire tells of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from desktop import wire_models as wire
from models.blocks import freed_bytes, shares_with, used_bytes
from models.library import LibraryModel
from models.removal import model_files, removable_files
from models.stores.types import Duplicate, FoundModel, ScanResult


def store_report(result: ScanResult, models: Sequence[LibraryModel]) -> wire.StoreReport:
    """The last scan, with what came into the library since."""
    ids = {model.path: model.id for model in models}
    return wire.StoreReport(
        scanned_at=result.scanned_at,
        stores=[
            wire.StoreSeen(
                store=seen.store, folder=str(seen.folder), models=seen.models, bytes=seen.bytes, problem=seen.problem
            )
            for seen in result.stores
        ],
        models=[_found_row(model, ids) for model in result.models],
        duplicates=[_duplicate_row(duplicate) for duplicate in result.duplicates],
        unhashed=result.unhashed,
    )


def _found_row(model: FoundModel, ids: dict[Path, str]) -> wire.FoundModel:
    known = ids.get(model.path, "")
    return wire.FoundModel(
        path=str(model.path),
        name=model.name,
        store=model.store,
        label=model.label,
        bytes=model.bytes,
        quant=model.quant,
        arch=model.arch,
        kind=model.kind,
        # what the scan knew may have left the library meanwhile
        model_id=known or (model.model_id if model.model_id in ids.values() else ""),
        problem=model.problem,
        projector=str(model.projector or ""),
    )


def _duplicate_row(duplicate: Duplicate) -> wire.Duplicate:
    return wire.Duplicate(
        sha256=duplicate.sha256,
        bytes=duplicate.bytes,
        paths=[str(path) for path in duplicate.paths],
        stores=list(duplicate.stores),
        wasted_bytes=duplicate.wasted_bytes,
        method=duplicate.method,
        problem=duplicate.problem,
    )


def disk_use(folder: Path, models: Sequence[LibraryModel], known: Iterable[Path]) -> wire.DiskUse:
    """Room that models take; `folder` is our own, `known` are files of other stores. Looks at the disk: blocks."""
    room, elsewhere = shutil.disk_usage(folder), list(known)
    ours = list(_files_below(folder))
    partial = [path for path in ours if _is_partial(path)]
    return wire.DiskUse(
        folder=str(folder),
        used_bytes=used_bytes(ours),
        partial_bytes=used_bytes(partial),
        free_bytes=room.free,
        disk_bytes=room.total,
        models=[_disk_model(model, models, folder, elsewhere) for model in models],
    )


def _disk_model(model: LibraryModel, models: Sequence[LibraryModel], folder: Path, known: list[Path]) -> wire.DiskModel:
    own = set(model_files(model))
    elsewhere = [path for path in known if path not in own]
    others = [path for other in models if other.id != model.id for path in model_files(other)]
    shared = dict.fromkeys(str(path) for file in own for path in shares_with(file, [*elsewhere, *others]))
    return wire.DiskModel(
        id=model.id,
        name=model.name,
        path=str(model.path),
        store="jackdaw" if model.source in ("hub", "made") else model.source,
        bytes=freed_bytes(removable_files(model, models, folder)),
        file_bytes=model.bytes,
        shared_with=list(shared),
    )


def _files_below(folder: Path) -> Iterable[Path]:
    for at, _, names in os.walk(folder):  # never follows links
        yield from (Path(at, name) for name in names)


def _is_partial(path: Path) -> bool:
    return ".part" in path.suffixes
