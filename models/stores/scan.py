"""One look through all stores. Reading only: no file, no date and no permission of anybody's changes."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from models.blocks import used_bytes
from models.library_rows import LibraryModel
from models.progress import Cancel, Progress, Report
from models.stores import folders, huggingface, ollama
from models.stores.duplicates import find_duplicates, stored_files
from models.stores.examine import examine, once_each
from models.stores.hashes import FileHashes
from models.stores.places import StorePlaces
from models.stores.types import Candidate, FoundModel, ScanResult, Store, StoreSeen
from models.stores.walk import Looking

MAX_PROBLEMS = 5  # named for one store


async def scan(
    places: StorePlaces,
    hashes: FileHashes,
    known: Sequence[LibraryModel] = (),
    report: Report | None = None,
    cancel: Cancel | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> ScanResult:
    """Find the models in all places, and which of their files are equal. `known` is what the library has.

    What cannot be read is told in the result and stops nothing. The first scan of equal files hashes them, which takes
    a second per gigabyte or more. Raises Cancelled.
    """
    stop = cancel or Cancel()
    seen: list[StoreSeen] = []
    models: list[FoundModel] = []
    for store, folder in places.all():
        if report is not None:
            report(Progress(len(models), 0, "files", f"Looking through {folder}"))
        found = await asyncio.to_thread(look_through, store, folder, known, stop)
        if found is not None:
            seen.append(found[0])
            models.extend(found[1])
    models = await asyncio.to_thread(once_each, models)
    files = await asyncio.to_thread(stored_files, models)
    duplicates, unhashed = await find_duplicates(files, hashes, report, stop)
    hash_of = {path: one.sha256 for one in duplicates for path in one.paths}
    return ScanResult(
        scanned_at=clock(),
        stores=tuple(seen),
        models=tuple(_with_hash(model, hash_of.get(model.path, ""), known) for model in models),
        duplicates=duplicates,
        unhashed=unhashed,
        paths=tuple(file.path for file in files),
    )


def look_through(
    store: Store, folder: Path, known: Sequence[LibraryModel], cancel: Cancel
) -> tuple[StoreSeen, list[FoundModel]] | None:
    """What one folder holds, None when there is no such folder. Blocking; raises Cancelled."""
    looking = Looking(cancel)
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        looking.cannot(folder, error)
        return StoreSeen(store, folder, 0, 0, _in_words(looking.problems)), []
    models = examine(_candidates(store, folder, looking), known, looking)
    good = [model for model in models if not model.problem]
    room = used_bytes(Path(os.path.realpath(path)) for model in good for path in model.files)
    return StoreSeen(store, folder, len(good), room, _in_words(looking.problems)), models


def _candidates(store: Store, folder: Path, looking: Looking) -> list[Candidate]:
    if store == "ollama":
        return ollama.candidates(folder, looking)
    if store == "huggingface":
        return huggingface.candidates(folder, looking)
    return folders.candidates(store, folder, looking)


def _in_words(problems: Sequence[str]) -> str:
    more = len(problems) - MAX_PROBLEMS
    return " ".join([*problems[:MAX_PROBLEMS], *([f"And {more} more."] if more > 0 else [])])


def _with_hash(model: FoundModel, sha256: str, known: Sequence[LibraryModel]) -> FoundModel:
    """The model with its hash once it was computed, and with the id of a library model of the same content."""
    sha256 = model.sha256 or sha256
    twin = next((one.id for one in known if sha256 and (one.sha256, one.bytes) == (sha256, model.bytes)), "")
    return dataclasses.replace(model, sha256=sha256, model_id=model.model_id or twin)
