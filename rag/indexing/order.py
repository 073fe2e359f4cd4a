"""How runs of one collection get along: they may overlap, but what was read earlier never replaces what was read later,
and nobody changes the embedder under a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rag.store.rows import FileChange, Moved


class Order:
    """Of one collection. A run has a ticket from before it looks at the disk until it has ended."""

    def __init__(self) -> None:
        self._last = 0
        self._open: set[int] = set()
        self._applied: dict[tuple[int, str], int] = {}
        self._changed = asyncio.Condition()
        self._alone = False

    @property
    def running(self) -> int:
        """How many runs are going on."""
        return len(self._open)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[int]:
        """Hold a ticket: later ones have seen later states of the disk. Waits while somebody has to be alone."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone)
            self._last += 1
            ticket = self._last
            self._open.add(ticket)
        try:
            yield ticket
        finally:
            self._open.discard(ticket)
            if not self._open:
                self._applied.clear()
            async with self._changed:
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until no run is going on, and let none begin meanwhile."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._alone)
            self._alone = True
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self._open)
            yield
        finally:
            self._alone = False
            async with self._changed:
                self._changed.notify_all()

    def newest(self, ticket: int, changes: Sequence[FileChange]) -> list[FileChange]:
        """Those of `changes` whose files no later run has changed; noted as this run's."""
        return [change for change in changes if self._allow(ticket, change)]

    def _allow(self, ticket: int, change: FileChange) -> bool:
        places = [(change.root_id, change.path)]
        if isinstance(change, Moved):
            places.append((change.to_root_id, change.to_path))
        if any(self._applied.get(place, 0) > ticket for place in places):
            return False
        if self.running > 1:
            self._applied.update(dict.fromkeys(places, ticket))
        return True
