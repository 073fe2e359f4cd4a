"""Jobs on one file that is here already: `import` takes it into the library, `bench` measures its speed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.service.bench import Bench, bench_options
from desktop.service.catalogue import Catalogue
from desktop.service.engine_state import EngineState
from desktop.service.errors import BadRequest
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.model_tools import ModelTools
from models.library import Library, LibraryModel


def local_kinds(tools: ModelTools, catalogue: Catalogue, engine: EngineState, pidfiles: Path) -> dict[str, JobKind]:
    """The kinds `import` and `bench`."""
    library = tools.library

    async def about_import(options: Mapping[str, Any]) -> JobAbout:
        path = import_path(options)
        found = tools.stores.at(path)
        name = found.label or found.name if found is not None else path.name
        return JobAbout(title=f"Import {name}", key=str(path))

    async def import_model(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        path = import_path(options)
        found = tools.stores.at(path)  # what another program calls it: its file may have a hash for a name
        origin = found.origin() if found is not None else None
        model = await library.import_path(path, context.report, context.cancel, origin)
        return {"model": (await catalogue.added(model)).model_dump()}

    async def about_bench(options: Mapping[str, Any]) -> JobAbout:
        bench_options(options)
        model = await model_of(library, options.get("model"))
        return JobAbout(title=f"Speed of {model.name}", subject=model.id, key=model.id)

    async def bench(options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        model = await model_of(library, options.get("model"))
        await engine.require_proven()
        runner = Bench(build=engine.build, tuning=engine.tuning, pidfiles=pidfiles)
        return await runner.run(model, bench_options(options), context)

    return {
        "import": JobKind(import_model, about_import),
        "bench": JobKind(bench, about_bench, lane="processors"),
    }


def import_path(options: Mapping[str, Any]) -> Path:
    """The file to import. Raises BadRequest unless it is an absolute path."""
    path = options.get("path")
    if not isinstance(path, str) or not Path(path).is_absolute():
        raise BadRequest("bad_path", "The job import needs the option path, an absolute path.")
    return Path(path)


async def model_of(library: Library, model_id: object) -> LibraryModel:
    """The model a job is about; the only one when none is named."""
    if model_id is not None:
        return await library.get(str(model_id))
    models = await library.list()
    if len(models) != 1:
        raise BadRequest("no_model", "Which model is to be measured?", hint="Name one: jackdaw bench MODEL.")
    return models[0]
