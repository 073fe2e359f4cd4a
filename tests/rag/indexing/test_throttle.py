"""When indexing waits."""

from __future__ import annotations

import asyncio
import time

import pytest

from models.errors import Cancelled
from models.progress import Cancel
from rag.indexing.throttle import AT_MOST_S, QUIET_S, Moment, Throttle, reason_to_wait

NEVER = float("-inf")


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (Moment(100, NEVER, 100), ""),
        (Moment(100, NEVER, 10), ""),
        (Moment(100, 100, 100), "busy"),
        (Moment(100, 100 - QUIET_S / 2, 100), "busy"),  # the next question may come at once
        (Moment(100, 100 - QUIET_S * 2, 100), ""),
        (Moment(100, 100, 100 - AT_MOST_S), ""),  # one piece now and then, however long somebody is answered
        (Moment(100, NEVER, 100, on_battery=True), "battery"),
        (Moment(100, NEVER, 100, on_battery=True, battery_pauses=False), ""),
        (Moment(100, 100, 100 - AT_MOST_S, on_battery=True), "battery"),
    ],
)
def test_why_the_next_piece_waits(moment: Moment, reason: str) -> None:
    assert reason_to_wait(moment) == reason


def test_work_waits_while_somebody_is_answered_and_goes_on_after() -> None:
    answering = True

    async def work() -> tuple[str, float]:
        nonlocal answering
        throttle = Throttle(lambda: answering, on_battery=lambda: None)
        turn = asyncio.create_task(throttle.turn(Cancel()))
        while throttle.reason != "busy":
            await asyncio.sleep(0)
        answering = False
        began = time.monotonic()
        await turn
        return throttle.reason, time.monotonic() - began

    reason, waited = asyncio.run(work())
    assert reason == ""
    assert waited < QUIET_S + 1


def test_waiting_can_be_cancelled() -> None:
    async def work() -> None:
        cancel = Cancel()
        throttle = Throttle(lambda: True, on_battery=lambda: None)
        turn = asyncio.create_task(throttle.turn(cancel))
        while throttle.reason != "busy":
            await asyncio.sleep(0)
        cancel.set("pause")
        await turn

    with pytest.raises(Cancelled):
        asyncio.run(work())


def test_the_battery_is_asked_seldom() -> None:
    asked = 0

    def battery() -> bool:
        nonlocal asked
        asked += 1
        return True

    throttle = Throttle(lambda: False, on_battery=battery)
    assert [throttle.look() for _ in range(5)] == ["battery"] * 5
    assert asked == 1


def test_small_work_is_done_on_the_battery_as_well() -> None:
    answering = False
    throttle = Throttle(lambda: answering, on_battery=lambda: True)
    assert throttle.look() == "battery"
    assert throttle.on_any_power().look() == ""
    answering = True
    assert throttle.on_any_power().look() == "busy"


@pytest.mark.anyio
async def test_what_was_begun_makes_way_until_the_answer_ends_or_all_is_broken_off() -> None:
    answering = True
    throttle = Throttle(lambda: answering, on_battery=lambda: True)
    cancel = Cancel()
    waiting = asyncio.create_task(throttle.make_way(cancel))
    assert not (await asyncio.wait([waiting], timeout=0.15))[0]
    answering = False
    await asyncio.wait_for(waiting, 5)

    answering = True
    waiting = asyncio.create_task(throttle.make_way(cancel))
    assert not (await asyncio.wait([waiting], timeout=0.15))[0]
    cancel.set("pause")
    await asyncio.wait_for(waiting, 5)
