"""A worker that is started when it is needed, loaded, started again when it died, and ended when nobody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.child import Ending
from models.errors import BinaryMissing
from models.worker import Reply, Worker, WorkerDied, WorkerFailed, WorkerSpec

# No call of ours takes so long on a machine that is not stuck.
CALL_TIMEOUT_S = 600.0


class KeptWorker:
    """One child and the call that loads its model. All methods belong on one asyncio loop.

    `load` gives the parameters of its first call, `load`, at every start. After `idle_s` seconds without a call the
    child is ended, for its memory; None keeps it.
    """

    def __init__(
        self, spec: WorkerSpec, load: Callable[[], Mapping[str, Any]] | None, *, idle_s: float | None = None
    ) -> None:
        self._spec = spec
        self._load = load
        self._idle_s = idle_s
        self._starting = asyncio.Lock()
        self._worker: Worker | None = None
        self._calls = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[Ending]] = set()
        self.loaded: Any = None  # what its `load` answered

    @property
    def folder(self) -> Path:
        """Where it runs."""
        return self._spec.folder

    @property
    def pid(self) -> int | None:
        """Of the running child, None when there is none."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    async def call(self, method: str, params: Mapping[str, Any], *, timeout_s: float = CALL_TIMEOUT_S) -> Reply:
        """Ask the child, once more when it died over it. Raises WorkerFailed, WorkerDied, TimeoutError or OSError.

        A child that does not answer in time is killed.
        """
        self._calls += 1
        self._disarm()
        try:
            try:
                return await self._once(method, params, timeout_s)
            except WorkerDied:
                return await self._once(method, params, timeout_s)
        finally:
            self._calls -= 1
            self._arm()

    async def start(self) -> None:
        """Have the child loaded. Raises as `call` does."""
        await self._ready()

    async def close(self) -> None:
        """End the child; a later call starts another."""
        self._disarm()
        if (worker := self._worker) is not None:
            self._worker = None
            await worker.stop()
        await asyncio.gather(*self._ending)

    async def _once(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Reply:
        worker = await self._ready()
        try:
            return await worker.call(method, params, timeout_s=timeout_s)
        except TimeoutError:
            await worker.kill()
            raise
        except WorkerDied:
            if self._worker is worker:
                self._worker = None
            raise

    async def _ready(self) -> Worker:
        async with self._starting:
            if self._worker is not None and self._worker.alive:
                return self._worker
            worker = await self._started()
            self._worker = worker
            return worker

    async def _started(self) -> Worker:
        await asyncio.to_thread(self._spec.folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        worker = await Worker.start(self._spec)
        try:
            if self._load is not None:
                self.loaded = (await worker.call("load", self._load(), timeout_s=CALL_TIMEOUT_S)).value
        except BaseException:
            await worker.kill()
            raise
        return worker

    def _arm(self) -> None:
        if self._idle_s is not None and self._calls == 0 and self._worker is not None:
            self._disarm()
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._rest)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rest(self) -> None:
        if self._calls == 0 and (worker := self._worker) is not None:
            self._worker = None
            task = asyncio.create_task(worker.stop())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)


def sentence(error: Exception) -> str:
    """What went wrong with a worker, for people."""
    if isinstance(error, WorkerFailed):
        return f"{error.kind}: {error.message}".rstrip(".") + "."
    if isinstance(error, WorkerDied):
        return error.ending.sentence
    if isinstance(error, TimeoutError):
        return "It did not answer any more and was ended."
    return f"Its process cannot be started: {error}".rstrip(".") + "."


FAILURES = (WorkerFailed, WorkerDied, TimeoutError, OSError, BinaryMissing)
