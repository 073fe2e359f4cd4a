"""GGUF files that were dropped or chosen become import jobs of the service; this follows them to their end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.store import Store

if TYPE_CHECKING:
    from desktop.wire import Job

MAX_FILES = 50  # a folder dragged by mistake must not start thousands of jobs


class Imports(QObject):
    """Starts import jobs. `progress(Job)`, then `finished(Job)` once; `refused(path, Failure)` when none began."""

    progress = Signal(object)
    finished = Signal(object)
    refused = Signal(str, object)

    def __init__(self, bridge: Bridge, store: Store) -> None:
        super().__init__()
        self._bridge = bridge
        self._ours: dict[str, str] = {}
        self._ended: set[str] = set()
        self._store = store
        store.job_changed.connect(self._job_changed)

    @property
    def running(self) -> list[Job]:
        return [job for job in self._store.running_jobs() if job.kind == "import"]

    def start(self, paths: Iterable[Path]) -> None:
        for path in list(paths)[:MAX_FILES]:
            self._start_one(path)

    def cancel(self, job_id: str) -> None:
        self._bridge.call(
            lambda client: client.cancel_job(job_id), self._job_changed, self._store.failed.emit, owner=self
        )

    def file_of(self, job_id: str) -> str:
        """The path a job of ours was started for, or ""."""
        return self._ours.get(job_id, "")

    def _start_one(self, path: Path) -> None:
        def started(job: Job) -> None:
            self._ours[job.id] = str(path)
            # The final event of a short job may have come before this answer.
            self._job_changed(self._store.jobs.get(job.id, job))

        def failed(failure: Failure) -> None:
            self.refused.emit(str(path), failure)

        self._bridge.call(lambda client: client.start_job("import", {"path": str(path)}), started, failed, owner=self)

    def _job_changed(self, job: Job) -> None:
        if job.kind != "import" or job.id not in self._ours or job.id in self._ended:
            return
        self._store.jobs[job.id] = job
        if job.state in ("done", "failed", "cancelled"):
            self._ended.add(job.id)
            self.finished.emit(job)
        else:
            self.progress.emit(job)
