"""What the window knows of the service: status, models, jobs and chats, kept current by events.

Widgets read the fields and follow the signals; nobody polls. Everything is asked for anew when the link comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.qt.bridge import Bridge, Link

if TYPE_CHECKING:
    from desktop.wire import ChatSummary, Event, Job, Model, Status

FILE_KINDS = frozenset({"index", "embed"})  # shown on the Files page, all others on that of the models
SETTLE_MS = 120  # several events of one change lead to one question


class Store(QObject):
    """The window's copy of the service's state. All signals are emitted on the main thread."""

    status_changed = Signal()
    models_changed = Signal()
    model_changed = Signal(str)  # id; progress of one model
    chats_changed = Signal()
    chat_changed = Signal(str, str)  # id, action: created, changed, deleted, restored, answering, answered
    job_changed = Signal(object)  # Job
    jobs_changed = Signal()  # all of them were asked for anew
    settings_changed = Signal()
    raise_asked = Signal()
    failed = Signal(object)  # Failure of a question asked in the background

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.status: Status | None = None
        self.models: dict[str, Model] = {}
        self.chats: list[ChatSummary] = []
        self.jobs: dict[str, Job] = {}
        self.settings: dict[str, Any] = {}
        self.models_known = False
        self.chats_known = False
        self._timers = {
            "models": self._timer(self.ask_models),
            "chats": self._timer(self.ask_chats),
            "status": self._timer(self.ask_status),
            "settings": self._timer(self.ask_settings),
        }
        self._ask_all_soon = self._timer(self.ask_all, 0)
        bridge.link_changed.connect(self._link_changed)
        bridge.event_seen.connect(self._event_seen)

    def chat_models(self) -> list[Model]:
        """Models that can hold a conversation, loaded ones first, then by name."""
        rows = [model for model in self.models.values() if model.kind == "chat"]
        return sorted(rows, key=lambda model: (not model.loaded, (model.name or model.id).lower()))

    def running_jobs(self, *, of_files: bool = False) -> list[Job]:
        """Jobs at work: those about models, or those that read files."""
        at_work = (job for job in self.jobs.values() if job.state in ("pending", "running"))
        return [job for job in at_work if (job.kind in FILE_KINDS) == of_files]

    # -- questions ---------------------------------------------------------------------------------------------------

    def ask_all(self) -> None:
        self.ask_status()
        self.ask_models()
        self.ask_chats()
        self.ask_settings()
        self._bridge.call(lambda client: client.jobs(), self._jobs_came, self.failed.emit, owner=self)

    def ask_status(self) -> None:
        self._bridge.call(lambda client: client.status(), self._status_came, self.failed.emit, owner=self)

    def ask_models(self) -> None:
        self._bridge.call(lambda client: client.models(), self._models_came, self.failed.emit, owner=self)

    def ask_chats(self) -> None:
        self._bridge.call(lambda client: client.chats(), self._chats_came, self.failed.emit, owner=self)

    def ask_settings(self) -> None:
        self._bridge.call(lambda client: client.settings(), self._settings_came, self.failed.emit, owner=self)

    def change_settings(self, changes: dict[str, Any], failed: Any = None) -> None:
        """Change settings; `failed(Failure)` when the service refuses, else `settings_changed` follows."""
        self._bridge.call(
            lambda client: client.patch_settings(changes), self._settings_came, failed or self.failed.emit, owner=self
        )

    # -- answers -----------------------------------------------------------------------------------------------------

    def _status_came(self, status: Status) -> None:
        self.status = status
        self.status_changed.emit()

    def _models_came(self, models: list[Model]) -> None:
        self.models = {model.id: model for model in models}
        self.models_known = True
        self.models_changed.emit()

    def _chats_came(self, chats: list[ChatSummary]) -> None:
        self.chats = chats
        self.chats_known = True
        self.chats_changed.emit()

    def _settings_came(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.settings_changed.emit()

    def _jobs_came(self, jobs: list[Job]) -> None:
        self.jobs = {job.id: job for job in jobs}
        self.jobs_changed.emit()

    def take_job(self, job: Job) -> None:
        """What an answer said of a job, before its event comes."""
        self.jobs[job.id] = job
        self.job_changed.emit(job)

    def _link_changed(self, link: Link) -> None:
        # The first time a `reset` event follows: asking after the events have begun leaves no gap between the two.
        if link.phase == "online" and self.models_known:
            self._ask_all_soon.start()

    def _event_seen(self, event: Event) -> None:
        match event.type:
            case "model":
                self._model_event(event)
            case "job":
                self._job_event(event)
            case "status":
                self._status_event(event)
            case "library":
                self._timers["models"].start()
            case "chat":
                self._timers["chats"].start()
                self.chat_changed.emit(str(event.data.get("id", "")), str(event.data.get("action", "")))
            case "port":
                self._timers["status"].start()
            case "settings":
                self._timers["settings"].start()
            case "reset":
                self._ask_all_soon.start()
            case "window":
                self.raise_asked.emit()

    def _model_event(self, event: Event) -> None:
        from desktop.wire import Model

        old = self.models.get(str(event.data.get("id", "")))
        if old is None:
            self._timers["models"].start()
            return
        merged = {**old.model_dump(), **{k: v for k, v in event.data.items() if k in Model.model_fields}}
        self.models[old.id] = Model.model_validate(merged)
        self.model_changed.emit(old.id)
        if merged["state"] != old.state:
            self._timers["models"].start()
            self._timers["status"].start()

    def _job_event(self, event: Event) -> None:
        from desktop.wire import Job, Model

        try:
            job = Job.model_validate(event.data)
        except ValueError:
            return
        self.jobs[job.id] = job
        added = (job.result or {}).get("model") if job.state == "done" else None
        if isinstance(added, dict):
            # Known before anybody hears that the job is done: what follows may use the model at once.
            model = Model.model_validate(added)
            self.models[model.id] = model
            self.models_changed.emit()
        self.job_changed.emit(job)

    def _status_event(self, event: Event) -> None:
        from desktop.wire import Status

        try:
            self._status_came(Status.model_validate(event.data))
        except ValueError:
            self._timers["status"].start()

    def _timer(self, ask: Any, after_ms: int = SETTLE_MS) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(after_ms)
        timer.timeout.connect(ask)
        return timer
