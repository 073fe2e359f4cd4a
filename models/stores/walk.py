"""Looking through folders that are not ours: nothing is written, links cannot lead in circles, and nothing is fatal."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models.progress import Cancel

MAX_DEPTH = 12
MAX_ENTRIES = 500_000
# Names of downloads that are not finished: Ollama, LM Studio and browsers, huggingface_hub, llama.cpp, wget and aria2.
UNFINISHED = ("-partial", ".part", ".incomplete", ".downloadinprogress", ".crdownload", ".tmp", ".aria2")
UNFINISHED_PROBLEM = "Its download is not finished."


@dataclass(slots=True)
class Looking:
    """What a scan carries along: the wish to stop, and what could not be looked at."""

    cancel: Cancel = field(default_factory=Cancel)
    problems: list[str] = field(default_factory=list)
    entries: int = 0

    def entry(self) -> bool:
        """Count one directory entry; False when there are too many to go on. Raises Cancelled."""
        self.cancel.check()
        self.entries += 1
        return self.entries <= MAX_ENTRIES

    def cannot(self, path: Path, error: OSError) -> None:
        self.problems.append(f"{path}: {error.strerror or error}.")


def list_folder(folder: Path, looking: Looking) -> list[Path]:
    """The entries of a folder, sorted; none when it cannot be read, which is noted unless it is not there."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        looking.cannot(folder, error)
        return []
    return [entry for entry in entries if looking.entry() and _is_text(entry, looking)]


def _is_text(path: Path, looking: Looking) -> bool:
    """Whether the name can be told to anybody: it may be any bytes."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        looking.problems.append(f"{str(path)!a}: its name is no valid text.")
        return False
    return True


def files_below(folder: Path, looking: Looking) -> Iterator[Path]:
    """All files below `folder` with links to folders followed, each real folder once; hidden folders are left out.

    Links that lead to nothing are given too. Devices, sockets and pipes are not.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [(folder, 0)]
    while waiting:
        here, depth = waiting.pop()
        if not _first_visit(here, seen):
            continue
        below: list[tuple[Path, int]] = []
        for entry in list_folder(here, looking):
            mode = mode_of(entry)
            if mode is None:
                if entry.is_symlink():
                    yield entry
            elif stat.S_ISDIR(mode):
                if depth < MAX_DEPTH and not entry.name.startswith("."):
                    below.append((entry, depth + 1))
            elif stat.S_ISREG(mode):
                yield entry
        waiting.extend(reversed(below))


def _first_visit(folder: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        info = folder.stat()
    except OSError:
        return True  # listing it will say why
    if (info.st_dev, info.st_ino) in seen:
        return False
    seen.add((info.st_dev, info.st_ino))
    return True


def mode_of(path: Path) -> int | None:
    """What lies at the end of the path, links followed; None when nothing does or it may not be seen."""
    try:
        return path.stat().st_mode
    except OSError:  # a link in a circle too
        return None


def is_folder(path: Path) -> bool:
    mode = mode_of(path)
    return mode is not None and stat.S_ISDIR(mode)


def size_of(path: Path) -> int:
    """Bytes of a regular file, links followed; 0 of anything else."""
    try:
        info = path.stat()
    except OSError:
        return 0
    return info.st_size if stat.S_ISREG(info.st_mode) else 0


def is_unfinished(path: Path) -> bool:
    """Whether the name says that a download has not ended."""
    return path.name.lower().endswith(UNFINISHED) or path.name.startswith("downloading_")


def is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def read_small(path: Path, limit: int = 1 << 20) -> bytes:
    """A whole small regular file. Raises OSError, ValueError when it is larger than `limit` or no file."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no regular file")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it is larger than {limit} bytes")
    return content
