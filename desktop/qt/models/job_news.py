"""How long work ends, told by toasts wherever the user is by then; failures only while the page does not show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.qt.components.toast import ToastHost
from desktop.qt.models.job_words import is_at_work, job_title, model_of
from desktop.qt.store import FILE_KINDS, Store

if TYPE_CHECKING:
    from desktop.wire import Job

DONE = {
    "download": "{title}: downloaded and checked.",
    "convert": "{title}: done.",
    "quantize": "{title}: done.",
    "measure": "{title}: measured.",
    "merge_duplicates": "{title}: done.",
    "adapter": "{title}: added.",
    "split": "{title}: done.",
    "merge": "{title}: done.",
}
STOPPED = {"failed": "{title} failed: {error}", "paused": "{title} waits: {error}"}


class JobNews(QObject):
    """`model_asked(id)` from a toast, `transfers_asked` from one about a failure. `told()`: failures are in view."""

    model_asked = Signal(str)
    transfers_asked = Signal()
    working = Signal(bool)

    def __init__(self, store: Store, toasts: ToastHost, *, told: Callable[[], bool]) -> None:
        super().__init__(toasts)
        self._store = store
        self._toasts = toasts
        self._told = told
        self._seen: set[str] = set()  # jobs that were seen at work: those that ended before are no news
        store.job_changed.connect(self._job_changed)
        store.jobs_changed.connect(self._all_came)

    def _all_came(self) -> None:
        self._seen |= {job.id for job in self._store.jobs.values() if is_at_work(job)}
        self.working.emit(bool(self._store.running_jobs()))

    def _job_changed(self, job: Job) -> None:
        if job.kind in FILE_KINDS:
            return
        self.working.emit(bool(self._store.running_jobs()))
        if is_at_work(job):
            self._seen.add(job.id)
        elif job.id in self._seen:
            self._seen.discard(job.id)
            self._tell(job)

    def _tell(self, job: Job) -> None:
        words = DONE.get(job.kind, "") if job.state == "done" else STOPPED.get(job.state, "") if job.error else ""
        if not words or job.kind == "import":
            return
        text = words.format(title=job_title(job), error=job.error)
        model_id = model_of(job)
        if job.state == "done" and model_id:
            self._toasts.show_toast(text, undo=lambda: self.model_asked.emit(model_id), action="Show it")
        elif job.state == "done":
            self._toasts.show_toast(text)
        elif not self._told():
            self._toasts.show_toast(text, undo=self.transfers_asked.emit, action="Transfers")
