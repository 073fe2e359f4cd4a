"""All kinds of jobs there are, made from the parts of the service."""

from __future__ import annotations

from desktop.service.catalogue import Catalogue
from desktop.service.engine_state import EngineState
from desktop.service.events import EventLog
from desktop.service.fitting import Fitting
from desktop.service.job_kinds import JobKind
from desktop.service.model_tools import ModelTools
from desktop.service.work.adapter import Adapting
from desktop.service.work.convert import Converting
from desktop.service.work.download import Downloading
from desktop.service.work.fetching import Fetching
from desktop.service.work.local import local_kinds
from desktop.service.work.made import Maker
from desktop.service.work.measure import Measurer
from desktop.service.work.quantize import StartJob, quantize_kinds
from desktop.service.work.stores import store_kinds
from engine.scheduler import Scheduler


def all_kinds(
    tools: ModelTools,
    catalogue: Catalogue,
    engine: EngineState,
    scheduler: Scheduler,
    *,
    fitting: Fitting,
    events: EventLog,
    start_job: StartJob,
) -> dict[str, JobKind]:
    """By name; `start_job` is for work that is followed by other work."""
    pidfiles = tools.paths.children
    maker = Maker(tools, catalogue, engine, pidfiles)
    fetching = Fetching(tools)
    measurer = Measurer(maker, tools.measurements, scheduler, fitting, tools.measure_folder)
    return {
        **local_kinds(tools, catalogue, engine, pidfiles),
        **store_kinds(tools),
        **quantize_kinds(maker, start_job),
        "download": Downloading(fetching, catalogue).kind(),
        "convert": Converting(fetching, maker).kind(),
        "measure": measurer.kind(),
        "adapter": Adapting(maker, tools.adapters, events).kind(),
    }
