"""What this machine has: memory that is free now, what a process holds of it, processors, GPUs.

Free memory is the lesser of what the system and the control group (a container) would give. On Linux the figure counts
pages of mapped files as free, because they can be dropped: so what a child *holds* is its anonymous memory alone.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.child import ChildSpec, clean_environment, spawn

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_CGROUP = Path("/sys/fs/cgroup")
# "  CUDA0: NVIDIA H200 (143156 MiB, 142638 MiB free)", printed by `llama-server --list-devices` (common/arg.cpp).
_DEVICE = re.compile(r"^\s*(\S+?): (.+) \((\d+) MiB, (\d+) MiB free\)\s*$")


@dataclass(frozen=True, slots=True)
class MemoryNow:
    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """One device as llama.cpp names it, e.g. "CUDA0"."""

    device_id: str
    name: str
    total_bytes: int
    free_bytes: int


def memory_now() -> MemoryNow:
    """Main memory: total and what can be had without swapping, in bytes."""
    system = psutil.virtual_memory()
    group = _cgroup_memory(_CGROUP)
    if group is None:
        return MemoryNow(system.total, system.available)
    return MemoryNow(min(system.total, group.total_bytes), min(system.available, group.available_bytes))


def _cgroup_memory(folder: Path) -> MemoryNow | None:
    """The limit of our control group (version 2) and what is left of it; dropping file pages counts as left."""
    try:
        limit = int((folder / "memory.max").read_text())  # "max" when there is none: then ValueError
        used = int((folder / "memory.current").read_text())
        pages = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        files = int(pages["inactive_file"]) + int(pages["active_file"])
    except (OSError, ValueError, KeyError):
        return None
    return MemoryNow(limit, max(0, limit - used + files))


def rss_bytes(pid: int) -> int:
    """Resident memory of a process, mapped weights included; 0 when it is gone."""
    return _resident_and_shared(pid)[0]


def held_bytes(pid: int) -> int:
    """What a process has taken of the free memory; 0 when it is gone."""
    resident, shared = _resident_and_shared(pid)
    return max(0, resident - shared)


def _resident_and_shared(pid: int) -> tuple[int, int]:
    try:
        if sys.platform == "linux":  # proc(5), statm: a tenth of psutil's cost, and asked for with every request
            pages = Path(f"/proc/{pid}/statm").read_text().split()
            return int(pages[1]) * _PAGE, int(pages[2]) * _PAGE
        info = psutil.Process(pid).memory_info()
    except (OSError, psutil.Error):
        return 0, 0
    return int(info.rss), int(getattr(info, "shared", 0))


def oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since boot; 0 where it does not tell."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def processors() -> tuple[int, int]:
    """(logical, physical) processors that this process may use; physical is a guess where affinity limits us."""
    logical = len(os.sched_getaffinity(0)) if sys.platform == "linux" else (os.cpu_count() or 1)
    physical = psutil.cpu_count(logical=False) or logical
    return logical, min(physical, logical)


def parse_devices(lines: list[str]) -> tuple[GpuDevice, ...]:
    """The devices in the output of `llama-server --list-devices`."""
    mib = 1024**2
    found = (_DEVICE.match(line) for line in lines)
    return tuple(GpuDevice(hit[1], hit[2], int(hit[3]) * mib, int(hit[4]) * mib) for hit in found if hit)


async def list_devices(llama_server: Path, work_dir: Path, environ: Mapping[str, str]) -> tuple[GpuDevice, ...]:
    """Ask llama-server itself, so that we see what it will see; () on a CPU build. With CUDA it takes seconds."""
    lines: list[str] = []
    child = await spawn(
        ChildSpec(
            argv=(str(llama_server), "--list-devices"),
            name="llama-server --list-devices",
            cwd=work_dir,
            environment=clean_environment(environ, home=work_dir),
            on_line=lines.append,
        )
    )
    try:
        await child.wait()
    finally:
        await child.stop()
    return parse_devices(lines)
