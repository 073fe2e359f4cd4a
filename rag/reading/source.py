"""The bytes of one file, read so that nothing else than a file is opened and a change meanwhile is noticed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import ParseFailed
from rag.reading.types import MIB, Limits

TRIES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """The whole file as it was at one moment, and what it was then."""

    data: bytes
    sha256: str
    mtime_ns: int
    inode: int


def read_source(path: Path, root: Path, limits: Limits) -> Source:
    """Read a regular file below `root` (or `root` itself). Raises ParseFailed.

    A file that changes while it is read is read again, TRIES times in all.
    """
    with _in_words(path):
        inside = root.resolve(strict=True)
        for _ in range(TRIES):
            if (source := _read_once(path, inside, limits)) is not None:
                return source
    raise ParseFailed(f"{path.name} changed every time while it was read.", reason="changing")


def _check_inside(path: Path, place: Path, root: Path) -> None:
    if not place.is_relative_to(root):
        raise ParseFailed(f"{path.name} leads out of the folder that was added.", reason="link_outside")


def _place_of(descriptor: int, path: Path) -> Path:
    """Where the file that was opened is: on the way to it a folder may have become a link since anybody looked."""
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
    except OSError:  # no Linux: as near to the opening as can be
        return path.resolve(strict=True)


def _read_once(path: Path, root: Path, limits: Limits) -> Source | None:
    # Opening a FIFO would wait for a writer, opening a device may do anything.
    _check_inside(path, path.resolve(strict=True), root)
    _check_kind(path, path.stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
        _check_inside(path, _place_of(descriptor, path), root)
        before = os.fstat(descriptor)
        _check_kind(path, before)
        _check_size(path, before, limits)
        data = _all_of(file.fileno(), before.st_size)
        after, now = os.fstat(descriptor), path.stat()
    if len(data) != before.st_size or not (_identity(before) == _identity(after) == _identity(now)):
        return None
    digest = hashlib.sha256(data, usedforsecurity=False).hexdigest()
    return Source(data, digest, before.st_mtime_ns, before.st_ino)


def _check_kind(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ParseFailed(f"{path.name} is no file with contents.", reason="not_a_file")


def _check_size(path: Path, found: os.stat_result, limits: Limits) -> None:
    if found.st_size > limits.file_bytes:
        size, most = found.st_size / MIB, limits.file_bytes / MIB
        raise ParseFailed(f"{path.name} has {size:,.0f} MiB; files are read up to {most:,.0f} MiB.", reason="too_large")
    if found.st_size == 0:
        raise ParseFailed(f"{path.name} is empty.", reason="empty")


def _all_of(descriptor: int, size: int) -> bytes:
    """Up to `size` bytes and one more, so that growth is seen."""
    pieces, left = [], size + 1
    while left > 0 and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ParseFailed(f"{path.name} is not there any more.", reason="vanished") from None
    except PermissionError:
        raise ParseFailed(f"{path.name} may not be read by you.", reason="unreadable") from None
    except (OSError, RuntimeError) as error:  # before Python 3.13 resolve() raises RuntimeError for a loop of links
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise ParseFailed(f"{path.name} is a link that leads back to itself.", reason="not_a_file") from None
        words = error.strerror or type(error).__name__
        raise ParseFailed(f"{path.name} cannot be read: {words}.", reason="unreadable") from None
