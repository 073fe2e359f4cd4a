"""What this machine has and uses right now, in the wire's terms."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import psutil

from desktop.wire import Cpu, Device, Memory
from engine.devices import list_devices, memory_now
from models.errors import BinaryMissing
from models.llamacpp import EngineBuild, binary

DEVICES_TIMEOUT_S = 20.0


def memory(engine_bytes: Iterable[int]) -> Memory:
    """Main memory, with the sum of what the children hold. Reads /proc: call it in a thread."""
    now = memory_now()
    return Memory(
        total_bytes=now.total_bytes, available_bytes=now.available_bytes, engine_bytes=sum(engine_bytes, start=0)
    )


def cpu() -> Cpu:
    """Load since the last call, over all processors; the first call of a process says 0."""
    return Cpu(percent=psutil.cpu_percent(None), threads=psutil.cpu_count() or os.cpu_count() or 1)


async def devices(build: EngineBuild | None) -> list[Device]:
    """Main memory, and the GPUs as llama-server itself names them; without a build or an answer main memory alone."""
    now = await asyncio.to_thread(memory_now)
    found = [Device(name="Memory", backend="CPU", total_bytes=now.total_bytes, free_bytes=now.available_bytes)]
    if build is None:
        return found
    with tempfile.TemporaryDirectory(prefix="jackdaw-devices-", ignore_cleanup_errors=True) as folder:
        try:
            async with asyncio.timeout(DEVICES_TIMEOUT_S):
                gpus = await list_devices(binary(build, "llama-server"), Path(folder), os.environ)
        except (TimeoutError, BinaryMissing, OSError):
            return found
    return found + [
        Device(name=gpu.name, backend=build.backend, total_bytes=gpu.total_bytes, free_bytes=gpu.free_bytes)
        for gpu in gpus
    ]
