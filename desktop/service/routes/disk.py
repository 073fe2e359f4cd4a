"""What lies on this disk: other programs' models, what equals what, and what takes how much room."""

from __future__ import annotations

import asyncio

from desktop import wire_models as wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.disk_rows import disk_row, store_report
from models.disk_use import disk_use

ROOT = "/jackdaw/v1"


async def stores(core: Core, call: Call) -> wire.StoreReport:
    return store_report(core.tools.stores.last, await core.library.list())


async def disk(core: Core, call: Call) -> wire.DiskUse:
    models = await core.library.list()
    known = core.tools.stores.last.paths
    return disk_row(await asyncio.to_thread(disk_use, models, core.paths.models, known))


ROUTES = (
    ControlRoute("GET", ROOT + "/stores", "The last look through all stores", stores, answer=wire.StoreReport),
    ControlRoute("GET", ROOT + "/disk", "What models take on the disk", disk, answer=wire.DiskUse),
)
