"""Collections of the user's files: what is in them, what would be, and taking it out again."""

from __future__ import annotations

from desktop import wire, wire_files
from desktop.service.control_route import Call, ControlRoute
from desktop.service.core import Core
from desktop.service.errors import NotAvailable

FILES = "/jackdaw/v1/files"
COLLECTION = FILES + "/collections/{collection_id}"


def _soon() -> NotAvailable:
    return NotAvailable("not_available", "The index of files is not there yet.")


async def list_collections(core: Core, call: Call) -> wire_files.CollectionList:
    raise _soon()


async def new_collection(core: Core, call: Call) -> wire_files.Collection:
    raise _soon()


async def get_collection(core: Core, call: Call) -> wire_files.Collection:
    raise _soon()


async def patch_collection(core: Core, call: Call) -> wire_files.Collection:
    raise _soon()


async def remove_collection(core: Core, call: Call) -> wire_files.Receipt:
    raise _soon()


async def reindex(core: Core, call: Call) -> wire.Job:
    raise _soon()


async def add_roots(core: Core, call: Call) -> wire_files.AddedRoots:
    raise _soon()


async def list_files(core: Core, call: Call) -> wire_files.FilePage:
    raise _soon()


async def plan_files(core: Core, call: Call) -> wire_files.Plan:
    raise _soon()


async def files_status(core: Core, call: Call) -> wire_files.IndexStatus:
    raise _soon()


async def remove_files(core: Core, call: Call) -> wire_files.Receipt:
    raise _soon()


async def list_receipts(core: Core, call: Call) -> wire_files.ReceiptList:
    raise _soon()


async def files_doctor(core: Core, call: Call) -> wire_files.FilesDoctorReport:
    raise _soon()


async def attach_files(core: Core, call: Call) -> wire.Chat:
    raise _soon()


async def detach_files(core: Core, call: Call) -> wire.Chat:
    raise _soon()


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
