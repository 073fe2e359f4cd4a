"""The lock of a data folder: exactly one service at a time, decided by the kernel.

flock belongs to the open file, so it ends with the process however it dies: there are no stale locks, only stale texts.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path


class AlreadyRunning(Exception):
    """Another service holds the data folder; `pid` is None when its note cannot be read."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        who = f" (process {pid})" if pid is not None else ""
        super().__init__(f"A Jackdaw service{who} is already running for {folder}.")
        self.pid = pid


class FolderLock:
    """Held from `acquire` until `release` or the end of the process; children do not inherit it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock at once or raise AlreadyRunning; nothing is written before it is held."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _noted_pid(handle)
            os.close(handle)
            raise AlreadyRunning(self._path.parent, holder) from error
        self._handle = handle
        self.note(None)

    def note(self, port: int | None) -> None:
        """Write who holds the lock into it, for people and for the message of a second service."""
        assert self._handle is not None
        text = json.dumps({"pid": os.getpid(), "port": port}).encode() + b"\n"
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, text, 0)

    def release(self) -> None:
        """Let the next service start. The file stays: removing it would let two services lock two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _noted_pid(handle: int) -> int | None:
    try:
        return int(json.loads(os.pread(handle, 4096, 0))["pid"])
    except (ValueError, KeyError, TypeError):
        return None


def is_held(path: Path) -> bool:
    """Whether some process holds the flock of this file right now."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
