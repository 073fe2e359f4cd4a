"""Files in chats: collections that are asked before every answer, and files attached to one chat alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from desktop import wire, wire_files
from desktop.service.chat_rows import ChatRecord, MessageRecord
from desktop.service.errors import NotFound
from desktop.service.files.collections import Collections, subject_of
from desktop.service.files.removal import Removal
from desktop.service.files.retrieval import Messages, Retrieval, Retrieved
from desktop.service.files.search import Asked
from rag.answer.prompt import conversation
from rag.answer.types import NumberedSource, Turn
from rag.errors import CollectionNotFound
from rag.files import Files
from rag.store.rows import CollectionRow, FileRecord, RootRow

ATTACHED = "attached"  # the name of each chat's own collection
READ_WITHIN_S = 60.0  # a question waits that long for what was attached a moment ago
LOOK_EVERY_S = 0.1
LOOKED_AT = 500  # files of one attached folder, for its state


class ChatFiles:
    """What chats need of the index."""

    def __init__(self, index: Files, collections: Collections, retrieval: Retrieval, removal: Removal) -> None:
        self._index = index
        self._collections = collections
        self._removal = removal
        self.retrieval = retrieval

    async def retrieve(
        self, chat: ChatRecord, history: Sequence[MessageRecord], tell: Callable[[str], None]
    ) -> Retrieved | None:
        """What the last message of `history` finds in the chat's files; None when the chat has none.

        `tell` gets a sentence while attached files are still being read.
        """
        asked = await self._asked(chat)
        if asked is None or not history or history[-1].role != "user":
            return None
        for row in asked.rows:
            if row.chat_id:
                await self._until_read(row, tell)
        return await self.retrieval.retrieve(history[-1].content, turns_of(history[:-1]), asked)

    async def asks_files(self, chat: ChatRecord) -> bool:
        """Whether an answer of this chat would be given passages."""
        return await self._asked(chat) is not None

    async def _asked(self, chat: ChatRecord) -> Asked | None:
        rows = list(await self._index.store.collections(chat.id))
        for name in chat.collections:
            try:
                rows.append(await self._index.store.by_name(name))
            except CollectionNotFound:
                continue  # it is gone; the window shows which ones there are
        return Asked(tuple(rows)) if any(row.roots for row in rows) else None

    async def _until_read(self, row: CollectionRow, tell: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READ_WITHIN_S
        while self._collections.jobs.about(subject_of(row.id)) and loop.time() < deadline:
            waiting = (await self._index.store.counts(row.id)).waiting
            tell(f"Reading {waiting} files" if waiting > 1 else "Reading the attached file")
            await asyncio.sleep(LOOK_EVERY_S)

    # attaching

    async def attach(self, chat_id: str, paths: Sequence[str]) -> None:
        """Attach files or folders to a chat. Raises RootNotFound, BadCollection, BadRequest."""
        await self._collections.add_roots(wire_files.AddRoots(collection=ATTACHED, paths=list(paths), chat_id=chat_id))

    async def detach(self, chat_id: str, path: str) -> None:
        """Take an attached path away, and out of the index. Raises NotFound."""
        rows = await self._index.store.collections(chat_id)
        if not any(root.path == path for row in rows for root in row.roots):
            raise NotFound("not_attached", f"{path} is not attached to this chat.", hint="See the files of the chat.")
        await self._removal.remove(wire_files.RemoveRequest(collection=ATTACHED, chat_id=chat_id, paths=[path]))

    async def forget(self, existing: set[str]) -> None:
        """Remove what was attached to chats that are gone for good; `existing` are the ids of all that are not."""
        for row in await self._index.store.collections(None):
            if row.chat_id and row.chat_id not in existing:
                await self._removal.remove_collection(row.id)

    async def rows(self, chat_id: str, messages: Sequence[MessageRecord]) -> list[wire.ChatFile]:
        """What is attached to a chat, with its state."""
        found = []
        for row in await self._index.store.collections(chat_id):
            page = await self._index.store.file_page(row.id, limit=LOOKED_AT)
            for root in row.roots:
                files = [file for file in page.files if file.root.id == root.id]
                found.append(chat_file(root, files, messages, active=self._is_at_work(row.id)))
        return found

    def _is_at_work(self, collection_id: int) -> bool:
        return bool(self._collections.jobs.about(subject_of(collection_id)))


def chat_file(
    root: RootRow, files: Sequence[FileRecord], messages: Sequence[MessageRecord], *, active: bool
) -> wire.ChatFile:
    """One attached path as the window shows it."""
    failed = [file for file in files if file.state in ("failed", "skipped")]
    reading = active and (not files or any(file.state in ("waiting", "embedding") for file in files))
    problem = root.problem or (failed[0].detail or failed[0].reason if failed and len(files) == 1 else "")
    state = "reading" if reading else "failed" if problem else "ready" if files else "waiting"
    return wire.ChatFile.model_validate(
        {
            "path": root.path,
            "state": state,
            "files": len(files) - len(failed),
            "chunks": sum(file.chunks or 0 for file in files),
            "whole": was_whole(root.path, messages),
            "message": problem,
        }
    )


def was_whole(path: str, messages: Sequence[MessageRecord]) -> bool | None:
    """Whether the last answer was given this file whole; None when it was given nothing of it."""
    for message in reversed(messages):
        if message.files:
            given = [
                source["whole"] for source in message.files["sources"] if Path(source["file"]).is_relative_to(path)
            ]
            return any(given) if given else None
    return None


def turns_of(history: Sequence[MessageRecord]) -> tuple[Turn, ...]:
    """Earlier messages as the answer's prompt takes them."""
    return tuple(Turn(message.role, message.content) for message in history if message.content)


def chat_messages(chat: ChatRecord, history: Sequence[MessageRecord], sources: Sequence[NumberedSource]) -> Messages:
    """The messages of a chat with its passages in the last one."""
    turns = conversation(history[-1].content, sources, history=turns_of(history[:-1]), system_prompt=chat.system_prompt)
    return [{"role": turn.role, "content": turn.content} for turn in turns]
