"""The LoRA adapters that are here."""

from __future__ import annotations

from desktop import wire_models as wire
from desktop.service.adapter_rows import adapter_row
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core

ADAPTERS = "/jackdaw/v1/adapters"


async def list_adapters(core: Core, call: Call) -> wire.AdapterList:
    library, models = core.tools.adapters, await core.library.list()
    adapters = await library.list()
    return wire.AdapterList(adapters=[adapter_row(one, await library.fits_models(one, models)) for one in adapters])


async def remove_adapter(core: Core, call: Call) -> wire.Adapter:
    """Models that it was attached to are loaded without it from the next time on."""
    adapter = await core.tools.adapters.get(call.path["adapter_id"])
    attached = await core.tools.options.without_adapter(adapter.id)
    await core.tools.adapters.remove(adapter.id, core.paths.models)
    for model_id in attached:
        await core.scheduler.options_changed(model_id)
    core.events.publish("adapter", {"action": "removed", "id": adapter.id})
    return adapter_row(adapter)


ROUTES = (
    ControlRoute("GET", ADAPTERS, "All LoRA adapters", list_adapters, answer=wire.AdapterList),
    ControlRoute("DELETE", ADAPTERS + "/{adapter_id}", "Forget an adapter", remove_adapter, answer=wire.Adapter),
)
