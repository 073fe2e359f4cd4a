"""Searching collections: a request of the wire becomes a search, its result an answer, its trace a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from desktop import wire_files as wire
from desktop.service.files.evidence import Evidence, new_why_id
from desktop.service.files.rows import search_answer, source_row, why_row
from rag.answer.types import NumberedSource
from rag.errors import CollectionNotFound
from rag.files import Files
from rag.search.types import Found, SearchWish
from rag.store.rows import CollectionRow


@dataclass(frozen=True, slots=True)
class Asked:
    """The collections a search is about."""

    rows: tuple[CollectionRow, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(row.id for row in self.rows)

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows if not row.chat_id]

    @property
    def local_only(self) -> set[str]:
        """Names of those that never leave this machine."""
        return {row.name for row in self.rows if row.local_only}


class FileSearch:
    """Search for the control API, the port and the command line."""

    def __init__(self, index: Files, evidence: Evidence) -> None:
        self._index = index
        self.evidence = evidence

    async def asked(self, name: str, *, leaves: bool = False) -> Asked:
        """The collection of that name, or all of them for "". Raises CollectionNotFound.

        `leaves`: the answer goes to another machine, so that collections that never leave this one are not there.
        """
        store = self._index.store
        rows = [await store.by_name(name)] if name else await store.collections()
        shown = [row for row in rows if not (leaves and row.local_only)]
        if not shown:
            what = f"There is no collection {name!r}." if name else "There are no collections yet."
            raise CollectionNotFound(what, hint="Add one: jackdaw files add FOLDER")
        return Asked(tuple(shown))

    async def search(self, request: wire.SearchRequest, *, leaves: bool = False) -> wire.SearchAnswer:
        """Raises CollectionNotFound, BadQuery."""
        asked = await self.asked(request.collection, leaves=leaves)
        return search_answer(await self.find(request, asked))

    async def find(self, request: wire.SearchRequest, asked: Asked) -> Found:
        """The search itself."""
        return await self._index.searcher.search(wish_of(request, asked.ids))

    async def why(self, request: wire.WhyRequest) -> wire.Why:
        """The same with everything that led to it, kept for a while."""
        asked = await self.asked(request.collection)
        found = await self.find(request, asked)
        why = why_row(
            request.query,
            found.trace,
            asked.names,
            id=new_why_id(),
            sources=[source_row(NumberedSource(number, hit)) for number, hit in enumerate(found.hits, 1)],
            budget_tokens=request.budget_tokens,
            created_at=time.time(),
        )
        await self.evidence.keep(why)
        return why


def wish_of(request: wire.SearchRequest, collection_ids: Sequence[int]) -> SearchWish:
    """The request as the search takes it."""
    return SearchWish(
        collection_ids=tuple(collection_ids),
        query=request.query,
        k=request.k,
        mode=request.mode,
        dense_weight=request.dense_weight,
        rerank=request.rerank,
        merge=request.merge,
        budget_tokens=request.budget_tokens,
        path=request.path,
    )
