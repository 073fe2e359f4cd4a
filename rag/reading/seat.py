"""The seat of one reading child: starts it, asks it, replaces it, and says what became of each file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from models.child import Jail
from models.errors import BinaryMissing
from models.worker import Worker, WorkerDied, WorkerFailed, WorkerSpec
from rag.errors import ParseFailed
from rag.reading.batches import Batch
from rag.reading.transfer import Outcome, unpack_outcomes
from rag.reading.types import Limits
from rag.types import SkipReason

# A batch of small files takes a part of a second. After this its files are read one by one, each with all its time.
BATCH_S = 20.0
STARTS = 4  # of one child, one after another
_START_S = 60.0
_NICE = 10  # more, and a machine that is at work would let files run out of their time
_OUT_OF_MEMORY = ("MemoryError", "bad_alloc", "out of memory", "Cannot allocate memory", "failed to allocate")


class ReadersClosed(Exception):
    """The pool was closed while, or before, a file was read."""


class Setup:
    """What the children of a pool have in common. `generation` goes up when what they may read changes."""

    def __init__(self, folder: Path, pidfiles: Path | None, limits: Limits, tesseract: str) -> None:
        self.limits = limits
        self.generation = 0
        self.tesseract = shutil.which(tesseract) or "" if tesseract else ""
        self._folder = folder
        self._pidfiles = pidfiles
        self._roots: frozenset[Path] = frozenset()

    def allow(self, roots: Sequence[Path]) -> None:
        """Set what may be read."""
        if (wanted := frozenset(roots)) != self._roots:
            self._roots = wanted
            self.generation += 1

    async def start(self) -> Worker:
        """Start a child and wait until it answers, so that no file is charged for that.

        Raises BinaryMissing or OSError; WorkerDied or TimeoutError when it cannot even import what it runs.
        """
        worker = await self._spawned()
        try:
            await worker.call("ready", timeout_s=_START_S)
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def _spawned(self) -> Worker:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        program = program_folders(Path(self.tesseract)) if self.tesseract else ()
        return await Worker.start(
            WorkerSpec(
                module="rag.reading.worker",
                name="The file reader",
                folder=self._folder,
                jail=Jail(read=(*sorted(self._roots), *program)),
                pidfiles=self._pidfiles,
                data_limit_bytes=self.limits.memory_bytes,
                file_limit_bytes=1,
                nice=_NICE,
            )
        )


class Seat:
    """Holds a child or none; asked by one caller at a time."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._worker: Worker | None = None
        self._starting: asyncio.Task[Worker] | None = None
        self._generation = -1
        self._closed = False

    async def read(self, batch: Batch) -> list[Outcome]:
        """What each file of the batch gave, in order. Raises ReadersClosed, BinaryMissing or OSError."""
        seconds = self._setup.limits.seconds if len(batch) == 1 else min(BATCH_S, self._setup.limits.seconds)
        outcome = await self._ask(batch, seconds)
        if isinstance(outcome, list):
            return outcome
        if len(batch) == 1:
            return [outcome]
        return [(await self.read([job]))[0] for job in batch]

    async def end(self) -> None:
        """End the child, which is idle or is to be idle; the next call starts another."""
        starting, self._starting = self._starting, None
        worker, self._worker = self._worker, None
        if starting is not None:
            with contextlib.suppress(BinaryMissing, OSError, WorkerDied):  # TimeoutError is an OSError
                worker = await starting
        if worker is not None:
            await worker.kill()

    async def close(self) -> None:
        """End the child, whatever it does, and start none any more."""
        self._closed = True
        await self.end()

    async def _ask(self, batch: Batch, seconds: float) -> list[Outcome] | ParseFailed:
        """What the files gave, or why the child could not say."""
        worker = await self._ready()
        params = {
            "files": [[os.fspath(path), os.fspath(root)] for path, root in batch],
            "limits": asdict(self._setup.limits),
            "tesseract": self._setup.tesseract,
        }
        name = batch[0][0].name
        try:
            reply = await worker.call("read", params, timeout_s=seconds)
            outcomes = await _unpacked(reply.value["files"], reply.buffers)
        except TimeoutError:
            await self.end()
            return ParseFailed(f"{name} was not read within {seconds:.0f} seconds.", reason="timeout")
        except WorkerDied as died:
            await self.end()
            return self._blame(name, died)
        except WorkerFailed as failed:
            await self.end()
            return _failed(name, failed)
        except BaseException:  # cancelled: the child would go on with what nobody waits for
            await self.end()
            raise
        if _too_large(outcomes, reply.value["resident_bytes"], self._setup.limits):
            await self.end()
        return outcomes

    async def _ready(self) -> Worker:
        if self._worker is not None and not (self._worker.alive and self._generation == self._setup.generation):
            await self.end()
        if self._closed:
            raise ReadersClosed
        if self._worker is None:
            self._worker = await self._started()
            if self._closed:  # meanwhile
                await self.end()
                raise ReadersClosed
        return self._worker

    async def _started(self) -> Worker:
        """Start a child, some times when it dies over that: no file is to blame, and the next one may live.

        When this is cancelled the start goes on, and the next call or `end` takes its outcome.
        """
        for _ in range(STARTS):
            if self._starting is None or self._generation != self._setup.generation:
                await self.end()
                self._generation = self._setup.generation
                self._starting = asyncio.create_task(self._setup.start(), name="start a file reader")
            starting = self._starting
            try:
                await asyncio.wait([starting])
            finally:
                if starting.done():
                    self._starting = None
            try:
                return starting.result()
            except (WorkerDied, TimeoutError) as error:
                why = str(error) or f"It does not answer within {_START_S:.0f} seconds."
            if self._closed:
                raise ReadersClosed
        hint = "Index again: it goes on with what is left. If that ends the same way, run `jackdaw doctor`."
        raise BinaryMissing(f"No file can be read: {why}", hint=hint)

    def _blame(self, name: str, died: WorkerDied) -> ParseFailed:
        if self._closed:
            raise ReadersClosed from None
        last = " ".join(died.log_tail[-5:])
        reason: SkipReason = "memory" if any(word in last for word in _OUT_OF_MEMORY) else "crashed"
        return ParseFailed(f"Reading {name} failed: {died.ending.sentence}", reason=reason)


async def _unpacked(values: list[dict[str, object]], buffers: list[memoryview]) -> list[Outcome]:
    if sum(buffer.nbytes for buffer in buffers) < 4 * 1024 * 1024:
        return unpack_outcomes(values, buffers)
    return await asyncio.to_thread(unpack_outcomes, values, buffers)  # the loop would stand still


def _failed(name: str, failed: WorkerFailed) -> ParseFailed:
    reason: SkipReason = "memory" if failed.kind == "MemoryError" else "crashed"
    return ParseFailed(f"Reading {name} failed: {failed.kind}: {failed.message[:300]}", reason=reason)


def _too_large(outcomes: list[Outcome], resident_bytes: int, limits: Limits) -> bool:
    """Whether the child should go: it ran out of memory once, or keeps half of what it may have."""
    exhausted = any(isinstance(outcome, ParseFailed) and outcome.reason == "memory" for outcome in outcomes)
    return exhausted or resident_bytes > limits.memory_bytes // 2


def program_folders(program: Path) -> tuple[Path, ...]:
    """What tesseract needs of its own: never all it was installed into, which may be the home of the user."""
    real = program.resolve()
    if real.parent.name != "bin":
        return (real,)
    return (real, *(real.parent.parent / name for name in ("lib", "lib64", "share/tessdata", "share/tesseract-ocr")))
