"""Folders of vector indexes that could not be used: moved aside for who wants to look, one of them at most."""

from __future__ import annotations

import shutil
from pathlib import Path


def move_aside(index: Path, folder: Path) -> Path | None:
    """Move the damaged `index` to `<folder>.broken-N` and delete older ones; None when there was none.

    `folder` is the one all of the vector index lies in.
    """
    if not index.exists():
        return None
    old = quarantined(folder)
    number = max((_number(entry) for entry in old), default=0) + 1
    kept = folder.with_name(f"{folder.name}.broken-{number}")
    index.replace(kept)
    for entry in old:
        shutil.rmtree(entry, ignore_errors=True)
    return kept


def quarantined(folder: Path) -> list[Path]:
    """What was moved aside, oldest first."""
    return sorted(folder.parent.glob(f"{folder.name}.broken-*"), key=_number)


def drop(folder: Path) -> None:
    """Delete what was moved aside."""
    for entry in quarantined(folder):
        shutil.rmtree(entry, ignore_errors=True)


def _number(entry: Path) -> int:
    digits = entry.name.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
