"""Numbered events: lasting ones reach everybody, passing ones only as the newest of their key."""

from __future__ import annotations

import asyncio

from desktop.service.events import MAX_BACKLOG, EventLog, Listener, NumberedEvent


async def take(listener: Listener, count: int) -> list[NumberedEvent]:
    events = [await listener.next(1.0) for _ in range(count)]
    return [event for event in events if event is not None]


def test_ids_increase_and_a_listener_hears_what_comes_after_it() -> None:
    async def run() -> None:
        log = EventLog(first_id=100)
        log.publish("library", {"n": 1})
        listener = log.listen(None)
        log.publish("library", {"n": 2})
        log.publish("model", {"n": 3})

        heard = await take(listener, 2)

        assert [(event.id, event.type, event.data["n"]) for event in heard] == [(102, "library", 2), (103, "model", 3)]
        assert await listener.next(0.01) is None

    asyncio.run(run())


def test_since_resumes_with_everything_that_was_missed() -> None:
    async def run() -> None:
        log = EventLog(first_id=0)
        ids = [log.publish("chat", {"n": number}).id for number in range(5)]
        heard = await take(log.listen(ids[1]), 3)
        assert [event.data["n"] for event in heard] == [2, 3, 4]

    asyncio.run(run())


def test_since_of_forgotten_events_and_of_another_run_is_answered_with_reset() -> None:
    async def run() -> None:
        log = EventLog(kept=3, first_id=1000)
        for number in range(5):
            log.publish("chat", {"n": number})
        for since in (1001, 5, 99_999):
            first = await log.listen(since).next(1.0)
            assert first is not None
            assert first.type == "reset"
        kept = await take(log.listen(1002), 3)
        assert [event.data["n"] for event in kept] == [2, 3, 4]

    asyncio.run(run())


def test_a_slow_listener_gets_the_newest_progress_and_every_final_state() -> None:
    async def run() -> None:
        log = EventLog(first_id=0)
        listener = log.listen(None)
        for job in ("a", "b"):
            for done in range(500):
                log.publish("job", {"job": job, "done": done}, passing_key=job)
        log.publish("job", {"job": "a", "state": "done"})

        heard = await take(listener, 3)

        assert [dict(event.data) for event in heard] == [
            {"job": "a", "done": 499},
            {"job": "b", "done": 499},
            {"job": "a", "state": "done"},
        ]

    asyncio.run(run())


def test_a_listener_that_never_reads_is_let_go_and_loses_nothing_by_resuming() -> None:
    async def run() -> None:
        log = EventLog(first_id=0, kept=10 * MAX_BACKLOG)
        listener = log.listen(None)
        for number in range(MAX_BACKLOG + 50):
            log.publish("chat", {"n": number})
        assert log.listeners == 0

        heard = []
        while not listener.ended:
            event = await listener.next(1.0)
            assert event is not None
            heard.append(event)
        rest = log.listen(heard[-1].id)
        heard += await take(rest, MAX_BACKLOG + 50 - len(heard))

        assert [event.data["n"] for event in heard] == list(range(MAX_BACKLOG + 50))

    asyncio.run(run())


def test_waiting_for_a_listener_ends_when_one_comes() -> None:
    async def run() -> None:
        log = EventLog()
        waiting = asyncio.create_task(log.wait_for_listener())
        await asyncio.sleep(0)
        assert not waiting.done()
        listener = log.listen(None)
        await asyncio.wait_for(waiting, 1)
        listener.close()
        assert log.listeners == 0

    asyncio.run(run())
