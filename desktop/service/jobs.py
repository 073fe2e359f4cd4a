"""Jobs: work that takes longer than a request, with honest states, that outlives an end of the service.

PENDING → RUNNING → DONE, FAILED or CANCELLED; PAUSED waits for a person, for room or for the network; INTERRUPTED was
cut short by the service's end. Every change of state is on the disk before anybody is told. Work counts where it
happens, as often as it likes, from any thread; a sampler publishes at most ten events a second per job. A state in
which nothing moves any more is published always, as a lasting event.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from desktop.service.errors import BadRequest, Conflict, NotFound, ServiceError, body_of
from desktop.service.events import EventLog
from desktop.service.job_kinds import JobAbout, JobKind, Lane
from desktop.service.job_record import JobRecord
from desktop.service.job_rows import FINAL, JobRow, JobStore
from desktop.wire import ErrorBody, JobState
from models.errors import Cancelled, ModelsError
from models.progress import StopReason

log = logging.getLogger(__name__)

SAMPLE_S = 0.1
STALLED_EVERY_S = 1.0  # how often a job that stands still is told of, while its rate falls to nothing
AT_ONCE: Mapping[Lane, int] = {"processors": 1, "transfers": 2, "index": 1, "embed": 1}
# Errors that a person or time can mend while everything that was done is kept.
PAUSING = frozenset({"disk_full", "offline", "air_gapped"})
ACTIVE: frozenset[JobState] = frozenset({"pending", "running"})
WAITING: frozenset[JobState] = frozenset({"paused", "interrupted"})


class Jobs:
    """All jobs of one data folder. `load` comes first; `close` leaves what runs as interrupted."""

    def __init__(self, kinds: Mapping[str, JobKind], events: EventLog, store: JobStore) -> None:
        self._kinds = kinds
        self._events = events
        self._store = store
        self._records: dict[str, JobRecord] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting = asyncio.Lock()  # of two starts of the same thing, the second must see the first
        self._closing = False

    async def load(self) -> None:
        """Read the jobs of earlier runs; what was at work when the service ended is interrupted now."""
        for row in await self._store.all():
            record = self._records[row.id] = JobRecord(row, self._kinds.get(row.kind))
            if row.state in ACTIVE:
                await self._enter(record, "interrupted")

    async def go_on(self) -> None:
        """Start again, by themselves, the interrupted jobs of those kinds that do."""
        for record in list(self._records.values()):
            if record.row.state == "interrupted" and record.kind is not None and record.kind.goes_on:
                try:
                    await self.resume(record.id)
                except (ServiceError, ModelsError) as error:  # the air gap: it stays as it is
                    log.info("%s does not go on: %s", record.row.title, error)

    async def start(self, kind: str, options: Mapping[str, Any]) -> JobRecord:
        """Start a job, or return the one that is at the same thing, going on with it when it rests.

        Raises BadRequest for an unknown kind or options that cannot be, and what else the kind knows beforehand.
        """
        if kind not in self._kinds:
            raise BadRequest("unknown_job", f"There is no job {kind!r}.", hint=f"Jobs: {', '.join(self._kinds)}.")
        chosen = self._kinds[kind]
        about = await chosen.about(options) if chosen.about is not None else JobAbout(title=kind)
        if chosen.gate is not None:
            chosen.gate(options)
        async with self._starting:
            if (same := self._same(kind, about.key)) is not None:
                return await self.resume(same.id) if same.row.state in WAITING else same
            row = JobRow(secrets.token_hex(8), kind, about.title, about.subject, about.key, dict(options), time.time())
            await self._store.save(row)
            record = self._records[row.id] = JobRecord(row, chosen)
        self._publish(record)
        self._start_what_can()
        self._forget_oldest()
        return record

    def all(self) -> list[JobRecord]:
        """Oldest first."""
        return list(self._records.values())

    def get(self, job_id: str) -> JobRecord:
        if job_id not in self._records:
            raise NotFound("job_not_found", f"There is no job {job_id!r}.", hint="jackdaw remembers the last 200 jobs.")
        return self._records[job_id]

    def about(self, subject: str) -> list[JobRecord]:
        """The jobs at work on a repo or a model's id."""
        return [record for record in self._records.values() if record.row.subject == subject and record.is_active]

    async def pause(self, job_id: str, *, wait_s: float = 10.0) -> JobRecord:
        """Stop for now and keep what is done. Raises Conflict for a job that cannot, or that is over."""
        record = self.get(job_id)
        if record.row.state in WAITING:
            return record
        if not record.can_pause:
            raise Conflict(
                "job_cannot_pause", f"{record.row.title} cannot be paused.", hint="It can be cancelled, or left to end."
            )
        await self._stop(record, "paused", wait_s)
        return record

    async def resume(self, job_id: str) -> JobRecord:
        """Go on with a job that rests, or try one again that failed. Raises Conflict when there is no going on."""
        record = self.get(job_id)
        if record.is_active:
            return record
        if record.kind is None or not record.can_resume:
            raise Conflict(
                "job_cannot_resume", f"{record.row.title} cannot go on: it is over.", hint="Start it again instead."
            )
        same = self._same(record.row.kind, record.row.key)
        if same is not None and same is not record:
            raise Conflict("job_exists", f"{same.row.title} is worked on by another job.", hint="Wait for that one.")
        if record.kind.gate is not None:
            record.kind.gate(record.row.options)
        record.begin_again()
        await self._enter(record, "pending")
        self._start_what_can()
        return record

    async def cancel(self, job_id: str, *, keep_partial: bool = False, wait_s: float = 10.0) -> JobRecord:
        """End a job and wait up to `wait_s` until it has; one that is over stays as it is.

        What it kept to go on with is removed, unless `keep_partial`.
        """
        record = self.get(job_id)
        record.keep_partial = keep_partial
        if record.row.state in WAITING:
            await self._discard(record)
            await self._enter(record, "cancelled")
        elif record.is_active:
            await self._stop(record, "cancelled", wait_s)
        return record

    def recheck(self) -> None:
        """Hold back what may not run as things are now: the settings have changed."""
        for record in self._records.values():
            if record.is_active and record.kind is not None and record.kind.gate is not None:
                try:
                    record.kind.gate(record.row.options)
                except ModelsError as error:
                    record.held = body_of(error)
                    self._ask_to_stop(record, "paused")
        self._start_what_can()

    async def close(self) -> None:
        """Stop everything and wait until it has ended; it is interrupted, and can go on with the next service."""
        self._closing = True
        active = [record for record in self._records.values() if record.is_active]
        await asyncio.gather(*(self._stop(record, "interrupted", 5.0) for record in active))
        slow = list(self._tasks.values())
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)

    def _ask_to_stop(self, record: JobRecord, ends_as: JobState) -> None:
        reasons: Mapping[JobState, StopReason] = {"paused": "pause", "interrupted": "end"}
        record.ends_as = ends_as
        record.context.cancel.set("pause" if record.keep_partial else reasons.get(ends_as, "cancel"))

    async def _stop(self, record: JobRecord, ends_as: JobState, wait_s: float) -> None:
        self._ask_to_stop(record, ends_as)
        if task := self._tasks.get(record.id):
            await asyncio.wait([task], timeout=wait_s)
        elif record.row.state == "pending":
            await self._end_stopped(record)

    async def _end_stopped(self, record: JobRecord) -> None:
        if record.ends_as == "cancelled":
            await self._discard(record)
        elif record.ends_as == "paused" and record.held is not None:
            record.note_error(record.held)
        await self._enter(record, record.ends_as)

    async def _discard(self, record: JobRecord) -> None:
        if record.kind is None or record.kind.discard is None or record.keep_partial:
            return
        try:
            await record.kind.discard(record.row.options, record.row.memory)
        except Exception as error:  # the edge of the job runner: a cancelled job ends, whatever cannot be removed
            log.warning("%s left something behind: %s", record.row.title, error)

    def _start_what_can(self) -> None:
        """Give every free place to the job that waits longest for it."""
        if self._closing:
            return
        for record in startable(self.all(), AT_ONCE, set(self._tasks)):
            name = f"job {record.row.kind} {record.id}"
            self._tasks[record.id] = asyncio.create_task(self._run(record), name=name)

    async def _run(self, record: JobRecord) -> None:
        assert record.kind is not None
        sampler = asyncio.create_task(self._sample(record))
        record.context.save = lambda: self._store.save(record.snapshot())
        try:
            record.context.cancel.check()
            await self._enter(record, "running")
            record.row.result = await record.kind.work(record.row.options, record.context)
            await self._enter(record, "done")
        except (Cancelled, asyncio.CancelledError):
            # nobody awaits this task: a cancellation is for the job, which ends here in that state
            await self._end_stopped(record)
        except Exception as error:  # the edge of the job runner: every failure becomes the job's own
            await self._end_failed(record, body_of(error))
        finally:
            sampler.cancel()
            del self._tasks[record.id]
            self._start_what_can()

    async def _end_failed(self, record: JobRecord, told: ErrorBody) -> None:
        record.note_error(told)
        pauses = told.kind in PAUSING and record.kind is not None and record.kind.resumable
        await self._enter(record, "paused" if pauses else "failed")

    async def _sample(self, record: JobRecord) -> None:
        told, told_at = record.context.progress, time.monotonic()
        while True:
            await asyncio.sleep(SAMPLE_S)
            now, progress = time.monotonic(), record.context.progress
            record.rate.note(now, progress)
            stalled = record.rate.per_second() and now - told_at >= STALLED_EVERY_S
            if record.row.state == "running" and (progress is not told or stalled):
                told, told_at = progress, now
                self._publish(record)

    async def _enter(self, record: JobRecord, state: JobState) -> None:
        """Change the state: on the disk first, then for everybody. A disk that is full does not keep a job from ending.

        Read after a restart, such a job is interrupted, which is what becomes of work that nobody saw the end of.
        """
        record.row.state = state
        try:
            await self._store.save(record.snapshot())
        except (ModelsError, OSError) as error:
            log.warning("%s is %s, which could not be saved: %s", record.row.title, state, error)
        self._publish(record)

    def _publish(self, record: JobRecord) -> None:
        passing = f"job {record.id}" if record.is_active else None
        self._events.publish("job", record.wire(), passing_key=passing)

    def _same(self, kind: str, key: str) -> JobRecord | None:
        """The job of this kind and key that is not over."""
        for record in self._records.values():
            if key and record.row.kind == kind and record.row.key == key and record.row.state not in FINAL:
                return record
        return None

    def _forget_oldest(self) -> None:
        over = [record.id for record in self._records.values() if record.row.state in FINAL]
        for job_id in over[: max(0, len(over) - self._store.kept)]:
            del self._records[job_id]


def startable(records: Sequence[JobRecord], at_once: Mapping[Lane, int], started: set[str]) -> list[JobRecord]:
    """Of the jobs in their order, the pending ones for which their lane has a place; `started` hold theirs already."""
    places = dict(at_once)
    for record in records:
        if record.id in started and record.lane in places:
            places[record.lane] -= 1
    found = []
    for record in records:
        if record.row.state != "pending" or record.id in started:
            continue
        if record.lane in places:
            if places[record.lane] <= 0:
                continue
            places[record.lane] -= 1
        found.append(record)
    return found
