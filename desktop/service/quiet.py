"""Work that may only be done while nobody wants the processors: begun after some quiet, broken off when it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

POLL_S = 0.5


async def run_when_quiet(
    work: Callable[[], Coroutine[Any, Any, None]],
    busy: Callable[[], bool],
    *,
    quiet_s: float,
    poll_s: float = POLL_S,
) -> None:
    """Run `work` to its end once, in a time when `busy` says no.

    It begins after `quiet_s` of quiet; when `busy` says yes meanwhile it is cancelled, and begun anew later. What it
    raises is raised here.
    """
    while True:
        await _quiet_for(quiet_s, busy, poll_s)
        task = asyncio.create_task(work(), name="work in a quiet time")
        try:
            while not task.done() and not busy():
                await asyncio.wait([task], timeout=poll_s)
        finally:
            broken_off = task.cancel()
            await asyncio.wait([task])
        if not broken_off:
            return task.result()


async def _quiet_for(quiet_s: float, busy: Callable[[], bool], poll_s: float) -> None:
    since = time.monotonic()
    while time.monotonic() - since < quiet_s:
        await asyncio.sleep(poll_s)
        if busy():
            since = time.monotonic()
