"""For tests with files: add them to a collection and wait until that is indexed."""

from __future__ import annotations

import asyncio

from desktop.client import Client
from desktop.wire import Job
from desktop.wire_files import AddRoots, Collection

INDEXED_S = 120.0
ENDED = ("done", "failed", "cancelled")


async def indexed(client: Client, request: AddRoots) -> Collection:
    """Add roots, wait for the end of the job, and return the collection as it is then."""
    added = await client.add_roots(request)
    job = await ended(client, added.job_id)
    assert job.state == "done", job.error
    return await client.collection(added.collection.id)


async def ended(client: Client, job_id: str) -> Job:
    """The job when it has ended, however."""
    async with asyncio.timeout(INDEXED_S):
        while (job := await client.job(job_id)).state not in ENDED:
            await asyncio.sleep(0.05)
    return job
