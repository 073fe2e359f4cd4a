"""What a test may leave behind: nothing. Child processes, threads, files and sockets are compared before and after."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

WAIT_S = 3.0  # what was told to stop has this long to be gone

# pytest-timeout's own timer, and threads that Qt made and Python merely met.
FOREIGN_THREADS = ("pytest_timeout", "Dummy-")
FOREIGN_CHILDREN = ("multiprocessing.resource_tracker",)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What this process holds at one moment. Processes are told apart by pid and start time."""

    children: frozenset[psutil.Process]
    threads: frozenset[threading.Thread]
    files: frozenset[str]

    @classmethod
    def now(cls) -> Holdings:
        return cls(frozenset(_children()), frozenset(_threads()), frozenset(_files()))

    def new_since(self, before: Holdings) -> Holdings:
        """What came since then. Children of a process that was there before are that one's: of a service that several
        tests share, which starts readers and embedders when it needs them, and ends them with itself.
        """
        children = {child for child in self.children - before.children if not _belongs_to(child, before.children)}
        return Holdings(frozenset(children), self.threads - before.threads, self.files - before.files)

    def __bool__(self) -> bool:
        return bool(self.children or self.threads or self.files)

    def sentence(self) -> str:
        parts = [f"child process {child.pid} ({_command(child)})" for child in self.children]
        parts += [f"thread {thread.name!r}" for thread in self.threads]
        parts += [f"open {name}" for name in sorted(self.files)]
        return "The test left " + ", ".join(parts) + "."


def leftovers(before: Holdings) -> Holdings:
    """What is there now and was not before, after waiting up to WAIT_S for it to go."""
    deadline = time.monotonic() + WAIT_S
    collected = False
    while found := Holdings.now().new_since(before):
        if time.monotonic() > deadline:
            return found
        if not collected:  # an object that only the collector can free is no leftover
            gc.collect()
            collected = True
        time.sleep(0.02)
    return found


def kill(children: frozenset[psutil.Process]) -> None:
    """End what a test left, so that the next one starts clean."""
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(list(children), timeout=5)


def _children() -> list[psutil.Process]:
    if not _has_children():
        return []
    found = psutil.Process().children(recursive=True)
    return [child for child in found if not any(name in _command(child) for name in FOREIGN_CHILDREN)]


def _belongs_to(child: psutil.Process, owners: frozenset[psutil.Process]) -> bool:
    try:
        return any(parent in owners for parent in child.parents())
    except psutil.Error:
        return False  # it ended just now: the next look does not see it


def _has_children() -> bool:
    """Whether there is any child at all; True where the kernel does not say, or a thread ended meanwhile.

    To know, psutil reads every process of the machine, which takes longer than most tests.
    """
    try:
        return any((task / "children").read_bytes() for task in Path("/proc/self/task").iterdir())
    except OSError:
        return True


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return "gone"


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.name.startswith(FOREIGN_THREADS)]


def _files() -> list[str]:
    """Open files below the temp folder and all inet sockets, each with its descriptor. Linux only; elsewhere []."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return []
    temp = os.path.realpath(tempfile.gettempdir()) + "/"
    found = []
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(entry)
            # pytest's capture writes to unnamed temp files.
            if target.startswith(temp) and not target.endswith(" (deleted)"):
                found.append(f"{target} (descriptor {entry.name})")
    sockets = psutil.Process().net_connections(kind="inet")
    return found + [f"socket {item.laddr} (descriptor {item.fd})" for item in sockets]
