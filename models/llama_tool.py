"""Runs one of llama.cpp's tools as a child: its lines, its peak memory, and an end within a second of a cancel."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from models.child import Child, ChildSpec, Ending, Jail, clean_environment, spawn
from models.errors import ToolFailed
from models.llamacpp import EngineBuild, binary
from models.progress import Cancel

POLL_S = 0.05
FIRST_POLL_S = 0.005  # small models come and go within a few hundredths of a second
FAST_POLLS = 100
TAIL_LINES = 40
QUIET_NICE = 10  # long work gives way to a chat


@dataclass(frozen=True, slots=True)
class ToolRun:
    """How a run ended. `peak_bytes` is the most memory it was seen to hold, mapped files included; 0 when unknown."""

    ending: Ending
    log_tail: str
    peak_bytes: int
    seconds: float

    @property
    def succeeded(self) -> bool:
        return self.ending.exit_code == 0

    def check(self, error: type[ToolFailed], what: str, hint: str = "") -> None:
        """Raise `error` with a sentence beginning with `what` unless the tool succeeded."""
        if not self.succeeded:
            hint = hint or "The end of its log says more; `jackdaw doctor` checks the engine."
            raise error(f"{what}: {self.ending.sentence}", log_tail=self.log_tail, hint=hint)


@dataclass(frozen=True, slots=True)
class ToolJob:
    """What a run needs besides its arguments. `folder` is where it runs and its HOME; `pidfiles` as in ChildSpec.

    `nice` is how much it gives way to other programs: 0 for what is timed.
    """

    build: EngineBuild
    folder: Path
    cancel: Cancel
    pidfiles: Path | None = None
    nice: int = QUIET_NICE


async def run_tool(
    job: ToolJob,
    tool: str,
    arguments: Sequence[str],
    *,
    read: Sequence[Path] = (),
    write: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
    line_ends: bytes = b"\n",
) -> ToolRun:
    """Run `tool` to its end. Raises Cancelled when `job.cancel` was set: the child is gone then, its files are not.

    It is locked in with the files of `read` and `write` (models/jail), unless it computes on a GPU, whose drivers need
    more than a jail gives. Must run on a loop whose thread lives as long as the process (see models/child.py).
    """
    job.cancel.check()
    tail: deque[str] = deque(maxlen=TAIL_LINES)

    def listen(line: str) -> None:
        tail.append(line)
        if on_line is not None:
            on_line(line)

    began = time.monotonic()
    child = await spawn(
        ChildSpec(
            argv=(str(binary(job.build, tool)), *arguments),
            name=tool,
            cwd=job.folder,
            environment=clean_environment(os.environ, home=job.folder),
            on_line=listen,
            line_ends=line_ends,
            pidfiles=job.pidfiles,
            nice=job.nice,
            jail=_jail(job.build, read, write),
        )
    )
    peak_bytes = await watch(child, job.cancel)
    ending = await child.wait()
    job.cancel.check()
    return ToolRun(ending, "\n".join(tail), peak_bytes, time.monotonic() - began)


def _jail(build: EngineBuild, read: Sequence[Path], write: Sequence[Path]) -> Jail | None:
    if build.backend != "CPU":
        return None
    return Jail(read=(build.bin_dir, build.lib_dir, *read), write=tuple(write))


async def watch(child: Child, cancel: Cancel) -> int:
    """Wait for the end; the peak is asked for again and again, since nobody knows it afterwards."""
    peak = polls = 0
    try:
        while not child.ended.done():
            peak = max(peak, peak_bytes(child.pid))
            if cancel.is_set:
                child.kill()
            polls += 1
            await asyncio.wait([child.ended], timeout=FIRST_POLL_S if polls < FAST_POLLS else POLL_S)
    finally:
        if not child.ended.done():  # our own task was cancelled
            child.kill()
            await child.wait()
    return peak


def peak_bytes(pid: int) -> int:
    """The most resident memory a running process ever had; 0 when it is gone. Linux: VmHWM of proc(5)."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        info = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(getattr(info, "peak_wset", info.rss))
