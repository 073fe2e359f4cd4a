"""Which files are read in one call of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rag.reading.languages import file_type

# A file and the root it is below.
Job = tuple[Path, Path]
Batch = list[Job]

MOST_FILES = 64
MOST_BYTES = 1024 * 1024
SMALL_BYTES = 256 * 1024
# What is read by libraries in C, or takes long for its size, is read alone: a crash then costs nothing else.
ALONE = frozenset({"pdf", "docx", "pptx", "xlsx", "odf", "epub", "archive", "mbox"})


def batches(jobs: Sequence[Job]) -> list[Batch]:
    """Small files together, up to MOST_FILES and MOST_BYTES; every other file alone. Looks at the sizes on the disk."""
    found: list[Batch] = []
    batch: Batch = []
    size = 0
    for job in jobs:
        small = _small_bytes(job[0])
        if small is None:
            found.append([job])
            continue
        if batch and (len(batch) == MOST_FILES or size + small > MOST_BYTES):
            found.append(batch)
            batch, size = [], 0
        batch.append(job)
        size += small
    return [*found, batch] if batch else found


def _small_bytes(path: Path) -> int | None:
    """The size of a file that goes with others, else None; what cannot be looked at fails fast and goes with others."""
    kind = file_type(path)
    if kind is not None and kind.format in ALONE:
        return None
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        return 0
    return size if size <= SMALL_BYTES else None
