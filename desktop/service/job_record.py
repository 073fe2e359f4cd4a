"""One job as the service holds it: its stored row, the kind that does it, and what is known only while it runs."""

from __future__ import annotations

import dataclasses
from typing import Any

from desktop.service.job_kinds import JobContext, JobKind, Lane
from desktop.service.job_rate import Rate, seconds_left
from desktop.service.job_rows import JobRow
from desktop.wire import ErrorBody, JobState
from models.progress import Progress

WAITS = {
    "processors": "Waits until other work of the processors is done.",
    "transfers": "Waits for other downloads.",
    "index": "Waits until other files are indexed.",
    "embed": "Waits until other files are embedded.",
}


class JobRecord:
    """`kind` is None for a job of a version that knew more kinds: it can be read, and that is all."""

    def __init__(self, row: JobRow, kind: JobKind | None) -> None:
        self.row = row
        self.kind = kind
        self.context = JobContext(progress=Progress(row.done, row.total, row.unit, row.message), memory=row.memory)
        self.rate = Rate()
        self.ends_as: JobState = "cancelled"  # what it becomes when it stops
        self.keep_partial = False
        self.held: ErrorBody | None = None  # why it was stopped, when nobody asked for it

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def lane(self) -> Lane:
        return self.kind.lane if self.kind is not None else ""

    @property
    def is_active(self) -> bool:
        """Whether it runs or will without anybody doing anything."""
        return self.row.state in ("pending", "running")

    @property
    def can_pause(self) -> bool:
        return self.is_active and self.kind is not None and self.kind.can_pause

    @property
    def can_resume(self) -> bool:
        """A failed job of a kind that goes on is tried again by that."""
        resting = self.row.state in ("paused", "interrupted", "failed")
        return resting and self.kind is not None and self.kind.resumable

    def begin_again(self) -> None:
        """Forget how it was stopped; its memory and the progress it had stay."""
        title = self.context.title
        self.context = JobContext(progress=self.context.progress, memory=self.row.memory, title=title)
        self.rate = Rate()
        self.held, self.keep_partial = None, False
        self.row.error = self.row.hint = ""
        self.row.details, self.row.result = {}, None

    def note_error(self, told: ErrorBody) -> None:
        """What kept it from going on; the kind of the error is among the details, for programs."""
        self.row.error, self.row.hint = told.message, told.hint
        self.row.details = {"kind": told.kind, **told.details}

    def snapshot(self) -> JobRow:
        """The row with the progress of now."""
        progress = self.context.progress
        return dataclasses.replace(
            self.row,
            title=self.context.title or self.row.title,
            done=progress.done,
            total=progress.total,
            unit=progress.unit,
            message=progress.message,
        )

    def wire(self) -> dict[str, Any]:
        """The fields of wire.Job."""
        row, rate = self.snapshot(), self.rate.per_second() if self.row.state == "running" else None
        hidden = ("key", "options", "memory")
        fields = {name: getattr(row, name) for name in JobRow.__dataclass_fields__ if name not in hidden}
        if row.state == "pending":
            fields["message"] = WAITS.get(self.lane, "")
        return {
            **fields,
            "rate": rate,
            "seconds_left": seconds_left(self.context.progress, rate),
            "can_pause": self.can_pause,
            "can_resume": self.can_resume,
        }
