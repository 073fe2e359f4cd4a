"""What files really take on the disk, and which of them share it: hard links by inode, copies-on-write by extent.

Extents are asked of Linux with FIEMAP (kernel.org, filesystems/fiemap); elsewhere, and on file systems without it,
only hard links are known, and a file counts with the blocks it says it has.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own is (POSIX stat)
_FIEMAP = 0xC020660B
_EXTENTS_AT_ONCE = 512
_LAST, _SHARED = 0x1, 0x2000
# Kinds of extents whose address says nothing: unknown, delayed, not encoded plainly, inline.
_NO_ADDRESS = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of bytes of a file: where it lies on the disk, and whether another file has it too."""

    physical: int
    bytes: int
    shared: bool


def inode_of(path: Path) -> tuple[int, int] | None:
    """Device and number of the file at the end of `path`, links followed; None when there is none to see."""
    with contextlib.suppress(OSError):
        info = path.stat()
        return info.st_dev, info.st_ino
    return None


def disk_bytes(info: os.stat_result) -> int:
    """Bytes a file takes on the disk: its blocks where the system counts them, else its size."""
    return getattr(info, "st_blocks", -(-info.st_size // BLOCK_BYTES)) * BLOCK_BYTES


def extents(path: Path) -> tuple[Extent, ...] | None:
    """Where the file's bytes lie, None where that cannot be known. The file is opened for reading only."""
    if not sys.platform.startswith("linux"):
        return None
    found: list[Extent] = []
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        start, last = 0, False
        while not last:
            rows = _ask(descriptor, start)
            for logical, physical, length, flags in rows:
                if flags & _NO_ADDRESS:
                    return None
                found.append(Extent(physical, length, bool(flags & _SHARED)))
                start, last = logical + length, bool(flags & _LAST)
            last = last or not rows
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return tuple(found)


def _ask(descriptor: int, start: int) -> list[tuple[int, int, int, int]]:
    import fcntl  # not on Windows

    head, row = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
    buffer = bytearray(head.size + _EXTENTS_AT_ONCE * row.size)
    head.pack_into(buffer, 0, start, 2**64 - 1 - start, 0, 0, _EXTENTS_AT_ONCE, 0)
    fcntl.ioctl(descriptor, _FIEMAP, buffer, True)
    count = head.unpack_from(buffer)[3]
    rows = (row.unpack_from(buffer, head.size + number * row.size) for number in range(count))
    return [(one[0], one[1], one[2], one[5]) for one in rows]


def freed_bytes(paths: Iterable[Path]) -> int:
    """What deleting all these names together gives back: nothing for links, for inodes that keep another name, and
    for extents other files share."""
    names: dict[tuple[int, int], list[Path]] = {}
    infos: dict[tuple[int, int], os.stat_result] = {}
    for path in {Path(os.path.abspath(path)) for path in paths}:  # noqa: PTH100 - links stay
        with contextlib.suppress(OSError):
            info = path.lstat()
            if stat.S_ISREG(info.st_mode):
                names.setdefault((info.st_dev, info.st_ino), []).append(path)
                infos[info.st_dev, info.st_ino] = info
    return sum(_freed(infos[inode], paths) for inode, paths in names.items())


def _freed(info: os.stat_result, names: Sequence[Path]) -> int:
    if info.st_nlink > len(names):
        return 0
    shared = sum(extent.bytes for extent in extents(names[0]) or () if extent.shared)
    return max(0, disk_bytes(info) - shared)


def shares_with(path: Path, others: Iterable[Path]) -> tuple[Path, ...]:
    """Those of `others` that are other names of the same bytes: links to them, hard links, or copies-on-write."""
    inode, own = inode_of(path), os.path.abspath(path)  # noqa: PTH100 - links stay
    if inode is None:
        return ()
    mine = {extent.physical for extent in extents(path) or () if extent.shared}
    return tuple(
        other
        for other in others
        if os.path.abspath(other) != own  # noqa: PTH100
        and (
            inode_of(other) == inode
            or (mine and any(extent.physical in mine for extent in extents(other) or () if extent.shared))
        )
    )


def used_bytes(paths: Iterable[Path]) -> int:
    """Bytes all these files take together; several names of one file count once, links count nothing."""
    infos: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            info = path.lstat()
            if stat.S_ISREG(info.st_mode):
                infos[info.st_dev, info.st_ino] = info
    return sum(disk_bytes(info) for info in infos.values())
