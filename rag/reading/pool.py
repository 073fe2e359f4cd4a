"""Reads files in jailed children that may crash, hang or eat memory without harm to anything else.

A child reads any number of files and is replaced when it died, hung, or grew too large. Small files go over in
batches. When a batch fails as a whole, its files are read again one by one, so that only the guilty one is blamed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

from rag.errors import ParseFailed
from rag.reading.batches import Batch, Job, batches
from rag.reading.seat import ReadersClosed, Seat, Setup
from rag.reading.transfer import Outcome
from rag.reading.types import DEFAULT_LIMITS, Limits, Parsed

_IDLE_S = 60.0
_STATS_AT_ONCE = 2000


class ReaderPool:
    """Jailed children that read files; started when first needed, ended when idle for `idle_s`.

    `folder` is where the children run (made when it is not there), `pidfiles` as in ChildSpec. Use it on one loop.
    `tesseract` is the name or path of the program that reads scanned pages.
    """

    def __init__(
        self,
        folder: Path,
        pidfiles: Path | None,
        workers: int = 2,
        limits: Limits = DEFAULT_LIMITS,
        *,
        tesseract: str = "tesseract",
        idle_s: float = _IDLE_S,
    ) -> None:
        self._setup = Setup(folder, pidfiles, limits, tesseract)
        self._seats = [Seat(self._setup) for _ in range(workers)]
        # The last one given back is the first one taken: a few files at a time need one child only.
        self._free: asyncio.LifoQueue[Seat] = asyncio.LifoQueue()
        for seat in self._seats:
            self._free.put_nowait(seat)
        self._idle_s = idle_s
        self._idle: asyncio.Task[None] | None = None
        self._closed = False

    def allow(self, roots: Sequence[Path]) -> None:
        """Set the folders and files that may be read; children that were started with others are replaced."""
        self._setup.allow(roots)

    async def read(self, path: Path, root: Path) -> Parsed:
        """Read one file below `root`, which must be allowed. Raises ParseFailed with its reason.

        Raises ReadersClosed when the pool is closed meanwhile; BinaryMissing, OSError or WorkerDied when no child
        can be started.
        """
        (_, outcome), *_ = await self._run([(path, root)])
        if isinstance(outcome, ParseFailed):
            raise outcome
        return outcome

    async def read_many(self, paths: Sequence[tuple[Path, Path]]) -> AsyncGenerator[tuple[Path, Outcome], None]:
        """Read many (path, root); gives each path once, as it is done, with what it gave or why it failed.

        Reads ahead by a batch or so per child, so a slow consumer holds it up. Raises as `read` does, but for
        ParseFailed. Close the iterator (aclose) when you leave it early.
        """
        running: set[asyncio.Task[list[tuple[Path, Outcome]]]] = set()
        try:
            async for batch in _batches(paths):
                running.add(asyncio.create_task(self._run(batch), name="read files"))
                if len(running) > len(self._seats):
                    for found in await self._some(running):
                        yield found
            while running:
                for found in await self._some(running):
                    yield found
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def rest(self) -> None:
        """End the children that have nothing to do; the next file starts one again."""
        idle = [self._free.get_nowait() for _ in range(self._free.qsize())]
        try:
            await asyncio.shield(asyncio.gather(*(seat.end() for seat in idle)))
        finally:
            for seat in idle:
                self._free.put_nowait(seat)

    async def close(self) -> None:
        """End the children; calls under way raise ReadersClosed."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
            await asyncio.gather(self._idle, return_exceptions=True)
        await asyncio.gather(*(seat.close() for seat in self._seats))

    async def _some(self, running: set[asyncio.Task[list[tuple[Path, Outcome]]]]) -> list[tuple[Path, Outcome]]:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        running -= done
        return [found for task in done for found in task.result()]

    async def _run(self, batch: Batch) -> list[tuple[Path, Outcome]]:
        if self._closed:
            raise ReadersClosed
        seat = await self._free.get()
        try:
            outcomes = await seat.read(batch)
        finally:
            self._free.put_nowait(seat)
            self._count_idle()
        return [(path, outcome) for (path, _), outcome in zip(batch, outcomes, strict=True)]

    def _count_idle(self) -> None:
        """Count the idle time from now on."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._free.qsize() == len(self._seats) and not self._closed:
            self._idle = asyncio.create_task(self._end_idle(), name="end idle readers")

    async def _end_idle(self) -> None:
        await asyncio.sleep(self._idle_s)
        await self.rest()


async def _batches(paths: Sequence[Job]) -> AsyncIterator[Batch]:
    """Looks at sizes in another thread, some thousand at a time."""
    for first in range(0, len(paths), _STATS_AT_ONCE):
        for batch in await asyncio.to_thread(batches, paths[first : first + _STATS_AT_ONCE]):
            yield batch
