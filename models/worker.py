"""A worker: a child of ours that runs the functions of one Python module and is asked over a socket pair.

For work that may crash, hang or eat memory, and for libraries too slow to import in the service: parsers, embedding
models, the vector index. The child's side and the form of the frames are in models/worker_loop.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models import worker_loop
from models.child import Child, ChildSpec, Ending, Jail, clean_environment, spawn
from models.worker_loop import HEAD, Buffers, lengths, pack, unpack

LOG_LINES = 40
_ENDING_S = 1.0


class WorkerFailed(Exception):
    """The function raised: `kind` is the name of the exception's class, `details` its plain attributes."""

    def __init__(self, kind: str, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = dict(details)


class WorkerDied(Exception):
    """The child ended, or its socket broke, before it had answered; `ending` and `log_tail` say how."""

    def __init__(self, ending: Ending, log_tail: tuple[str, ...]) -> None:
        super().__init__(ending.sentence)
        self.ending = ending
        self.log_tail = log_tail


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """What to start. `module` has `methods()`; `folder` is where it runs and its HOME; limits as in ChildSpec.

    `jail` is what it may touch besides the interpreter, its packages and our sources; None leaves it free.
    `environment` is added to the clean one.
    """

    module: str
    name: str
    folder: Path
    jail: Jail | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    pidfiles: Path | None = None
    data_limit_bytes: int | None = None
    file_limit_bytes: int | None = None
    nice: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a function answered: a JSON value and buffers."""

    value: Any
    buffers: list[memoryview]


class Worker:
    """A running worker; made by `start`. Calls may be made at the same time; see `serve` for their order."""

    def __init__(self, child: Child, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = child.pid
        self.ended: asyncio.Future[Ending] = child.ended
        self._child = child
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._task = asyncio.create_task(self._listen(), name=f"worker {child.pid}")

    @classmethod
    async def start(cls, spec: WorkerSpec) -> Worker:
        """Start the child; it may still be importing when this returns. Must run on a loop whose thread lives on.

        Raises BinaryMissing or OSError when it cannot be started.
        """
        ours, theirs = socket.socketpair()
        log: deque[str] = deque(maxlen=LOG_LINES)
        try:
            with theirs:
                child = await spawn(_child_spec(spec, theirs.fileno(), log))
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        worker = cls(child, reader, writer)
        worker._log = log
        return worker

    @property
    def alive(self) -> bool:
        return not self.ended.done() and not self._task.done()

    def log_tail(self) -> tuple[str, ...]:
        """The last lines it printed, oldest first."""
        return tuple(self._log)

    async def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        buffers: Buffers = (),
        *,
        timeout_s: float | None = None,
    ) -> Reply:
        """Run one function over there. Raises WorkerFailed with what it raised, WorkerDied, or TimeoutError.

        A cancelled or timed-out call leaves the child at its work: kill it when it must stop.
        """
        if not self.alive:
            raise await self._why()
        number = next(self._numbers)
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(timeout_s):
                frame = pack({"id": number, "method": method, "params": dict(params or {})}, buffers)
                self._writer.writelines(frame)
                with contextlib.suppress(ConnectionError):  # _listen finds out what happened
                    await self._writer.drain()
                return await answer
        except _Broken:
            raise await self._why() from None
        finally:
            self._waiting.pop(number, None)

    async def stop(self, grace_s: float = 5.0) -> Ending:
        """Close its socket, which ends it when it is idle; then as Child.stop. Calls under way raise WorkerDied."""
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._child.wait(), grace_s / 2)
        ending = await self._child.stop(grace_s)
        await self._close()
        return ending

    async def kill(self) -> Ending:
        """End it at once, whatever it does."""
        self._child.kill()
        ending = await self._child.wait()
        await self._close()
        return ending

    async def _close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _why(self) -> WorkerDied:
        try:  # its socket breaks a moment before it is known how it ended
            ending = await asyncio.wait_for(self._child.wait(), _ENDING_S)
        except TimeoutError:
            ending = await self._child.stop()
        return WorkerDied(ending, self.log_tail())

    async def _listen(self) -> None:
        try:
            while True:
                text_bytes, data_bytes = lengths(await self._reader.readexactly(HEAD.size))
                text = await self._reader.readexactly(text_bytes)
                head, buffers = unpack(text, await self._reader.readexactly(data_bytes))
                self._hand_out(head, buffers)
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(_Broken())
            self._writer.close()

    def _hand_out(self, head: dict[str, Any], buffers: list[memoryview]) -> None:
        waiting = self._waiting.get(head.get("id", 0))
        if waiting is None or waiting.done():
            return  # nobody waits any more
        if error := head.get("error"):
            waiting.set_exception(WorkerFailed(error["type"], error["message"], error["details"]))
        else:
            waiting.set_result(Reply(head.get("value"), buffers))


class _Broken(Exception):
    """The socket ended under a call."""


def _child_spec(spec: WorkerSpec, number: int, log: deque[str]) -> ChildSpec:
    sources = Path(worker_loop.__file__).parent.parent
    ours = tuple(sources / name for name in ("models", "engine", "rag"))
    jail = spec.jail and Jail(
        read=(*ours, *spec.jail.read), write=spec.jail.write, python=True, listen=spec.jail.listen
    )
    return ChildSpec(
        argv=(sys.executable, "-I", "-B", worker_loop.__file__, str(number), spec.module),
        name=spec.name,
        cwd=spec.folder,
        environment=clean_environment(os.environ, home=spec.folder, extra=spec.environment),
        on_line=log.append,
        pidfiles=spec.pidfiles,
        data_limit_bytes=spec.data_limit_bytes,
        file_limit_bytes=spec.file_limit_bytes,
        nice=spec.nice,
        jail=jail,
        pass_fds=(number,),
    )
