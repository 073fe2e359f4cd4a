"""The built-in catalogue, and what of it suits this machine."""

from __future__ import annotations

import asyncio

from desktop import wire_models as wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest
from desktop.service.family_rows import catalogue_row, suggestions_row
from models.catalogue import load_catalogue
from models.catalogue.families import TASKS, Task

CATALOGUE = "/jackdaw/v1/catalogue"


async def catalogue(core: Core, call: Call) -> wire.Catalogue:
    task, machine = _task(call), await core.fitting.machine()
    data = await asyncio.to_thread(load_catalogue)
    return catalogue_row(data, task, machine, await core.library.list())


async def suggestions(core: Core, call: Call) -> wire.Suggestions:
    task, machine = _task(call), await core.fitting.machine()
    data = await asyncio.to_thread(load_catalogue)
    return suggestions_row(data, (task,) if task else TASKS, machine, await core.library.list())


def _task(call: Call) -> Task | None:
    task = call.query.get("task", "")
    if task and task not in TASKS:
        raise BadRequest("bad_request", f"task must be one of {', '.join(TASKS)}.")
    return task or None


ROUTES = (
    ControlRoute("GET", CATALOGUE, "Families worth knowing", catalogue, answer=wire.Catalogue, query=("task",)),
    ControlRoute(
        "GET", CATALOGUE + "/suggest", "What suits this machine", suggestions, answer=wire.Suggestions, query=("task",)
    ),
)
