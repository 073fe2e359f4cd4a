"""Jobs: work that takes longer than a request, with honest states and a way to cancel.

PENDING → RUNNING → DONE, FAILED or CANCELLED. Work counts where it happens, as often as it likes, from any thread; a
sampler publishes at most ten events a second per job. The final state is published always, as a lasting event.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.service.errors import BadRequest, NotFound, body_of
from desktop.service.events import EventLog
from desktop.wire import JobState
from models.errors import Cancelled
from models.progress import Cancel, Progress

log = logging.getLogger(__name__)

SAMPLE_S = 0.1
KEPT_JOBS = 200
FINAL: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass
class JobContext:
    """What a kind of job gets: where to count, and whether to stop."""

    cancel: Cancel = field(default_factory=Cancel)
    progress: Progress = field(default_factory=lambda: Progress(0, 0, ""))

    def report(self, progress: Progress) -> None:
        """Note how far the work is; may be called from any thread, because an assignment is atomic."""
        self.progress = progress


JobKind = Callable[[Mapping[str, Any], JobContext], Awaitable[dict[str, Any]]]


@dataclass
class JobRecord:
    """One job as the service knows it."""

    id: str
    kind: str
    created_at: float
    context: JobContext
    state: JobState = "pending"
    error: str = ""
    hint: str = ""
    result: dict[str, Any] | None = None

    def row(self) -> dict[str, Any]:
        """The fields of wire.Job."""
        progress = self.context.progress
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": progress.done,
            "total": progress.total,
            "unit": progress.unit,
            "message": progress.message,
            "error": self.error,
            "hint": self.hint,
            "result": self.result,
            "created_at": self.created_at,
        }


class Jobs:
    """All jobs of this run of the service; the newest 200 are remembered."""

    def __init__(self, kinds: Mapping[str, JobKind], events: EventLog) -> None:
        self._kinds = kinds
        self._events = events
        self._records: dict[str, JobRecord] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, kind: str, options: Mapping[str, Any]) -> JobRecord:
        """Start a job. Raises BadRequest for an unknown kind; wrong options fail the job itself."""
        if kind not in self._kinds:
            raise BadRequest("unknown_job", f"There is no job {kind!r}.", hint=f"Jobs: {', '.join(self._kinds)}.")
        record = JobRecord(secrets.token_hex(8), kind, time.time(), JobContext())
        self._records[record.id] = record
        self._publish(record)
        self._tasks[record.id] = asyncio.create_task(self._run(record, options), name=f"job {kind} {record.id}")
        self._forget_oldest()
        return record

    def all(self) -> list[JobRecord]:
        """Oldest first."""
        return list(self._records.values())

    def get(self, job_id: str) -> JobRecord:
        if job_id not in self._records:
            raise NotFound("job_not_found", f"There is no job {job_id!r}.", hint="jackdaw remembers the last 200 jobs.")
        return self._records[job_id]

    async def cancel(self, job_id: str, *, wait_s: float = 10.0) -> JobRecord:
        """Ask a job to stop and wait up to `wait_s` until it has; one that is over stays as it is."""
        record = self.get(job_id)
        record.context.cancel.set()
        if task := self._tasks.get(job_id):
            await asyncio.wait([task], timeout=wait_s)
        return record

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        for record in self._records.values():
            record.context.cancel.set()
        tasks = list(self._tasks.values())
        if not tasks:
            return
        _, slow = await asyncio.wait(tasks, timeout=5.0)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    async def _run(self, record: JobRecord, options: Mapping[str, Any]) -> None:
        sampler = asyncio.create_task(self._sample(record))
        record.state = "running"
        self._publish(record)
        try:
            record.context.cancel.check()
            record.result = await self._kinds[record.kind](options, record.context)
            record.state = "done"
        except (Cancelled, asyncio.CancelledError):
            # nobody awaits this task: a cancellation is for the job, which ends here in that state
            record.state = "cancelled"
        except Exception as error:  # the edge of the job runner: every failure becomes the job's own
            told = body_of(error)
            record.state, record.error, record.hint = "failed", told.message, told.hint
        finally:
            sampler.cancel()
            del self._tasks[record.id]
            self._publish(record)

    async def _sample(self, record: JobRecord) -> None:
        told = record.context.progress
        while True:
            await asyncio.sleep(SAMPLE_S)
            if record.context.progress is not told:
                told = record.context.progress
                self._publish(record)

    def _publish(self, record: JobRecord) -> None:
        passing = None if record.state in FINAL else f"job {record.id}"
        self._events.publish("job", record.row(), passing_key=passing)

    def _forget_oldest(self) -> None:
        over = [record.id for record in self._records.values() if record.state in FINAL]
        for job_id in over[: max(0, len(self._records) - KEPT_JOBS)]:
            del self._records[job_id]
