"""One run of the worker that owns Chroma: started, asked, and what its failures mean."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.child import Jail
from models.errors import DiskFull
from models.worker import Reply, Worker, WorkerDied, WorkerFailed, WorkerSpec
from rag.errors import EmbeddingMismatch

log = logging.getLogger(__name__)

MODULE = "rag.vectors.chroma_worker"
OPEN_S = 60.0
CALL_S = 120.0  # of one call, which may have to load 500,000 vectors first
NICE = 5
LEAST_FREE_BYTES = 4 << 20


class Unusable(Exception):
    """The worker died, hung, or its answer says that the index is damaged; `worker` is the one that was asked."""

    def __init__(self, message: str, worker: Worker) -> None:
        super().__init__(message)
        self.worker = worker


class ChromaProcess:
    """The worker, started when it is asked first, and again when it has died."""

    def __init__(self, folder: Path, pidfiles: Path | None, call_s: float) -> None:
        """`folder` holds the index in `index` and what the worker needs besides in `work`."""
        self.index = folder / "index"
        self._work = folder / "work"
        self._folder, self._pidfiles, self._call_s = folder, pidfiles, call_s
        self._worker: Worker | None = None
        self._file: list[int] | None = None  # what the index is known by: another one in its place is not ours
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The worker's process, None while there is none."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def ask(self, method: str, params: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> Reply:
        """One call. Raises Unusable, DiskFull, EmbeddingMismatch, or OSError when no worker can be started."""
        worker = await self._ready()
        return await self._call(worker, method, params, buffers, self._call_s)

    async def end(self, worker: Worker) -> None:
        """End this worker, unless another one has taken its place."""
        async with self._starting:
            if self._worker is worker:
                self._worker = None
            await worker.kill()

    async def stop(self) -> None:
        """End the worker; the next question starts another one."""
        async with self._starting:
            worker, self._worker = self._worker, None
            if worker is not None:
                await worker.stop()

    def begin_anew(self) -> None:
        """The index was moved away: whatever is opened next is the one."""
        self._file = None

    async def _ready(self) -> Worker:
        async with self._starting:
            if self._worker is not None and self._worker.alive:
                return self._worker
            if self._worker is not None:
                await self._worker.kill()
            for folder in (self._folder, self.index, self._work):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            worker = await Worker.start(self._spec())
            try:
                params = {"folder": str(self.index), "file": self._file}
                self._file = (await self._call(worker, "open", params, (), OPEN_S)).value["file"]
            except BaseException:
                await worker.kill()
                raise
            self._worker = worker
            return worker

    async def _call(
        self, worker: Worker, method: str, params: Mapping[str, Any], buffers: Sequence[bytes], timeout_s: float
    ) -> Reply:
        try:
            return await worker.call(method, params, buffers, timeout_s=timeout_s)
        except TimeoutError:
            await worker.kill()
            raise Unusable(f"{method} did not answer within {timeout_s:.0f} s", worker) from None
        except WorkerDied as error:
            if self._full():
                raise self._disk_full() from error
            raise Unusable(f"{error} {' '.join(error.log_tail[-3:])}", worker) from error
        except WorkerFailed as error:
            if "dimension" in error.message:
                raise EmbeddingMismatch(
                    "These vectors have other dimensions than the index.", hint="Run `jackdaw files doctor --repair`."
                ) from error
            if self._full() or "database or disk is full" in error.message or "No space left" in error.message:
                raise self._disk_full() from error
            raise Unusable(f"{error.kind}: {error.message}", worker) from error

    def _spec(self) -> WorkerSpec:
        return WorkerSpec(
            module=MODULE,
            name="vector index",
            folder=self._work,
            jail=Jail(write=(self._folder,), python=True),
            pidfiles=self._pidfiles,
            nice=NICE,
        )

    def _full(self) -> bool:
        return self._free_bytes() < LEAST_FREE_BYTES

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except FileNotFoundError:  # somebody deleted it
            return shutil.disk_usage(self._folder.parent).free

    def _disk_full(self) -> DiskFull:
        free = self._free_bytes()
        return DiskFull(
            f"The disk with {self._folder} is full: {free / 1e6:.1f} MB are free. The vector index is as it was.",
            free_bytes=free,
            hint="Make room on that disk; indexing goes on by itself then.",
        )


def ids_bytes(ids: Sequence[int] | np.ndarray[Any, Any]) -> bytes:
    """Chunk ids as the worker reads them."""
    return np.asarray(ids, np.int64).tobytes()
