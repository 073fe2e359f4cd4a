"""`VectorIndex`: the parent's side of the vector index. Chroma itself runs in one worker, chroma_worker.py.

The index is a cache. A worker that dies or hangs is started again; if that does not help, or somebody deleted the files
under it, the index is moved aside and made anew from the vectors in files.db, without embedding anything. Meanwhile
questions raise VectorsBroken, and what is to be placed goes into the new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from models.errors import DiskFull, ModelsError
from models.worker import Reply
from rag.errors import RagError, VectorsBroken
from rag.store.rows import Space
from rag.store.store import FileStore
from rag.store.vector_rows import Ids
from rag.types import Vectors
from rag.vectors import quarantine
from rag.vectors.chroma import CALL_S, ChromaProcess, Unusable, ids_bytes

log = logging.getLogger(__name__)

BATCH = 512
MAY_MISS = 0.2  # of the sample
ATTEMPTS = 3  # at making the index anew; then at the next start
DISK_FULL_S = 15.0  # until it is tried again
SAMPLE = 24  # vectors of each space that are looked for when the index is opened
_REBUILDING = "vectors_rebuilding"  # fact in files.db while an index is being made anew
_SAME = 0.995  # cosine of a vector with itself, as it comes back


class VectorIndex:
    """Spaces of unit vectors under chunk ids, asked for the nearest by cosine.

    Made and closed on one loop. All calls may be made at the same time. Those that the worker answers raise
    VectorsBroken when the index cannot be used now, and DiskFull (models/errors.py).
    """

    def __init__(
        self,
        folder: Path,
        store: FileStore,
        *,
        pidfiles: Path | None = None,
        call_s: float = CALL_S,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`folder` is the index's own; nothing is opened before the first call. `changed` is called, on the loop, when
        the index breaks and when it is whole again."""
        self.folder = folder
        self.problem = ""  # why it cannot answer now, as a sentence
        self._store = store
        self._chroma = ChromaProcess(folder, pidfiles, call_s)
        self._changed = changed
        self._mending, self._placing = asyncio.Lock(), asyncio.Lock()
        self._exclusive, self._open, self._quiet = asyncio.Lock(), asyncio.Event(), asyncio.Event()
        self._open.set()
        self._asking = 0
        self._generation = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The worker's process, None while there is none."""
        return self._chroma.pid

    async def start(self) -> None:
        """Open the index and see whether it holds what it should: what lacks is added, what is too much goes.

        Takes seconds for hundreds of thousands of vectors; the index can be asked meanwhile. Returns when it is as it
        should be, or is being made anew in the background.
        """
        if await self._store.fact(_REBUILDING):
            self._begin_rebuild()
            return
        spaces = await self._store.spaces()
        if not spaces and not await asyncio.to_thread(_anything_in, self.folder):
            return  # who has no files pays for no worker
        with contextlib.suppress(VectorsBroken):  # it is being made anew then
            for space in spaces:
                await self.reconcile(space)
            await self._drop_unknown()

    async def wait_whole(self) -> None:
        """Wait until a rebuild that is under way has ended."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Stop the worker; what it acknowledged is on the disk."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._chroma.stop()

    async def add(self, space: str, ids: Ids | Sequence[int], vectors: Vectors) -> None:
        """Put vectors under ids, in the place of older ones; the space is made when it is new. Kept when it returns."""
        rows = np.ascontiguousarray(vectors, np.float32)
        await self._ask("add", {"space": space}, [ids_bytes(ids), rows.tobytes()])

    async def delete(self, space: str, ids: Ids | Sequence[int]) -> None:
        """Take ids out of a space; ids that are not there are passed over."""
        await self._ask("delete", {"space": space}, [ids_bytes(ids)])

    async def query(self, space: str, vector: Vectors, k: int) -> list[tuple[int, float]]:
        """The k nearest chunk ids with their cosines, nearest first; fewer when the space has fewer, [] without it."""
        if self.problem:
            raise VectorsBroken(self.problem)
        reply = await self._ask("query", {"space": space, "k": k}, [np.asarray(vector, np.float32).tobytes()])
        ids, cosines = _ids(reply), np.frombuffer(reply.buffers[1], np.float32)
        return list(zip(ids.tolist(), cosines.tolist(), strict=True))

    async def count(self, space: str) -> int:
        """How many vectors a space has, 0 when it is not there."""
        return int((await self._ask("count", {"space": space})).value)

    async def ids(self, space: str) -> Ids:
        """All ids of a space, ascending."""
        return _ids(await self._ask("ids", {"space": space}))

    async def vectors(self, space: str, ids: Ids | Sequence[int]) -> tuple[Ids, Vectors]:
        """What the space holds under these ids: those that are there, in no order, and a row for each."""
        reply = await self._ask("vectors", {"space": space}, [ids_bytes(ids)])
        found = _ids(reply)
        return found, np.frombuffer(reply.buffers[1], np.float32).reshape(len(found), -1 if len(found) else 0)

    async def drop(self, space: str) -> None:
        """Remove a space; one that is not there is passed over."""
        await self._ask("drop", {"space": space})

    async def spaces(self) -> list[str]:
        """The names of all spaces."""
        return [str(name) for name in (await self._ask("spaces", {})).value]

    async def compact(self, deleted: Iterable[bytes] = ()) -> None:
        """Leave nothing on the disk of what was deleted: Chroma's database is written anew, and `deleted`, which are
        rows as the files hold them, are overwritten in graphs that only marked them. The worker starts again.
        """
        async with self._alone():
            await self._asked("compact", {"folder": str(self._chroma.index)}, [*deleted])
            await self._chroma.stop()

    async def place(self, space: Space, up_to: int | None = None) -> bool:
        """Bring a space in line with files.db as far as its vectors are there; whether it is complete now.

        `up_to` is the highest chunk id that is looked at: after vectors were put into the store, the last of theirs.
        May be called for one space at the same time, and broken off anywhere.
        """
        while True:
            async with self._placing:  # two at the same chunk could end in the wrong order
                batch = await self._store.placement(space, BATCH, up_to)
                if len(batch.delete):
                    await self.delete(space.name, batch.delete)
                if len(batch.add):
                    await self.add(space.name, batch.add, batch.vectors)
                complete = await self._store.placed(space, batch)
            if batch.empty:
                return complete

    async def reconcile(self, space: Space, *, every: bool = False) -> int:
        """Add what a space lacks and take out what it should not have; how many rows that were.

        What Chroma holds is looked at by its number and by a sample first, then, where they differ or when `every` is
        asked for, by id. Raises VectorsBroken when the sample is not found afterwards.
        """
        await self.place(space)
        sound = await self.holds_sample(space)
        if sound and not every and await self.count(space.name) == await self._store.count_wanted(space):
            return 0
        found = await self.ids(space.name)
        wanted = await self._store.wanted_ids(space)
        if len(wanted) and not len(found):
            await self._mend(self._generation, "it is empty")
        differing = np.setxor1d(found, wanted)
        if not sound and not len(differing):
            await self._mend(self._generation, "vectors it holds are not found")
        await self._store.note_unplaced(space, differing.tolist())
        await self.place(space)
        if not await self.holds_sample(space):
            await self._mend(self._generation, "vectors it holds are not found")
        return len(differing)

    async def holds_sample(self, space: Space) -> bool:
        """Whether vectors from all over the space are found when they are asked for.

        A graph misses one now and then; a damaged one misses many.
        """
        rows = [row for row in await self._store.sample_vectors(space, SAMPLE) if row.any()]
        missed = 0
        for row in rows:
            wanted = (row / np.linalg.norm(row)).astype(np.float32).tobytes()
            reply = await self._ask("query", {"space": space.name, "k": 1}, [wanted])
            cosines = np.frombuffer(reply.buffers[1], np.float32)
            missed += not len(cosines) or bool(cosines[0] < _SAME)
        return missed <= len(rows) * MAY_MISS

    async def rebuild(self, reason: str) -> None:
        """Move the index aside and make it anew in the background; see `wait_whole`."""
        with contextlib.suppress(VectorsBroken):
            await self._mend(self._generation, reason)

    async def _ask(self, method: str, params: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> Reply:
        """One call; once more in a new worker when the first one fails; then the index is taken for damaged."""
        if self._closed:
            raise VectorsBroken("The vector index is closed.")
        await self._open.wait()
        self._asking += 1
        try:
            return await self._asked(method, params, buffers)
        finally:
            self._asking -= 1
            if not self._asking:
                self._quiet.set()

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Let no other call be made, after those under way have ended."""
        async with self._exclusive:
            self._open.clear()
            try:
                while self._asking:
                    self._quiet.clear()
                    await self._quiet.wait()
                yield
            finally:
                self._open.set()

    async def _asked(self, method: str, params: Mapping[str, Any], buffers: Sequence[bytes]) -> Reply:
        generation = self._generation
        try:
            return await self._chroma.ask(method, params, buffers)
        except Unusable as error:
            log.warning("the vector index failed at %s and is started again: %s", method, error)
            await self._chroma.end(error.worker)
        try:
            return await self._chroma.ask(method, params, buffers)
        except Unusable as error:
            await self._mend(generation, str(error))
            raise AssertionError from error  # _mend does not return

    async def _mend(self, generation: int, reason: str) -> NoReturn:
        """Move the index aside, unless somebody did since `generation`, and have it made anew."""
        async with self._mending:
            if generation == self._generation and not self._closed:
                self._generation += 1
                log.warning("the vector index is damaged and is made anew: %s", reason)
                await self._store.put_fact(_REBUILDING, reason)
                await self._chroma.stop()
                await asyncio.to_thread(quarantine.move_aside, self._chroma.index, self.folder)
                self._chroma.begin_anew()
                self._begin_rebuild()
        raise VectorsBroken(self.problem or "The vector index has just been closed.")

    def _begin_rebuild(self) -> None:
        """Have the task that makes the index anew; one that runs sees by the generation that it has to start over."""
        self.problem = "The vector index was damaged and is being made anew; meanwhile only words are searched."
        self._changed()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._rebuild(), name="rebuild of the vector index")

    async def _rebuild(self) -> None:
        attempts = 0
        while attempts < ATTEMPTS:
            generation = self._generation
            try:
                await self._place_all()
                if generation == self._generation:
                    await self._store.put_fact(_REBUILDING, "")
                    self.problem = ""
                    log.info("the vector index is whole again")
                    break
            except DiskFull as error:
                self.problem = f"The vector index is being made anew, but {error} Only words are searched."
                await asyncio.sleep(DISK_FULL_S)
                continue
            except (RagError, ModelsError) as error:
                self.problem = f"The vector index cannot be made anew: {error} Only words are searched."
                log.warning("%s", self.problem)
            attempts += 1
        self._changed()

    async def _place_all(self) -> None:
        spaces = await self._store.spaces()
        for space in spaces:
            await self._store.note_all_unplaced(space)
        for space in spaces:
            await self.place(space)

    async def _drop_unknown(self) -> None:
        known = {space.name for space in await self._store.spaces()}
        for name in await self.spaces():
            if name not in known:
                await self.drop(name)


def _anything_in(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False


def _ids(reply: Reply) -> Ids:
    return np.frombuffer(reply.buffers[0], np.int64)
