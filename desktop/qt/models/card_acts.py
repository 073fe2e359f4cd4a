"""What choosing a card and pressing its buttons does, the same in every view of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from desktop.qt.model_actions import ModelActions
from desktop.qt.models.inspector import ModelInspector
from desktop.qt.models.job_actions import JobActions
from desktop.qt.models.job_words import job_title, model_of
from desktop.qt.models.known import Known
from desktop.qt.models.store_words import library_id
from desktop.qt.store import Store

if TYPE_CHECKING:
    from desktop.wire import Job


class CardActs(QObject):
    """Takes keys of cards ("model:id", "repo:org/name", "job:id", …) and the ids of acts; see the words modules."""

    use_asked = Signal(str)
    quantize_requested = Signal(str)
    remove_asked = Signal(str)
    model_asked = Signal(str)  # go to it in the library
    files_asked = Signal(str)  # show a repo's files

    def __init__(
        self, store: Store, known: Known, actions: ModelActions, jobs: JobActions, inspector: ModelInspector
    ) -> None:
        super().__init__(inspector)
        self._store = store
        self._known = known
        self._actions = actions
        self._jobs = jobs
        self._inspector = inspector

    def choose(self, key: str, title: str = "") -> None:
        """Another card is current, or with "" none: the inspector shows what it is about, or nothing."""
        kind, _, subject = key.partition(":")
        if kind == "job":
            job = self._store.jobs.get(subject)
            kind, subject = ("", "") if job is None else self._subject_of(job)
            title = "" if job is None or title == job_title(job) else title
        elif kind == "found":
            kind, subject = "model", self._model_at(subject)
        if kind in ("model", "disk") and subject in self._store.models:
            self._inspector.show_model(subject)
        elif kind == "repo":
            self._inspector.show_repo(subject, title)
        else:
            self._inspector.show_nothing()

    def act(self, key: str, act: str) -> None:
        """A button of a card was pressed."""
        kind, _, subject = key.partition(":")
        if kind == "job":
            self._act_on_job(subject, act)
        elif kind == "model":
            self._act_on_model(subject, act)
        elif kind == "repo":
            self._act_on_repo(subject, act)

    def _subject_of(self, job: Job) -> tuple[str, str]:
        """What a job is about, as kind and subject of a card."""
        model_id = model_of(job) or job.subject
        if model_id in self._store.models:
            return "model", model_id
        return ("repo" if "/" in job.subject else "", job.subject)

    def _model_at(self, path: str) -> str:
        report = self._known.stores
        found = next((model for model in report.models if model.path == path), None) if report is not None else None
        return library_id(report, found) if report is not None and found is not None else ""

    def _act_on_job(self, job_id: str, act: str) -> None:
        job = self._store.jobs.get(job_id)
        if act == "open" and job is not None:
            self.model_asked.emit(model_of(job))
        elif act == "pause":
            self._jobs.pause(job_id)
        elif act == "resume":
            self._jobs.resume(job_id)
        elif act == "cancel":
            self._jobs.cancel(job_id)

    def _act_on_model(self, model_id: str, act: str) -> None:
        acts: dict[str, Callable[[str], None]] = {
            "load": self._actions.load,
            "unload": self._actions.unload,
            "use": self.use_asked.emit,
            "quantize": self.quantize_requested.emit,
            "remove": self.remove_asked.emit,
        }
        acts[act](model_id)

    def _act_on_repo(self, repo: str, act: str) -> None:
        if act == "download":
            self._jobs.download(repo)
        elif act == "show":
            self.files_asked.emit(repo)
        else:
            self._act_on_model(self._installed(repo), act)

    def _installed(self, repo: str) -> str:
        """The model of the library that came from a repo."""
        known = next((model.installed for model in self._known.catalogue if model.repo == repo), "")
        found = next((model.id for model in self._store.models.values() if model.repo == repo), "")
        return known if known in self._store.models else found
