"""Jobs on the user's word: download, pause, resume, cancel. What the service refuses is told where it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from desktop.qt.bridge import Bridge, Failure
from desktop.qt.store import Store

if TYPE_CHECKING:
    from desktop.wire import Job


class JobActions(QObject):
    """`refused(str, Failure)` with what was to be done; `started(Job)`."""

    started = Signal(object)
    refused = Signal(str, object)

    def __init__(self, bridge: Bridge, store: Store) -> None:
        super().__init__()
        self._bridge = bridge
        self._store = store

    def start(self, kind: str, options: Mapping[str, Any], what: str) -> None:
        """Start a job; `what` names it in a refusal."""

        def came(job: Job) -> None:
            self._took(job)
            self.started.emit(job)

        self._bridge.call(
            lambda client: client.start_job(kind, options),
            came,
            lambda failure: self.refused.emit(what, failure),
            owner=self,
        )

    def download(self, repo: str, variant: str = "", revision: str = "") -> None:
        """Fetch a variant of a repo; without one the service takes what suits this machine."""
        options = {"repo": repo, "variant": variant, "revision": revision}
        self.start("download", {name: value for name, value in options.items() if value}, f"Downloading {repo}")

    def pause(self, job_id: str) -> None:
        self._change(job_id, "Pausing", lambda client: client.pause_job(job_id))

    def resume(self, job_id: str) -> None:
        self._change(job_id, "Resuming", lambda client: client.resume_job(job_id))

    def cancel(self, job_id: str, *, keep_partial: bool = False) -> None:
        self._change(job_id, "Cancelling", lambda client: client.cancel_job(job_id, keep_partial=keep_partial))

    def of_subject(self, subject: str) -> Job | None:
        """The unfinished job about a repo or a model, the newest first."""
        waiting = ("pending", "running", "paused", "interrupted")
        jobs = [job for job in self._store.jobs.values() if job.subject == subject and job.state in waiting]
        return max(jobs, key=lambda job: job.created_at, default=None)

    def _change(self, job_id: str, what: str, work: Callable[[Any], Any]) -> None:
        def failed(failure: Failure) -> None:
            self.refused.emit(what, failure)

        self._bridge.call(work, self._took, failed, owner=self)

    def _took(self, job: Job) -> None:
        # An event of the same change may have come before this answer; whatever moved further stays.
        known = self._store.jobs.get(job.id)
        if known is None or known.state not in ("done", "failed", "cancelled"):
            self._store.take_job(job)
