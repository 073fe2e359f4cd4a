"""The part of the client that is about the user's files: collections, their index, search, answers, the doctor.

Long work (reading, embedding) is a job whose id is in the answer; the events `job` and `files` tell how it goes. Paths
are made absolute here, where they were typed: the service has another working folder.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from desktop import wire, wire_files
from desktop.connection import (
    ROOT,
    ClientError,
    Connection,
    ServiceUnreachable,
    absolute,
    under,
    unknown_event,
    with_query,
)
from desktop.event_stream import FilesAskEvent, FilesEnd, answer_event, sse_events

FILES = f"{ROOT}/files"
# A search starts the embedding model when it is the first one, which on a slow disk takes longer than an answer may.
SEARCH_TIMEOUT_S = 120.0
# Proof of a removal reads all database files; counting and planning read folders of any size.
LONG_TIMEOUT_S = 3600.0


class FilesClient(Connection):
    """Collections and everything that is asked of them."""

    # collections

    async def collections(self) -> list[wire_files.Collection]:
        """All collections by name, without those of single chats."""
        return await self._list(f"{FILES}/collections", "collections", wire_files.Collection)

    async def collection(self, collection_id: int) -> wire_files.Collection:
        return await self._call("GET", _collection(collection_id), answer=wire_files.Collection)

    async def new_collection(self, collection: wire_files.NewCollection) -> wire_files.Collection:
        """Make a collection; its roots, if it has any, are indexed by a job at once."""
        target = f"{FILES}/collections"
        return await self._call("POST", target, collection, answer=wire_files.Collection, timeout_s=SEARCH_TIMEOUT_S)

    async def change_collection(self, collection_id: int, patch: wire_files.CollectionPatch) -> wire_files.Collection:
        """Change the fields that are set in `patch`. Other rules read the folders anew, another embedder re-embeds."""
        target = _collection(collection_id)
        return await self._call("PATCH", target, patch, answer=wire_files.Collection, timeout_s=SEARCH_TIMEOUT_S)

    async def remove_collection(self, collection_id: int) -> wire_files.Receipt:
        """Take a collection out of the index, with proof. The files themselves are not touched."""
        target = _collection(collection_id)
        return await self._call("DELETE", target, answer=wire_files.Receipt, timeout_s=LONG_TIMEOUT_S)

    async def reindex(self, collection_id: int) -> wire.Job:
        """Compare the collection with the disk now, and read what is new, changed, or failed before."""
        return await self._call("POST", f"{_collection(collection_id)}/index", answer=wire.Job)

    async def add_roots(self, request: wire_files.AddRoots) -> wire_files.AddedRoots:
        """Add folders or files to a collection, which is made when there is none, and start indexing it."""
        asked = request.model_copy(update={"paths": _absolute(request.paths)})
        return await self._call("POST", f"{FILES}/roots", asked, answer=wire_files.AddedRoots)

    # files

    async def files_list(
        self, collection: str, state: str = "", q: str = "", next: str = "", limit: int = 200
    ) -> wire_files.FilePage:
        """One page of a collection's files. `state` is one of FileState, `q` a part of the path, `next` the cursor."""
        query: dict[str, str | int | None] = {
            "collection": collection,
            "state": state,
            "q": q,
            "next": next,
            "limit": limit,
        }
        return await self._call("GET", with_query(f"{FILES}/list", query), answer=wire_files.FilePage)

    async def plan_files(self, request: wire_files.PlanRequest) -> wire_files.Plan:
        """What would be read of these paths and what left out; nothing is read."""
        asked = request.model_copy(update={"paths": _absolute(request.paths)})
        return await self._call("POST", f"{FILES}/plan", asked, answer=wire_files.Plan, timeout_s=SEARCH_TIMEOUT_S)

    async def files_status(self) -> wire_files.IndexStatus:
        return await self._call("GET", f"{FILES}/status", answer=wire_files.IndexStatus)

    async def remove_files(self, request: wire_files.RemoveRequest) -> wire_files.Receipt:
        """Take paths out of the index, with proof. The files themselves are not touched."""
        asked = request.model_copy(update={"paths": _absolute(request.paths)}) if request.paths else request
        return await self._call("POST", f"{FILES}/remove", asked, answer=wire_files.Receipt, timeout_s=LONG_TIMEOUT_S)

    async def receipts(self) -> list[wire_files.Receipt]:
        """The receipts of past removals, newest first."""
        return await self._list(f"{FILES}/receipts", "receipts", wire_files.Receipt)

    async def files_doctor(self, request: wire_files.FilesDoctorRequest) -> wire_files.FilesDoctorReport:
        """Whether the stores agree; with `repair` they do afterwards."""
        target = f"{FILES}/doctor"
        return await self._call("POST", target, request, answer=wire_files.FilesDoctorReport, timeout_s=LONG_TIMEOUT_S)

    async def preview(self, file: str, chunk_id: int | None = None) -> wire_files.Preview:
        """The text of a file that is in the index around one of its chunks, or its beginning."""
        target = with_query(f"{FILES}/preview", {"file": file, "chunk": chunk_id})
        return await self._call("GET", target, answer=wire_files.Preview, timeout_s=SEARCH_TIMEOUT_S)

    async def open_file(self, request: wire_files.OpenRequest) -> wire_files.Opened:
        """Open a file that is in the index in the user's editor."""
        return await self._call("POST", f"{FILES}/open", request, answer=wire_files.Opened)

    # search and answers

    async def search_files(self, request: wire_files.SearchRequest) -> wire_files.SearchAnswer:
        """The best passages, best first."""
        target = f"{FILES}/search"
        return await self._call("POST", target, request, answer=wire_files.SearchAnswer, timeout_s=SEARCH_TIMEOUT_S)

    async def why_files(self, request: wire_files.WhyRequest) -> wire_files.Why:
        """The same search with everything that led to it; the record is kept for a while under its id."""
        return await self._call("POST", f"{FILES}/why", request, answer=wire_files.Why, timeout_s=SEARCH_TIMEOUT_S)

    async def why(self, why_id: str) -> wire_files.Why:
        """What led to an answer or a search that had this `why_id`."""
        return await self._call("GET", under("files", "why", why_id), answer=wire_files.Why)

    async def ask_files(self, request: wire_files.AskFiles) -> wire_files.FilesAnswer:
        """Ask the files and wait for the whole answer."""
        return await self._call(
            "POST", f"{FILES}/ask", request, answer=wire_files.FilesAnswer, timeout_s=LONG_TIMEOUT_S
        )

    async def follow_files(self, request: wire_files.AskFiles) -> AsyncIterator[FilesAskEvent]:
        """Ask the files and follow the answer. The last event is a FilesEnd; closing the iterator stops the answer."""
        async with self._stream("POST", f"{FILES}/ask/stream", request) as response:
            async for event in sse_events(response.aiter_bytes()):
                parsed = files_ask_event(event.event, event.data)
                yield parsed
                if isinstance(parsed, FilesEnd):
                    return
        raise ServiceUnreachable("The service ended before the answer did.")

    # embedders and rerankers

    async def embedders(self) -> list[wire_files.EmbedderChoice]:
        return await self._list(f"{FILES}/embedders", "embedders", wire_files.EmbedderChoice)

    async def add_embedder(self, embedder: wire_files.NewEmbedder) -> wire_files.EmbedderChoice:
        """Add an embedder of the user's own; it is asked for one vector, which tells its dimensions."""
        target = f"{FILES}/embedders"
        return await self._call("POST", target, embedder, answer=wire_files.EmbedderChoice, timeout_s=SEARCH_TIMEOUT_S)

    async def remove_embedder(self, embedder_id: str) -> None:
        """Forget an embedder the user added; refused while a collection uses it."""
        await self._json("DELETE", under("files", "embedders", embedder_id))

    async def runtimes(self) -> wire_files.RuntimeList:
        """How fast the built-in embedder is here in each way it can be run, as last measured."""
        return await self._call("GET", f"{FILES}/runtimes", answer=wire_files.RuntimeList)

    async def measure_runtimes(self) -> wire_files.RuntimeList:
        """Measure them again, which takes a minute."""
        return await self._call("POST", f"{FILES}/runtimes", answer=wire_files.RuntimeList, timeout_s=LONG_TIMEOUT_S)

    async def rerankers(self) -> list[wire_files.RerankerChoice]:
        return await self._list(f"{FILES}/rerankers", "rerankers", wire_files.RerankerChoice)

    # checks

    async def checks(self) -> list[wire_files.Check]:
        return await self._list(f"{FILES}/checks", "checks", wire_files.Check)

    async def new_check(self, check: wire_files.NewCheck) -> wire_files.Check:
        """Keep a question whose passages are right; it runs again after each indexing of its collection."""
        return await self._call("POST", f"{FILES}/checks", check, answer=wire_files.Check, timeout_s=SEARCH_TIMEOUT_S)

    async def remove_check(self, check_id: int) -> None:
        await self._json("DELETE", under("files", "checks", str(check_id)))

    async def run_checks(self) -> list[wire_files.Check]:
        """Run all of them now."""
        answer = await self._call("POST", f"{FILES}/checks/run", answer=wire_files.CheckList, timeout_s=LONG_TIMEOUT_S)
        return answer.checks

    # files of one chat

    async def attach(self, chat_id: str, paths: Sequence[str | Path]) -> wire.Chat:
        """Attach files or folders to one chat; they are read in the background."""
        body = wire_files.AttachRequest(paths=_absolute(paths))
        return await self._call("POST", under("chats", chat_id, "files"), body, answer=wire.Chat)

    async def detach(self, chat_id: str, path: str | Path) -> wire.Chat:
        """Take an attached file or folder away from its chat, and out of the index."""
        target = with_query(under("chats", chat_id, "files"), {"path": absolute(Path(path))})
        return await self._call("DELETE", target, answer=wire.Chat, timeout_s=LONG_TIMEOUT_S)


def files_ask_event(kind: str, data: str) -> FilesAskEvent:
    """The typed form of one event of `ask/stream`; raises ClientError for an error, or an event that is not known."""
    value = json.loads(data)
    match kind:
        case "error":
            raise ClientError(value["kind"], value["message"], hint=value["hint"], details=value["details"])
        case "end":
            return FilesEnd(answer=wire_files.FilesAnswer.model_validate(value))
    if (event := answer_event(kind, value)) is not None:
        return event
    raise unknown_event(kind)


def _collection(collection_id: int) -> str:
    return under("files", "collections", str(collection_id))


def _absolute(paths: Sequence[str | Path]) -> list[str]:
    return [absolute(Path(path)) for path in paths]
