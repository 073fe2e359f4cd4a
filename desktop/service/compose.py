"""Makes the parts of the service out of one another, and what a killed one left behind go away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from desktop.paths import Paths
from desktop.service.ask import STREAM_IDLE_S, Asking
from desktop.service.catalogue import Catalogue
from desktop.service.chats import Chats
from desktop.service.core import Core, publish_chat, scheduler_settings
from desktop.service.engine_state import EngineState
from desktop.service.events import EventLog
from desktop.service.files.asking import FilesAsking
from desktop.service.files.part import Around, make_files
from desktop.service.fitting import Fitting
from desktop.service.job_rows import JobStore
from desktop.service.jobs import Jobs
from desktop.service.keys import Keys
from desktop.service.model_tools import ModelTools, make_tools
from desktop.service.schema import MIGRATIONS
from desktop.service.speed import Speed
from desktop.service.work.index import Indexing
from desktop.service.work.kinds import all_kinds
from desktop.settings import SettingsFile
from engine.llama_server import Patience
from engine.scheduler import Scheduler
from models.child import reap_orphans
from models.convert.run import sweep_conversions
from models.database import Database
from models.download.partial import sweep
from models.library import Library, LibraryModel
from models.measure.divergence import sweep_logits
from models.quantize.temporaries import sweep_temporaries

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; None means as the settings say.

    `patience` and `stream_idle_s` say how long a silent engine is waited for.
    """

    port: int | None = None
    bind: str | None = None
    allow_remote: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)
    stream_idle_s: float = STREAM_IDLE_S


async def make_core(paths: Paths, options: Options, closing: AsyncExitStack) -> Core:
    """All parts but the listeners; `closing` closes them in reverse order."""
    settings = await asyncio.to_thread(SettingsFile, paths.settings)
    database = await Database.open(paths.database, MIGRATIONS)
    closing.push_async_callback(database.close)
    library, keys, chats = Library(database), Keys(database), Chats(database)
    await keys.load()
    closing.push_async_callback(keys.save_use)
    if cut_short := await chats.recover():
        log.warning("%d answers were cut short when the service ended without warning", cut_short)
    events, speed = EventLog(), Speed()
    catalogue = Catalogue(library, events)
    engine = EngineState(paths.engines, options.environ)
    await engine.find()
    closing.push_async_callback(engine.close)
    tools = await make_tools(
        paths=paths, settings=settings, environ=options.environ, database=database, library=library, closing=closing
    )
    scheduler = _scheduler(options, tools, engine, catalogue)
    closing.push_async_callback(scheduler.close)
    fitting = Fitting(scheduler, engine, tools.speeds, tools.measurements)
    around = Around(paths, settings, options.environ, library, scheduler, chats, events)
    files = await make_files(around, closing)
    asking = Asking(
        chats=chats,
        library=library,
        scheduler=scheduler,
        default_model=lambda: settings.current.default_model,
        speed=speed,
        on_change=partial(publish_chat, events),
        stream_idle_s=options.stream_idle_s,
        learn=fitting.learn_from_answer,
        files=files.in_chats,
    )
    asking_files = FilesAsking(files.search, files.retrieval, scheduler, asking.usual_model, options.stream_idle_s)
    catalogue.judge = fitting.estimate

    async def start_job(kind: str, job_options: Mapping[str, Any]) -> str:
        return (await jobs.start(kind, job_options)).id

    kinds = all_kinds(tools, catalogue, engine, scheduler, fitting=fitting, events=events, start_job=start_job)
    kinds |= Indexing(files.index, files.news, files.checks.run).kinds()
    files.collections.jobs = jobs = Jobs(kinds, events, JobStore(database))
    await jobs.load()
    if not any(record.row.kind == "measure" and record.can_resume for record in jobs.all()):
        await asyncio.to_thread(sweep_logits, tools.measure_folder)  # gigabytes, and nobody goes on with them
    closing.push_async_callback(jobs.close)
    return Core(
        paths=paths,
        version=_version(),
        settings=settings,
        database=database,
        library=library,
        keys=keys,
        chats=chats,
        events=events,
        engine=engine,
        catalogue=catalogue,
        scheduler=scheduler,
        asking=asking,
        jobs=jobs,
        tools=tools,
        fitting=fitting,
        speed=speed,
        files=files,
        asking_files=asking_files,
    )


def _scheduler(options: Options, tools: ModelTools, engine: EngineState, catalogue: Catalogue) -> Scheduler:
    async def resolve(model_id: str) -> LibraryModel:
        model = await tools.library.get(model_id)
        await engine.require_proven()
        catalogue.remember(model)
        return model

    scheduler = Scheduler(
        build=engine.build,
        runtime_dir=tools.paths.runtime,
        pidfiles=tools.paths.children,
        resolve=resolve,
        settings=scheduler_settings(tools.settings, options.patience),
        tuning=lambda: engine.tuning,
        on_change=catalogue.changed,
        mark_suspect=tools.library.mark_suspect,
        environ=options.environ,
        options=tools.options.get,
        adapter_path=tools.adapter_path,
    )
    catalogue.scheduler = scheduler
    return scheduler


def clean_up_after_a_crash(paths: Paths) -> None:
    """End children that outlived a killed service and remove what it left half made. The lock is held."""
    for sentence in reap_orphans(paths.children):
        log.warning("%s", sentence)
    stale = [paths.control_socket, paths.runtime_file, *paths.runtime.glob("llama-*"), *paths.data.glob(".settings-*")]
    for path in (*stale, *paths.cache.glob(".stores-*")):
        path.unlink(missing_ok=True)
    half_made = [*sweep(paths.models), *sweep_temporaries(paths.models), *sweep_conversions(paths.models)]
    if half_made:
        log.info("removed what was left half made: %s", ", ".join(path.name for path in half_made))


def _version() -> str:
    try:
        return version("jackdaw")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.1.0"
