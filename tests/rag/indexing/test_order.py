"""Runs of one collection that overlap."""

from __future__ import annotations

import asyncio

from rag.indexing.order import Order
from rag.store.rows import FileStat, Moved, Removed

STAT = FileStat(1, 1, 1, 1)


def test_what_was_read_earlier_does_not_replace_what_was_read_later() -> None:
    async def work() -> None:
        order = Order()
        async with order.run() as early, order.run() as late:
            change = Removed(1, "a")
            assert order.newest(late, [change]) == [change]
            assert order.newest(early, [change, Removed(1, "b")]) == [Removed(1, "b")]
            assert order.newest(late, [change]) == [change]

    asyncio.run(work())


def test_a_move_concerns_both_of_its_places() -> None:
    async def work() -> None:
        order = Order()
        async with order.run() as early, order.run() as late:
            order.newest(late, [Moved(1, "a", 2, "b", STAT)])
            assert order.newest(early, [Removed(1, "a"), Removed(2, "b"), Removed(1, "b")]) == [Removed(1, "b")]

    asyncio.run(work())


def test_once_all_runs_are_over_a_new_one_is_held_up_by_none() -> None:
    async def work() -> None:
        order = Order()
        async with order.run() as early:
            async with order.run() as late:
                order.newest(late, [Removed(1, "a")])
            assert order.newest(early, [Removed(1, "a")]) == []
        async with order.run() as again:
            assert order.newest(again, [Removed(1, "a")]) == [Removed(1, "a")]
        assert order.running == 0

    asyncio.run(work())


def test_who_has_to_be_alone_waits_for_runs_and_holds_up_new_ones() -> None:
    async def work() -> list[str]:
        order, told = Order(), []

        async def alone() -> None:
            async with order.alone():
                told.append("alone")
                assert order.running == 0

        async def late() -> None:
            async with order.run():
                told.append("late")

        async with order.run():
            tasks = [asyncio.create_task(alone())]
            await asyncio.sleep(0)
            tasks.append(asyncio.create_task(late()))
            await asyncio.sleep(0)
            told.append("early")
        await asyncio.gather(*tasks)
        return told

    assert asyncio.run(work()) == ["early", "alone", "late"]
