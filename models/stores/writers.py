"""Whether somebody has a file open for writing, or wants to: such a file is not replaced under their hands."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from models.errors import ModelsError


class MergeRefused(ModelsError):
    """Nothing was changed; the message says why."""

    kind = "merge_refused"


@contextlib.contextmanager
def unwritten(descriptor: int, path: Path) -> Iterator[Callable[[], None]]:
    """Refuse when the file is open for writing anywhere; what is given refuses when somebody wants to open it since.

    A read lease is granted only while nobody has the file open for writing, and whoever opens it then waits until we
    let go (man 2 fcntl, "Leases"). Only the owner may have one; for others the open files of all processes are looked
    at, as far as they may be seen.
    """
    if not _lease(descriptor, path):

        def look() -> None:
            if _writers(os.fstat(descriptor)):
                raise _being_written(path)

        look()
        yield look
        return

    def ask() -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise _being_written(path)

    try:
        yield ask
    finally:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _being_written(path: Path) -> MergeRefused:
    return MergeRefused(f"{path} is open for writing in another program.")


def _lease(descriptor: int, path: Path) -> bool:
    """True when we hold a lease, False when there are none to have for us. Raises MergeRefused."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        # By default the kernel would end us with SIGIO when somebody opens the file for writing; this one is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        if error.errno == errno.EAGAIN:
            raise _being_written(path) from None
        return False  # not ours, or a file system without leases
    return True


def _writers(info: os.stat_result) -> bool:
    """Whether a process we may look into has this file open for writing."""
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError, ValueError):
            if os.path.samestat(entry.stat(), info):
                flags = (entry.parent.parent / "fdinfo" / entry.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
                    return True
    return False
