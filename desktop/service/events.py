"""Numbered events: what changes is told to everybody who listens, and to everybody who comes back.

Two kinds of event. Lasting ones (final states, things made or removed) are kept in a ring for those who resume and are
never dropped for a listener. Passing ones (progress, the status of each second) are not kept, and a listener that is
slow gets only the newest of each key. A listener too slow even for the lasting ones is let go: it comes back with its
last id.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

KEPT_EVENTS = 2_000
MAX_BACKLOG = 2_000


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """`passing_key` is set for an event that a newer one of the same key makes worthless."""

    id: int
    type: str
    data: Mapping[str, Any]
    passing_key: str | None = None


class EventLog:
    """All events of one service run. Used from the service's loop only.

    Ids start at the milliseconds since 1970, so that they also increase from one run to the next.
    """

    def __init__(self, *, kept: int = KEPT_EVENTS, first_id: int | None = None) -> None:
        self._last_id = time.time_ns() // 1_000_000 if first_id is None else first_id
        self._forgotten_to = self._last_id  # the highest id that can no longer be resumed from
        self._ring: deque[NumberedEvent] = deque()
        self._kept = kept
        self._listeners: set[Listener] = set()
        self._somebody = asyncio.Event()

    @property
    def last_id(self) -> int:
        return self._last_id

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def publish(self, event_type: str, data: Mapping[str, Any], *, passing_key: str | None = None) -> NumberedEvent:
        """Number an event and hand it to all listeners. `data` must not be changed afterwards."""
        self._last_id += 1
        event = NumberedEvent(self._last_id, event_type, data, passing_key)
        if passing_key is None:
            self._ring.append(event)
            if len(self._ring) > self._kept:
                self._forgotten_to = self._ring.popleft().id
        for listener in tuple(self._listeners):
            listener.put(event)
        return event

    def listen(self, since: int | None) -> Listener:
        """Start listening after the event `since`; None means from now on.

        When events after `since` are forgotten, or `since` is of another run, the first event is of type `reset`: the
        listener has to read everything again. Close the listener when done.
        """
        listener = Listener(self._forget)
        if since is not None and not self._forgotten_to <= since <= self._last_id:
            listener.put(NumberedEvent(self._last_id, "reset", {}))
        elif since is not None:
            for event in self._ring:
                if event.id > since:
                    listener.put(event)
        self._listeners.add(listener)
        self._somebody.set()
        return listener

    async def wait_for_listener(self) -> None:
        """Return once somebody listens; at once when somebody does."""
        await self._somebody.wait()

    def close(self) -> None:
        """End all listeners, after what they have not read yet."""
        for listener in tuple(self._listeners):
            listener.close()

    def _forget(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        if not self._listeners:
            self._somebody.clear()


class Listener:
    """What one listener has not read yet."""

    def __init__(self, forget: Callable[[Listener], None]) -> None:
        self._waiting: OrderedDict[int, NumberedEvent] = OrderedDict()
        self._newest_passing: dict[str, int] = {}
        self._arrived = asyncio.Event()
        self._closed = False
        self._forget = forget

    def put(self, event: NumberedEvent) -> None:
        if event.passing_key is not None:
            self._waiting.pop(self._newest_passing.get(event.passing_key, -1), None)
            self._newest_passing[event.passing_key] = event.id
        self._waiting[event.id] = event
        if len(self._waiting) > MAX_BACKLOG:
            self.close()
        self._arrived.set()

    def close(self) -> None:
        """Hear nothing more; the reader ends after what is waiting."""
        self._closed = True
        self._forget(self)
        self._arrived.set()

    @property
    def ended(self) -> bool:
        """Closed and read to the end."""
        return self._closed and not self._waiting

    async def next(self, timeout_s: float) -> NumberedEvent | None:
        """The next event; None when none came in time or the listener has ended."""
        if not self._waiting and not self._closed:
            self._arrived.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), timeout_s)
        if not self._waiting:
            return None
        _, event = self._waiting.popitem(last=False)
        if event.passing_key is not None and self._newest_passing.get(event.passing_key) == event.id:
            del self._newest_passing[event.passing_key]
        return event


async def read_all(listener: Listener, idle_s: float) -> AsyncIterator[NumberedEvent | None]:
    """All events of a listener until it ends, None for each `idle_s` of silence; closes it when left."""
    try:
        while not listener.ended:
            yield await listener.next(idle_s)
    finally:
        listener.close()
