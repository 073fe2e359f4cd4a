"""The hash of a file, taken behind the bytes that are there without a gap while the rest still comes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from models.download.types import MIB, RemoteFile

_STEP = MIB


class Digest:
    """sha256 of an LFS file, or the id git gives a small one; may be advanced from several threads."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._buffer = memoryview(bytearray(min(_STEP, max(1, file.bytes))))
        self._at = 0
        if file.sha256:
            self._hash = hashlib.sha256()
        else:
            self._hash = hashlib.sha1(b"blob %d\0" % file.bytes, usedforsecurity=False)

    @property
    def at(self) -> int:
        return self._at

    def advance(self, fd: int, upto: int, go_on: Callable[[], bool]) -> None:
        """Hash as far as `upto`, or until `go_on` says no. Raises OSError when the file is shorter."""
        while self._at < upto and go_on():
            with self._lock:
                if self._at < upto:
                    self._step(fd, upto)

    def _step(self, fd: int, upto: int) -> None:
        view = self._buffer[: min(len(self._buffer), upto - self._at)]
        read = os.preadv(fd, [view], self._at)
        if read <= 0:
            raise OSError(f"the file ends at {self._at} of {upto} bytes")
        self._hash.update(view[:read])
        self._at += read

    @property
    def expected(self) -> str:
        """What was promised; "" when nothing was."""
        return self._file.sha256 or self._file.git_sha1

    @property
    def found(self) -> str:
        return self._hash.hexdigest()

    @property
    def is_right(self) -> bool:
        return not self.expected or self.found == self.expected


def holds(path: Path, file: RemoteFile, go_on: Callable[[], bool]) -> bool:
    """Whether a file on the disk is `file`, by size and hash."""
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    digest = Digest(file)
    with path.open("rb", buffering=0) as opened:
        digest.advance(opened.fileno(), file.bytes, go_on)
    return digest.at == file.bytes and digest.is_right
