"""Collections of the user's files: what is in them, what would be, and taking it out again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import get_args

from desktop import wire, wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import BadRequest
from desktop.service.files.collections import USUAL_NAME
from desktop.service.files.rows import file_page, plan_row, scan_rules
from desktop.service.routes.chats import whole_chat
from desktop.service.routes.work import job_row
from models.progress import Cancel
from rag.scan.plan import plan

FILES = "/jackdaw/v1/files"
COLLECTION = FILES + "/collections/{collection_id}"
MOST_FILES = 1000  # in one page


async def list_collections(core: Core, call: Call) -> wire_files.CollectionList:
    return wire_files.CollectionList(collections=await core.files.collections.all())


async def new_collection(core: Core, call: Call) -> wire_files.Collection:
    made = await core.files.collections.create(call.body(wire_files.NewCollection))
    await core.files.news.added(made.id)
    return made


async def get_collection(core: Core, call: Call) -> wire_files.Collection:
    return await core.files.collections.one(_id(call))


async def patch_collection(core: Core, call: Call) -> wire_files.Collection:
    changed = await core.files.collections.change(_id(call), call.body(wire_files.CollectionPatch))
    core.files.news.changed(changed.id)
    return changed


async def remove_collection(core: Core, call: Call) -> wire_files.Receipt:
    return await core.files.removal.remove_collection(_id(call))


async def reindex(core: Core, call: Call) -> wire.Job:
    collection_id = _id(call)
    await core.files.index.store.collection(collection_id)
    return job_row(await core.files.collections.start_index(collection_id))


async def add_roots(core: Core, call: Call) -> wire_files.AddedRoots:
    body = call.body(wire_files.AddRoots)
    if body.chat_id:
        await core.chats.get(body.chat_id)
    added = await core.files.collections.add_roots(body)
    core.files.news.changed(added.collection.id)
    return added


async def list_files(core: Core, call: Call) -> wire_files.FilePage:
    """`collection` is a name, "" the usual one; "#ID" names any by its id, a chat's as well."""
    store = core.files.index.store
    wanted = call.query.get("collection", "") or USUAL_NAME
    row = await (store.collection(_number(wanted[1:])) if wanted.startswith("#") else store.by_name(wanted))
    state, cursor = call.query.get("state", ""), call.query.get("next", "")
    if state not in ("", *get_args(wire_files.FileState)):
        states = ", ".join(get_args(wire_files.FileState))
        raise BadRequest("bad_request", f"{state[:40]!r} is no state of a file.", hint=f"States: {states}.")
    limit = min(MOST_FILES, max(1, _number(call.query.get("limit", "200"))))
    return file_page(await store.file_page(row.id, state, call.query.get("q", ""), cursor, limit))


async def plan_files(core: Core, call: Call) -> wire_files.Plan:
    body = call.body(wire_files.PlanRequest)
    paths = [Path(path) for path in body.paths]
    if any(not path.is_absolute() or "\x00" in str(path) for path in paths):
        raise BadRequest("bad_path", "Paths must be absolute.")
    return plan_row(await asyncio.to_thread(plan, paths, scan_rules(body.rules), Cancel()))


async def files_status(core: Core, call: Call) -> wire_files.IndexStatus:
    return await core.files.status()


async def remove_files(core: Core, call: Call) -> wire_files.Receipt:
    return await core.files.removal.remove(call.body(wire_files.RemoveRequest))


async def list_receipts(core: Core, call: Call) -> wire_files.ReceiptList:
    return await core.files.removal.receipts()


async def files_doctor(core: Core, call: Call) -> wire_files.FilesDoctorReport:
    return await core.files.removal.doctor(call.body(wire_files.FilesDoctorRequest))


async def attach_files(core: Core, call: Call) -> wire.Chat:
    chat_id = call.path["chat_id"]
    await core.chats.get(chat_id)
    await core.files.in_chats.attach(chat_id, call.body(wire_files.AttachRequest).paths)
    core.chat_changed("changed", chat_id)
    return await whole_chat(core, chat_id)


async def detach_files(core: Core, call: Call) -> wire.Chat:
    chat_id = call.path["chat_id"]
    await core.chats.get(chat_id)
    await core.files.in_chats.detach(chat_id, call.query.get("path", ""))
    core.chat_changed("changed", chat_id)
    return await whole_chat(core, chat_id)


def _id(call: Call) -> int:
    return _number(call.path["collection_id"])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("bad_request", f"{text[:40]!r} is no number.")
    return int(text)


ROUTES = (
    ControlRoute("GET", FILES + "/collections", "All collections", list_collections, answer=wire_files.CollectionList),
    ControlRoute(
        "POST",
        FILES + "/collections",
        "Make a collection and index its roots",
        new_collection,
        wire_files.NewCollection,
        wire_files.Collection,
        status=201,
    ),
    ControlRoute("GET", COLLECTION, "One collection", get_collection, answer=wire_files.Collection),
    ControlRoute(
        "PATCH",
        COLLECTION,
        "Change a collection; another embedder re-embeds in the background",
        patch_collection,
        wire_files.CollectionPatch,
        wire_files.Collection,
    ),
    ControlRoute(
        "DELETE", COLLECTION, "Take a collection out of the index", remove_collection, answer=wire_files.Receipt
    ),
    ControlRoute("POST", COLLECTION + "/index", "Compare with the disk and index again", reindex, answer=wire.Job),
    ControlRoute(
        "POST",
        FILES + "/roots",
        "Add folders or files and index them",
        add_roots,
        wire_files.AddRoots,
        wire_files.AddedRoots,
        status=201,
    ),
    ControlRoute(
        "GET",
        FILES + "/list",
        "A page of a collection's files",
        list_files,
        answer=wire_files.FilePage,
        query=("collection", "state", "q", "next", "limit"),
    ),
    ControlRoute("POST", FILES + "/plan", "What would be read", plan_files, wire_files.PlanRequest, wire_files.Plan),
    ControlRoute("GET", FILES + "/status", "The index as a whole", files_status, answer=wire_files.IndexStatus),
    ControlRoute(
        "POST",
        FILES + "/remove",
        "Take paths out of the index, with proof",
        remove_files,
        wire_files.RemoveRequest,
        wire_files.Receipt,
    ),
    ControlRoute("GET", FILES + "/receipts", "Past removals", list_receipts, answer=wire_files.ReceiptList),
    ControlRoute(
        "POST",
        FILES + "/doctor",
        "Whether the stores agree; repairs them",
        files_doctor,
        wire_files.FilesDoctorRequest,
        wire_files.FilesDoctorReport,
    ),
    ControlRoute(
        "POST",
        "/jackdaw/v1/chats/{chat_id}/files",
        "Attach files to a chat",
        attach_files,
        wire_files.AttachRequest,
        wire.Chat,
    ),
    ControlRoute(
        "DELETE",
        "/jackdaw/v1/chats/{chat_id}/files",
        "Take an attached file away",
        detach_files,
        answer=wire.Chat,
        query=("path",),
    ),
)
