"""Taking files out of the index, with proof; the files themselves are never touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from desktop import wire_files as wire
from desktop.service.errors import BadRequest
from desktop.service.files.collections import Collections
from desktop.service.files.news import FilesNews
from rag.files import Files
from rag.store.rows import CollectionRow


class Removal:
    """Removes paths or whole collections, after ending what is at work on them."""

    def __init__(
        self, index: Files, collections: Collections, news: FilesNews, title_of: Callable[[str], Awaitable[str]]
    ) -> None:
        """`title_of` gives the title of a chat by its id, "" when there is none any more."""
        self._title_of = title_of
        self._index = index
        self._collections = collections
        self._news = news

    async def remove(self, request: wire.RemoveRequest) -> wire.Receipt:
        """Remove these paths from one collection, or from all that have them; without paths the collection itself.

        Raises CollectionNotFound, BadRequest.
        """
        if not request.paths:
            if not request.collection:
                raise BadRequest("nothing_to_remove", "Name paths or a collection to remove.")
            row = await self._index.store.by_name(request.collection, request.chat_id)
            return await self.remove_collection(row.id)
        if any(not Path(path).is_absolute() for path in request.paths):
            raise BadRequest("bad_path", "Paths must be absolute.")
        rows = await self._concerned(request)
        receipt = await self._index.doctor.remove_paths([row.id for row in rows], request.paths)
        for row in rows:
            self._news.changed(row.id)
        return wire.Receipt.model_validate(dataclasses.asdict(receipt))

    async def remove_collection(self, collection_id: int) -> wire.Receipt:
        """Take a whole collection out of the index. Raises CollectionNotFound."""
        row = await self._index.store.collection(collection_id)
        await self._collections.stop_jobs(collection_id)
        receipt = await self._index.doctor.remove_collection(collection_id)
        await self._collections.gone(row)
        self._news.removed(collection_id)
        return wire.Receipt.model_validate(dataclasses.asdict(receipt))

    async def _concerned(self, request: wire.RemoveRequest) -> Sequence[CollectionRow]:
        if request.collection:
            return [await self._index.store.by_name(request.collection, request.chat_id)]
        return [row for row in await self._index.store.collections(request.chat_id) if row.roots]

    async def receipts(self) -> wire.ReceiptList:
        """Past removals, newest first."""
        stored = await self._index.store.receipts()
        return wire.ReceiptList(receipts=[wire.Receipt.model_validate(one) for one in stored])

    async def doctor(self, request: wire.FilesDoctorRequest) -> wire.FilesDoctorReport:
        """Whether the stores agree; repaired if asked. Raises CollectionNotFound."""
        ids = [(await self._index.store.by_name(request.collection)).id] if request.collection else None
        found = await self._index.doctor.examine(ids, repair=request.repair, deep=request.deep)
        report = wire.FilesDoctorReport.model_validate(dataclasses.asdict(found))
        names = {chat_id: await self._chats_own(chat_id) for chat_id in {one.chat_id for one in report.counts} - {""}}
        for counts in report.counts:
            counts.collection = names.get(counts.chat_id, counts.collection)
        for finding in report.findings:
            finding.collection = names.get(finding.chat_id, finding.collection)
        return report

    async def _chats_own(self, chat_id: str) -> str:
        """What a chat's own collection is called."""
        title = await self._title_of(chat_id)
        return f"attached to “{title}”" if title else "attached to a deleted chat"
