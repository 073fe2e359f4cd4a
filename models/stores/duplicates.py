"""Which files have one content. Sizes are compared first, then pieces, and only what may be equal is hashed."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.blocks import disk_bytes, extents
from models.progress import Cancel, Progress, Report
from models.stores.hashes import FileChanged, FileHashes, sample
from models.stores.types import Duplicate, FoundModel, Method, Store

# File systems that can copy by sharing blocks; whether one was made to is known only when it is tried.
SHARING_FILE_SYSTEMS = frozenset({"btrfs", "xfs", "bcachefs", "ocfs2", "zfs"})


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a found model, with all names it was found by and what the disk says of it."""

    path: Path
    store: Store
    info: os.stat_result
    sha256: str = ""  # as its store names it

    @property
    def inode(self) -> tuple[int, int]:
        return self.info.st_dev, self.info.st_ino


def stored_files(models: Iterable[FoundModel]) -> list[StoredFile]:
    """All files of all models with their picture parts, each path once; those that cannot be seen are left out."""
    found: dict[Path, StoredFile] = {}
    for model in models:
        files = model.files if not model.problem or model.files else ()
        named = [(path, model.sha256 if path == model.path else "") for path in files]
        if model.projector is not None:
            named.append((model.projector, model.projector_sha256))
        for path, sha256 in named:
            try:
                found.setdefault(path, StoredFile(path, model.store, path.stat(), sha256))
            except OSError:
                continue
    return list(found.values())


async def find_duplicates(
    files: Sequence[StoredFile], hashes: FileHashes, report: Report | None = None, cancel: Cancel | None = None
) -> tuple[tuple[Duplicate, ...], int]:
    """The groups of equal files, most wasteful first, and how many files could not be compared.

    Files that are one file by hard link are a group too: they waste nothing. Raises Cancelled.
    """
    groups, unhashed = await _suspects(files)
    hasher = _Hasher(hashes, sum(_bytes_to_hash(group) for group in groups), report, cancel)
    by_hash: dict[str, list[StoredFile]] = defaultdict(list)
    for group in groups:
        known: dict[tuple[int, int], str] = {}
        for file in group:
            if file.inode not in known:
                known[file.inode] = await hasher.sha256(file)
            if known[file.inode]:
                by_hash[known[file.inode]].append(file)
            else:
                unhashed += 1
    same = [(sha256, group) for sha256, group in by_hash.items() if len(group) > 1]
    found = [await asyncio.to_thread(_duplicate, sha256, group) for sha256, group in same]
    return tuple(sorted(found, key=lambda one: (-one.wasted_bytes, one.paths))), unhashed


async def _suspects(files: Sequence[StoredFile]) -> tuple[list[list[StoredFile]], int]:
    """Groups that may be equal: one size, and equal pieces."""
    by_size: dict[int, list[StoredFile]] = defaultdict(list)
    for file in files:
        by_size[file.info.st_size].append(file)
    groups: dict[str, list[StoredFile]] = defaultdict(list)
    unread = 0
    for same_size in by_size.values():
        for file in same_size if len(same_size) > 1 else ():
            try:
                groups[await asyncio.to_thread(sample, file.path)].append(file)
            except OSError:
                unread += 1
    return [group for group in groups.values() if len(group) > 1], unread


def _bytes_to_hash(group: Sequence[StoredFile]) -> int:
    return sum({file.inode: file.info.st_size for file in group if not file.sha256}.values())


class _Hasher:
    """Hashes file after file and reports how far all of it is."""

    def __init__(self, hashes: FileHashes, total: int, report: Report | None, cancel: Cancel | None) -> None:
        self._hashes, self._total, self._report, self._cancel = hashes, total, report, cancel
        self._done = 0

    async def sha256(self, file: StoredFile) -> str:
        """What the store names it by, else its hash; "" when it cannot be read or is being written."""
        if file.sha256:
            return file.sha256
        try:
            return await self._hashes.sha256(file.path, self._counter(file.path.name), self._cancel)
        except (OSError, FileChanged):
            return ""

    def _counter(self, name: str) -> Callable[[int], None]:
        def count(read: int) -> None:
            self._done += read
            if self._report is not None:
                self._report(Progress(self._done, max(self._total, self._done), "bytes", f"Comparing {name}"))

        return count


def _duplicate(sha256: str, group: Sequence[StoredFile]) -> Duplicate:
    method, problem = _method(group)
    return Duplicate(
        sha256=sha256,
        bytes=group[0].info.st_size,
        paths=tuple(file.path for file in group),
        stores=tuple(file.store for file in group),
        wasted_bytes=wasted_bytes({file.inode: file for file in group}.values()),
        method=method,
        problem=problem,
    )


def wasted_bytes(files: Iterable[StoredFile]) -> int:
    """Bytes more than one copy takes, over files of different inodes; extents they share already count once."""
    takes, seen = [], set[int]()
    for file in files:
        own = extents(file.path)
        if own is None:
            takes.append(disk_bytes(file.info))
        else:
            takes.append(sum(extent.bytes for extent in own if not extent.shared or extent.physical not in seen))
            seen.update(extent.physical for extent in own if extent.shared)
    return max(0, sum(takes) - max(takes, default=0))


def _method(group: Sequence[StoredFile]) -> tuple[Method, str]:
    """How the group could be merged, or why it cannot."""
    by_device: dict[int, dict[int, StoredFile]] = defaultdict(dict)
    for file in group:
        by_device[file.info.st_dev][file.info.st_ino] = file
    together = [list(files.values()) for files in by_device.values() if len(files) > 1]
    if not together:
        one_file = len(by_device) == 1
        return "", "They are one file already." if one_file else "They lie on different disks."
    kinds = [file_system_of(files[0].path, _mounts()) for files in together]
    if any(kind in SHARING_FILE_SYSTEMS for kind in kinds):
        return "reflink", ""
    for files in together:
        if len({file.info.st_uid for file in files}) == 1:
            return "hardlink", ""
    return "", "They belong to different users."


def _mounts() -> Mapping[str, str]:
    """File system by mount point, from /proc/mounts; empty where there is none."""
    try:
        with open("/proc/mounts", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123 - surrogates
            rows = [line.split(" ") for line in file]
    except OSError:
        return {}
    return {row[1].replace("\\040", " "): row[2] for row in rows if len(row) > 2}


def file_system_of(path: Path, mounts: Mapping[str, str]) -> str:
    """The kind of file system a path lies on, by the longest mount point above it; "" when not known."""
    real = Path(os.path.realpath(path))
    above = [point for point in mounts if real.is_relative_to(point)]
    return mounts[max(above, key=len)] if above else ""
