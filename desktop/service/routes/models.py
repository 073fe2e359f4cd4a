"""The library and what is loaded of it."""

from __future__ import annotations

from pathlib import Path

from desktop import wire
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest, Conflict

MODELS = "/jackdaw/v1/models"


async def list_models(core: Core, call: Call) -> wire.ModelList:
    return wire.ModelList(models=await core.catalogue.rows())


async def import_model(core: Core, call: Call) -> wire.Model:
    path = Path(call.body(wire.ImportRequest).path)
    if not path.is_absolute():
        raise BadRequest("bad_path", f"{path} is not an absolute path.", hint="Give the whole path of the file.")
    # Of a file that a scan found more is known than the file says, its name for one.
    found = core.tools.stores.at(path)
    model = await core.library.import_path(path, origin=found.origin() if found else None)
    return await core.catalogue.added(model)


async def get_model(core: Core, call: Call) -> wire.Model:
    return await core.catalogue.row(call.path["model_id"])


async def remove_model(core: Core, call: Call) -> wire.RemovedModel:
    model = await core.library.get(call.path["model_id"])
    if working := core.jobs.about(model.id):
        title = working[0].row.title
        raise Conflict("model_in_use", f"{model.name} is needed: {title}.", hint="Cancel that, or wait for its end.")
    await core.scheduler.unload(model.id)
    known = core.tools.stores.last.paths
    removed = await core.library.remove(model.id, delete_below=core.paths.models, known=known)
    core.catalogue.removed(model.id)
    return wire.RemovedModel(
        id=removed.id,
        path=str(removed.path),
        file_deleted=removed.file_deleted,
        freed_bytes=removed.freed_bytes,
        shared_with=[str(path) for path in removed.shared_with],
    )


async def load_model(core: Core, call: Call) -> wire.Model:
    await core.scheduler.load(call.path["model_id"])
    return await core.catalogue.row(call.path["model_id"])


async def unload_model(core: Core, call: Call) -> wire.Model:
    model = await core.library.get(call.path["model_id"])
    await core.scheduler.unload(model.id)
    return await core.catalogue.row(model.id)


async def model_log(core: Core, call: Call) -> wire.LogLines:
    model = await core.library.get(call.path["model_id"])
    return wire.LogLines(lines=list(core.scheduler.log_lines(model.id)))


ROUTES = (
    ControlRoute("GET", MODELS, "All models of the library", list_models, answer=wire.ModelList),
    ControlRoute(
        "POST",
        MODELS + "/import",
        "Use a GGUF file where it lies",
        import_model,
        wire.ImportRequest,
        wire.Model,
        status=201,
    ),
    ControlRoute("GET", MODELS + "/{model_id}", "One model", get_model, answer=wire.Model),
    ControlRoute("DELETE", MODELS + "/{model_id}", "Forget a model", remove_model, answer=wire.RemovedModel),
    ControlRoute("POST", MODELS + "/{model_id}/load", "Load; answers when it is ready", load_model, None, wire.Model),
    ControlRoute("POST", MODELS + "/{model_id}/unload", "Free its memory", unload_model, None, wire.Model),
    ControlRoute("GET", MODELS + "/{model_id}/log", "The engine's last lines", model_log, None, wire.LogLines),
)
