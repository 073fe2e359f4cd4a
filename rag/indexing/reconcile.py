"""At start: the vector index is made to hold what the database says, no more and no less. Nothing is embedded."""

from __future__ import annotations

import logging

import numpy as np

from rag.store.rows import Space
from rag.store.store import FileStore
from rag.vectors.index import VectorIndex

log = logging.getLogger(__name__)

BATCH = 2048


async def drop_strangers(store: FileStore, vectors: VectorIndex) -> None:
    """Remove spaces that the database does not know: of collections that are gone, or of another database."""
    known = {space.name for space in await store.spaces()}
    for name in await vectors.spaces():
        if name not in known:
            log.info("space %s belongs to no collection, and is removed", name)
            await vectors.drop(name)


async def compare(store: FileStore, vectors: VectorIndex, space: Space) -> None:
    """Bring one space in line. What the database lists as unplaced is done before this."""
    wanted = await store.wanted_ids(space)
    if await vectors.count(space.name) == len(wanted):
        return  # what differs is listed in the database, unless the index lost its files
    present = await vectors.ids(space.name)
    extra, missing = np.setdiff1d(present, wanted), np.setdiff1d(wanted, present)
    log.info("space %s lacks %d vectors and has %d too many", space.name, len(missing), len(extra))
    for start in range(0, len(extra), BATCH):
        await vectors.delete(space.name, extra[start : start + BATCH])
    for start in range(0, len(missing), BATCH):
        ids, rows = await store.vectors(space, missing[start : start + BATCH].tolist())
        await vectors.add(space.name, ids, rows)
