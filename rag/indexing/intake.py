"""Between the readers, which work file by file, and the database, which likes many at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from rag.store.rows import FileChange, Indexed, NewDocument
from rag.types import Chunk

MAX_FILES = 256
MAX_CHUNKS = 400  # about a tenth of a second of writing: what is begun goes on although somebody asks a model
ROOM_CHARS = 16 * 1024 * 1024  # what may wait for the database; one larger file is let in by itself


class Intake:
    """A queue of changes that holds up who fills it. What comes while the database writes goes into one transaction."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[FileChange, int]] = deque()
        self._chars = 0
        self._changed = asyncio.Condition()
        self._closed = False

    async def put(self, change: FileChange) -> None:
        """Add a change; waits while too much text waits to be written. Changes of a closed intake are dropped."""
        chars = sum(len(chunk.text) for chunk in chunks_of(change))
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or not self._chars or self._chars + chars <= ROOM_CHARS)
            if not self._closed:
                self._waiting.append((change, chars))
                self._chars += chars
                self._changed.notify_all()

    async def close(self) -> None:
        """Nothing more comes, or nobody takes any more."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def take(self) -> list[FileChange]:
        """All that waits, up to what is good for one transaction; [] when it is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[FileChange] = []
            chunks = 0
            while self._waiting and len(batch) < MAX_FILES and chunks < MAX_CHUNKS:
                change, chars = self._waiting.popleft()
                batch.append(change)
                chunks += len(chunks_of(change))
                self._chars -= chars
            self._changed.notify_all()
            return batch


def chunks_of(change: FileChange) -> Sequence[Chunk]:
    """The chunks of a file that was read; none of any other change."""
    if isinstance(change, Indexed) and isinstance(change.document, NewDocument):
        return change.document.chunks
    return ()
