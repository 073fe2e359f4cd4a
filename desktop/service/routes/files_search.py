"""Searching the user's files, asking them, why, previews, and opening what was found."""

from __future__ import annotations

from collections.abc import AsyncIterator

from desktop import wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import NotAvailable

FILES = "/jackdaw/v1/files"


def _soon() -> NotAvailable:
    return NotAvailable("not_available", "The index of files is not there yet.")


async def search_files(core: Core, call: Call) -> wire_files.SearchAnswer:
    raise _soon()


async def why_files(core: Core, call: Call) -> wire_files.Why:
    raise _soon()


async def get_why(core: Core, call: Call) -> wire_files.Why:
    raise _soon()


async def ask_files(core: Core, call: Call) -> wire_files.FilesAnswer:
    raise _soon()


async def follow_files(core: Core, call: Call) -> AsyncIterator[bytes]:
    raise _soon()


async def preview_file(core: Core, call: Call) -> wire_files.Preview:
    raise _soon()


async def open_file(core: Core, call: Call) -> wire_files.Opened:
    raise _soon()


ROUTES = (
    ControlRoute(
        "POST",
        FILES + "/search",
        "The best passages, best first",
        search_files,
        wire_files.SearchRequest,
        wire_files.SearchAnswer,
    ),
    ControlRoute(
        "POST",
        FILES + "/why",
        "The same with everything that led to it",
        why_files,
        wire_files.WhyRequest,
        wire_files.Why,
    ),
    ControlRoute("GET", FILES + "/why/{why_id}", "What led to an answer or a search", get_why, answer=wire_files.Why),
    ControlRoute("POST", FILES + "/ask", "Ask the files", ask_files, wire_files.AskFiles, wire_files.FilesAnswer),
    ControlRoute(
        "POST",
        FILES + "/ask/stream",
        "Ask the files and follow the answer",
        follow_files,
        wire_files.AskFiles,
        "events",
    ),
    ControlRoute(
        "GET",
        FILES + "/preview",
        "Text around a chunk",
        preview_file,
        answer=wire_files.Preview,
        query=("file", "chunk"),
    ),
    ControlRoute(
        "POST", FILES + "/open", "Open in the user's editor", open_file, wire_files.OpenRequest, wire_files.Opened
    ),
)
