"""A file on its way: `<target>.part` beside `<target>.part.json`, which says what it is to become and what is there.

The manifest is replaced as a whole, after the bytes it speaks of were written. A killed process loses nothing of what
it says. A machine that loses its power may: so it also holds the `durable` ranges, known to be on the disk itself, and
the `boot` in which it was written; after another boot only the durable ones are believed.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from models.download import ranges
from models.download.ranges import Ranges
from models.download.types import DownloadSpec, RemoteFile
from models.errors import UnsafeName
from models.hub.names import check_inside, is_file_name, repo_folder, safe_path

PART = ".part"
MANIFEST = ".part.json"
_NEW = ".part.json.new"
_VERSION = 1
_MANIFEST_BYTES = 1 << 20
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class PartialFile:
    """An unfinished download as it lies on the disk. `done` of `bytes` bytes are there."""

    repo: str
    commit: str
    path: str
    bytes: int
    done: int
    part: Path

    @property
    def manifest(self) -> Path:
        return self.part.with_name(self.part.name + ".json")


class Partial:
    """The open part file. Its methods may be called from several threads.

    `etag` is what the server calls the content; `verified` that its hash was right and it only waits for its rename.
    """

    def __init__(self, spec: DownloadSpec, file: RemoteFile) -> None:
        self.target = spec.target(file)
        self.part = self.target.with_name(self.target.name + PART)
        self._manifest = self.target.with_name(self.target.name + MANIFEST)
        self._new = self.target.with_name(self.target.name + _NEW)
        self._about = {"repo": spec.repo, "commit": spec.commit, "path": file.path, "bytes": file.bytes}
        self._about |= {"sha256": file.sha256, "git_sha1": file.git_sha1}
        self._lock = threading.Lock()
        known = read_manifest(self._manifest, self._about) if self.part.is_file() else None
        self.ranges: Ranges = _believed(known) if known is not None else ()
        self.etag: str = known["etag"] if known is not None else ""
        self.url: str = known["url"] if known is not None else ""
        self.verified: bool = known is not None and known["verified"] and ranges.covered(self.ranges) == file.bytes
        self._durable: Ranges = known["durable"] if known is not None else ()
        self._dirty = False
        self._finished = False
        self._fd = -1

    @property
    def done(self) -> int:
        return ranges.covered(self.ranges)

    @property
    def fd(self) -> int:
        """The descriptor; opened, and the folders made, at the first use."""
        with self._lock:
            if self._fd < 0:
                self._fd = self._open()
            return self._fd

    def _open(self) -> int:
        make_private(self.part.parent)
        fd = os.open(self.part, _FLAGS, 0o600)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise UnsafeName(f"{self.part} is not a plain file.")
        if not self.ranges:
            os.ftruncate(fd, 0)
        return fd

    def write(self, view: memoryview, at: int) -> None:
        """Write all of `view` at `at`. Raises OSError."""
        fd = self.fd
        while view:
            written = os.pwrite(fd, view, at)
            view, at = view[written:], at + written

    def add(self, start: int, end: int) -> None:
        """Count bytes that were written."""
        with self._lock:
            self.ranges = ranges.merged((*self.ranges, (start, end)))
            self._dirty = True

    @property
    def is_dirty(self) -> bool:
        """Whether bytes came of which the manifest does not know."""
        return self._dirty

    def note(self, *, sync: bool = False) -> None:
        """Replace the manifest; `sync` brings it to the disk. Raises OSError, and the old one stays."""
        self._dirty = False
        manifest = {**self._about, "version": _VERSION, "url": self.url, "etag": self.etag, "boot": boot_id()}
        manifest |= {"ranges": self.ranges, "durable": self._durable, "verified": self.verified}
        try:
            _write_private(self._new, json.dumps(manifest).encode(), sync=sync)
            self._new.replace(self._manifest)
        except OSError:
            self._new.unlink(missing_ok=True)
            raise

    @property
    def unsynced_bytes(self) -> int:
        return self.done - ranges.covered(self._durable)

    def sync(self) -> None:
        """Bring what is there to the disk; the next manifest says so."""
        said = self.ranges
        if self._fd >= 0:
            os.fsync(self._fd)
        self._durable = said

    def keep(self) -> None:
        """Close it so that it can be gone on with; on a full disk at least what the manifest knows already."""
        try:
            if not self._finished and (self._dirty or self._durable != self.ranges):
                self.sync()
                self.note(sync=True)
        except OSError:
            if not self._manifest.exists():
                self.discard()
        self.close()

    def finish(self) -> Path:
        """Give the verified file its name. The caller syncs the folder."""
        self.close()
        self.part.chmod(0o600)
        self.part.replace(self.target)
        self._manifest.unlink(missing_ok=True)
        self._finished = True
        return self.target

    def unlink(self) -> None:
        """Remove it from its folder; whoever still writes to it writes to nothing."""
        for path in (self.part, self._manifest, self._new):
            path.unlink(missing_ok=True)

    def discard(self) -> None:
        self.close()
        self.unlink()

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def read_manifest(path: Path, about: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """A manifest of ours, None for anything else, or when it is not `about` the file that is wanted now."""
    try:
        if path.is_symlink() or path.stat().st_size > _MANIFEST_BYTES:
            return None
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(known, dict) or known.get("version") != _VERSION:
        return None
    texts = ("repo", "commit", "path", "sha256", "git_sha1", "etag", "url", "boot")
    if not all(isinstance(known.get(name), str) for name in texts) or type(known.get("bytes")) is not int:
        return None
    for name in ("ranges", "durable"):
        known[name] = ranges.checked(known.get(name), known["bytes"])
    if known["ranges"] is None or known["durable"] is None or type(known.get("verified")) is not bool:
        return None
    return known if about is None or all(known[name] == value for name, value in about.items()) else None


def partials(folder: Path) -> tuple[PartialFile, ...]:
    """Every unfinished download below the folder of all models."""
    return tuple(found for path in _ours(folder, PART) if (found := _described(folder, path)) is not None)


def sweep(folder: Path) -> tuple[Path, ...]:
    """Remove what a killed download left without use: parts without a manifest, manifests without a part.

    Only in <author>/<name>/<commit> below `folder`. Returns what was removed. Not while a download runs.
    """
    removed: list[Path] = []
    for path in (*_ours(folder, _NEW), *_ours(folder, PART), *_ours(folder, MANIFEST)):
        part = path if path.name.endswith(PART) else path.with_name(path.name[: path.name.rindex(PART)] + PART)
        if path.name.endswith(_NEW) or _described(folder, part) is None:
            path.unlink(missing_ok=True)
            removed.append(path)
    for path in removed:
        remove_empty(path.parent, folder)
    return tuple(removed)


def discard(folder: Path, found: PartialFile) -> None:
    """Remove one unfinished download. Raises UnsafeName when it does not lie in `folder`."""
    for path in (found.part, found.manifest):
        check_inside(folder, path).unlink(missing_ok=True)
    remove_empty(found.part.parent, folder)


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, for their owner alone whatever the umask."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def remove_empty(path: Path, folder: Path) -> None:
    """Remove `path` and the folders above it up to `folder`, as far as they are empty."""
    while path != folder and path.is_relative_to(folder):
        try:
            path.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        path = path.parent


def boot_id() -> str:
    """What tells this run of the machine from others."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return str(int(psutil.boot_time()) // 60)


def _believed(known: dict[str, Any]) -> Ranges:
    believed: Ranges = known["ranges"] if known["boot"] == boot_id() else known["durable"]
    return believed


def _described(folder: Path, part: Path) -> PartialFile | None:
    known = read_manifest(part.with_name(part.name + ".json"))
    if known is None or not part.is_file() or part.stat().st_size < max((end for _, end in known["ranges"]), default=0):
        return None
    try:
        at = safe_path(repo_folder(folder, known["repo"], known["commit"]), known["path"])
    except UnsafeName:
        return None
    if at.with_name(at.name + PART) != part:
        return None
    done = ranges.covered(_believed(known))
    return PartialFile(known["repo"], known["commit"], known["path"], known["bytes"], done, part)


def _ours(folder: Path, ending: str) -> Iterator[Path]:
    """Files of that ending where downloads lie; links are not followed."""
    for commit in sorted(folder.glob("*/*/" + "[0-9a-f]" * 40)):
        if any(path.is_symlink() for path in (commit, *commit.parents[:2])):
            continue
        for root, _, names in os.walk(commit):
            for name in sorted(names):
                if name.endswith(ending) and is_file_name(name[: -len(ending)]):
                    yield Path(root) / name


def _write_private(path: Path, content: bytes, *, sync: bool) -> None:
    fd = os.open(path, _FLAGS | os.O_TRUNC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
