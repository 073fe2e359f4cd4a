"""Stores, duplicates and room on the disk, as the wire tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from desktop import wire_models as wire
from models.disk_use import DiskUse
from models.library import LibraryModel
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


def disk_row(use: DiskUse) -> wire.DiskUse:
    """What models take."""
    return wire.DiskUse(
        folder=str(use.folder),
        used_bytes=use.used_bytes,
        partial_bytes=use.partial_bytes,
        free_bytes=use.free_bytes,
        disk_bytes=use.disk_bytes,
        models=[
            wire.DiskModel(
                id=model.id,
                name=model.name,
                path=str(model.path),
                store=model.store,
                bytes=model.bytes,
                file_bytes=model.file_bytes,
                shared_with=[str(path) for path in model.shared_with],
            )
            for model in use.models
        ],
    )
