"""Making equal files one, once the user agreed: a copy-on-write clone where the disk can, else a hard link.

Each file is replaced by itself: both files are read and hashed again right before, the new one is made beside the old
under a name of its own, gets the old one's mode, dates and owner, is on the disk before it takes the old one's name,
and takes it in one step. A kill at any moment leaves either file in its place, and at most that extra name, which
`sweep` takes away. Nothing is merged that somebody has open for writing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.blocks import disk_bytes, extents
from models.durable import sync
from models.progress import Cancel, Progress, Report
from models.stores.hashes import FileChanged, hash_open
from models.stores.types import Method
from models.stores.writers import MergeRefused, unwritten

LEFTOVER = ".jackdaw-merge"  # ends the name a file has while it is being made
_FICLONE = 0x40049409  # linux/fs.h; the same on all architectures we know
_CANNOT_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one file. `saved_bytes` is what the disk got back; `problem` says why it was left as it was."""

    path: Path
    method: Method
    saved_bytes: int = 0
    problem: str = ""


def merge(
    paths: Sequence[Path],
    sha256: str,
    method: Method = "",
    report: Report | None = None,
    cancel: Cancel | None = None,
) -> tuple[Merged, ...]:
    """Make all these files share the bytes of one of them, on each disk apart. Blocking: each file is read whole.

    `method` "" clones where that works and links elsewhere; a link has one mode and one date under all its names, those
    of the file the most people may read, so that no program loses its model. The caller has the user's consent. One
    answer for each file but the ones that are kept; a file that cannot be merged keeps its bytes and says why, the
    others go on. Raises Cancelled between files and within reading.
    """
    real = list(dict.fromkeys(Path(os.path.realpath(path)) for path in paths))
    wish = _Wish(sha256, method, _counter(real, report), cancel)
    results: list[Merged] = []
    for group in _by_disk(real):
        keeper = _keeper(group)
        for path in group:
            if path != keeper:
                results.append(_merge_one(keeper, path, wish))
    return tuple(results)


def sweep(paths: Iterable[Path]) -> list[Path]:
    """Take away what a killed merge left beside these files; returns what it was. Other names are never touched."""
    gone: list[Path] = []
    for path in {Path(os.path.realpath(path)) for path in paths}:
        leftover = _beside(path)
        with contextlib.suppress(OSError):
            if stat.S_ISREG(leftover.lstat().st_mode):
                leftover.unlink()
                gone.append(leftover)
    return gone


def _by_disk(paths: Iterable[Path]) -> list[list[Path]]:
    groups: dict[int, list[Path]] = {}
    for path in paths:
        with contextlib.suppress(OSError):
            groups.setdefault(path.stat().st_dev, []).append(path)
    return list(groups.values())


def _keeper(group: Sequence[Path]) -> Path:
    """The file the others are made of: one that the most people may read, and that many names share already."""

    def order(path: Path) -> tuple[int, int, str]:
        info = path.stat()
        return -(info.st_mode & 0o777), -info.st_nlink, str(path)

    return min(group, key=order)


def _counter(paths: Sequence[Path], report: Report | None) -> Callable[[int], None]:
    sizes = [path.stat().st_size for path in paths if os.path.exists(path)]  # noqa: PTH110
    total, done = 2 * max(0, len(sizes) - 1) * max(sizes, default=0), 0

    def count(read: int) -> None:
        nonlocal done
        done += read
        if report is not None:
            report(Progress(min(done, total), total, "bytes", "Comparing once more"))

    return count


@dataclass(frozen=True, slots=True)
class _Wish:
    sha256: str
    method: Method
    count: Callable[[int], None]
    cancel: Cancel | None


def _merge_one(keeper: Path, path: Path, wish: _Wish) -> Merged:
    try:
        with _open(keeper) as source, _open(path) as target:
            if os.path.samestat(os.fstat(source), os.fstat(target)):
                return Merged(path, "hardlink")
            with unwritten(source, keeper) as source_unwritten, unwritten(target, path) as target_unwritten:

                def check() -> None:
                    source_unwritten()
                    target_unwritten()

                _verify(source, keeper, wish, check)
                old = _verify(target, path, wish, check)
                return _replace(source, keeper, path, old, wish.method, check=check)
    except MergeRefused as refused:
        return Merged(path, "", problem=refused.message)
    except OSError as error:
        return Merged(path, "", problem=f"{error.filename or path} cannot be changed: {error.strerror}.")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _verify(descriptor: int, path: Path, wish: _Wish, check: Callable[[], None]) -> os.stat_result:
    def step(read: int) -> None:
        check()
        wish.count(read)

    try:
        found, info = hash_open(descriptor, step, wish.cancel)
    except FileChanged as error:
        raise MergeRefused(f"{path} was not merged: {error}.") from error
    if found != wish.sha256:
        raise MergeRefused(f"{path} no longer has the content it had; scan again.")
    return info


def _replace(
    source: int, keeper: Path, path: Path, old: os.stat_result, method: Method, *, check: Callable[[], None]
) -> Merged:
    new = _beside(path)
    new.unlink(missing_ok=True)
    saved = _own_bytes(path, old)
    os.fsync(source)  # it may be younger than the disk's last write, and the other copy goes
    try:
        made = _make(source, keeper, new, old, method)
        _still(path, old)
        check()
        os.rename(new, path)  # noqa: PTH104 - in one step, and links are not followed
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):
        sync(path.parent)
    return Merged(path, made, saved)


def _make(source: int, keeper: Path, new: Path, old: os.stat_result, method: Method) -> Method:
    if method in ("", "reflink"):
        if _clone(source, new, old):
            return "reflink"
        if method == "reflink":
            raise MergeRefused(f"{new.parent} lies on a disk that cannot share blocks between files.")
    kept = os.fstat(source)
    if kept.st_uid != old.st_uid or kept.st_gid != old.st_gid:
        raise MergeRefused(f"{keeper} and {new.name.removesuffix(LEFTOVER)} belong to different users.")
    if not os.path.samestat(kept, keeper.lstat()):
        raise MergeRefused(f"{keeper} was replaced meanwhile; scan again.")
    os.link(keeper, new, follow_symlinks=False)
    if not os.path.samestat(kept, new.lstat()):  # the name may have changed hands since it was looked at
        raise MergeRefused(f"{keeper} was replaced meanwhile; scan again.")
    return "hardlink"


def _clone(source: int, new: Path, old: os.stat_result) -> bool:
    """A copy that shares all blocks, with the old file's mode, owner and dates; False where the disk has no such."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(new, flags, 0o600)
    try:
        try:
            fcntl.ioctl(descriptor, _FICLONE, source)
        except OSError as error:
            if error.errno not in _CANNOT_CLONE:
                raise
            new.unlink()
            return False
        if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
        os.utime(descriptor, ns=(old.st_atime_ns, old.st_mtime_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _still(path: Path, old: os.stat_result) -> None:
    """Raise MergeRefused unless the name still leads to the file that was verified, unchanged."""
    now = path.lstat()
    same = os.path.samestat(now, old) and (now.st_size, now.st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    if not same:
        raise MergeRefused(f"{path} was replaced meanwhile; scan again.")


def _own_bytes(path: Path, info: os.stat_result) -> int:
    """What the disk gets back when this name goes: nothing while other names hold the file, nor of shared blocks."""
    if info.st_nlink > 1:
        return 0
    return max(0, disk_bytes(info) - sum(extent.bytes for extent in extents(path) or () if extent.shared))


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name[:200]}{LEFTOVER}")
