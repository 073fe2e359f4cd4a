"""How indexing ends, told by toasts wherever the user is by then, and a dot on the rail while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QObject, Signal

from desktop.qt.components.toast import ToastHost
from desktop.qt.files.words import counted
from desktop.qt.store import FILE_KINDS, Store

if TYPE_CHECKING:
    from desktop.wire import Job
    from desktop.wire_files import FilesEvent

LONG_MS = 3000  # what a saved file takes is no news: only what one may have waited for


class FilesNews(QObject):
    """`working(bool)`; `page_asked` from a toast about what failed. `told()`: the page is in view and shows it."""

    working = Signal(bool)
    page_asked = Signal()

    def __init__(self, store: Store, toasts: ToastHost, *, told: Callable[[], bool]) -> None:
        super().__init__(toasts)
        self._store = store
        self._toasts = toasts
        self._told = told
        self._seen: dict[str, QElapsedTimer] = {}  # jobs that were seen at work
        store.job_changed.connect(self._job_changed)
        store.jobs_changed.connect(self._tell_working)

    def check_failed(self, news: FilesEvent) -> None:
        """A check that held before does no longer."""
        if news.action == "check_failed" and news.check is not None:
            check = news.check
            self._toasts.show_toast(f"The check “{check.name or check.query}” does not hold: {check.message}")

    def _tell_working(self) -> None:
        self.working.emit(bool(self._store.running_jobs(of_files=True)))

    def _job_changed(self, job: Job) -> None:
        if job.kind not in FILE_KINDS:
            return
        self._tell_working()
        if job.state in ("pending", "running"):
            if job.id not in self._seen:
                self._seen[job.id] = QElapsedTimer()
                self._seen[job.id].start()
        elif (since := self._seen.pop(job.id, None)) is not None:
            self._tell(job, since.elapsed())

    def _tell(self, job: Job, took_ms: int) -> None:
        if job.state == "failed" and job.error:
            self._toasts.show_toast(
                f"{job.title} failed: {job.error}", undo=None if self._told() else self.page_asked.emit, action="Files"
            )
        elif job.state == "done" and took_ms > LONG_MS:
            self._toasts.show_toast(done_words(job))


def done_words(job: Job) -> str:
    """ "Index notes: done, 212 files read, 2 could not be." """
    report = job.result or {}
    read, failed = report.get("read"), report.get("failed")
    parts = [f"{counted(read, 'file')} read" if isinstance(read, int) and read else ""]
    parts += [f"{counted(failed, 'file')} could not be" if isinstance(failed, int) and failed else ""]
    return f"{', '.join([f'{job.title}: done', *(part for part in parts if part)])}."
