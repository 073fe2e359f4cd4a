"""Pidfiles of children, and the reaper of those that outlived a service that was killed.

A pid alone names nobody: numbers are used again. A pidfile therefore holds the boot and the kernel's start time of the
process as well, and a process is ended only when all three agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_TERM_WAIT_S = 2.0
_KILL_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Names one process for good: `start` in ticks since boot (Linux) or seconds since 1970, `boot` an id or ""."""

    pid: int
    start: float
    boot: str


def mark_process(pid: int) -> ProcessMark | None:
    """The mark of a running process, None when there is none of that number (a zombie counts as none)."""
    if sys.platform != "linux":
        try:
            return ProcessMark(pid, psutil.Process(pid).create_time(), "")
        except psutil.Error:
            return None
    try:
        # proc(5): field 2, the program's name, may hold blanks and parentheses; fields 3 and 22 are state and start.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else ProcessMark(pid, float(fields[19]), _boot_id())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def write_pidfile(folder: Path, mark: ProcessMark, name: str, leftovers: tuple[Path, ...] = ()) -> Path:
    """Note a child in `folder`; `leftovers` are files (sockets, keys) the reaper removes with it. Mode 0600."""
    path = folder / f"{mark.pid}.json"
    path.unlink(missing_ok=True)
    text = json.dumps({**asdict(mark), "name": name, "leftovers": [str(item) for item in leftovers]})
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def reap_orphans(folder: Path) -> list[str]:
    """End every child noted in `folder` that still runs, remove the notes, and say in one sentence each what was ended.

    To be called while holding the data folder's lock and before any child is started; blocks for up to some seconds.
    """
    reports = []
    for path in sorted(folder.glob("*.json")):
        try:
            note = json.loads(path.read_text())
            mark = ProcessMark(int(note["pid"]), float(note["start"]), str(note["boot"]))
            name, leftovers = str(note["name"]), [Path(item) for item in note["leftovers"]]
        except (OSError, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)  # half written when the service was killed: nothing can be known from it
            continue
        if mark.pid > 1 and mark_process(mark.pid) == mark:
            _end(mark)
            reports.append(f"{name} (process {mark.pid}) had outlived its service and was ended.")
        for leftover in leftovers:
            # Only beside the notes or above them in our own runtime folder, whatever the note says.
            if leftover.parent in (folder, folder.parent):
                leftover.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return reports


def _end(mark: ProcessMark) -> None:
    for number, wait_s in ((signal.SIGTERM, _TERM_WAIT_S), (signal.SIGKILL, _KILL_WAIT_S)):
        signal_group(mark.pid, number)
        deadline = time.monotonic() + wait_s
        while mark_process(mark.pid) == mark and time.monotonic() < deadline:
            time.sleep(0.02)
        if mark_process(mark.pid) != mark:
            return


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a child and all it started; a child that is gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            os.kill(pid, number)  # it has not made its own group yet
