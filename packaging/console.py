"""Plain progress lines on standard output, and failures that are one sentence with the command that mends them."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

LINE_EVERY_S = 5.0


class SetupError(Exception):
    """The world said no during set-up: `str()` is a sentence, `mend` the command to type next."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


class Console:
    """Says what set-up is doing: a terminal shows one changing line per step, elsewhere a line comes now and then."""

    def __init__(
        self,
        steps: int,
        done: int = 0,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stdout
        self._now = now
        self._steps = steps
        self._step = done
        self._name = ""
        self._said_at = -LINE_EVERY_S
        self._open_line = False
        self._rewrites = self._stream.isatty()

    def step(self, name: str, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        self._name = name
        self._said_at = self._now()
        self._write(self._line(text))

    def note(self, text: str) -> None:
        """Say something about the running step that must not be lost."""
        self._write(self._line(text))

    def progress(self, text: str) -> None:
        """Say how far the running step is, at most every five seconds where lines cannot be rewritten."""
        if self._rewrites:
            self._write(self._line(text), keep_open=True)
        elif self._now() - self._said_at >= LINE_EVERY_S:
            self._said_at = self._now()
            self._write(self._line(text))

    def _line(self, text: str) -> str:
        return f"[{self._step}/{self._steps}] {self._name}: {text}"

    def _write(self, line: str, keep_open: bool = False) -> None:
        width = shutil.get_terminal_size((120, 24)).columns - 1
        start = "\r\x1b[K" if self._open_line else ""
        text = line[:width] if keep_open else line
        print(start + text, end="" if keep_open else "\n", file=self._stream, flush=True)
        self._open_line = keep_open


def remaining(done: int, total: int, elapsed_s: float) -> str:
    """How long the rest will take at the pace so far, in words; "" while nothing can be said yet."""
    if done <= 0 or done >= total or elapsed_s < 3:
        return ""
    left_s = elapsed_s / done * (total - done)
    if left_s < 50:
        return f", about {max(5, round(left_s / 5) * 5)} s left"
    return f", about {max(1, round(left_s / 60))} min left"


def require_room(folder: Path, needed_bytes: int, what: str, mend: str) -> None:
    """Raise SetupError when the disk that holds `folder` has less than `needed_bytes` free."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < needed_bytes:
        raise SetupError(
            f"The disk is too full: {what} needs {mib(needed_bytes)}, {existing} has {mib(free_bytes)} free.", mend
        )


def mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"


def run_child(command: Sequence[str], folder: Path | None = None) -> int:
    """Run a program in the foreground and return its exit status.

    Ctrl-C reaches it from the terminal as well: it is left to end in its own way, where subprocess.call would kill it
    after a quarter of a second.
    """
    # A handler of ours, not SIG_IGN: that one the program would inherit, and never hear of Ctrl-C.
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with subprocess.Popen(list(command), cwd=str(folder) if folder else None) as child:
            return child.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def explain_os_error(error: OSError, mend: str) -> SetupError | None:
    """A sentence for the failures of the file system a user can mend; None for any other."""
    import errno

    where = error.filename or Path.cwd()
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SetupError(f"The disk is full: {where} could not be written.", mend)
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return SetupError(f"{where} cannot be written by this user.", f'ls -ld "{where}"')
    return None
