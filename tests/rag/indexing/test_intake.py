"""The queue between the readers and the database."""

from __future__ import annotations

import asyncio

from rag.indexing.intake import MAX_FILES, ROOM_CHARS, Intake
from rag.store.rows import FileStat, Indexed, NewDocument, Removed
from rag.types import Chunk

STAT = FileStat(1, 1, 1, 1)


def read(path: str, chars: int) -> Indexed:
    chunk = Chunk(0, 0, chars, 0, chars, 1, 1, "x" * chars, "prose")
    return Indexed(1, path, STAT, NewDocument(b"1" * 32, ".md", 1, "prose", (chunk,)))


def test_what_comes_meanwhile_is_taken_together() -> None:
    async def work() -> list[int]:
        intake = Intake()
        for number in range(MAX_FILES + 3):
            await intake.put(Removed(1, str(number)))
        await intake.close()
        return [len(await intake.take()) for _ in range(3)]

    assert asyncio.run(work()) == [MAX_FILES, 3, 0]


def test_too_much_text_holds_up_who_brings_it() -> None:
    async def work() -> None:
        intake = Intake()
        await intake.put(read("huge", ROOM_CHARS + 1))  # alone it is let in
        more = asyncio.create_task(intake.put(read("more", 1)))
        await asyncio.sleep(0)
        assert not more.done()
        assert len(await intake.take()) == 1
        await more
        assert len(await intake.take()) == 1

    asyncio.run(work())


def test_nobody_waits_at_a_closed_intake() -> None:
    async def work() -> list[object]:
        intake = Intake()
        await intake.put(read("huge", ROOM_CHARS))
        waiting = asyncio.create_task(intake.put(read("more", ROOM_CHARS)))
        await asyncio.sleep(0)
        await intake.close()
        await waiting
        await intake.put(read("late", 1))
        return [len(await intake.take()), len(await intake.take())]

    assert asyncio.run(work()) == [1, 0]
