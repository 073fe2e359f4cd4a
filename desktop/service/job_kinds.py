"""What a kind of job is: its work, how it may be stopped and gone on with, and what it gets from the runner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from models.progress import Cancel, Progress

T = TypeVar("T")
CANCEL_POLL_S = 0.05

# Work of one lane shares what there is one of: "transfers" runs two jobs at a time, the others one. Indexing makes way
# by itself for whoever waits for an answer, so that it need not wait for "processors".
Lane = Literal["", "processors", "transfers", "index", "embed"]
Memory = dict[str, Any]


@dataclass
class JobContext:
    """What the work of one job gets: where to count, whether to stop, and notes that outlive the service.

    `memory` is what the work wants to know when it goes on later: plain JSON, changed by `remember` alone.
    """

    cancel: Cancel = field(default_factory=Cancel)
    progress: Progress = field(default_factory=lambda: Progress(0, 0, ""))
    memory: Memory = field(default_factory=dict)
    title: str = ""  # a better one than it began with, set by work that learns more
    save: Callable[[], Awaitable[None]] | None = None

    def report(self, progress: Progress) -> None:
        """Note how far the work is; may be called from any thread, because an assignment is atomic."""
        self.progress = progress

    async def remember(self, **notes: Any) -> None:
        """Add to the memory; on the disk when this returns."""
        self.memory.update(notes)
        if self.save is not None:
            await self.save()

    async def unless_cancelled(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something that does not look at `cancel` itself; it is broken off when the job is to stop."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                self.cancel.check()
                await asyncio.wait([task], timeout=CANCEL_POLL_S)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return task.result()


@dataclass(frozen=True, slots=True)
class JobAbout:
    """What one job is about, known before it starts.

    `title` is for people; `subject` a repo or a model's id. Of two jobs with one kind and `key`, only one is active.
    """

    title: str
    subject: str = ""
    key: str = ""


Work = Callable[[Mapping[str, Any], JobContext], Awaitable[dict[str, Any]]]
About = Callable[[Mapping[str, Any]], Awaitable[JobAbout]]
Gate = Callable[[Mapping[str, Any]], None]
Discard = Callable[[Mapping[str, Any], Memory], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job.

    `about` checks the options and raises for what could never work. `gate` raises when it may not run as things are
    (the air gap); it is asked before each start and whenever the settings change. `discard` removes what a cancelled
    job left on purpose. `goes_on` starts it again by itself after the service has ended under it.
    """

    work: Work
    about: About | None = None
    lane: Lane = ""
    can_pause: bool = False
    resumable: bool = False
    goes_on: bool = False
    gate: Gate | None = None
    discard: Discard | None = None
