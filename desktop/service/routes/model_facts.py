"""What is known, chosen and measured of one model."""

from __future__ import annotations

import asyncio

from desktop import wire_models as wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.measurement_rows import measurement_list
from desktop.service.model_facts import details_row
from desktop.service.option_rows import changed_options, options_from, options_row
from models.measure.machine import this_place
from models.quantize.check import refusal
from models.quantize.sizes import quant_types
from models.split_gguf import read_model

MODEL = "/jackdaw/v1/models/{model_id}"


async def details(core: Core, call: Call) -> wire.Details:
    model, models = await core.library.get(call.path["model_id"]), await core.library.list()
    jail = await core.tools.jail.state()
    elsewhere = [*core.tools.stores.last.paths, *(other.path for other in models if other.id != model.id)]
    return await asyncio.to_thread(details_row, model, elsewhere, jail.sentence)


async def get_options(core: Core, call: Call) -> wire.ModelOptions:
    model = await core.library.get(call.path["model_id"])
    return options_row(await core.tools.options.get(model.id))


async def set_options(core: Core, call: Call) -> wire.ModelOptions:
    model = await core.library.get(call.path["model_id"])
    body = call.body(wire.ModelOptions)
    chosen = changed_options(await core.tools.options.get(model.id), body)
    for use in filter(lambda use: use.id, body.adapters or ()):  # one without a name is refused as a value
        await core.tools.adapters.get(use.id)
    if body.draft_model:
        await core.library.get(body.draft_model)
    kept = options_row(await core.tools.options.set(model.id, chosen))
    await core.scheduler.options_changed(model.id)
    await core.catalogue.refresh(model.id)
    return kept


async def fit(core: Core, call: Call) -> wire.Fit:
    """Without a body the remembered options; null in a body leaves that choice to the fit, remembered or not."""
    model, body = await core.library.get(call.path["model_id"]), call.body(wire.ModelOptions)
    options = options_from(body) if body.model_fields_set else None
    return await core.fitting.of_model(model.id, options)


async def measurements(core: Core, call: Call) -> wire.MeasurementList:
    model = await core.library.get(call.path["model_id"])
    store = core.tools.measurements
    source_id = await store.source_of(model.id)
    if source_id == model.id and model.source_model:
        source_id = model.source_model
    place = await asyncio.to_thread(this_place, core.engine.build)
    sizes = await core.fitting.sizes()
    rows = await store.list(source_id, place)
    return measurement_list(source_id, rows, await store.answers(source_id), sizes.total_bytes)


async def quants(core: Core, call: Call) -> wire.QuantTypeList:
    model = await core.library.get(call.path["model_id"])
    header = await asyncio.to_thread(read_model, model.path)
    return wire.QuantTypeList(
        types=[
            wire.QuantType(
                name=choice.name,
                about=choice.about,
                bits_per_weight=choice.bits_per_weight,
                estimated_bytes=choice.estimated_bytes,
                needs_imatrix=choice.needs_imatrix,
            )
            for choice in quant_types(header)
        ],
        refused=refusal(header),
    )


ROUTES = (
    ControlRoute("GET", MODEL + "/details", "Where it is from, and what its file says", details, answer=wire.Details),
    ControlRoute("GET", MODEL + "/options", "What was chosen for it", get_options, answer=wire.ModelOptions),
    ControlRoute("PATCH", MODEL + "/options", "Choose", set_options, wire.ModelOptions, wire.ModelOptions),
    ControlRoute("POST", MODEL + "/fit", "What options would cost here", fit, wire.ModelOptions, wire.Fit),
    ControlRoute("GET", MODEL + "/measurements", "What was measured of it", measurements, answer=wire.MeasurementList),
    ControlRoute("GET", MODEL + "/quants", "What it can be quantized to", quants, answer=wire.QuantTypeList),
)
