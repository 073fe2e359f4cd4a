"""What embeds and reranks the user's files, and the checks that hold the results."""

from __future__ import annotations

from desktop import wire, wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import Conflict, NotFound
from desktop.service.files.rows import embedder_row, reranker_row, runtime_list
from rag.embedding.choices import Definition

FILES = "/jackdaw/v1/files"


async def list_embedders(core: Core, call: Call) -> wire_files.EmbedderList:
    choices = await core.files.index.embedders.choices()
    usual = core.files.usual_embedder()
    rows = [embedder_row(choice) for choice in choices]
    return wire_files.EmbedderList(embedders=[row.model_copy(update={"is_default": row.id == usual}) for row in rows])


async def add_embedder(core: Core, call: Call) -> wire_files.EmbedderChoice:
    body = call.body(wire_files.NewEmbedder)
    named = body.model_fields_set  # prefixes that are not named are those of the model's family
    definition = Definition(
        kind=body.kind,
        name=body.name,
        url=body.url,
        query_prefix=body.query_prefix if "query_prefix" in named else None,
        passage_prefix=body.passage_prefix if "passage_prefix" in named else None,
        dimensions=body.dimensions,
    )
    return embedder_row(await core.files.index.embedders.add(definition))


async def remove_embedder(core: Core, call: Call) -> wire.Nothing:
    embedder_id = call.path["embedder_id"]
    for row in await core.files.index.store.collections(None):
        if embedder_id in (row.embedder_id, row.next_embedder_id):
            raise Conflict(
                "embedder_in_use", f"The collection {row.name} uses it.", hint="Choose another one for it first."
            )
    await core.files.index.embedders.remove(embedder_id)
    return wire.Nothing()


async def list_runtimes(core: Core, call: Call) -> wire_files.RuntimeList:
    return runtime_list(core.files.index.embedders.figures())


async def measure_runtimes(core: Core, call: Call) -> wire_files.RuntimeList:
    return runtime_list(await core.files.index.embedders.measure())


async def list_rerankers(core: Core, call: Call) -> wire_files.RerankerList:
    options = await core.files.index.rerankers.choices()
    return wire_files.RerankerList(rerankers=[reranker_row(option) for option in options])


async def list_checks(core: Core, call: Call) -> wire_files.CheckList:
    return wire_files.CheckList(checks=await core.files.checks.all())


async def new_check(core: Core, call: Call) -> wire_files.Check:
    return await core.files.checks.add(call.body(wire_files.NewCheck))


async def remove_check(core: Core, call: Call) -> wire.Nothing:
    number = call.path["check_id"]
    if not (number.isascii() and number.isdigit() and len(number) < 16):
        raise NotFound("check_not_found", f"There is no check {number[:40]!r}.")
    await core.files.checks.remove(int(number))
    return wire.Nothing()


async def run_checks(core: Core, call: Call) -> wire_files.CheckList:
    return wire_files.CheckList(checks=await core.files.checks.run())


ROUTES = (
    ControlRoute("GET", FILES + "/embedders", "What can embed here", list_embedders, answer=wire_files.EmbedderList),
    ControlRoute(
        "POST",
        FILES + "/embedders",
        "Add an embedder of the user's own",
        add_embedder,
        wire_files.NewEmbedder,
        wire_files.EmbedderChoice,
        status=201,
    ),
    ControlRoute(
        "DELETE",
        FILES + "/embedders/{embedder_id:path}",
        "Forget an added embedder",
        remove_embedder,
        None,
        wire.Nothing,
    ),
    ControlRoute(
        "GET", FILES + "/runtimes", "Speeds of the built-in embedder", list_runtimes, answer=wire_files.RuntimeList
    ),
    ControlRoute("POST", FILES + "/runtimes", "Measure them", measure_runtimes, answer=wire_files.RuntimeList),
    ControlRoute("GET", FILES + "/rerankers", "What can rerank here", list_rerankers, answer=wire_files.RerankerList),
    ControlRoute("GET", FILES + "/checks", "Saved checks", list_checks, answer=wire_files.CheckList),
    ControlRoute(
        "POST",
        FILES + "/checks",
        "Keep a question whose passages are right",
        new_check,
        wire_files.NewCheck,
        wire_files.Check,
        status=201,
    ),
    ControlRoute("POST", FILES + "/checks/run", "Run all checks", run_checks, answer=wire_files.CheckList),
    ControlRoute("DELETE", FILES + "/checks/{check_id}", "Forget a check", remove_check, None, wire.Nothing),
)
