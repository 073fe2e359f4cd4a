"""Searching the user's files, asking them, why, previews, and opening what was found."""

from __future__ import annotations

from collections.abc import AsyncIterator

from desktop import wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest
from desktop.service.files.checks import check_of

FILES = "/jackdaw/v1/files"


async def search_files(core: Core, call: Call) -> wire_files.SearchAnswer:
    return await core.files.search.search(call.body(wire_files.SearchRequest))


async def why_files(core: Core, call: Call) -> wire_files.Why:
    body = call.body(wire_files.WhyRequest)
    why = await core.files.search.why(body)
    if body.save_as_check:
        await core.files.checks.add(check_of(body, await core.files.search.asked(body.collection)))
    return why


async def get_why(core: Core, call: Call) -> wire_files.Why:
    return await core.files.search.evidence.get(call.path["why_id"])


async def ask_files(core: Core, call: Call) -> wire_files.FilesAnswer:
    return await core.asking_files.whole(call.body(wire_files.AskFiles))


async def follow_files(core: Core, call: Call) -> AsyncIterator[bytes]:
    return await core.asking_files.events(call.body(wire_files.AskFiles))


async def preview_file(core: Core, call: Call) -> wire_files.Preview:
    chunk = call.query.get("chunk", "")
    if chunk and not (chunk.isascii() and chunk.isdigit() and len(chunk) < 16):
        raise BadRequest("bad_request", f"{chunk[:40]!r} is no number.")
    return await core.files.reading.preview(call.query.get("file", ""), int(chunk) if chunk else None)


async def open_file(core: Core, call: Call) -> wire_files.Opened:
    return await core.files.reading.open(call.body(wire_files.OpenRequest))


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
