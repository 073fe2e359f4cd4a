"""Threads that pools start when they are needed: tests that share a pool have them started before, and leave none."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from models.database import READERS
from rag.store.store import FileStore


async def start_threads(store: FileStore | None = None) -> None:
    """Start those of the running loop and those that read the store."""
    pool, meet = ThreadPoolExecutor(2, thread_name_prefix="asyncio"), threading.Barrier(2)
    asyncio.get_running_loop().set_default_executor(pool)
    await asyncio.gather(*(asyncio.to_thread(meet.wait, 10) for _ in range(2)))
    if store is not None:
        meet = threading.Barrier(READERS)
        await asyncio.gather(*(store.database.read(lambda _: meet.wait(10)) for _ in range(READERS)))
