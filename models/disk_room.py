"""Whether there is room for what is about to be written: asked before, with a reserve nobody should lose."""

from __future__ import annotations

import shutil
from pathlib import Path

from models.errors import DiskFull

FLOOR_BYTES = 1 << 30
FLOOR_SHARE = 0.01
NEARLY_FULL_BYTES = 1 << 16


def disk_floor(folder: Path) -> int:
    """What is left free whatever we write: 1 GiB or 1 % of the disk, the larger."""
    return max(FLOOR_BYTES, int(shutil.disk_usage(folder).total * FLOOR_SHARE))


def require_room(folder: Path, needed_bytes: int, what: str, floor_bytes: int | None = None) -> None:
    """Raise DiskFull with the numbers unless `needed_bytes` and the floor are free; `floor_bytes` None takes ours."""
    floor = disk_floor(folder) if floor_bytes is None else floor_bytes
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + floor:
        raise disk_full(folder, needed_bytes, free, what, floor)


def raise_if_filled(folder: Path, rest_bytes: int, what: str) -> None:
    """Raise DiskFull when a tool failed where there is no room for the rest of its work: tools seldom say why.

    To be asked before the half made file is removed.
    """
    free = shutil.disk_usage(folder).free
    if free < max(rest_bytes, NEARLY_FULL_BYTES):
        raise disk_full(folder, max(rest_bytes, NEARLY_FULL_BYTES), free, what)


def disk_full(folder: Path, needed_bytes: int, free_bytes: int, what: str, floor_bytes: int = 0) -> DiskFull:
    """The error, with every number in its sentence."""
    reserve = f", with {human(floor_bytes)} to stay free" if floor_bytes else ""
    return DiskFull(
        f"{what} needs {human(needed_bytes)} in {folder}{reserve}; {human(free_bytes)} are free.",
        needed_bytes=needed_bytes,
        free_bytes=free_bytes,
        hint=f"Free {human(max(0, needed_bytes + floor_bytes - free_bytes))} there, or choose another folder.",
    )


def human(size: int) -> str:
    """Bytes for people: "395 MB", "1.2 GB"; powers of ten, as disks are sold."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" and (value < 9.95 or unit == "GB") else f"{value:.0f} {unit}"
