"""Work in quiet times: begun after the quiet, broken off by a request, done once."""

from __future__ import annotations

import asyncio

import pytest

from desktop.service.quiet import run_when_quiet
from tests.service.running import eventually_async


def test_work_waits_for_quiet_is_broken_off_and_done_once() -> None:
    log: list[str] = []
    busy = True
    go_on = asyncio.Event()

    async def work() -> None:
        log.append("begun")
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            log.append("broken off")
            raise
        log.append("done")

    async def seen(count: int) -> bool:
        return len(log) >= count

    async def run() -> None:
        nonlocal busy
        task = asyncio.create_task(run_when_quiet(work, lambda: busy, quiet_s=0.05, poll_s=0.005))
        await asyncio.sleep(0.1)
        assert log == []
        busy = False
        await eventually_async(lambda: seen(1))
        busy = True
        await eventually_async(lambda: seen(2))
        busy = False
        await eventually_async(lambda: seen(3))
        go_on.set()
        await asyncio.wait_for(task, 5)

    asyncio.run(run())
    assert log == ["begun", "broken off", "begun", "done"]


def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise OSError("no room")

    async def run() -> None:
        await run_when_quiet(work, lambda: False, quiet_s=0, poll_s=0.005)

    with pytest.raises(OSError, match="no room"):
        asyncio.run(run())


def test_cancelling_the_wait_cancels_the_work() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def run() -> None:
        task = asyncio.create_task(run_when_quiet(work, lambda: False, quiet_s=0, poll_s=0.005))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(run())
    assert ended == [True]
