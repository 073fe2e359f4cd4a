"""The parts of a running service, together: what the handlers of both listeners are given."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from dataclasses import dataclass, field

from desktop.paths import Paths
from desktop.service import machine
from desktop.service.ask import Asking
from desktop.service.catalogue import Catalogue
from desktop.service.chats import Chats
from desktop.service.engine_state import EngineState
from desktop.service.events import EventLog
from desktop.service.files.asking import FilesAsking
from desktop.service.files.on_port import FilesOnPort
from desktop.service.files.part import FilesPart
from desktop.service.fitting import Fitting
from desktop.service.jobs import Jobs
from desktop.service.keys import Keys
from desktop.service.listeners import Listeners
from desktop.service.model_tools import ModelTools, usual_wishes
from desktop.service.speed import Speed
from desktop.settings import SettingsFile
from desktop.wire import Health, PortStatus, Status
from engine.llama_server import Patience
from engine.scheduler import Scheduler, SchedulerSettings
from models.database import Database
from models.library import Library

CLIENT_SEEN_S = 300.0


@dataclass
class Core:
    """One service. Built by app.build, which also closes it; `listeners` is set when they exist."""

    paths: Paths
    version: str
    settings: SettingsFile
    database: Database
    library: Library
    keys: Keys
    chats: Chats
    events: EventLog
    engine: EngineState
    catalogue: Catalogue
    scheduler: Scheduler
    asking: Asking
    jobs: Jobs
    tools: ModelTools
    fitting: Fitting
    speed: Speed
    files: FilesPart
    asking_files: FilesAsking
    listeners: Listeners | None = None
    started_at: float = field(default_factory=time.time)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def files_on_port(self) -> FilesOnPort | None:
        """The user's files, for the dialects of the port."""
        return self.files.on_port

    def health(self) -> Health:
        """What GET /health says, on the port as well."""
        engine = self.engine.info()
        port = self.port()
        if self.stopping.is_set():
            state = "stopping"
        elif self.engine.proving and not engine.proven:
            state = "starting"
        else:
            state = "ok" if engine.proven and port.open else "degraded"
        return Health.model_validate({"status": state, "version": self.version, "port": port.number, "engine": engine})

    def port(self) -> PortStatus:
        clients = self.keys.used_within(CLIENT_SEEN_S)
        if self.listeners is None:
            return PortStatus(number=self.settings.current.port, open=False, bind=[], clients=clients)
        return PortStatus(
            number=self.listeners.port,
            open=self.listeners.open,
            bind=list(self.listeners.bind),
            problem=self.listeners.problem,
            clients=clients,
        )

    async def status(self) -> Status:
        """Everything at a glance; cheap enough for once a second."""
        children = [model.rss_bytes for model in self.scheduler.snapshot()]
        memory, cpu = await asyncio.gather(asyncio.to_thread(machine.memory, children), asyncio.to_thread(machine.cpu))
        return Status(
            version=self.version,
            pid=os.getpid(),
            started_at=self.started_at,
            home=str(self.paths.data),
            port=self.port(),
            engine=self.engine.info(),
            memory=memory,
            cpu=cpu,
            models=await self.catalogue.rows(estimate=False),
            tokens_per_s=self.speed.per_second(),
        )

    def busy(self) -> bool:
        """Whether anybody waits for the processors: a model that loads or answers, or a job."""
        jobs = any(job.is_active for job in self.jobs.all())
        return jobs or any(
            model.busy_slots or model.queued or model.state in ("queued", "loading")
            for model in self.scheduler.snapshot(measured=False)
        )

    def chat_changed(self, action: str, chat_id: str) -> None:
        """Tell everybody what happened to a chat: created, changed, deleted, restored, answering, answered."""
        publish_chat(self.events, action, chat_id)

    def port_changed(self) -> None:
        """The port opened, or was found taken."""
        self.events.publish("port", self.port().model_dump())

    def settings_changed(self) -> None:
        """Use the new settings where that needs no restart; models that are loaded keep what they have."""
        self.scheduler.settings = scheduler_settings(self.settings, self.scheduler.settings.patience)
        self.tools.network_changed()
        self.jobs.recheck()
        self.events.publish("settings", dataclasses.asdict(self.settings.current))

    def ask_to_stop(self) -> None:
        """End the service gracefully, soon after the answer to whoever asked is sent."""
        asyncio.get_running_loop().call_later(0.05, self.stopping.set)


def publish_chat(events: EventLog, action: str, chat_id: str) -> None:
    """The one form of a chat event; clients read the chat itself when they show it."""
    events.publish("chat", {"action": action, "id": chat_id})


def scheduler_settings(settings: SettingsFile, patience: Patience) -> SchedulerSettings:
    """The user's settings in the scheduler's terms; 0 there means that the choice is left to the fit."""
    chosen = settings.current
    return SchedulerSettings(
        idle_s=float(chosen.idle_unload_s) or None,
        patience=patience,
        wishes=usual_wishes(chosen),
    )
