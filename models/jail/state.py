"""How well children are locked in on this machine, found by locking one in, and said in words for people."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models import child_exec
from models.child_environment import clean_environment

__all__ = ["JailState", "jail_state", "state_of"]

Level = Literal["sandboxed", "partly", "not sandboxed"]

_PROBE_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class JailState:
    """`layers` as in lock.py; `sentence` is for people and names what is missing."""

    level: Level
    sentence: str
    layers: tuple[str, ...] = ()


async def jail_state() -> JailState:
    """Lock a child in, with all that this kernel offers, and tell what held. Takes about 50 ms; ask once per run."""
    if sys.platform != "linux":
        return _none("this system offers no sandbox that Jackdaw can use")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", child_exec.__file__, "--probe"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=clean_environment(os.environ, home=Path("/nonexistent")),
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _PROBE_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return _none("the trial of the sandbox did not end")
    if process.returncode != 0:
        return _none("the trial of the sandbox failed")
    return state_of(tuple(output.decode().splitlines()))


def state_of(layers: tuple[str, ...]) -> JailState:
    """What the layers that hold amount to."""
    files = "files" in layers
    network = "system calls" in layers or "network" in layers
    missing = []
    if not files:
        missing.append("its files are not closed off (no Landlock in this kernel)")
    elif "truncate" not in layers:
        missing.append("it could empty files elsewhere (Landlock of this kernel is older than version 3)")
    if not network:
        missing.append("its network is not closed off (no namespace and no system call filter)")
    elif "system calls" not in layers:
        missing.append("it could reach programs of yours by Unix sockets (no system call filter)")
    if not files and not network:
        return _none("this kernel offers neither Landlock nor a way to close the network")
    if missing:
        return JailState("partly", f"Work on models of strangers is partly sandboxed: {'; '.join(missing)}.", layers)
    return JailState(
        "sandboxed", "Work on models of strangers is sandboxed: no network, and only the files it needs.", layers
    )


def _none(reason: str) -> JailState:
    return JailState(
        "not sandboxed",
        f"Work on models of strangers is not sandboxed: {reason}. It still runs without your keys and settings.",
    )
