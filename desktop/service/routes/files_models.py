"""What embeds and reranks the user's files, and the checks that hold the results."""

from __future__ import annotations

from desktop import wire, wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import NotAvailable

FILES = "/jackdaw/v1/files"


def _soon() -> NotAvailable:
    return NotAvailable("not_available", "The index of files is not there yet.")


async def list_embedders(core: Core, call: Call) -> wire_files.EmbedderList:
    raise _soon()


async def add_embedder(core: Core, call: Call) -> wire_files.EmbedderChoice:
    raise _soon()


async def remove_embedder(core: Core, call: Call) -> wire.Nothing:
    raise _soon()


async def list_runtimes(core: Core, call: Call) -> wire_files.RuntimeList:
    raise _soon()


async def measure_runtimes(core: Core, call: Call) -> wire_files.RuntimeList:
    raise _soon()


async def list_rerankers(core: Core, call: Call) -> wire_files.RerankerList:
    raise _soon()


async def list_checks(core: Core, call: Call) -> wire_files.CheckList:
    raise _soon()


async def new_check(core: Core, call: Call) -> wire_files.Check:
    raise _soon()


async def remove_check(core: Core, call: Call) -> wire.Nothing:
    raise _soon()


async def run_checks(core: Core, call: Call) -> wire_files.CheckList:
    raise _soon()


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
