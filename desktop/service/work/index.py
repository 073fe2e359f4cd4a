"""The jobs `index` and `embed`: a collection is made to say what the disk says, or is embedded by another model."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from desktop.service.files.collections import subject_of
from desktop.service.files.news import FilesNews
from desktop.service.job_kinds import JobAbout, JobContext, JobKind
from desktop.service.work.options import Options
from rag.files import Files
from rag.indexing.progress import IndexNow, IndexReport
from rag.store.rows import CollectionRow

MOST_IDS = 2**53
Recheck = Callable[[int], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Indexing:
    """What the jobs of the index need. `recheck` runs the checks of a collection."""

    index: Files
    news: FilesNews
    recheck: Recheck

    def kinds(self) -> dict[str, JobKind]:
        """Both go on by themselves after the service has ended under them: what they did stays done."""
        return {
            "index": JobKind(
                self.run_index, self.about_index, lane="index", can_pause=True, resumable=True, goes_on=True
            ),
            "embed": JobKind(
                self.run_embed, self.about_embed, lane="embed", can_pause=True, resumable=True, goes_on=True
            ),
        }

    async def about_index(self, options: Mapping[str, Any]) -> JobAbout:
        """Other roots or rules make another job: one that runs already has looked at the old ones."""
        chosen = Options(options, "collection", "full")
        full = chosen.flag("full")
        row = await self._collection(chosen)
        wanted = json.dumps([[root.path for root in row.roots], dict(row.rules), full], sort_keys=True)
        key = f"{row.id} {hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
        return JobAbout(title=f"Index {title_of(row)}", subject=subject_of(row.id), key=key)

    async def run_index(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, "collection", "full")
        row = await self._collection(chosen)
        try:
            report = await self.index.indexer.index(
                row.id, self._teller(row.id, context), context.cancel, full=chosen.flag("full")
            )
            await self.recheck(row.id)
        finally:
            self.news.changed(row.id)
        return _result(report)

    async def about_embed(self, options: Mapping[str, Any]) -> JobAbout:
        chosen = Options(options, "collection", "embedder")
        row = await self._collection(chosen)
        embedder_id = chosen.text("embedder", None)
        name = (await self.index.embedders.open(embedder_id)).identity.model.partition("@")[0]
        key = f"{row.id} {embedder_id}"
        return JobAbout(title=f"Embed {title_of(row)} with {name}", subject=subject_of(row.id), key=key)

    async def run_embed(self, options: Mapping[str, Any], context: JobContext) -> dict[str, Any]:
        chosen = Options(options, "collection", "embedder")
        row = await self._collection(chosen)
        embedder_id = chosen.text("embedder", None)
        try:
            report = await self.index.indexer.change_embedder(
                row.id, embedder_id, self._teller(row.id, context), context.cancel
            )
            await self.recheck(row.id)
        finally:
            self.news.changed(row.id)
        return _result(report)

    async def _collection(self, options: Options) -> CollectionRow:
        return await self.index.store.collection(options.whole("collection", 1, MOST_IDS))

    def _teller(self, collection_id: int, context: JobContext) -> Callable[[IndexNow], None]:
        def tell(now: IndexNow) -> None:
            context.report(now.progress)
            self.news.progress(collection_id)

        return tell


def title_of(row: CollectionRow) -> str:
    """What is indexed, for people: a chat's collection has no name that says anything."""
    if not row.chat_id:
        return row.name
    names = [root.path.rpartition("/")[2] for root in row.roots]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "attached files"


def _result(report: IndexReport) -> dict[str, Any]:
    found = dataclasses.asdict(report)
    return {**found, "problems": list(report.problems)[:50]}
